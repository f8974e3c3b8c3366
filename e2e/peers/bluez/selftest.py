"""What the Bluetooth ground promises, asked as its users ask: over the bridge's socket, and over its control. Run by ./selftest."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from client import GROUND, PATIENCE, Agent, Client, DBusError, Ground

TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb"
SETTING = "12345678-0000-1000-8000-00805f9b0001"
ALARM = "12345678-0000-1000-8000-00805f9b0002"
STRANGER = 65532  # no user of this machine
KERNEL_FELL = 3  # exit code: what failed is not ours


def as_user(uid, ground, story, quiet=False):
    """Runs the story in a process of that uid. What it imports, and the way to the ground's folder, may be for root only."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(ground.folder)
            ground.folder = "."
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            asyncio.run(story_of(ground, story))
            status = 0
        except BaseException as error:  # noqa: BLE001: the parent has to hear of it
            if not quiet:
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


def refused(ground, uid):
    try:
        as_user(uid, ground, stranger, quiet=True)
    except AssertionError:
        return
    raise AssertionError(f"uid {uid} was let in")


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
    for how in ("drop", "reboot", "vanish"):
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


async def refuses(call):
    try:
        await call
    except DBusError as error:
        return str(error)
    raise AssertionError("it was not refused")


async def just_works(client, ground):
    """Pairing, a value that needs it, and an address that only a bonded peer recognizes."""
    setting = ground.sensor("sensor-1")["characteristics"]["setting"]["value"]
    async with Agent().of(client):
        device = await client.find_and_connect("sensor-1")
        await client.bluez(device, "Device1", "Pair")
        assert await client.read(await client.characteristic(device, SETTING)) == bytes.fromhex(setting)
        assert ground.sensor("sensor-1")["paired"] == 1
        await client.bluez(device, "Device1", "Disconnect")
        await client.until("the link ended", lambda: later(ground.sensor("sensor-1")["connections"] == 0))
        moved = ground.ask("sensor", name="sensor-1", how="move")["address"]
        assert moved != "F0:F1:F2:F3:F4:01"
        assert await client.find_and_connect("sensor-1") == device, "the bond did not tell who it is"
        assert await client.read(await client.characteristic(device, SETTING)) == bytes.fromhex(setting)
        assert ground.sensor("sensor-1")["paired"] == 1, "it paired again"
    await client.bluez("/org/bluez/hci0", "Adapter1", "RemoveDevice", "o", [device])


LOCK = {
    "address": "F0:F1:F2:F3:F4:0C", "name": "lock", "pairing": {"mode": "passkey", "passkey": 123456}, "advertise": {"interval_ms": 50},
    "services": [{"uuid": "181A", "characteristics": [{"uuid": "2A6E", "properties": ["read", "notify"], "value": "07", "authenticated": True}]}],
}  # fmt: skip


async def passkey(client, ground):
    ground.ask("add", sensor=LOCK)
    async with Agent(passkey=1).of(client):
        device = await client.find_and_connect("lock")
        assert "Authentication" in await refuses(client.bluez(device, "Device1", "Pair"))
    await client.until("the sensor gave up", lambda: later(ground.sensor("lock")["pairing_failed"] > 0))
    await remove(client, ground, device, "lock")
    async with Agent(passkey=123456).of(client) as agent:
        device = await client.find_and_connect("lock")
        await client.bluez(device, "Device1", "Pair")
        assert agent.asked == ["passkey"]
        assert await client.read(await client.characteristic(device, TEMPERATURE)) == b"\x07"
        await remove(client, ground, device, "lock")
        ground.ask("sensor", name="lock", how="pairing", pairing={"mode": "refuse"})
        device = await client.find_and_connect("lock")
        assert "Authentication" in await refuses(client.bluez(device, "Device1", "Pair"))
    await remove(client, ground, device, "lock")
    ground.ask("remove", name="lock")


