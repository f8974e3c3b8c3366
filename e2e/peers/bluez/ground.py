"""The Bluetooth ground: a guest kernel with the real Bluetooth stack and bluetoothd, in a network of its own. See README.md."""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

HOST, GUEST = "10.99.0.1", "10.99.0.2"  # each ground has a network namespace of its own
BUS_PORT, VHCI_PORT, SHELL_PORT = 7001, 7002, 7003
MOST_SENT_BYTES = 1 << 15  # what waits in the kernel is seen by nobody
BOOT = 20.0  # seconds; it takes two
# One guest in some thousand was not ready after a minute. It is taken down, what it said is printed, and another one is booted.
BOOTS = 3
KILLED = 10.0  # seconds for what was killed to be gone
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
libc = ctypes.CDLL(None, use_errno=True)


class GroundError(Exception):
    pass


def own_network():
    if libc.unshare(CLONE_NEWNET) != 0:
        raise GroundError(f"no network namespace: {os.strerror(ctypes.get_errno())} (this needs root)")
    # The guest's driver takes frames of the size of the wire: what comes in larger ones is lost, and sent again.
    for line in ("link set lo up", "tuntap add dev bt0 mode tap", f"addr add {HOST}/30 dev bt0", "link set bt0 gso_max_segs 1 up"):
        done = subprocess.run(["ip", *line.split()], capture_output=True, text=True)
        if done.returncode != 0:
            raise GroundError(f"ip {line}: {done.stderr.strip()}")


def dies_with_parent(sign=signal.SIGKILL):
    libc.prctl(PR_SET_PDEATHSIG, sign)


class Guest:
    """The kernel as a process, and its three ports."""

    def __init__(self, build, folder):
        self.build, self.folder, self.process, self.reading = build, folder, None, None

    async def boot(self):
        scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else self.folder
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", f"{self.build}/linux", "mem=384M", f"uml_dir={self.folder}/uml",
                   "umid=guest", "rootfstype=hostfs", "rootflags=/", "root=none", "ro", "quiet", f"init={self.build}/guest",
                   f"GROUND={self.folder}", "con=null", "con0=null,fd:1", "random.trust_cpu=1", "vec0:transport=tap,ifname=bt0,depth=64"]  # fmt: skip
        self.process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"TMPDIR": scratch}, preexec_fn=dies_with_parent,
        )  # fmt: skip
        up = asyncio.get_running_loop().create_future()
        self.reading = asyncio.create_task(self.read_console(up))
        return up

    async def read_console(self, up):
        with open(f"{self.folder}/guest.log", "wb", buffering=0) as log:
            while line := await self.process.stdout.readline():
                log.write(line)
                if b"guest: up" in line and not up.done():
                    up.set_result(None)
                if b"Kernel panic" in line:  # it would spin on; what it says of it follows
                    asyncio.get_running_loop().call_later(0.5, self.process.kill)

    async def connect(self, port):
        it = socket.socket()
        it.setblocking(False)
        try:
            # Some hosts pace what they send by what was lost. In a burst the guest loses much, and an answer would wait for minutes.
            it.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            it.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_SENT_BYTES)
            await asyncio.get_running_loop().sock_connect(it, (GUEST, port))
            return await asyncio.open_connection(sock=it)
        except OSError:
            it.close()
            raise

    async def shell(self, command):
        reader, writer = await self.connect(SHELL_PORT)
        try:
            writer.write(command.encode())
            writer.write_eof()
            return (await reader.read()).decode(errors="replace").strip()
        finally:
            writer.close()

    async def stop(self):
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.kill()
        _, left = await asyncio.wait((asyncio.create_task(self.process.wait()), self.reading), timeout=KILLED)
        for one in left:
            one.cancel()
        if left:  # it has the network yet, and another one would not get it
            raise GroundError(f"the guest was killed, and is not gone after {KILLED:.0f} s")


async def pump(reader, writer):
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


async def handshake(reader, writer):
    """Lines until BEGIN. File descriptors do not pass a bridge: the bus is not asked for them, and says so to the client."""
    while True:
        line = await reader.readuntil(b"\r\n")
        if line == b"NEGOTIATE_UNIX_FD\r\n":
            line = b"NO_DESCRIPTORS_OVER_THIS\r\n"
        writer.write(line)
        await writer.drain()
        if line == b"BEGIN\r\n":
            return


