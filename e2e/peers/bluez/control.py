"""What a test may ask of a running ground: one JSON object a line on control.sock, one as the reply. README.md has the list."""

import asyncio
import contextlib
import json
import os
import struct
import sys
import traceback

from air import Adapter, Advertiser, Air
from bumble import hci
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from sensor import KINDS, BadSpec, Sensor, advertiser, take

VHCI_PORT = 7002
LONGEST = 30.0  # seconds any request may take
DAEMON = "$(command -v /usr/libexec/bluetooth/bluetoothd || command -v /usr/lib/bluetooth/bluetoothd)"
START = f"{DAEMON} -n -f /run/ground/main.conf >>/run/ground/bluetoothd.log 2>&1 & echo $! >/run/bluetoothd.pid"
SIGNALS = {"kill": "KILL", "stop": "TERM", "pause": "STOP", "resume": "CONT"}


class Radio:
    """An adapter of the guest: the connection to its /dev/vhci, and the controller behind it."""

    def __init__(self, guest, air, number):
        self.guest, self.air, self.name = guest, air, f"hci{number}"
        self.address = f"C0:FF:EE:00:00:{number + 1:02X}"
        self.controller = self.task = self.writer = None
        self.slots, self.duplicates = 64, "data"

    async def plug(self):
        if self.controller is not None:
            raise BadSpec(f"{self.name} is there already")
        reader, self.writer = await self.guest.connect(VHCI_PORT)
        transport = self.writer.transport
        self.controller = Adapter(self.name, self.address, self.air, self.send, transport.get_write_buffer_size)
        self.obey()
        self.air.adapters[self.name] = self.controller
        self.task = asyncio.create_task(self.read(reader, self.controller))

    def obey(self):
        self.controller.max_connections, self.controller.duplicates = self.slots, self.duplicates

    def send(self, packet):
        self.writer.write(struct.pack("<H", len(packet)) + packet)

    async def read(self, reader, controller):
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                (size,) = struct.unpack("<H", await reader.readexactly(2))
                packet = await reader.readexactly(size)
                if packet[0] != 0xFF:  # which number the adapter got
                    self.take(controller, packet)

    def take(self, controller, packet):
        """What the model of the controller cannot do must not end it: a kernel that gets no answer at all waits for ever."""
        try:
            controller.on_packet(packet)
        except Exception:
            print(f"{self.name}: not taken: {packet.hex()}", file=sys.stderr)
            traceback.print_exc()

    def unplug(self):
        if self.controller is None:
            raise BadSpec(f"{self.name} is not there")
        self.controller.power_cut()
        self.air.adapters.pop(self.name, None)
        self.task.cancel()
        self.writer.close()
        self.controller = None


