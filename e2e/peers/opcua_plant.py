"""What opcua_server.py has to show: the nodes, by names, and how each is made anew after it was deleted. urn:test unless said otherwise.

Line7: Speed, Count, Name, On, Floats, Locked (read only), Setpoint (EURange 0..100, °C), Mode, Colour and Level (an enumeration by
definition, by EnumStrings, by EnumValues); methods Add, Reset, Refuse, Slow, Echo. Types: Scalar.KIND and Array.KIND of each built-in type
and the structures Point, Line, Loop, Unknown. Pumps: Pump1, Pump2 of PumpType. Counter. urn:other has nodes of the same identifiers that
say -1: who keeps an index over a restart reads those. Identifiers are the names, but Numeric (i=1001), Guid, Opaque have each kind.
"""

import asyncio
import json
import uuid
from datetime import datetime, timezone
from enum import IntEnum

from asyncua import ua
from asyncua.common.structures104 import load_custom_struct, new_enum, new_struct, new_struct_field

V = ua.VariantType
Mode = IntEnum("Mode", ["Off", "Automatic", "Manual"], start=0)
DAY = datetime(2026, 11, 26, 12, 30, tzinfo=timezone.utc)
GUID = uuid.UUID("72962b91-fa75-4ae6-8d28-b404dc7daf63")
SCALARS = {
    V.Boolean: True, V.SByte: -128, V.Byte: 255, V.Int16: -32768, V.UInt16: 65535, V.Int32: -(2**31), V.UInt32: 2**32 - 1,
    V.Int64: -(2**63), V.UInt64: 2**64 - 1, V.Float: 0.5, V.Double: 0.1, V.String: "Grüße", V.DateTime: DAY, V.Guid: GUID,
    V.ByteString: b"\x00\xff", V.XmlElement: ua.XmlElement("<a>1</a>"), V.NodeId: ua.NodeId("Speed", 2), V.ExpandedNodeId: ua.ExpandedNodeId("Speed", 2),
    V.StatusCode: ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue), V.QualifiedName: ua.QualifiedName("Speed", 2),
    V.LocalizedText: ua.LocalizedText("Drehzahl", "de"),
}  # fmt: skip
VARIANTS = [ua.Variant(1, V.Byte), ua.Variant("two", V.String)]


