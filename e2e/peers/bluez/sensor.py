"""A simulated sensor: a whole Bluetooth LE stack (bumble) over a radio of air.py. README.md says what a specification may hold."""

import asyncio
import itertools
import types

from air import ADV_IND, ADV_NONCONN_IND, ADV_SCAN_IND, Advertiser
from bumble import hci
from bumble.att import ATT_Error
from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import UUID, AdvertisingData
from bumble.device import Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

SUPERVISION = 2.0  # seconds until a link that went silent counts as lost, as for most sensors
KEPT = 1000  # writes that are remembered
PROPERTIES = {
    "read": Characteristic.Properties.READ,
    "write": Characteristic.Properties.WRITE,
    "write-without-response": Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    "notify": Characteristic.Properties.NOTIFY,
    "indicate": Characteristic.Properties.INDICATE,
}
WRITE_NOT_PERMITTED = 0x03
CCCD = UUID.from_16_bits(0x2902)


class BadSpec(ValueError):
    pass


def take(spec, allowed, what):
    unknown = set(spec) - set(allowed)
    if unknown:
        raise BadSpec(f"{what}: no field {sorted(unknown)[0]!r}; there are: {', '.join(sorted(allowed))}")
    return spec


def structures(spec, name):
    """The AD structures of an advertisement (bytes) by the fields of its specification."""
    parts = []
    if "raw" in spec:
        return bytes.fromhex(spec["raw"])
    if spec.get("flags", 6) is not None:
        parts.append((AdvertisingData.FLAGS, bytes([spec.get("flags", 6)])))
    for uuid in spec.get("services", []):
        data = UUID(uuid).to_bytes()
        kinds = {2: AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, 4: AdvertisingData.COMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS}
        parts.append((kinds.get(len(data), AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS), data))
    for company, data in spec.get("manufacturer", {}).items():
        parts.append((AdvertisingData.MANUFACTURER_SPECIFIC_DATA, int(company, 16).to_bytes(2, "little") + bytes.fromhex(data)))
    for uuid, data in spec.get("service_data", {}).items():
        key = UUID(uuid).to_bytes()
        kinds = {2: AdvertisingData.SERVICE_DATA_16_BIT_UUID, 4: AdvertisingData.SERVICE_DATA_32_BIT_UUID}
        parts.append((kinds.get(len(key), AdvertisingData.SERVICE_DATA_128_BIT_UUID), key + bytes.fromhex(data)))
    if "tx_power" in spec:
        parts.append((AdvertisingData.TX_POWER_LEVEL, spec["tx_power"].to_bytes(1, "little", signed=True)))
    if spec.get("name", True) and name:
        parts.append((AdvertisingData.COMPLETE_LOCAL_NAME, name.encode()))
    data = bytes(AdvertisingData(parts))
    if len(data) > 31:
        raise BadSpec(f"advertisement of {len(data)} bytes: 31 is the most; move fields to \"scan_response\"")
    return data


ADVERTISE = ("raw", "flags", "services", "manufacturer", "service_data", "tx_power", "name", "interval_ms", "kind", "rssi", "scan_response", "count")
KINDS = {"connectable": ADV_IND, "scannable": ADV_SCAN_IND, "nonconnectable": ADV_NONCONN_IND}


def advertiser(address, spec, name, kind="connectable"):
    take(spec, ADVERTISE, "advertise")
    if spec.get("kind", kind) not in KINDS:
        raise BadSpec(f"advertise: no kind {spec['kind']!r}; there are: {', '.join(KINDS)}")
    response = spec.get("scan_response")
    response = b"" if response is None else structures({"flags": None, "name": False} | response, name)
    return Advertiser(address, structures(spec, name), spec.get("interval_ms", 100) / 1000, KINDS[spec.get("kind", kind)], response,
                      spec.get("rssi", -50), spec.get("count"))  # fmt: skip