async def remove(client, ground, device, name):
    await client.bluez("/org/bluez/hci0", "Adapter1", "RemoveDevice", "o", [device])
    await client.until("it is free", lambda: later(ground.sensor(name)["connections"] == 0 and ground.sensor(name)["advertising"]))
    ground.ask("sensor", name=name, how="forget")


async def bad_manners(client, ground):
    """One that never answers a read, one that hangs up after each, an error, and one that takes a connection and says nothing."""
    device = await client.find_and_connect("sensor-0")
    alarm = await client.characteristic(device, ALARM)
    change = lambda **what: ground.ask("characteristic", name="sensor-0", characteristic="alarm", set=what)  # noqa: E731
    change(error=0x80)
    await refuses(client.read(alarm))
    change(error=0, never_answers=True)
    try:
        await asyncio.wait_for(client.read(alarm), 1)
        raise AssertionError("it answered")
    except TimeoutError:
        pass
    change(never_answers=False)
    ground.ask("sensor", name="sensor-0", how="drop")
    await client.until("the link ended", lambda: not_connected(client, device))
    change(disconnect_after_read=True)
    device = await client.find_and_connect("sensor-0")
    assert await client.read(await client.characteristic(device, ALARM)) == b"\0"
    await client.until("it hung up", lambda: not_connected(client, device))
    change(disconnect_after_read=False)
    ground.ask("sensor", name="sensor-0", how="mute")
    await client.scan()
    await client.until("found", lambda: client.device("sensor-0"))
    await client.scan(False)
    await client.bluez(device, "Device1", "Connect")
    assert not await client.resolved(device)
    await client.bluez(device, "Device1", "Disconnect")
    ground.ask("sensor", name="sensor-0", how="unmute")
    await client.until("it is free", lambda: later(ground.sensor()["advertising"]))


async def indication(client, ground):
    device = await client.find_and_connect("sensor-0")
    alarm = await client.characteristic(device, ALARM)
    client.values.clear()
    await client.bluez(alarm, "GattCharacteristic1", "StartNotify")
    for n in range(1, 6):
        assert ground.ask("value", name="sensor-0", characteristic="alarm", value=f"{n:02x}")["told"] == 1
    await client.until("five indications", lambda: later(client.values.get(alarm) == [bytes([n]) for n in range(1, 6)]))
    assert ground.sensor()["characteristics"]["alarm"]["indicated"] == 5
    ground.ask("value", name="sensor-0", characteristic="alarm", value="00")
    await client.bluez(device, "Device1", "Disconnect")
    await client.until("it is free", lambda: later(ground.sensor()["advertising"]))


async def slots(client, ground):
    """An adapter that is full refuses, and has room again when one lets go."""
    ground.ask("adapter", how="slots", slots=1)
    first = await client.find_and_connect("sensor-0")
    await client.scan()
    second = await client.until("the other is found", lambda: client.device("sensor-1"))
    await client.scan(False)
    await refuses(client.bluez(second, "Device1", "Connect"))
    report = ground.ask("adapter", how="report")
    assert report["refused"] > 0 and len(report["connected"]) == 1, report
    await client.bluez(first, "Device1", "Disconnect")
    await client.find_and_connect("sensor-1")
    await client.bluez(second, "Device1", "Disconnect")
    ground.ask("adapter", how="slots", slots=64)
    await client.until("both are free", lambda: later(ground.ask("adapter", how="report")["connected"] == []))