class Bridge:
    """The guest's system bus as a socket on the host: to the bus, each client is who it is here."""

    def __init__(self, guest, path):
        self.guest, self.path, self.server, self.clients = guest, path, None, set()

    async def open(self):
        self.server = await asyncio.start_unix_server(self.serve, self.path, backlog=512)
        os.chmod(self.path, 0o666)

    async def serve(self, reader, writer):
        self.clients.add(asyncio.current_task())
        _, uid, gid = struct.unpack("iII", writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        far_writer = None
        try:
            far_reader, far_writer = await self.guest.connect(BUS_PORT)
            far_writer.write(struct.pack("<II", uid, gid))
            back = asyncio.create_task(pump(far_reader, writer))
            await handshake(reader, far_writer)
            await asyncio.gather(pump(reader, far_writer), back)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # a client that left, or all have to
        finally:
            self.clients.discard(asyncio.current_task())
            writer.close()
            if far_writer is not None:
                far_writer.close()

    def close(self):
        if self.server is not None:
            self.server.close()
        for client in list(self.clients):
            client.cancel()


async def until_told():
    """SIGTERM, SIGINT, or the end of what holds us: the pipe at stdin, or else the parent process."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(sign, told.set)
    mode = os.fstat(0).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):

        def readable():
            if not os.read(0, 4096):
                loop.remove_reader(0)
                told.set()

        loop.add_reader(0, readable)
    else:
        parent = os.getppid()
        dies_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            told.set()
    await told.wait()


def nobody_serves(folder):
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(f"{folder}/system_bus_socket") == 0:
            raise GroundError(f"--dir {folder}: somebody serves a system bus there; each ground has a folder of its own")


def leftovers(folder):
    shutil.rmtree(f"{folder}/uml", ignore_errors=True)
    for name in ("system_bus_socket", "control.sock", "passwd", "policy.conf", "bus.conf"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{name}")


def configure(folder, arguments):
    """What the guest finds in place of the host's own."""
    with open(f"{folder}/main.conf", "w") as file:
        file.write("[Policy]\nAutoEnable=true\n")
    if arguments.user:
        with open("/etc/passwd") as own, open(f"{folder}/passwd", "w") as file:
            file.write(own.read())
            for name, _, uid in (user.partition(":") for user in arguments.user):
                file.write(f"{name}:x:{int(uid)}:{int(uid)}::/nonexistent:/usr/sbin/nologin\n")
    if arguments.policy:
        with open(arguments.policy) as own, open(f"{folder}/policy.conf", "w") as file:
            file.write(own.read())
        with open(f"{folder}/bus.conf", "w") as file:
            file.write("<busconfig><include>/usr/share/dbus-1/system.conf</include><include>/run/ground/policy.conf</include></busconfig>\n")


async def start(arguments):
    began = time.monotonic()
    folder = os.path.realpath(arguments.dir)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    if any(c.isspace() for c in folder) or len(folder) > 80:
        raise GroundError(f"--dir {folder}: at most 80 characters and no space, as a kernel and sockets get it")
    nobody_serves(folder)
    leftovers(folder)  # of one that was killed
    own_network()
    told = asyncio.create_task(until_told())
    for left in reversed(range(BOOTS)):
        why = await serve(arguments, folder, told, began)
        if why is None:
            return
        print_last(folder, why)
        if not left:
            raise GroundError(f"no guest was ready in {BOOTS} boots")


async def serve(arguments, folder, told, began):
    """One guest, to its end, or why it was never ready."""
    guest = Guest(os.environ["POLLUX_GROUND_BUILD"], folder)
    bridge = Bridge(guest, f"{folder}/system_bus_socket")
    control, ready = None, None
    try:
        configure(folder, arguments)
        up = await guest.boot()
        from control import Control  # bumble takes a second to load: the guest boots meanwhile

        control = Control(guest, folder)
        ready = asyncio.create_task(make_ready(up, bridge, control, arguments))
        await asyncio.wait((told, ready, guest.reading), return_when=asyncio.FIRST_COMPLETED, timeout=arguments.patience)
        if told.done():
            return None
        if guest.reading.done():  # no answer of it comes any more, and no end of a connection
            return "ended before it was ready"
        if not ready.done():
            return f"is not ready after {arguments.patience:.0f} s"
        await ready
        print(f"READY {time.monotonic() - began:.1f}", flush=True)
        await asyncio.wait((told, guest.reading), return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            print_last(folder, "ended")
            raise GroundError("the guest ended")
        return None
    finally:
        if ready is not None:
            ready.cancel()
        bridge.close()
        if control is not None:
            await control.close()
        await guest.stop()
        leftovers(folder)


def last_lines(path, most=20):
    with contextlib.suppress(OSError), open(path, errors="replace") as file:
        return file.read().splitlines()[-most:]
    return []


def print_last(folder, why):
    print(f"ground: the guest {why}; it and bluetoothd said last:", file=sys.stderr)
    for log in ("guest.log", "bluetoothd.log"):
        for line in last_lines(f"{folder}/{log}"):
            print(f"  {log}: {line}", file=sys.stderr, flush=True)


async def make_ready(up, bridge, control, arguments):
    await up
    await bridge.open()
    await control.open(arguments.adapters, arguments.sensors)


def ask(arguments):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{arguments.dir}/control.sock")
        connection.sendall(arguments.request.encode() + b"\n")
        reply = connection.makefile().readline()
    print(reply, end="")
    return 0 if json.loads(reply).get("ok") else 1


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(prog="ground")
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("start", help="boot, print READY and the seconds it took, and stay until stdin (a pipe) ends or SIGTERM comes")
    one.add_argument("--dir", required=True, help="the folder for sockets and logs")
    one.add_argument("--adapters", type=int, default=1)
    one.add_argument("--sensors", default=f"{here}/sensors.json", help="a JSON list of sensors that are there from the beginning")
    one.add_argument("--user", action="append", metavar="NAME:UID", help="a user that the guest's system knows beside the host's")
    one.add_argument("--policy", metavar="FILE", help="a policy for the guest's system bus, as it would lie in /etc/dbus-1/system.d")
    one.add_argument("--patience", type=float, default=BOOT, metavar="SECONDS", help=f"a guest that is not ready by then gives way to another, of {BOOTS}")
    one = commands.add_parser("ask", help="one request to the control of a ground, and its reply")
    one.add_argument("dir")
    one.add_argument("request")
    arguments = parser.parse_args()
    try:
        sys.exit(ask(arguments) if arguments.command == "ask" else asyncio.run(start(arguments)))
    except (GroundError, OSError) as error:
        print(f"ground: {error}", file=sys.stderr)
        sys.exit(1)


main()