def parsed(text, kind):
    """A word of a command as a value of that type: JSON, or the word itself."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if kind == V.DateTime:
        return datetime.fromisoformat(value)
    if kind == V.ByteString:
        return bytes.fromhex(value)
    return {V.LocalizedText: ua.LocalizedText, V.Guid: uuid.UUID}.get(kind, lambda v: v)(value)


def method(*kinds):
    """Arguments are looked at as the standard asks (Part 4, 5.12.2), which asyncua leaves to its callbacks."""

    def wrap(function):
        async def call(_parent, *arguments):
            if len(arguments) != len(kinds):
                few = len(arguments) < len(kinds)
                return ua.StatusCode(ua.StatusCodes.BadArgumentsMissing if few else ua.StatusCodes.BadTooManyArguments)
            wrong = [kind is not None and argument.VariantType != kind for argument, kind in zip(arguments, kinds)]
            if any(wrong):
                codes = [ua.StatusCode(ua.StatusCodes.BadTypeMismatch if w else ua.StatusCodes.Good) for w in wrong]
                return ua.CallMethodResult(ua.StatusCode(ua.StatusCodes.BadInvalidArgument), codes)
            return await function(*[argument.Value for argument in arguments])

        return call

    return wrap


@method(V.Double, V.Double)
async def add(a, b):
    return [ua.Variant(a + b, V.Double)]


@method(V.Byte)
async def reset(_code):
    return []


@method()
async def refuse():
    return ua.StatusCode(ua.StatusCodes.BadInvalidState)


@method(V.Double)
async def slow(seconds):
    await asyncio.sleep(seconds)
    return []


@method(V.ExtensionObject, V.Int32)
async def echo(point, mode):
    return [ua.Variant(point, V.ExtensionObject), ua.Variant(mode, V.Int32)]


def argument(name, kind, datatype=None):
    return ua.Argument(Name=name, DataType=datatype or ua.NodeId(kind.value), ValueRank=-1, Description=ua.LocalizedText(name))


class Plant:
    def __init__(self, server, ns, other):
        self.server, self.ns, self.other = server, ns, other
        self.makers = {}  # by name: makes the variable anew
        self.kept = {}  # by name: the last Variant, which a bad status would lose

    def id(self, name):
        return ua.NodeId(name, self.ns)

    async def variable(self, parent, name, value, kind, writable=True, datatype=None, id=None, browse=None):
        async def make():
            variant = ua.Variant(value, kind)
            node = await parent.add_variable(id or self.id(name), ua.QualifiedName(browse or name, self.ns), variant, datatype=datatype)
            if writable:
                await node.set_writable()
            self.kept[name] = variant
            return node

        self.makers[name] = (id or self.id(name), make)
        return await make()

    def node(self, name):
        if name not in self.makers:
            raise KeyError(f"no variable {name!r}; there are {', '.join(self.makers)}")
        return self.server.get_node(self.makers[name][0])

    async def build(self):
        objects = self.server.nodes.objects
        self.line = await objects.add_object(self.id("Line7"), ua.QualifiedName("Line7", self.ns))
        await self.structures()
        await self.values()
        await self.methods()
        await self.pumps()
        await self.variable(objects, "Counter", 0.0, V.Double, writable=False)
        await self.variable(objects, "Numeric", 1.5, V.Double, id=ua.NodeId(1001, self.ns))
        await self.variable(objects, "Guid", 2.5, V.Double, id=ua.NodeId(GUID, self.ns))
        await self.variable(objects, "Opaque", 3.5, V.Double, id=ua.NodeId(b"\x01\x02\xff", self.ns))
        decoys = await objects.add_object(ua.NodeId("Line7", self.other), ua.QualifiedName("Line7", self.other))
        for name, kind in (("Speed", V.Double), ("Count", V.Int32), ("Counter", V.Double)):
            await decoys.add_variable(ua.NodeId(name, self.other), ua.QualifiedName(name, self.other), -1, kind)

    async def structures(self):
        self.mode = await new_enum(self.server, self.ns, "Mode", [mode.name for mode in Mode])
        self.point = (await new_struct(self.server, self.ns, "Point", [new_struct_field("x", V.Double), new_struct_field("y", V.Double)]))[0]
        self.line_type = (
            await new_struct(
                self.server,
                self.ns,
                "Line",
                [
                    new_struct_field("start", self.point),
                    new_struct_field("end", self.point),
                    new_struct_field("label", V.String, optional=True),
                    new_struct_field("mode", self.mode),
                    new_struct_field("weights", V.Float, array=True),
                ],
            )
        )[0]
        self.loop, encodings = await new_struct(self.server, self.ns, "Loop", [new_struct_field("id", V.Int32)])
        self.loop_encoding = encodings[0].nodeid
        endless = new_struct_field("next", self.loop)
        definition = await self.loop.read_data_type_definition()
        definition.Fields.append(endless)
        await self.loop.write_data_type_definition(definition)
        self.Point = await load_custom_struct(self.point)
        ua.register_enum("Mode", self.mode.nodeid, Mode)
        self.Line = await load_custom_struct(self.line_type)
        enumeration = self.server.nodes.enum_data_type
        self.colour = await enumeration.add_data_type(self.id("Type.Colour"), ua.QualifiedName("Colour", self.ns))
        await self.colour.add_property(0, "EnumStrings", [ua.LocalizedText(t) for t in ("Red", "Green", "Blue")])
        self.level = await enumeration.add_data_type(self.id("Type.Level"), ua.QualifiedName("Level", self.ns))
        levels = [ua.EnumValueType(Value=v, DisplayName=ua.LocalizedText(t)) for v, t in ((-1, "Low"), (10, "High"))]
        await self.level.add_property(0, "EnumValues", levels)

    async def values(self):
        line = self.line
        await self.variable(line, "Speed", 1.5, V.Double)
        await self.variable(line, "Count", 7, V.Int32)
        await self.variable(line, "Name", "press", V.String)
        await self.variable(line, "On", True, V.Boolean)
        await self.variable(line, "Floats", [1.0, 2.0, 3.0, 4.0], V.Float)
        await self.variable(line, "Locked", 1.0, V.Double, writable=False)
        setpoint = await self.variable(line, "Setpoint", 20.0, V.Double)
        await setpoint.add_property(0, "EURange", ua.Range(Low=0.0, High=100.0))
        unit = ua.EUInformation("http://www.opcfoundation.org/UA/units/un/cefact", 4408652, ua.LocalizedText("°C"), ua.LocalizedText("degree Celsius"))
        await setpoint.add_property(0, "EngineeringUnits", unit)
        for name, value, kind in (("Mode", 1, self.mode), ("Colour", 2, self.colour), ("Level", 10, self.level)):
            await self.variable(line, name, value, V.Int32, datatype=kind.nodeid)
        types = await self.server.nodes.objects.add_object(self.id("Types"), ua.QualifiedName("Types", self.ns))
        for kind, value in SCALARS.items():
            await self.variable(types, f"Scalar.{kind.name}", value, kind)
            await self.variable(types, f"Array.{kind.name}", [value, value], kind)
        await self.variable(types, "Array.Variant", VARIANTS, V.Variant, datatype=ua.NodeId(24))
        await self.variable(types, "Empty", [], V.Double)
        await self.variable(types, "Null", None, V.Null, datatype=ua.NodeId(11))
        corner, far = self.Point(x=1.0, y=2.0), self.Point(x=3.0, y=-4.5)
        await self.variable(types, "Point", corner, V.ExtensionObject, datatype=self.point.nodeid)
        await self.variable(types, "Points", [corner, far], V.ExtensionObject, datatype=self.point.nodeid)
        for name, label in (("Line", "edge"), ("Line.NoLabel", None)):
            value = self.Line(start=corner, end=far, label=label, mode=Mode.Automatic, weights=[0.5, 1.5])
            await self.variable(types, name, value, V.ExtensionObject, datatype=self.line_type.nodeid)
        endless = ua.ExtensionObject(TypeId=self.loop_encoding, Body=b"\x01\x00\x00\x00" * 4)
        await self.variable(types, "Loop", endless, V.ExtensionObject, datatype=self.loop.nodeid)
        unknown = ua.ExtensionObject(TypeId=self.id("NoSuchType"), Body=b"\x01\x02\x03")
        await self.variable(types, "Unknown", unknown, V.ExtensionObject, datatype=ua.NodeId(22))

    async def methods(self):
        number, point, mode = V.Double, self.point.nodeid, self.mode.nodeid
        for name, function, inputs, outputs in (
            ("Add", add, [argument("a", number), argument("b", number)], [argument("sum", number)]),
            ("Reset", reset, [argument("code", V.Byte)], []),
            ("Refuse", refuse, [], []),
            ("Slow", slow, [argument("seconds", number)], []),
            ("Echo", echo, [argument("point", None, point), argument("mode", None, mode)], [argument("point", None, point), argument("mode", None, mode)]),
        ):
            await self.line.add_method(self.id(name), ua.QualifiedName(name, self.ns), function, inputs, outputs)

    async def pumps(self):
        kind = await self.server.nodes.base_object_type.add_object_type(self.id("PumpType"), ua.QualifiedName("PumpType", self.ns))
        for name, value in (("Flow", 1.0), ("Power", 2.0)):
            node = await kind.add_variable(self.id(f"PumpType.{name}"), ua.QualifiedName(name, self.ns), value)
            await node.set_modelling_rule(True)
        folder = await self.server.nodes.objects.add_folder(self.id("Pumps"), ua.QualifiedName("Pumps", self.ns))
        for name in ("Pump1", "Pump2"):
            pump = await folder.add_object(self.id(name), ua.QualifiedName(name, self.ns), kind.nodeid)
            await self.server.delete_nodes(await pump.get_children())  # their node ids are not ours
            for part, value in (("Flow", 1.0), ("Power", 2.0)):
                await self.variable(pump, f"{name}.{part}", value, V.Double, writable=part == "Flow", browse=part)
