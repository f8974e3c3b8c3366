"""asyncua_client.py URL COUNT: reads the floats i=1… of server.c, all in one request, again and again until it is ended."""
import asyncio
import sys

from asyncua import Client, ua


async def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2])
    async with Client(url) as client:
        space = await client.get_namespace_index("urn:test")
        nodes = [client.get_node(ua.NodeId(i, space)) for i in range(1, count + 1)]
        last = None
        while True:
            values = await client.read_values(nodes)
            if last is not None and any(new != old + 1 for old, new in zip(last, values, strict=True)):
                sys.exit("a float is not one more than it was")
            last = values


asyncio.run(main())
