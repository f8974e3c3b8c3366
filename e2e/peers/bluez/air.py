"""What is in the air between the kernel's adapters and the simulated radios.

bumble's LocalLink hands every packet to every controller, and its controller forgets what a real one has to do (cancel a connection,
filter duplicates, refuse one too many, notice a lost link). Both are done here, for legacy advertising only: that is what the
features of the adapter say, as bumble answers LE Create Connection with the old event, for which Linux otherwise does not wait.
"""

import asyncio
import heapq
import itertools
import random
import struct
from dataclasses import dataclass, field

from bumble import hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink

ADV_IND, ADV_SCAN_IND, ADV_NONCONN_IND, SCAN_RSP = 0, 2, 3, 4
# Reports that wait for a guest that does not keep up; a radio would not have heard them either.
MOST_WAITING_BYTES = 1 << 16
MOST_REMEMBERED = 1000  # advertisements, by a controller that filters duplicates


@dataclass(eq=False)
class Advertiser:
    """One who says `data` again and again. Connectable ones are radios of sensors, the others nothing else than this."""

    address: hci.Address
    data: bytes
    interval: float
    kind: int = ADV_NONCONN_IND
    scan_response: bytes = b""
    rssi: int = -50
    left: int | None = None
    sent: int = 0
    heard: int = 0
    counting: str = ""  # hex of the data, with {s} where the number of the advertisement goes
    on: bool = True
    turn: int = 0  # one that was stopped and started again is not in the queue twice
    raw_address: bytes = field(init=False)

    def __post_init__(self):
        self.moved(self.address)

    def moved(self, address):
        self.address = address
        self.raw_address = bytes([address.address_type & 1]) + bytes(address)


class Adapter(Controller):
    """The controller behind the kernel's hciN."""

    def __init__(self, name, public_address, air, send, waiting):
        super().__init__(name, link=air, public_address=public_address)
        self.le_features = hci.LeFeatureMask.LE_ENCRYPTION | hci.LeFeatureMask.LE_DATA_PACKET_LENGTH_EXTENSION
        self.send, self.waiting = send, waiting
        self.max_connections = 64
        self.hung = False
        self.heard, self.duplicates = set(), "data"
        self.counts = {"reports": 0, "reports_dropped": 0, "duplicates": 0, "connections": 0, "most": 0, "refused": 0, "cancelled": 0, "lost": 0}

    def send_hci_packet(self, packet):
        if not self.hung:
            self.send(bytes(packet))

    def on_packet(self, packet):
        if not self.hung:
            super().on_packet(packet)

    def power_cut(self):
        """All that it held is forgotten; its peers find out by themselves."""
        for connection in list(self.le_connections.values()):
            self.link.peer_vanished(connection)
        self.le_connections.clear()
        self.pending_le_connection = None
        self.le_scan_enable = False

    def on_hci_reset_command(self, command):
        self.power_cut()
        return super().on_hci_reset_command(command)

    def on_hci_le_set_scan_enable_command(self, command):
        self.heard.clear()
        return super().on_hci_le_set_scan_enable_command(command)

    def on_hci_le_create_connection_command(self, command):
        if len(self.le_connections) >= self.max_connections:
            self.counts["refused"] += 1
            self._send_hci_command_status(hci.HCI_ErrorCode.CONNECTION_LIMIT_EXCEEDED_ERROR, command.op_code)
            return None
        return super().on_hci_le_create_connection_command(command)

    def on_hci_le_create_connection_cancel_command(self, command):
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.counts["cancelled"] += 1
        # The answer to the command goes first, the event that ends the connection's creation after it.
        asyncio.get_running_loop().call_soon(self.connection_failed, pending, hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def connection_failed(self, pending, why):
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=why, connection_handle=0, role=hci.Role.CENTRAL, peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address, connection_interval=0, peripheral_latency=0, supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )  # fmt: skip

    def hear(self, advertiser):
        """An advertisement reaches this adapter. Says whether it told the kernel."""
        if self.hung:
            return False
        pending = self.pending_le_connection
        if pending is not None and advertiser.kind == ADV_IND and pending.peer_address == advertiser.address:
            self.connect(advertiser.address)
            return False
        return self.le_scan_enable and self.report(advertiser)

    def report(self, advertiser):
        if self.filter_duplicates and self.is_duplicate(advertiser):
            self.counts["duplicates"] += 1
            return False
        if self.waiting() > MOST_WAITING_BYTES:
            self.counts["reports_dropped"] += 1
            return False
        self.send(self.report_packet(advertiser.kind, advertiser, advertiser.data))
        if self.le_scan_type == 1 and advertiser.kind in (ADV_IND, ADV_SCAN_IND):
            self.send(self.report_packet(SCAN_RSP, advertiser, advertiser.scan_response))
        self.counts["reports"] += 1
        return True

    def is_duplicate(self, advertiser):
        """Linux always has the controller filter. What is a duplicate is the controller's choice: of most, the same data again; of some,
        the same address; and what they remember is little."""
        if self.duplicates == "none":
            return False
        what = advertiser.raw_address + (advertiser.data if self.duplicates == "data" else b"")
        if what in self.heard:
            return True
        if len(self.heard) >= MOST_REMEMBERED:
            self.heard.clear()
        self.heard.add(what)
        return False

    @staticmethod
    def report_packet(kind, advertiser, data):
        body = bytes([2, 1, kind]) + advertiser.raw_address + bytes([len(data)]) + data + struct.pack("b", advertiser.rssi)
        return bytes([4, 0x3E, len(body)]) + body

    def connect(self, address):
        if self.le_connections.get(address):
            return
        self.create_le_connection(address)
        self.counts["connections"] += 1
        self.counts["most"] = max(self.counts["most"], len(self.le_connections))

    def lose(self, connection):
        """No packet of the peer came for as long as the link's supervision allows."""
        if self.le_connections.get(connection.peer_address) is connection:
            self.counts["lost"] += 1
            self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


