#!/usr/bin/env python3
"""matrix.py: every format in every byte order, as one JSON object a line: what stands in the registers and which value that is.
Nothing in it comes from Pollux: numbers are pymodbus' convert_to_registers, halves and swapped bytes are struct's, text is
Python's codecs, decimal digits are str(), times are datetime.

  format     name of the row of the matrix      order      of the bytes, null for coils
  binding    of the property, but its place     value      as JSON
  before     what stands there until it is written
  read       what reads as the value            written    what a write of the value leaves, null where it cannot be written
"""

import datetime
import json
import struct

from pymodbus.client.mixin import ModbusClientMixin

DATATYPE = ModbusClientMixin.DATATYPE
ORDERS = ("ABCD", "BADC", "CDAB", "DCBA")
LONG = {"ABCD": "ABCDEFGH", "BADC": "BADCFEHG", "CDAB": "GHEFCDAB", "DCBA": "HGFEDCBA"}
TEXT_ORDERS = ("ABCD", "BADC")

INTEGERS = {
    "int16": [-32768, -123, 32767],
    "uint16": [1, 0xABCD, 65535],
    "int32": [-(2**31), -2, 0x12345678],
    "uint32": [0x12345678, 2**32 - 1],
    "int64": [-(2**63), -2, 0x0102030405060708],
    "uint64": [0x0102030405060708, 2**64 - 1],
}
FLOATS = {"float32": [21.5, -3.25, 3.0e38, 1.0e-40], "float64": [21.3, -1.0e-300, 1.7e308]}
HALVES = [21.5, -2.5, -65504.0, 6.0e-8]
DECIMALS = {"bcd16": (1, [7, 9876]), "bcd32": (2, [12345678, 90]), "bcd64": (4, [1234567890123456, 10])}
M10K = {"m10k32": (2, [123456, -12345678]), "m10k48": (3, [123456789012, -10000]), "m10k64": (4, [1234567890123456, -3])}
SIGNED = {"signmagnitude16": (1, [-1, 32767, -32767]), "signmagnitude32": (2, [-65537, 2147483647, -5])}
BYTES = {"int8l": (0, "b", [-128, 90]), "int8h": (1, "b", [-1, 127]), "uint8l": (0, "B", [200, 1]), "uint8h": (1, "B", [255, 16])}
TEXTS = {  # encoding: codec, text, registers
    "ascii": ("ascii", "SN-1 x", 5),
    "utf8": ("utf-8", "Größe 漢", 8),
    "latin1": ("latin-1", "Köln °C", 6),
    "gbk": ("gbk", "中国1号", 6),
    "utf16": ("utf-16-be", "中😀 b", 8),
}
BEFORE = 0xA5C3  # bits of a register that a write must leave alone


def swapped(registers):
    return [struct.unpack("<H", struct.pack(">H", r))[0] for r in registers]


def ordered(high_first, order):
    """Registers, the most significant first, as a device of that order has them."""
    words = high_first if order in TEXT_ORDERS else high_first[::-1]
    return swapped(words) if order in ("BADC", "DCBA") else list(words)


def words(data):
    return list(struct.unpack(f">{len(data) // 2}H", data))


def case(kind, order, binding, value, read, written="same", before=None):
    if order:
        binding = {**binding, "byteOrder": order}
    written = read if written == "same" else written
    before = [w ^ 0xFFFF for w in read] if before is None else before
    return {"format": kind, "order": order, "binding": binding, "value": value, "before": before, "read": read, "written": written}


def by_pymodbus(name, value, order):
    word_order = "big" if order in TEXT_ORDERS else "little"
    registers = ModbusClientMixin.convert_to_registers(value, DATATYPE[name.upper()], word_order)
    return swapped(registers) if order in ("BADC", "DCBA") else registers


def decimal(registers, value):
    return words(bytes.fromhex(str(value).zfill(registers * 4)))


def by_ten_thousand(registers, value):
    digits = str(abs(value)).zfill(registers * 4)
    sign = -1 if value < 0 else 1
    return words(struct.pack(f">{registers}h", *[sign * int(digits[at : at + 4]) for at in range(0, len(digits), 4)]))


def sign_magnitude(registers, value):
    bits = f"{abs(value):0{registers * 16 - 1}b}"
    return words(int(("1" if value < 0 else "0") + bits, 2).to_bytes(registers * 2, "big"))


def time_octets(when, weekday=0, summer=False):
    """CP56Time2a as IEC 60870-5-4 sends it, and an octet of nothing: milliseconds, low octet first; minute; hour; day; month; year."""
    milliseconds = when.second * 1000 + when.microsecond // 1000
    hour = when.hour | (0x80 if summer else 0)
    return struct.pack("<HBBBBBB", milliseconds, when.minute, hour, when.day | weekday << 5, when.month, when.year - 2000, 0)


def numbers():
    """Each number type: its values by order. `one(order, value)` gives the registers."""
    for name, values in {**INTEGERS, **FLOATS}.items():
        yield name, values, lambda order, value, name=name: by_pymodbus(name, value, order)
    yield "float16", [struct.unpack(">e", struct.pack(">e", v))[0] for v in HALVES], lambda order, v: ordered(words(struct.pack(">e", v)), order)
    for table, how in ((DECIMALS, decimal), (M10K, by_ten_thousand), (SIGNED, sign_magnitude)):
        for name, (registers, values) in table.items():
            yield name, values, lambda order, v, r=registers, how=how: ordered(how(r, v), order)