class Delegate(PairingDelegate):
    def __init__(self, sensor, passkey):
        capability = PairingDelegate.NO_OUTPUT_NO_INPUT if passkey is None else PairingDelegate.DISPLAY_OUTPUT_ONLY
        keys = PairingDelegate.KeyDistribution
        distribution = keys.DISTRIBUTE_ENCRYPTION_KEY | keys.DISTRIBUTE_IDENTITY_KEY
        super().__init__(capability, distribution, distribution)
        self.sensor, self.passkey = sensor, passkey

    async def accept(self):
        self.sensor.counts["pairing_requests"] += 1
        return self.sensor.pairing["mode"] != "refuse"

    async def generate_passkey(self):
        return self.passkey


class Point:
    """A characteristic, with what the far end did to it."""

    def __init__(self, sensor, spec):
        take(spec, ("uuid", "id", "properties", "value", "encrypted", "authenticated", "delay_ms", "never_answers", "disconnect_after_read",
                    "error"), "characteristic")  # fmt: skip
        self.sensor, self.spec = sensor, spec
        self.name = spec.get("id", spec["uuid"])
        self.value = bytes.fromhex(spec.get("value", "00"))
        self.counts = {"reads": 0, "writes": 0, "notified": 0, "indicated": 0, "unheard": 0}
        self.task = None
        properties = Characteristic.Properties(0)
        for name in spec.get("properties", ["read"]):
            if name not in PROPERTIES:
                raise BadSpec(f"characteristic {self.name}: no property {name!r}; there are: {', '.join(PROPERTIES)}")
            properties |= PROPERTIES[name]
        self.writable = properties & (PROPERTIES["write"] | PROPERTIES["write-without-response"])
        self.gatt = Characteristic(spec["uuid"], properties, self.permissions(), CharacteristicValue(read=self.read, write=self.write))

    def permissions(self):
        it = Characteristic.Permissions
        permissions = it.READABLE | it.WRITEABLE
        if self.spec.get("encrypted") or self.spec.get("authenticated"):
            permissions |= it.READ_REQUIRES_ENCRYPTION | it.WRITE_REQUIRES_ENCRYPTION
        if self.spec.get("authenticated"):
            permissions |= it.READ_REQUIRES_AUTHENTICATION | it.WRITE_REQUIRES_AUTHENTICATION
        return permissions

    async def read(self, connection):
        self.counts["reads"] += 1
        await self.answer()
        if self.spec.get("disconnect_after_read"):
            # Its answer is at the other side by then, also on a busy machine: what ends a connection overtakes what waits to be sent over it.
            asyncio.get_running_loop().call_later(0.3, self.sensor.drop)
        return self.value

    async def write(self, connection, value):
        if not self.writable:
            raise ATT_Error(WRITE_NOT_PERMITTED)
        self.counts["writes"] += 1
        self.sensor.wrote(self, value)
        await self.answer()
        self.value = value

    async def answer(self):
        if self.spec.get("never_answers"):
            await asyncio.Event().wait()
        if self.spec.get("delay_ms"):
            await asyncio.sleep(self.spec["delay_ms"] / 1000)
        if self.spec.get("error"):
            raise ATT_Error(self.spec["error"])

    def protect_subscription(self, server):
        if self.spec.get("encrypted") or self.spec.get("authenticated"):
            for attribute in server.attributes:
                if self.gatt.handle < attribute.handle <= self.gatt.end_group_handle and attribute.type == CCCD:
                    attribute.permissions |= Characteristic.Permissions.WRITE_REQUIRES_ENCRYPTION

    async def tell(self):
        """Tells the value to who subscribed; says how many that were."""
        server, told = self.sensor.device.gatt_server, 0
        for bearer, subscribers in list(server.subscribers.items()):
            wanted = (subscribers.get(self.gatt.handle) or b"\0")[0]
            if wanted & 1:
                await server.notify_subscriber(bearer, self.gatt, self.value)
                self.counts["notified"] += 1
            elif wanted & 2:
                await server.indicate_subscriber(bearer, self.gatt, self.value)
                self.counts["indicated"] += 1
            told += bool(wanted & 3)
        self.counts["unheard"] += not told
        return told

    async def keep_telling(self, hz, count):
        """Values count up, as wide as the first one, so that a missing one shows."""
        loop, width = asyncio.get_running_loop(), max(1, len(self.value))
        began = loop.time()
        for n in itertools.count(1) if count is None else range(1, count + 1):
            await asyncio.sleep(began + n / hz - loop.time())
            self.value = (n % (1 << 8 * width)).to_bytes(width, "little")
            await self.tell()

    def stop(self):
        if self.task is not None:
            self.task.cancel()
            self.task = None