class Air(LocalLink):
    def __init__(self):
        super().__init__()
        self.adapters = {}
        self.sensors = {}  # by the address they have now
        self.due, self.tie, self.wake = [], itertools.count(), asyncio.Event()

    def add_controller(self, controller):
        pass  # adapters and sensors enter by name

    # What the controllers call.

    def send_advertising_pdu(self, sender_controller, packet):
        if isinstance(packet, ll.ConnectInd):
            sensor = self.sensors.get(packet.advertiser_address)
            if sensor is not None:
                sensor.on_connect(packet)

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        connection = sender_controller.le_connections.get(destination_address)
        if connection is None:
            return
        other = self.other_end(connection.self_address, destination_address)
        if other is not None and connection.self_address in other.le_connections:
            asyncio.get_running_loop().call_soon(other.on_link_acl_data, connection.self_address, transport, data)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        other = self.other_end(sender_address, receiver_address)
        if other is not None:
            asyncio.get_running_loop().call_soon(self.control_pdu, other, sender_address, packet)

    @staticmethod
    def control_pdu(controller, sender_address, packet):
        if sender_address in controller.le_connections:  # not gone meanwhile
            controller.on_ll_control_pdu(sender_address, packet)

    def other_end(self, sender, receiver):
        """The controller that has a connection as `receiver` with `sender`, if both are in reach."""
        sensor = self.sensors.get(receiver)
        if sensor is not None:
            return sensor.controller if sensor.present else None
        sensor = self.sensors.get(sender)
        if sensor is not None and not sensor.present:
            return None
        for adapter in self.adapters.values():
            connection = adapter.le_connections.get(sender)
            if connection is not None and connection.self_address == receiver:
                return adapter
        return None

    def peer_vanished(self, connection):
        """An adapter was switched off: its peers notice by their own supervision."""
        sensor = self.sensors.get(connection.peer_address)
        if sensor is not None:
            sensor.lose(connection.self_address)

    # Who advertises, and when.

    def start(self, advertiser):
        advertiser.on = True
        self.schedule(advertiser, asyncio.get_running_loop().time() + random.random() * advertiser.interval)

    def schedule(self, advertiser, when):
        advertiser.turn = next(self.tie)
        heapq.heappush(self.due, (when, advertiser.turn, advertiser))
        if self.due[0][2] is advertiser:
            self.wake.set()

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            self.wake.clear()
            wait = self.due[0][0] - loop.time() if self.due else None
            if wait is None or wait > 0:
                try:
                    await asyncio.wait_for(self.wake.wait(), wait)
                except TimeoutError:
                    pass
                continue
            for _ in range(200):  # then the others have a turn
                if not self.due or self.due[0][0] > loop.time():
                    break
                when, turn, advertiser = heapq.heappop(self.due)
                if advertiser.on and advertiser.turn == turn:
                    self.advertise(advertiser)
                    # As the specification has it: up to 10 ms later at random, so that no two stay in step.
                    self.again(advertiser, max(when, loop.time() - advertiser.interval))
            await asyncio.sleep(0)

    def again(self, advertiser, last):
        if advertiser.left is not None:
            advertiser.left -= 1
            if advertiser.left <= 0:
                advertiser.on = False
                return
        self.schedule(advertiser, last + advertiser.interval + random.random() * min(0.01, advertiser.interval / 10))

    def advertise(self, advertiser):
        advertiser.sent += 1
        if advertiser.counting:
            advertiser.data = bytes.fromhex(advertiser.counting.replace("{s}", f"{advertiser.sent & 0xFFFF:04x}"))
        for adapter in self.adapters.values():
            advertiser.heard += bool(adapter.hear(advertiser))
