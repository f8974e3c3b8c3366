"""A ground to start, and a client of its BlueZ: what selftest.py needs of both."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import time

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, method

GROUND = f"{os.path.dirname(os.path.abspath(__file__))}/ground"
PATIENCE = 40.0


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


class Agent(ServiceInterface):
    """Answers what BlueZ asks while it pairs."""

    def __init__(self, passkey=None):
        super().__init__("org.bluez.Agent1")
        self.passkey, self.asked = passkey, []

    @method()
    def RequestPasskey(self, device: "o") -> "u":  # noqa: N802, F821: as BlueZ calls it; types of D-Bus
        self.asked.append("passkey")
        return self.passkey

    @method()
    def RequestAuthorization(self, device: "o"):  # noqa: N802, F821
        self.asked.append("authorization")

    @method()
    def Cancel(self):  # noqa: N802
        self.asked.append("cancel")

    @contextlib.asynccontextmanager
    async def of(self, client):
        path = "/selftest/agent"
        client.bus.export(path, self)
        capability = "NoInputNoOutput" if self.passkey is None else "KeyboardOnly"
        await client.bluez("/org/bluez", "AgentManager1", "RegisterAgent", "os", [path, capability])
        await client.bluez("/org/bluez", "AgentManager1", "RequestDefaultAgent", "o", [path])
        try:
            yield self
        finally:
            await client.bluez("/org/bluez", "AgentManager1", "UnregisterAgent", "o", [path])
            client.bus.unexport(path)