async def given_up(client, ground):
    """A connect that is called off while the controller tries ends, and does not happen later behind the caller's back."""
    ground.ask("sensor", name="sensor-0", how="advertise", advertise={"interval_ms": 2000})
    cancelled = ground.ask("adapter", how="report")["cancelled"]
    await client.scan()
    device = await client.until("found", lambda: client.device("sensor-0"))
    await client.scan(False)
    connecting = asyncio.create_task(client.bluez(device, "Device1", "Connect"))
    await client.until("the controller tries", lambda: later(ground.ask("adapter", how="report")["connecting"]))
    ground.ask("sensor", name="sensor-0", how="vanish")
    await client.bluez(device, "Device1", "Disconnect")
    await refuses(connecting)
    await client.until("the controller gives up", lambda: later(ground.ask("adapter", how="report")["cancelled"] > cancelled))
    ground.ask("sensor", name="sensor-0", how="appear")
    ground.ask("sensor", name="sensor-0", how="advertise", advertise={"interval_ms": 50})
    advertised = ground.sensor()["advertised"]
    await client.until("it advertised ten times", lambda: later(ground.sensor()["advertised"] > advertised + 10))
    assert ground.sensor()["connections"] == 0 and not ground.ask("adapter", how="report")["connecting"]
    await client.find_and_connect("sensor-0")
    await client.bluez(device, "Device1", "Disconnect")


async def advertised(client, ground):
    """What is in an advertisement is what BlueZ says of it; many addresses each arrive."""
    ground.ask("advertisers", count=20, hz=5, data="02010605ff9904{n}", **{"from": "C1:00:00:00:00:00"})
    ground.ask("add", sensor={"address": "F0:F1:F2:F3:F4:0D", "name": "thermo", "advertise": {
        "interval_ms": 50, "kind": "scannable", "service_data": {"fcd2": "40025d0a"}, "rssi": -33, "tx_power": 4, "scan_response": {"manufacturer": {"0499": "05"}}}})  # fmt: skip
    await client.scan()
    path = await client.until("thermo is found", lambda: client.device("thermo"))
    it = (await client.objects("Device1"))[path]
    assert bytes(it["ServiceData"]["0000fcd2-0000-1000-8000-00805f9b34fb"].value) == bytes.fromhex("40025d0a"), it
    assert bytes(it["ManufacturerData"][0x0499].value) == b"\5" and it["RSSI"] == -33 and it["TxPower"] == 4, it

    async def all_seen():
        seen = [it for it in (await client.objects("Device1")).values() if it["Address"].startswith("C1:00:00:00:00:")]
        return sorted(int.from_bytes(bytes(it["ManufacturerData"][0x0499].value), "big") for it in seen) == list(range(20))

    await client.until("the crowd is seen", all_seen)
    await client.scan(False)
    said = ground.ask("silence")
    assert said["advertisers"] == 20 and said["least_reported"] > 0, said
    ground.ask("remove", name="thermo")


STORIES = (daemon_killed, daemon_paused, bus_paused, adapter_off, adapter_removed, sensor_gone, just_works, passkey, bad_manners, indication,
           slots, given_up, advertised)  # fmt: skip


def side_by_side(one, folder):
    """Two at once: each has its own sensors, and its own bus."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=folder) as none:
        none.write("[]")
        none.flush()
        other = Ground(f"{folder}/other", "--sensors", none.name, "--adapters", "2")
    assert sorted(other.ask("state")["adapters"]) == ["hci0", "hci1"]
    assert other.ask("state")["sensors"] == {}
    asyncio.run(story_of(one, exchange))
    refused(other, STRANGER)  # the bus closes the door to a user whom the system does not know: so it is on a node, too
    processes = of_folder(other.folder)
    assert processes
    other.stop()
    nothing_left(other, processes)


POLICY = """<busconfig>
  <policy context="default"><deny send_destination="org.bluez"/></policy>
  <policy user="pollux"><allow send_destination="org.bluez"/></policy>
