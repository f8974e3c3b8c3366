#!/usr/bin/env python3
"""pymodbus_sparse.py: a Modbus TCP device by pymodbus and its own datastore, whose map has holes: a read that touches one is
refused with exception 2, by pymodbus's own rules.

Unit 1 has the holding registers 0 to 5, 8 to 9, 20 to 27 and 100 to 109; each holds its own address. The first line says
{"ready": true, "port": …}; each line on stdin is answered by {"ok": true, "count": …}: requests since the line before.
"""

import asyncio
import logging

from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext, ModbusSparseDataBlock
from pymodbus.server import ModbusTcpServer

import lines

THERE = [(0, 5), (8, 9), (20, 27), (100, 109)]


async def main():
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # refusals are what the test is about
    seen = 0

    def trace(sending, pdu):
        nonlocal seen
        seen += not sending
        return pdu

    values = {address: address for first, last in THERE for address in range(first, last + 1)}
    device = ModbusDeviceContext(hr=ModbusSparseDataBlock(values))
    server = ModbusTcpServer(ModbusServerContext(devices={1: device}, single=False), address=("127.0.0.1", 0), trace_pdu=trace)
    await server.serve_forever(background=True)

    async def command(_):
        nonlocal seen
        count, seen = seen, 0
        return {"count": count}

    lines.say(ready=True, port=server.transport.sockets[0].getsockname()[1])
    await lines.serve(command, False)
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
