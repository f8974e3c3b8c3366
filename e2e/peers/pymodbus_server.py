#!/usr/bin/env python3
"""pymodbus_server.py HOST PORT: a Modbus TCP device by pymodbus (with --rtu: RTU frames over TCP; with --serial instead of HOST PORT:
RTU on a serial port), which shares no code with Pollux. Its log of requests is the oracle of the tests.

Every unit has 1000 addresses in each of the tables coil, discrete, input, holding. At the start: holding 0..99 = 100+i,
but 20 and 21 hold float32 21.5 (ABCD); input i = 7*i; coil and discrete alternate. Writes to holding and coil 900..999
are refused with exception 2; an absent unit answers exception 11 as a gateway does, or nothing with --absent silent.

Commands on stdin, each answered by one line of JSON; the first line says {"ready": true, "port": …}:
  set UNIT TABLE ADDRESS VALUE…      get UNIT TABLE ADDRESS [COUNT]
  writes                             every write request since the start or `clear`: seq, time, unit, function, address,
                                     values, exception (null when it was done)
  requests                           the same with the reads (count instead of values)
  count [UNIT]                       how many requests there were (of a unit) since the start or `clear`
  clear
  refuse UNIT TABLE FIRST LAST CODE  writes there get this exception; code 0 allows them again
  cap UNIT COUNT                     reads of more get exception 3; 0 allows all
  unit UNIT CODE|silent|ok           all requests to the unit get this exception, no answer, or what they should
  delay MS                           before every answer
"""

import argparse
import asyncio
import logging
import ssl
import struct
import sys
import time
from collections import Counter, deque

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

import lines

SIZE = 1000
TABLES = {1: "coil", 5: "coil", 15: "coil", 2: "discrete", 4: "input"}  # by function; the others: holding
WRITES = {5, 6, 15, 16, 22, 23}
SILENT = -1


class Unit:
    def __init__(self):
        holding = [100 + i for i in range(100)] + [0] * (SIZE - 100)
        holding[20:22] = struct.unpack(">HH", struct.pack(">f", 21.5))
        self.tables = {
            "coil": [i % 2 == 1 for i in range(SIZE)],
            "discrete": [i % 2 == 0 for i in range(SIZE)],
            "input": [7 * i & 0xFFFF for i in range(SIZE)],
            "holding": holding,
        }
        self.refused = {(table, a): 2 for table in ("coil", "holding") for a in range(900, SIZE)}
        self.fault = 0
        self.cap = 0

    def part(self, table, address, count):
        if address < 0 or count < 1 or address + count > SIZE:
            raise IndexError(f"{table} has addresses 0 to {SIZE - 1}")
        return self.tables[table][address : address + count]

    def put(self, table, address, values):
        self.part(table, address, len(values))
        kind = bool if table in ("coil", "discrete") else int
        self.tables[table][address : address + len(values)] = [kind(v) for v in values]


def written(pdu):
    """What a write request asks for; 22 has two masks, 23 an address of its own."""
    if pdu.function_code == 22:
        return {"values": [pdu.and_mask, pdu.or_mask]}
    if pdu.function_code == 23:
        return {"address": pdu.write_address, "values": list(pdu.write_registers)}
    return {"values": [int(v) for v in pdu.registers or pdu.bits]}


