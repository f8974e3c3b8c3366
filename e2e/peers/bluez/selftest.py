"""What the Bluetooth ground promises, asked as its users ask: over the bridge's socket, and over its control. Run by ./selftest."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

HERE = os.path.dirname(os.path.abspath(__file__))
GROUND = f"{HERE}/ground"
PATIENCE = 40.0
TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
SETTING = "12345678-0000-1000-8000-00805f9b0001"
STRANGER = 65532  # no user of this machine


class Ground:
    def __init__(self, folder, *options):
        self.folder = folder
        self.process = subprocess.Popen([GROUND, "start", "--dir", folder, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        if not line or line[0] != "READY":
            raise SystemExit(f"the ground did not start: {line}")
        self.seconds = float(line[1])
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(f"{folder}/control.sock")
        self.replies = self.control.makefile()

    def ask(self, do, **request):
        self.control.sendall(json.dumps({"do": do} | request).encode() + b"\n")
        reply = json.loads(self.replies.readline())
        assert reply.pop("ok"), f"{do} {request}: {reply}"
        return reply

    def sensor(self, name="sensor-0"):
        return self.ask("sensor", name=name, how="report")

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, "the ground did not end well"


class DBusError(Exception):
    pass


class Client:
    """A client of BlueZ, as small as the tests allow."""

    async def connect(self, folder):
        self.bus = await MessageBus(bus_address=f"unix:path={folder}/system_bus_socket").connect()
        self.values = {}
        self.bus.add_message_handler(self.heard)
        rule = "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'"
        await self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", [rule])
        return self

    def heard(self, message):
        if message.member == "PropertiesChanged" and message.body[0] == "org.bluez.GattCharacteristic1" and "Value" in message.body[1]:
            self.values.setdefault(message.path, []).append(bytes(message.body[1]["Value"].value))

    async def call(self, to, path, interface, member, signature="", body=(), patience=PATIENCE):
        message = Message(destination=to, path=path, interface=interface, member=member, signature=signature, body=list(body))
        reply = await asyncio.wait_for(self.bus.call(message), patience)
        if reply.message_type == MessageType.ERROR:
            raise DBusError(f"{reply.error_name}: {reply.body}")
        return reply.body[0] if reply.body else None

    def bluez(self, path, interface, member, signature="", body=(), **kw):
        return self.call("org.bluez", path, f"org.bluez.{interface}", member, signature, body, **kw)

    async def objects(self, interface):
        """Objects with that interface, and its properties, by path."""
        try:
            all_of_them = await self.call("org.bluez", "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        except DBusError:
            return {}
        name = f"org.bluez.{interface}"
        return {path: {k: v.value for k, v in it[name].items()} for path, it in all_of_them.items() if name in it}

    async def until(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while True:
            found = await condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")
            await asyncio.sleep(0.05)

    async def device(self, name):
        for path, it in (await self.objects("Device1")).items():
            if it.get("Name") == name and "RSSI" in it:
                return path
        return None

    async def scan(self, on=True):
        if on:
            await self.bluez("/org/bluez/hci0", "Adapter1", "SetDiscoveryFilter", "a{sv}",
                             [{"Transport": Variant("s", "le"), "DuplicateData": Variant("b", True)}])  # fmt: skip
        await self.bluez("/org/bluez/hci0", "Adapter1", "StartDiscovery" if on else "StopDiscovery")

    async def find_and_connect(self, name):
        await self.scan()
        path = await self.until(f"{name} is found", lambda: self.device(name))
        await self.scan(False)
        await self.bluez(path, "Device1", "Connect")
        await self.until("its services are known", lambda: self.resolved(path))
        return path

    async def resolved(self, path):
        return (await self.objects("Device1")).get(path, {}).get("ServicesResolved")

    async def connected(self, path):
        return (await self.objects("Device1")).get(path, {}).get("Connected")

    async def characteristic(self, device, uuid):
        for path, it in (await self.objects("GattCharacteristic1")).items():
            if path.startswith(device) and it["UUID"] == uuid:
                return path
        raise AssertionError(f"{device} has no {uuid}")

    async def read(self, path):
        return bytes(await self.bluez(path, "GattCharacteristic1", "ReadValue", "a{sv}", [{}]))

    async def write(self, path, value, kind="request"):
        await self.bluez(path, "GattCharacteristic1", "WriteValue", "aya{sv}", [value, {"type": Variant("s", kind)}])


def as_user(uid, ground, story):
    """Runs the story in a process of that uid: what it imports may lie where only root reads."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            asyncio.run(story_of(ground, story))
            status = 0
        except BaseException as error:  # noqa: BLE001: the parent has to hear of it
            print(f"   {type(error).__name__}: {error}", flush=True)
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, f"as uid {uid}"