class Control:
    def __init__(self, guest, folder):
        self.guest, self.folder, self.air = guest, folder, Air()
        self.radios, self.sensors, self.groups = {}, {}, {}
        self.server, self.running = None, None

    async def open(self, adapters, sensors):
        self.running = asyncio.create_task(self.air.run())
        await self.guest.shell(START)
        for number in range(adapters):
            radio = Radio(self.guest, self.air, number)
            self.radios[radio.name] = radio
            await radio.plug()
        with open(sensors) as file:
            for spec in json.load(file):
                await self.do_add({"sensor": spec})
        await self.powered()
        self.server = await asyncio.start_unix_server(self.serve, f"{self.folder}/control.sock", limit=1 << 24)
        os.chmod(f"{self.folder}/control.sock", 0o666)

    async def close(self):
        if self.server is not None:
            self.server.close()
        if self.running is not None:
            self.running.cancel()

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.CancelledError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(await self.reply(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def reply(self, line):
        try:
            request = json.loads(line)
            what = request.pop("do")
            handler = getattr(self, f"do_{what}", None)
            if handler is None:
                names = sorted(name[3:] for name in dir(self) if name.startswith("do_"))
                raise BadSpec(f"nothing is called {what!r}; there are: {', '.join(names)}")
            return {"ok": True} | (await asyncio.wait_for(handler(request), LONGEST) or {})
        except TimeoutError:
            return {"ok": False, "error": f"not done within {LONGEST:.0f} s"}
        except Exception as error:  # a bad request must not end the ground
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    # The guest.

    async def bus(self, call):
        connection = await MessageBus(bus_address=f"unix:path={self.folder}/system_bus_socket").connect()
        try:
            return await connection.call(call)
        finally:
            connection.disconnect()

    async def adapters(self):
        """What bluetoothd says of its adapters, by name; empty if there is no bluetoothd."""
        call = Message(destination="org.bluez", path="/", interface="org.freedesktop.DBus.ObjectManager", member="GetManagedObjects")
        reply = await self.bus(call)
        if reply.message_type == MessageType.ERROR:
            return {}
        return {path.rsplit("/", 1)[1]: {name: it.value for name, it in interfaces["org.bluez.Adapter1"].items()}
                for path, interfaces in reply.body[0].items() if "org.bluez.Adapter1" in interfaces}  # fmt: skip

    async def powered(self):
        """Waits until bluetoothd has every adapter that is plugged in, and switched on."""
        while True:
            known = await self.adapters()
            here = {radio.address for radio in self.radios.values() if radio.controller is not None}
            if here <= {adapter["Address"] for adapter in known.values() if adapter["Powered"]}:
                return
            await asyncio.sleep(0.05)

    async def do_sh(self, request):
        return {"output": await self.guest.shell(request["command"])}

    async def quietly(self, command):
        """A command that says something has failed."""
        output = await self.guest.shell(command)
        if output:
            raise BadSpec(output)

    async def do_bluetoothd(self, request):
        how = request["how"]
        if how == "start":
            await self.guest.shell(START)
            return await self.powered()
        if how not in SIGNALS:
            raise BadSpec(f"bluetoothd: no {how!r}; there are: start, {', '.join(SIGNALS)}")
        # Gone is when its process is gone.
        # One process, and not fifty a second: the guest's kernel falls now and then while it makes one.
        wait = "tail --pid=$P -s 0.02 -f /dev/null" if how in ("kill", "stop") else "true"
        return await self.quietly(f"P=$(cat /run/bluetoothd.pid); kill -{SIGNALS[how]} $P && {wait}")

    async def do_dbus(self, request):
        signs = {"pause": "STOP", "resume": "CONT"}
        return await self.quietly(f"kill -{signs[request['how']]} $(cat /run/dbus/pid)")

    async def do_adapter(self, request):
        how, radio = request["how"], self.radios.get(request.get("adapter", "hci0"))
        if radio is None:
            raise BadSpec(f"no adapter {request['adapter']!r}; there are: {', '.join(self.radios)}")
        if how in ("on", "off"):
            return await self.switch(radio, how == "on")
        if how in ("block", "unblock"):
            await self.quietly(f"for it in /sys/class/bluetooth/{radio.name}/rfkill*; do echo {int(how == 'block')} >$it/soft; done")
            return radio.controller and radio.controller.power_cut()  # the kernel just stops talking; the switch cuts the power
        if how == "remove":
            return radio.unplug()
        if how == "add":
            await radio.plug()
            return await self.powered()
        if how == "slots":
            radio.slots = request["slots"]
        elif how == "duplicates":
            radio.duplicates = request["are"]
            if radio.duplicates not in ("data", "address", "none"):
                raise BadSpec(f"adapter: duplicates are by data, address or none, not by {radio.duplicates!r}")
        elif how not in ("hang", "resume", "report"):
            raise BadSpec(f"adapter: no {how!r}; there are: on, off, block, unblock, remove, add, slots, duplicates, hang, resume, report")
        if radio.controller is None:
            return {"there": False}
        radio.obey()
        radio.controller.hung = {"hang": True, "resume": False}.get(how, radio.controller.hung)
        return self.report_of(radio)

    def report_of(self, radio):
        it = radio.controller
        if it is None:
            return {"there": False}
        peers = [str(connection.peer_address).split("/")[0] for connection in it.le_connections.values()]
        return {"there": True, "address": radio.address, "slots": radio.slots, "connected": peers, "scanning": it.le_scan_enable,
                "connecting": it.pending_le_connection is not None, **it.counts}  # fmt: skip

    async def switch(self, radio, on):
        names = [name for name, adapter in (await self.adapters()).items() if adapter["Address"] == radio.address]
        if not names:
            raise BadSpec(f"bluetoothd does not know {radio.address}")
        call = {"destination": "org.bluez", "path": f"/org/bluez/{names[0]}", "interface": "org.freedesktop.DBus.Properties", "member": "Set",
                "signature": "ssv", "body": ["org.bluez.Adapter1", "Powered", Variant("b", on)]}  # fmt: skip
        while (reply := await self.bus(Message(**call))).message_type == MessageType.ERROR:
            if reply.error_name != "org.bluez.Error.Busy":  # with the switch before this one
                raise BadSpec(f"{reply.error_name}: {reply.body}")
            await asyncio.sleep(0.05)

    # The sensors.

    async def do_add(self, request):
        sensor = Sensor(self.air, request["sensor"])
        if sensor.name in self.sensors:
            raise BadSpec(f"there is a sensor {sensor.name!r} already")
        await sensor.start()
        self.sensors[sensor.name] = sensor

    def sensor(self, request):
        name = request["name"]
        if name not in self.sensors:
            raise BadSpec(f"no sensor {name!r}; there are: {', '.join(list(self.sensors)[:20])}")
        return self.sensors[name]

    async def do_remove(self, request):
        self.sensor(request).stop()
        del self.sensors[request["name"]]

    async def do_sensor(self, request):
        sensor, how = self.sensor(request), request["how"]
        if how == "report":
            return sensor.report()
        if how == "move":
            return {"address": sensor.move(request.get("address")).split("/")[0]}
        if how == "pairing":
            return sensor.pair_as(request["pairing"])
        if how == "advertise":
            return self.advertise(sensor, request)
        if how == "forget":
            return await sensor.forget()
        if how in ("mute", "unmute"):
            sensor.mute = how == "mute"
        elif how in ("drop", "vanish", "appear"):
            getattr(sensor, how)()
        elif how == "reboot":
            sensor.vanish()
            sensor.appear()
        elif how == "silence":
            sensor.spec["advertise"] = None
            sensor.advertiser.on = False
        else:
            raise BadSpec(f"sensor: no {how!r}; there are: advertise, appear, drop, forget, move, mute, pairing, reboot, report, silence, unmute, vanish")
        return None

    def advertise(self, sensor, request):
        spec = request.get("advertise", sensor.spec.get("advertise") or {})
        new = advertiser(sensor.address, spec, sensor.name)
        sensor.spec["advertise"] = spec
        sensor.advertiser.on = False
        new.sent = sensor.advertiser.sent
        sensor.advertiser = new
        if len(sensor.controller.le_connections) < sensor.spec.get("connections", 1):
            self.air.start(new)
        else:
            new.on = False

    async def do_value(self, request):
        point = self.sensor(request).point(request["characteristic"])
        point.value = bytes.fromhex(request["value"])
        return {"told": await point.tell() if request.get("tell", True) else 0}

    async def do_notify(self, request):
        take(request, ("name", "characteristic", "hz", "count"), "notify")
        point = self.sensor(request).point(request["characteristic"])
        point.stop()
        if request.get("hz", 0) > 0:
            point.task = asyncio.create_task(point.keep_telling(request["hz"], request.get("count")))
        return {"counts": point.counts}

    async def do_characteristic(self, request):
        """Changes how one answers: delay_ms, never_answers, disconnect_after_read, error."""
        point = self.sensor(request).point(request["characteristic"])
        point.spec |= take(request["set"], ("delay_ms", "never_answers", "disconnect_after_read", "error"), "characteristic")

    # Many who only advertise.

    async def do_advertisers(self, request):
        take(request, ("group", "count", "hz", "data", "from", "kind", "rssi", "times"), "advertisers")
        await self.do_silence({"group": request.get("group", "crowd")})
        kind = KINDS.get(request.get("kind", "nonconnectable"))
        if kind is None:
            raise BadSpec(f"advertisers: no kind {request['kind']!r}; there are: {', '.join(KINDS)}")
        first = int(request.get("from", "C0:00:00:00:00:00").replace(":", ""), 16)
        crowd = [self.one_of_crowd(request, n, first + n, kind) for n in range(request["count"])]
        self.groups[request.get("group", "crowd")] = crowd
        for one in crowd:
            self.air.start(one)

    @staticmethod
    def one_of_crowd(request, number, address, kind):
        counting = request.get("data", "020106").replace("{n}", f"{number:04x}")
        data = bytes.fromhex(counting.replace("{s}", "0000"))
        if len(data) > 31:
            raise BadSpec(f"advertisers: data of {len(data)} bytes: 31 is the most")
        return Advertiser(hci.Address(address.to_bytes(6, "little"), hci.Address.RANDOM_DEVICE_ADDRESS), data, 1 / request.get("hz", 1), kind,
                          rssi=request.get("rssi", -70), left=request.get("times"), counting=counting if "{s}" in counting else "")  # fmt: skip

    async def do_silence(self, request):
        crowd = self.groups.pop(request.get("group", "crowd"), [])
        for one in crowd:
            one.on = False
        return self.report_of_crowd(crowd)

    @staticmethod
    def report_of_crowd(crowd):
        return {"advertisers": len(crowd), "advertised": sum(one.sent for one in crowd), "reported": sum(one.heard for one in crowd),
                "least_reported": min((one.heard for one in crowd), default=0)}  # fmt: skip

    async def do_state(self, request):
        """Everything, counted at the far end."""
        return {
            "adapters": {name: self.report_of(radio) for name, radio in self.radios.items()},
            "bluetoothd": await self.guest.shell("kill -0 $(cat /run/bluetoothd.pid) 2>/dev/null && echo running || echo gone"),
            "sensors": {name: sensor.report() for name, sensor in self.sensors.items()},
            "crowds": {name: self.report_of_crowd(crowd) for name, crowd in self.groups.items()},
        }
