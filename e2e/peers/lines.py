"""Commands on stdin, one JSON object per line on stdout: how the tests talk to every peer."""

import asyncio
import json
import sys


def say(**answer):
    print(json.dumps(answer), flush=True)


async def serve(handle, stay):
    """Calls `await handle(words)` for each line; what it returns (a dict) or raises is the answer. Ends with stdin, so
    that a test that died leaves no peer behind; with `stay` it serves on."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        words = line.decode(errors="replace").split()
        if not words:
            continue
        try:
            say(ok=True, **(await handle(words) or {}))
        except Exception as error:  # a mistyped command is the caller's, the peer goes on
            say(ok=False, error=f"{type(error).__name__}: {error}")
    if stay:
        await asyncio.Event().wait()


def host_port(text):
    """127.0.0.1:502, :502 or 502"""
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)
