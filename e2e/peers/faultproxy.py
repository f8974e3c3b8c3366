#!/usr/bin/env python3
"""faultproxy.py LISTEN TARGET [--stay]: a TCP proxy that misbehaves on command. LISTEN and TARGET are HOST:PORT; port 0
chooses a free one, which the first line of output tells: {"ready": true, "port": …}.

Commands on stdin, each answered by one line of JSON:
  pass        as if we were not there (the start)
  delay MS    every piece waits, both ways
  drop        connections stay, nothing gets through, what was sent is lost
  stall       requests get through, answers are lost
  half        of each piece of an answer only the first half gets through
  corrupt N   every N-th byte of the answers is inverted
  cut N       after N more bytes of answers the connection is reset in mid-frame; then pass
  close       every connection is closed at once, new ones too
  reset       the same, by RST
  refuse      nobody listens: connections are refused
  kill        reset the connections there are, once; the mode stays
  stats       connections: open and ever; bytes: to the target, to the client
"""

import argparse
import asyncio
import contextlib
import socket
import struct
import sys

import lines

NUMBERED = {"delay", "corrupt", "cut"}
PLAIN = {"pass", "drop", "stall", "half", "close", "reset", "refuse"}


def reset(writer):
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def close(writer):
    writer.close()


ENDING = {"close": close, "reset": reset, "refuse": reset}


class Proxy:
    def __init__(self, listen, target):
        self.listen_at, self.target = listen, target
        self.mode, self.n, self.count = "pass", 0, 0
        self.pairs, self.server = set(), None
        self.ever, self.bytes_up, self.bytes_down = 0, 0, 0

    async def listen(self):
        self.server = await asyncio.start_server(self.accept, *self.listen_at, reuse_address=True)
        self.listen_at = self.server.sockets[0].getsockname()[:2]

    async def accept(self, reader, writer):
        self.ever += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            reset(writer)
            return
        if self.mode in ENDING:  # asked only now: the mode may have changed while we connected
            for end in (writer, up_writer):
                ENDING[self.mode](end)
            return
        pair = (writer, up_writer)
        self.pairs.add(pair)
        await asyncio.gather(self.pump(reader, pair, up=True), self.pump(up_reader, pair, up=False))
        self.pairs.discard(pair)

    async def pump(self, reader, pair, up):
        to = pair[1] if up else pair[0]
        try:
            while data := await reader.read(65536):
                await self.pass_on(data, pair, to, up)
            if to.can_write_eof():
                to.write_eof()
        except OSError:
            for writer in pair:
                reset(writer)

    async def pass_on(self, data, pair, to, up):
        if self.mode == "delay":
            await asyncio.sleep(self.n / 1000)
        if self.mode == "drop" or (self.mode == "stall" and not up):
            return
        if self.mode == "half" and not up:
            data = data[: len(data) // 2]
        if self.mode == "corrupt" and not up:
            data = bytes(self.maybe_invert(b) for b in data)
        last = self.mode == "cut" and not up and len(data) >= self.n
        if self.mode == "cut" and not up:
            data = data[: self.n]
            self.n -= len(data)
        to.write(data)
        await to.drain()
        if up:
            self.bytes_up += len(data)
        else:
            self.bytes_down += len(data)
        if last:
            self.mode = "pass"
            await asyncio.sleep(0.01)  # RST discards what the peer has not read yet: let the half frame arrive
            for writer in pair:
                reset(writer)

    def maybe_invert(self, byte):
        self.count += 1
        return byte ^ 0xFF if self.count % self.n == 0 else byte

    async def command(self, words):
        name = words[0]
        if name == "stats":
            return {"open": len(self.pairs), "ever": self.ever, "to_target": self.bytes_up, "to_client": self.bytes_down}
        if name == "kill":
            self.end_all(reset)
            return None
        if name in NUMBERED:
            self.n = int(words[1])
            if self.n < 1:
                raise ValueError(f"{name}: a number of at least 1")
        elif name not in PLAIN:
            raise ValueError(f"unknown command {name!r}")
        await self.switch(name)
        return {"mode": name}

    async def switch(self, mode):
        if mode == "refuse" and self.mode != "refuse":
            self.server.close()
        elif mode != "refuse" and self.mode == "refuse":
            await self.listen()
        self.mode = mode
        if mode in ENDING:
            self.end_all(ENDING[mode])

    def end_all(self, how):
        for pair in list(self.pairs):
            for writer in pair:
                how(writer)


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("listen", type=lines.host_port)
    p.add_argument("target", type=lines.host_port)
    p.add_argument("--stay", action="store_true", help="go on when stdin ends")
    a = p.parse_args()
    proxy = Proxy(a.listen, a.target)
    await proxy.listen()
    lines.say(ready=True, port=proxy.listen_at[1])
    await lines.serve(proxy.command, a.stay)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