class Sensor:
    FIELDS = ("address", "address_type", "name", "advertise", "services", "pairing", "connections", "mute")

    def __init__(self, air, spec):
        take(spec, self.FIELDS, "sensor")
        self.air, self.spec = air, spec
        self.name = spec.get("name", spec["address"])
        self.public = spec.get("address_type", "random") == "public"
        kind = hci.Address.PUBLIC_DEVICE_ADDRESS if self.public else hci.Address.RANDOM_DEVICE_ADDRESS
        self.identity = self.address = hci.Address(spec["address"], kind)
        if self.address in air.sensors:
            raise BadSpec(f"there is a sensor at {self.address} already")
        self.present, self.mute = True, spec.get("mute", False)
        self.counts = {"connected": 0, "disconnected": 0, "pairing_requests": 0, "paired": 0, "pairing_failed": 0}
        self.writes = []
        self.pair_as(spec.get("pairing", {}))
        self.controller = SensorController(self, air)
        host = Host(self.controller, AsyncPipeSink(self.controller))
        self.device = Device(name=self.name, address=self.identity, host=host)
        self.device.keystore = MemoryKeyStore()
        self.device.irk = (bytes(self.identity) * 3)[:16]
        self.device.pairing_config_factory = self.pairing_config
        self.device.on("connection", self.on_connection)
        self.points = []
        for service in spec.get("services", []):
            self.add_service(service)
        self.advertiser = advertiser(self.address, spec.get("advertise", {}), self.name)

    def add_service(self, spec):
        take(spec, ("uuid", "characteristics"), "service")
        points = [Point(self, one) for one in spec.get("characteristics", [])]
        self.device.add_service(Service(spec["uuid"], [point.gatt for point in points]))
        for point in points:
            point.protect_subscription(self.device.gatt_server)
        self.points += points

    async def start(self):
        await self.device.power_on()
        self.controller.random_address = self.address
        self.device.random_address = self.address
        self.air.sensors[self.address] = self
        if self.spec.get("advertise") is not None:
            self.air.start(self.advertiser)

    def stop(self):
        self.advertiser.on = False
        for point in self.points:
            point.stop()
        self.vanish(0)
        self.air.sensors.pop(self.address, None)

    # Its links.

    def on_connect(self, packet):
        """A central answers an advertisement."""
        if not self.present:
            return
        kind = hci.OwnAddressType.PUBLIC if self.public else hci.OwnAddressType.RANDOM
        self.device.legacy_advertiser = types.SimpleNamespace(own_address_type=kind, auto_restart=False)
        self.controller.le_legacy_advertiser = LegacyAdvertiser(self.controller, own_address_type=kind, enabled=True)
        self.controller.on_le_connect_ind(packet)
        self.counts["connected"] += 1
        if len(self.controller.le_connections) >= self.spec.get("connections", 1):
            self.advertiser.on = False

    def on_connection(self, connection):
        def paired(*_):
            self.counts["paired"] += 1

        def failed(*_):
            self.counts["pairing_failed"] += 1

        connection.on(connection.EVENT_PAIRING, paired)
        connection.on(connection.EVENT_PAIRING_FAILURE, failed)

    def gone(self):
        """A link ended: there is room for one more."""
        self.counts["disconnected"] += 1
        if self.present and self.spec.get("advertise") is not None and not self.advertiser.on:
            self.air.start(self.advertiser)

    def drop(self):
        """The sensor ends its links, and says so."""
        for connection in list(self.device.connections.values()):
            asyncio.ensure_future(connection.disconnect())

    def lose(self, peer):
        connection = self.controller.le_connections.get(peer)
        if connection is not None:
            self.controller.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def vanish(self, after=SUPERVISION):
        """Out of reach, or without power: both ends hear nothing any more, and notice after a while."""
        if not self.present:
            return
        self.present = self.advertiser.on = False
        for connection in list(self.controller.le_connections.values()):
            self.lose(connection.peer_address)
        for adapter in self.air.adapters.values():
            connection = adapter.le_connections.get(self.address)
            if connection is not None:
                asyncio.get_running_loop().call_later(after, adapter.lose, connection)

    def appear(self):
        if self.present:
            return
        self.present = True
        if self.spec.get("advertise") is not None:
            self.air.start(self.advertiser)

    def move(self, address=None):
        """Another address: the given one, or a resolvable private one by the sensor's key, which those know that bonded with it."""
        if self.controller.le_connections:
            raise BadSpec(f"{self.name} is connected: its address does not change meanwhile")
        self.air.sensors.pop(self.address, None)
        self.address = hci.Address(address) if address else hci.Address.generate_private_address(self.device.irk)
        self.public = False
        self.controller.random_address = self.device.random_address = self.address
        self.advertiser.moved(self.address)
        self.air.sensors[self.address] = self
        return str(self.address)

    # Pairing.

    def pair_as(self, spec):
        self.pairing = {"mode": "just-works"} | take(spec, ("mode", "passkey"), "pairing")
        if self.pairing["mode"] not in ("just-works", "passkey", "refuse"):
            raise BadSpec(f"pairing: no mode {self.pairing['mode']!r}; there are: just-works, passkey, refuse")
        if self.pairing["mode"] == "passkey" and not 0 <= self.pairing.get("passkey", -1) <= 999999:
            raise BadSpec("pairing: a passkey is a number of at most six digits")

    def pairing_config(self, connection):
        passkey = self.pairing["passkey"] if self.pairing["mode"] == "passkey" else None
        kind = PairingConfig.AddressType.PUBLIC if self.identity.is_public else PairingConfig.AddressType.RANDOM
        return PairingConfig(sc=True, mitm=passkey is not None, bonding=True, delegate=Delegate(self, passkey), identity_address_type=kind)

    async def forget(self):
        await self.device.keystore.delete_all()

    # What is asked of it.

    def wrote(self, point, value):
        self.writes.append({"characteristic": point.name, "value": value.hex()})
        del self.writes[:-KEPT]

    def point(self, name):
        for point in self.points:
            if point.name.lower() == name.lower():
                return point
        raise BadSpec(f"{self.name} has no characteristic {name!r}; it has: {', '.join(point.name for point in self.points)}")

    def report(self):
        return {
            "address": str(self.address).split("/")[0], "name": self.name, "present": self.present, "advertising": self.advertiser.on,
            "connections": len(self.controller.le_connections), "advertised": self.advertiser.sent, "writes": self.writes, **self.counts,
            "characteristics": {point.name: {"value": point.value.hex(), **point.counts} for point in self.points},
        }  # fmt: skip


class SensorController(Controller):
    def __init__(self, sensor, air):
        super().__init__(sensor.name, link=air, public_address=sensor.address)
        self.le_features = hci.LeFeatureMask.LE_ENCRYPTION
        self.sensor = sensor

    def on_link_acl_data(self, sender_address, transport, data):
        if not self.sensor.mute:
            super().on_link_acl_data(sender_address, transport, data)

    def on_le_disconnected(self, connection, reason):
        super().on_le_disconnected(connection, reason)
        self.sensor.gone()