def as_held(name, value):
    """What a float32 makes of a number."""
    return struct.unpack(">f", struct.pack(">f", value))[0] if name == "float32" else value


def in_array(name, value):
    """JSON has no number beyond 2^53 that every reader takes: those are digits."""
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value


def of_numbers():
    for name, values, one in numbers():
        wide = len(one("ABCD", values[0])) == 4
        for pattern in ORDERS:
            for order in (pattern, LONG[pattern]) if wide else (pattern,):
                for value in values:
                    yield case(name, order, {"dataType": name}, as_held(name, value), one(pattern, value))
                several = [v for v in values if as_held(name, v) == v][:2]
                registers = [w for v in several for w in one(pattern, v)]
                array = [in_array(name, v) for v in several]
                yield case(f"{name}[]", order, {"dataType": name, "count": len(several)}, array, registers)


def of_times():
    when = datetime.datetime(2015, 12, 24, 13, 25, 36, 789000)
    text = when.isoformat(timespec="milliseconds")
    for pattern in ORDERS:
        for order in (pattern, LONG[pattern]):
            # As octets come over the wire it is DCBA; the others are put together from the greatest register downward.
            read = ordered(words(time_octets(when, weekday=4, summer=True)[::-1]), pattern)
            written = ordered(words(time_octets(when)[::-1]), pattern)
            yield case("cp56", order, {"dataType": "cp56"}, text, read, written)
            yield case("cp56[]", order, {"dataType": "cp56", "count": 2}, [text, text], read + read, written + written)


def padded(data, registers):
    return words(data.ljust(registers * 2, b"\0"))


def of_text():
    for encoding, (codec, text, registers) in TEXTS.items():
        nul, space = "\0".encode(codec), " ".encode(codec)
        data = text.encode(codec)
        forms = {  # trim: value, what stands in the registers, what a write of the value leaves there
            "End": [(" " + text, space + data + space, space + data), (text, data + nul + "x".encode(codec), data), ("", b"", b"")],
            "Both": [(text, space + data + space, data)],
            "None": [(f" {text} ", space + data + space, space + data + space), (f"a\0{text}"[:4], f"a\0{text}"[:4].encode(codec), None)],
        }
        for trim, rows in forms.items():
            for order in TEXT_ORDERS:
                for value, read, written in rows:
                    binding = {"dataType": "string", "length": registers + 3, "encoding": encoding, "trim": trim}
                    on_wire = [ordered(padded(d, registers + 3), order) if d is not None else None for d in (read, written)]
                    yield case(f"string {encoding} {trim}", order, binding, value, *on_wire)
    for order in TEXT_ORDERS:
        both = [w for text in ("AB", "C") for w in ordered(padded(text.encode(), 2), order)]
        yield case("string[]", order, {"dataType": "string", "length": 2, "count": 2}, ["AB", "C"], both)


def of_blocks():
    """Bytes as they stand; the value is a list of them."""
    block = bytes([0x01, 0x02, 0xFF, 0x00, 0x00, 0x7F])
    for order in TEXT_ORDERS:
        yield case("bytes", order, {"dataType": "bytes", "length": 3}, list(block), ordered(words(block), order))


def of_parts():
    """Bits and bytes of a register; the rest of it stays."""
    for order in ORDERS:
        put = lambda register, order=order: ordered([register], order)
        for name, (high, form, values) in BYTES.items():
            for value in values:
                (byte,) = struct.pack(">" + form, value)
                register = byte << 8 | BEFORE & 0xFF if high else BEFORE & 0xFF00 | byte
                yield case(name, order, {"dataType": name}, value, put(register), before=put(BEFORE))
            pair = [struct.pack(">" + form, v)[0] << (8 if high else 0) for v in values]
            array = [w for register in pair for w in put(register)]
            yield case(f"{name}[]", order, {"dataType": name, "count": 2}, values, array, None)
        for bit in range(16):
            for on in (False, True):
                register = BEFORE & ~(1 << bit) | on << bit
                yield case("bit", order, {"bit": bit}, on, put(register), before=put(BEFORE))
        for bits in range(2, 17):
            for low in sorted({0, (16 - bits) // 2, 16 - bits}):
                value = 0x5A5B & (1 << bits) - 1
                register = BEFORE & ~((1 << bits) - 1 << low) | value << low
                yield case("bits", order, {"bit": low, "bits": bits}, value, put(register), before=put(BEFORE))


def of_coils():
    for on in (False, True):
        yield case("coil", None, {}, on, [int(on)], before=[int(not on)])
    row = [True, False, False, True, False, True, True, False, True, True]
    yield case("coil[]", None, {"count": len(row)}, row, [int(on) for on in row], before=[int(not on) for on in row])


def cases():
    for part in (of_numbers, of_times, of_text, of_blocks, of_parts, of_coils):
        yield from part()


if __name__ == "__main__":
    for one in cases():
        print(json.dumps(one))