</busconfig>
"""


def folder_in_use(ground):
    second = subprocess.run([GROUND, "start", "--dir", ground.folder], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert second.returncode == 1 and "somebody serves" in second.stderr, second
    assert ground.ask("state")["bluetoothd"] == "running"


def strict_policy(folder):
    """A host that lets nobody use BlueZ but whom it names."""
    with open(f"{folder}/strict.conf", "w") as file:
        file.write(POLICY)
    strict = Ground(f"{folder}/strict", "--user", f"pollux:{STRANGER}", "--policy", f"{folder}/strict.conf")
    as_user(STRANGER, strict, stranger)
    refused(strict, pwd.getpwnam("nobody").pw_uid)
    strict.stop()


def parent_killed(folder):
    """Whoever starts it is killed: the ground ends by itself."""
    holder = subprocess.Popen([sys.executable, __file__, "hold", folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().startswith("READY")
    processes = of_folder(folder)
    assert processes
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    wait_until("nothing is left of a ground whose parent was killed", lambda: not any(map(alive, processes)))


def ground_killed(folder):
    """It is killed itself: the guest goes with it."""
    ground = Ground(folder)
    processes = of_folder(folder)
    ground.process.kill()
    ground.process.wait()
    wait_until("nothing is left of a ground that was killed", lambda: not any(map(alive, processes)))
    again = Ground(folder)  # the sockets that it left are no obstacle
    again.stop()


def boots_again(folder, fault, when="", tries=3):
    """A guest that hangs or ends before it is ready, `when` it has said this, gives way to another."""
    met = []
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{folder}/guest.log")

    def kernels():
        return [one for one in of_folder(folder) if command_of(one).endswith("/linux")]

    def spoil():
        wait_until("the guest boots", lambda: met.extend(kernels()) or met, 0.005)
        wait_until("it says so", lambda: when in text_of(f"{folder}/guest.log"), 0.005)
        os.kill(met[0], fault)

    beside = threading.Thread(target=spoil)
    beside.start()
    ground = None
    with contextlib.suppress(OSError):  # its control may be gone with the guest
        ground = Ground(folder, *(["--patience", "8"] if fault == signal.SIGSTOP else []))
    beside.join()
    wait_until("the first guest is gone", lambda: not alive(met[0]))
    if when and tries and not kernels():  # it was ready before it was killed
        return boots_again(folder, fault, when, tries - 1)
    assert kernels(), "no other guest serves"
    ground.stop()


def text_of(path):
    with contextlib.suppress(OSError), open(path, errors="replace") as file:
        return file.read()
    return ""


def command_of(process):
    return text_of(f"/proc/{process}/cmdline").split("\0")[0]


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


def wait_until(what, condition, pause=0.05):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(pause)


def main():
    folder = tempfile.mkdtemp(prefix="pollux-ground-")
    passed, failed = 0, []
    only = sys.argv[1:]

    def check(name, what, *arguments):
        nonlocal passed
        if only and name not in only:
            return
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
    check("folder_in_use", folder_in_use, ground)
    for uid in (0, pwd.getpwnam("nobody").pw_uid, STRANGER):
        check(f"exchange as uid {uid}", as_user, uid, ground, exchange)
    for story in STORIES:
        check(story.__name__, lambda story=story: asyncio.run(story_of(ground, story)))
    check("side_by_side", side_by_side, ground, folder)
    only = only and [*only, "stop"]
    check("strict_policy", strict_policy, folder)
    check("stop", ground.stop)
    check("nothing_left", nothing_left, ground, processes)
    check("parent_killed", parent_killed, f"{folder}/held")
    check("ground_killed", ground_killed, f"{folder}/killed")
    check("boots_again", boots_again, f"{folder}/hung", signal.SIGSTOP)
    check("boots_again_ended", boots_again, f"{folder}/ended", signal.SIGKILL)
    check("boots_again_fell", boots_again, f"{folder}/fell", signal.SIGKILL, "guest: up")
    fell = False
    for log in ("guest.log", "bluetoothd.log") if failed else ():
        with open(f"{folder}/one/{log}", errors="replace") as file:
            text = file.read()
        fell |= log == "guest.log" and "Call Trace:" in text
        print(f"{log}:", *text.splitlines()[-60:], sep="\n    ")
    shutil.rmtree(folder)
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(KERNEL_FELL if fell else bool(failed))


if sys.argv[1:2] == ["hold"]:
    hold(sys.argv[2])
else:
    main()