class Store:
    """What pymodbus asks for values: our own, because its datastore cannot log, refuse or fall silent."""

    def __init__(self, units, absent):
        self.units = {u: Unit() for u in units}
        self.absent = absent
        self.delay = 0.0
        self.log = deque(maxlen=100_000)
        self.counts = Counter()
        self.seq = 0

    def device_ids(self):
        return list(self.units)

    async def _unit(self, number):
        if self.delay:
            await asyncio.sleep(self.delay)
        unit = self.units.get(number)
        fault = unit.fault if unit else self.absent
        if fault == SILENT:
            raise NoSuchIdException(f"unit {number} is silent")
        return unit, fault

    async def async_getValues(self, number, function, address, count=1):
        unit, fault = await self._unit(number)
        if fault:
            return ExcCodes(fault)
        if 0 < unit.cap < count:
            return ExcCodes.ILLEGAL_VALUE
        try:
            return unit.part(TABLES.get(function, "holding"), address, count)
        except IndexError:
            return ExcCodes.ILLEGAL_ADDRESS

    async def async_setValues(self, number, function, address, values):
        unit, fault = await self._unit(number)
        table = TABLES.get(function, "holding")
        codes = [fault] + [unit.refused.get((table, address + i), 0) for i in range(len(values))] if unit else [fault]
        if code := next(filter(None, codes), 0):
            return ExcCodes(code)
        try:
            unit.put(table, address, values)
        except IndexError:
            return ExcCodes.ILLEGAL_ADDRESS
        return None

    def trace(self, sending, pdu):
        """Sees every request before pymodbus judges it, and every answer."""
        if sending:
            self._answered(pdu)
        else:
            self._received(pdu)
        return pdu

    def _received(self, pdu):
        self.seq += 1
        self.counts[pdu.dev_id] += 1
        write = pdu.function_code in WRITES
        entry = {"seq": self.seq, "time": time.time(), "unit": pdu.dev_id, "function": pdu.function_code, "address": pdu.address}
        if write:
            entry.update(written(pdu))
        else:
            entry["count"] = pdu.count
        entry.update(exception=None, answered=False, _tid=pdu.transaction_id, write=write)
        self.log.append(entry)

    def _answered(self, pdu):
        for entry in reversed(self.log):
            if not entry["answered"] and (entry["_tid"], entry["unit"]) == (pdu.transaction_id, pdu.dev_id):
                entry["answered"] = True
                entry["exception"] = int(pdu.exception_code) if pdu.isError() else None
                return

    def entries(self, only_writes):
        return [{k: v for k, v in e.items() if k not in ("_tid", "write")} for e in self.log if e["write"] or not only_writes]

    async def command(self, words):
        name, *args = words
        if name == "set":
            self.units[int(args[0])].put(args[1], int(args[2]), [int(v, 0) for v in args[3:]])
        elif name == "get":
            count = int(args[3]) if len(args) > 3 else 1
            return {"values": [int(v) for v in self.units[int(args[0])].part(args[1], int(args[2]), count)]}
        elif name in ("writes", "requests"):
            return {name: self.entries(name == "writes")}
        elif name == "count":
            return {"count": self.counts[int(args[0])] if args else self.counts.total()}
        elif name == "clear":
            self.log.clear()
            self.counts.clear()
        elif name == "refuse":
            unit, table, first, last, code = int(args[0]), args[1], int(args[2]), int(args[3]), int(args[4])
            self.units[unit].refused.update({(table, a): code for a in range(first, last + 1)})
        elif name == "cap":
            self.units[int(args[0])].cap = int(args[1])
        elif name == "unit":
            self.units[int(args[0])].fault = {"silent": SILENT, "ok": 0}[args[1]] if args[1].isalpha() else int(args[1])
        elif name == "delay":
            self.delay = int(args[0]) / 1000
        else:
            raise ValueError(f"unknown command {name!r}")
        return None


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("host", nargs="?")
    p.add_argument("port", nargs="?", type=int, default=0, help="0 chooses a free one")
    p.add_argument("--serial", metavar="PATH", help="RTU on this port, 115200 8N1")
    p.add_argument("--unit", type=int, action="append", help="a unit id that exists (default: 1 and 5)")
    p.add_argument("--absent", default="11", help="exception code of an absent unit, or silent (default 11)")
    p.add_argument("--tls", nargs=3, metavar=("CRT", "KEY", "CA"), help="speak TLS with this certificate, to clients from CA alone")
    p.add_argument("--rtu", action="store_true", help="RTU frames over TCP")
    p.add_argument("--stay", action="store_true", help="go on when stdin ends")
    a = p.parse_args()
    if (a.host is None) == (a.serial is None):
        p.error("HOST PORT or --serial PATH")
    return a


def secure(certificate, key, ca):
    """Modbus/TCP Security: frames with their MBAP header inside of TLS, where pymodbus by itself would leave it out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return {"sslctx": context, "framer": FramerType.SOCKET}


def transport(a):
    """The server's class, and what it is made with."""
    if a.serial:
        return ModbusSerialServer, {"port": a.serial, "baudrate": 115200, "framer": FramerType.RTU}
    address = {"address": (a.host, a.port)}
    if a.tls:
        return ModbusTlsServer, {**address, **secure(*a.tls)}
    return ModbusTcpServer, {**address, "framer": FramerType.RTU if a.rtu else FramerType.SOCKET}


async def main():
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # refusals are what the tests are about
    a = arguments()
    store = Store(a.unit or [1, 5], SILENT if a.absent == "silent" else int(a.absent))
    unused = SimDevice(0, simdata=[SimData(0, datatype=DataType.REGISTERS)])  # replaced by `store` below
    kind, how = transport(a)
    server = kind(unused, trace_pdu=store.trace, ignore_missing_devices=True, **how)
    server.context = store
    await server.serve_forever(background=True)
    port = None if a.serial else server.transport.sockets[0].getsockname()[1]
    lines.say(ready=True, port=port, units=store.device_ids())
    await lines.serve(store.command, a.stay)
    await server.shutdown()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