async def story_of(ground, story):
    client = await Client().connect(ground.folder)
    try:
        await story(client, ground)
    finally:
        client.bus.disconnect()


async def exchange(client, ground):
    """Scan, connect, read, write, notify; the sensor's own counts agree."""
    before = ground.sensor()["characteristics"]["2A6E"]["notified"]
    device = await client.find_and_connect("sensor-0")
    temperature = await client.characteristic(device, TEMPERATURE)
    setting = await client.characteristic(device, SETTING)
    assert await client.read(temperature) == bytes.fromhex(ground.sensor()["characteristics"]["2A6E"]["value"])
    await client.write(setting, b"\x11\x22")
    assert await client.read(setting) == b"\x11\x22"
    await client.write(setting, b"\x33", "command")
    await client.until("the command arrives", lambda: later(ground.sensor()["writes"][-1]["value"] == "33"))
    try:
        await client.write(temperature, b"\0\0")
        raise AssertionError("a characteristic that is only read was written")
    except DBusError:
        pass
    client.values.clear()
    await client.bluez(temperature, "GattCharacteristic1", "StartNotify")
    ground.ask("notify", name="sensor-0", characteristic="2A6E", hz=50, count=100)
    told = lambda: ground.sensor()["characteristics"]["2A6E"]["notified"] - before  # noqa: E731
    await client.until("100 notifications are sent", lambda: later(told() == 100))
    await client.until("as many arrive", lambda: later(len(client.values.get(temperature, [])) == 100))
    assert client.values[temperature] == [n.to_bytes(2, "little") for n in range(1, 101)]
    await client.bluez(temperature, "GattCharacteristic1", "StopNotify")
    await client.bluez(device, "Device1", "Disconnect")
    await client.until("it advertises again", lambda: later(ground.sensor()["advertising"]))


async def stranger(client, ground):
    assert await client.objects("Adapter1")


def refused(ground):
    """The bus closes the door to a user whom the system does not know: so it is on a node, too."""
    try:
        as_user(STRANGER, ground, stranger)
    except AssertionError:
        return
    raise AssertionError("a user whom the system does not know was let in")


async def later(value):
    return value


async def daemon_killed(client, ground):
    device = await client.find_and_connect("sensor-0")
    ground.ask("bluetoothd", how="kill")
    assert await client.objects("Adapter1") == {}
    assert ground.ask("state")["bluetoothd"] == "gone"
    ground.ask("bluetoothd", how="start")
    assert "/org/bluez/hci0" in await client.objects("Adapter1")
    # The kernel kept the link, and the new daemon takes it over or ends it: in the end the sensor is free.
    await client.until("the sensor is free", lambda: freed(client, ground, device))


async def freed(client, ground, device):
    if ground.sensor()["connections"] == 0:
        return True
    with contextlib.suppress(DBusError):
        await client.bluez(device, "Device1", "Disconnect")
    return False


async def daemon_paused(client, ground):
    ground.ask("bluetoothd", how="pause")
    try:
        await client.bluez("/", "ObjectManager", "None", patience=1)
        raise AssertionError("a paused bluetoothd answers")
    except TimeoutError:
        pass
    ground.ask("bluetoothd", how="resume")
    assert await client.objects("Adapter1")


async def bus_paused(client, ground):
    ground.ask("dbus", how="pause")
    try:
        await client.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", patience=1)
        raise AssertionError("a paused bus answers")
    except TimeoutError:
        pass
    ground.ask("dbus", how="resume")
    assert await client.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId")


async def adapter_off(client, ground):
    for off, on in (("off", "on"), ("block", "unblock")):
        device = await client.find_and_connect("sensor-0")
        ground.ask("adapter", how=off)
        await client.until(f"{off}: not powered", lambda: powered(client, False))
        await client.until(f"{off}: the link is gone", lambda: later(ground.sensor()["connections"] == 0))
        assert not await client.connected(device)
        ground.ask("adapter", how=on)
        if on == "unblock":
            await client.until("it can be switched on", lambda: switched_on(ground))
        await client.until(f"{on}: powered", lambda: powered(client, True))
        assert ground.ask("adapter", how="report")["connected"] == []


