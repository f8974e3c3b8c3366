#!/usr/bin/env python3
"""uart.py NODE: the machine's first UART, which is no pty and stands in no container's list of allowed devices, under another name, and
with what a test needs of a person at the cable. NODE is made (major 4, minor 64, group 20, mode 660) and taken away at the end.

The UART's own loop-back mode (16550 data sheet, MCR bit 4) stands in for the line: what is sent comes back, as on a two-wire adapter
with local echo; and what this script sends comes in too, as from a device.

Commands on stdin, each answered by one line of JSON; the first line says {"ready": true}:
  answer HEX MS      sends these bytes every so many milliseconds, from now on
  quiet              no more
  unplug             hangs the line up and takes NODE away
  plug               NODE is there again
  end                NODE is taken away, and the UART is as it was
"""

import asyncio
import fcntl
import os
import signal
import stat
import sys
import termios

import lines

LOOP = 0x8000  # TIOCM_LOOP
SPEED = termios.B9600


class Uart:
    def __init__(self, node):
        self.node = node
        self.talk = None
        self.ended = False
        self.plug()
        self.fd = os.open(node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, termios.TIOCNXCL)  # the console has it open too, so what an earlier run claimed stands
        self.before = termios.tcgetattr(self.fd)
        self.raw()

    def raw(self):
        mode = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(self.fd, termios.TCSANOW, [0, 0, mode, 0, SPEED, SPEED, self.before[6]])
        fcntl.ioctl(self.fd, termios.TIOCMBIS, LOOP.to_bytes(4, sys.byteorder))

    def plug(self):
        if not os.path.exists(self.node):
            os.mknod(self.node, stat.S_IFCHR | 0o660, os.makedev(4, 64))
            os.chown(self.node, 0, 20)
            os.chmod(self.node, 0o660)

    def unplug(self):
        os.unlink(self.node)
        # Whoever has it open reads an end of file, as after a plug that was pulled.
        fcntl.ioctl(self.fd, termios.TIOCVHANGUP if hasattr(termios, "TIOCVHANGUP") else 0x5437)

    def reopen(self):
        """A line that was hung up is dead for those who had it."""
        os.close(self.fd)
        self.plug()
        self.fd = os.open(self.node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        # A real adapter would be a new one, that nobody had for himself.
        fcntl.ioctl(self.fd, termios.TIOCNXCL)
        self.raw()

    def quiet(self):
        if self.talk:
            self.talk.cancel()
        self.talk = None

    async def say(self, data, period):
        while True:
            try:
                os.write(self.fd, data)
            except OSError:
                pass  # hung up: `plug` opens it again
            await asyncio.sleep(period)

    def end(self):
        if self.ended:
            return
        self.ended = True
        self.quiet()
        try:
            fcntl.ioctl(self.fd, termios.TIOCMBIC, LOOP.to_bytes(4, sys.byteorder))
            termios.tcsetattr(self.fd, termios.TCSANOW, self.before)
        except OSError:
            pass  # hung up
        os.close(self.fd)
        if os.path.exists(self.node):
            os.unlink(self.node)


async def main():
    uart = Uart(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    async def handle(words):
        match words:
            case ["answer", text, ms]:
                uart.quiet()
                uart.talk = asyncio.create_task(uart.say(bytes.fromhex(text), int(ms) / 1000))
            case ["quiet"]:
                uart.quiet()
            case ["unplug"]:
                uart.quiet()
                uart.unplug()
            case ["plug"]:
                uart.reopen()
            case ["end"]:
                uart.end()
            case _:
                raise ValueError(f"no such command: {' '.join(words)}")

    try:
        lines.say(ready=True)
        await lines.serve(handle, False)
    finally:
        uart.end()


asyncio.run(main())