async def switched_on(ground):
    ground.ask("adapter", how="on")
    return True


async def powered(client, wanted):
    return (await client.objects("Adapter1")).get("/org/bluez/hci0", {}).get("Powered") == wanted


async def adapter_removed(client, ground):
    await client.find_and_connect("sensor-0")
    ground.ask("adapter", how="remove")
    await client.until("no adapter", lambda: gone(client))
    await client.until("the link is gone", lambda: later(ground.sensor()["connections"] == 0))
    ground.ask("adapter", how="add")
    assert await powered(client, True)
    await client.until("found again", lambda: found_again(client))


async def found_again(client):
    with contextlib.suppress(DBusError):
        await client.scan()
    return await client.device("sensor-0")


async def gone(client):
    return not await client.objects("Adapter1")


async def sensor_gone(client, ground):
    for how in ("drop", "vanish"):
        device = await client.find_and_connect("sensor-0")
        ground.ask("sensor", name="sensor-0", how=how)
        await client.until(f"{how}: BlueZ notices", lambda: not_connected(client, device))
        if how == "vanish":
            assert not ground.sensor()["advertising"]
            ground.ask("sensor", name="sensor-0", how="appear")
    await client.find_and_connect("sensor-0")
    await client.bluez(device, "Device1", "Disconnect")


async def not_connected(client, device):
    return not await client.connected(device)


STORIES = (exchange, daemon_killed, daemon_paused, bus_paused, adapter_off, adapter_removed, sensor_gone)


def side_by_side(one, folder):
    """Two at once: each has its own sensors, and its own bus."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=folder) as none:
        none.write("[]")
        none.flush()
        other = Ground(f"{folder}/other", "--sensors", none.name, "--adapters", "2")
    assert sorted(other.ask("state")["adapters"]) == ["hci0", "hci1"]
    assert other.ask("state")["sensors"] == {}
    asyncio.run(story_of(one, exchange))
    refused(other)
    processes = of_folder(other.folder)
    assert processes
    other.stop()
    nothing_left(other, processes)


def parent_killed(folder):
    """Whoever starts it is killed: the ground ends by itself."""
    holder = subprocess.Popen([sys.executable, __file__, "hold", folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().startswith("READY")
    processes = of_folder(folder)
    assert processes
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    wait_until("nothing is left of a ground whose parent was killed", lambda: not any(map(alive, processes)))


def hold(folder):
    process = subprocess.Popen([GROUND, "start", "--dir", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(process.stdout.readline(), flush=True)
    signal.pause()


def of_folder(folder):
    """The ids of the processes that name the folder."""
    found = []
    for one in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{one}/cmdline") as file:
            if folder in file.read() and int(one) != os.getpid():
                found.append(int(one))
    return found


def alive(process):
    with contextlib.suppress(OSError), open(f"/proc/{process}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def nothing_left(ground, processes):
    assert not any(map(alive, processes)), "processes are left"
    left = set(os.listdir(ground.folder)) - {"guest.log", "bluetoothd.log", "main.conf"}
    assert not left, f"left in the folder: {left}"


def wait_until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.05)


def main():
    folder = tempfile.mkdtemp(prefix="pollux-ground-")
    os.chmod(folder, 0o755)  # noqa: S103: other users reach the sockets in it
    passed, failed = 0, []

    def check(name, what, *arguments):
        nonlocal passed
        began = time.monotonic()
        try:
            what(*arguments)
            passed += 1
            print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as error:  # noqa: BLE001: the next is tried
            failed.append(name)
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)

    ground = Ground(f"{folder}/one", "--user", f"pollux:{STRANGER}")
    print(f"boot to READY: {ground.seconds} s")
    processes = of_folder(ground.folder)
    for uid in (0, pwd.getpwnam("nobody").pw_uid, STRANGER):
        check(f"exchange as uid {uid}", as_user, uid, ground, exchange)
    for story in STORIES[1:]:
        check(story.__name__, lambda story=story: asyncio.run(story_of(ground, story)))
    check("side_by_side", side_by_side, ground, folder)
    check("stop", ground.stop)
    check("nothing_left", nothing_left, ground, processes)
    check("parent_killed", parent_killed, f"{folder}/held")
    shutil.rmtree(folder)
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if sys.argv[1:2] == ["hold"]:
    hold(sys.argv[2])
else:
    main()
