/* What the server has to show besides its floats: the same names as ../opcua_plant.py has, as far as open62541 can. */
#include <open62541/server.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static UA_UInt16 ns;

static void must(UA_StatusCode code, const char *what) {
    if(code == UA_STATUSCODE_GOOD) return;
    fprintf(stderr, "%s: %s\n", what, UA_StatusCode_name(code));
    exit(1);
}
static UA_NodeId named(const char *name) { return UA_NODEID_STRING(ns, (char *)(uintptr_t)name); }
static UA_QualifiedName browse_name(const char *name) { return UA_QUALIFIEDNAME(ns, (char *)(uintptr_t)name); }

/* --- Point, Line (label is optional) and the enumeration Mode ---------------------------------------------------------- */
typedef struct { UA_Double x, y; } Point;
typedef struct { Point start, end; UA_String *label; UA_Int32 mode; size_t weightsSize; UA_Float *weights; } Line;

static UA_DataTypeMember mode_members[3] = {{.memberName = "Off", .memberType = (UA_DataType *)0},
    {.memberName = "Automatic", .memberType = (UA_DataType *)1}, {.memberName = "Manual", .memberType = (UA_DataType *)2}};
static UA_DataTypeMember point_members[2], line_members[5];
static UA_DataType types[3];
static UA_DataTypeArray types_list = {NULL, 3, types, false};
enum { POINT, LINE, MODE };

/* Before the server exists: requests are decoded by them. The namespace's index must be known. */
static void define_types(UA_ServerConfig *c) {
    const UA_DataType *number = &UA_TYPES[UA_TYPES_DOUBLE];
    point_members[0] = (UA_DataTypeMember){.memberName = "x", .memberType = number};
    point_members[1] = (UA_DataTypeMember){.memberName = "y", .memberType = number};
    types[POINT] = (UA_DataType){.typeName = "Point", .typeId = UA_NODEID_NUMERIC(ns, 900001), .binaryEncodingId = UA_NODEID_NUMERIC(ns, 900011),
        .memSize = sizeof(Point), .typeKind = UA_DATATYPEKIND_STRUCTURE, .pointerFree = true, .membersSize = 2, .members = point_members};
    types[MODE] = (UA_DataType){.typeName = "Mode", .typeId = UA_NODEID_NUMERIC(ns, 900003), .memSize = sizeof(UA_Int32),
        .typeKind = UA_DATATYPEKIND_ENUM, .pointerFree = true, .membersSize = 3, .members = mode_members};
    /* padding: to the member before it; of an optional member and of an array that of the pointer and the size */
    line_members[0] = (UA_DataTypeMember){.memberName = "start", .memberType = &types[POINT]};
    line_members[1] = (UA_DataTypeMember){.memberName = "end", .memberType = &types[POINT]};
    line_members[2] = (UA_DataTypeMember){.memberName = "label", .memberType = &UA_TYPES[UA_TYPES_STRING], .isOptional = true,
        .padding = offsetof(Line, label) - offsetof(Line, end) - sizeof(Point)};
    line_members[3] = (UA_DataTypeMember){.memberName = "mode", .memberType = &types[MODE],
        .padding = offsetof(Line, mode) - offsetof(Line, label) - sizeof(void *)};
    line_members[4] = (UA_DataTypeMember){.memberName = "weights", .memberType = &UA_TYPES[UA_TYPES_FLOAT], .isArray = true,
        .padding = offsetof(Line, weightsSize) - offsetof(Line, mode) - sizeof(UA_Int32)};
    types[LINE] = (UA_DataType){.typeName = "Line", .typeId = UA_NODEID_NUMERIC(ns, 900002), .binaryEncodingId = UA_NODEID_NUMERIC(ns, 900012),
        .memSize = sizeof(Line), .typeKind = UA_DATATYPEKIND_OPTSTRUCT, .membersSize = 5, .members = line_members};
    types_list.next = c->customDataTypes;
    c->customDataTypes = &types_list;
}

static void add_type(UA_Server *s, const UA_DataType *type, UA_NodeId parent) {
    UA_DataTypeAttributes a = UA_DataTypeAttributes_default;
    a.displayName = UA_LOCALIZEDTEXT("", (char *)(uintptr_t)type->typeName);
    must(UA_Server_addDataTypeNode(s, type->typeId, parent, UA_NS0ID(HASSUBTYPE), browse_name(type->typeName), a, NULL, NULL), type->typeName);
    if(UA_NodeId_isNull(&type->binaryEncodingId)) return;
    UA_ObjectAttributes o = UA_ObjectAttributes_default;
    o.displayName = UA_LOCALIZEDTEXT("", "Default Binary");
    must(UA_Server_addObjectNode(s, type->binaryEncodingId, UA_NODEID_NULL, UA_NODEID_NULL, UA_QUALIFIEDNAME(0, "Default Binary"),
        UA_NS0ID(DATATYPEENCODINGTYPE), o, NULL, NULL), "encoding");
    UA_ExpandedNodeId encoding = {type->binaryEncodingId, UA_STRING_NULL, 0};
    must(UA_Server_addReference(s, type->typeId, UA_NS0ID(HASENCODING), encoding, true), "HasEncoding");
}

/* --- variables ----------------------------------------------------------------------------------------------------------- */
static void variable(UA_Server *s, UA_NodeId id, UA_NodeId parent, const char *name, UA_Variant value, UA_NodeId type, UA_Byte access) {
    UA_VariableAttributes a = UA_VariableAttributes_default;
    a.value = value; a.dataType = type; a.accessLevel = access; a.userAccessLevel = access;
    a.displayName = UA_LOCALIZEDTEXT("", (char *)(uintptr_t)name);
    UA_UInt32 any = 0;
    if(!UA_Variant_isScalar(&value)) { a.valueRank = 1; a.arrayDimensions = &any; a.arrayDimensionsSize = 1; }
    must(UA_Server_addVariableNode(s, id, parent, UA_NS0ID(HASCOMPONENT), browse_name(name), UA_NS0ID(BASEDATAVARIABLETYPE), a, NULL, NULL), name);
}
static void scalar(UA_Server *s, const char *parent, const char *name, void *value, const UA_DataType *type, UA_Byte access) {
    UA_Variant v; UA_Variant_setScalar(&v, value, type);
    variable(s, named(name), named(parent), name, v, type->typeId, access);
}
static void array(UA_Server *s, const char *parent, const char *name, void *values, size_t n, const UA_DataType *type) {
    UA_Variant v; UA_Variant_setArray(&v, values, n, type);
    variable(s, named(name), named(parent), name, v, type->typeId, 3);
}
static void property(UA_Server *s, const char *of, const char *name, void *value, const UA_DataType *type) {
    UA_VariableAttributes a = UA_VariableAttributes_default;
    UA_Variant_setScalar(&a.value, value, type); a.dataType = type->typeId;
    must(UA_Server_addVariableNode(s, UA_NODEID_NULL, named(of), UA_NS0ID(HASPROPERTY), UA_QUALIFIEDNAME(0, (char *)(uintptr_t)name),
        UA_NS0ID(PROPERTYTYPE), a, NULL, NULL), name);
}
static void object(UA_Server *s, const char *name) {
    UA_ObjectAttributes a = UA_ObjectAttributes_default;
    a.displayName = UA_LOCALIZEDTEXT("", (char *)(uintptr_t)name);
    must(UA_Server_addObjectNode(s, named(name), UA_NS0ID(OBJECTSFOLDER), UA_NS0ID(ORGANIZES), browse_name(name), UA_NS0ID(BASEOBJECTTYPE), a, NULL, NULL), name);
}

/* One node as scalar and one as array of each built-in type (Part 6, 5.1.2). A Variant is no scalar in a Variant. */
static void built_in(UA_Server *s) {
    UA_Boolean b[2] = {true, false}; UA_SByte i8[2] = {-128, 127}; UA_Byte u8[2] = {255, 0}; UA_Int16 i16[2] = {-32768, 32767};
    UA_UInt16 u16[2] = {65535, 0}; UA_Int32 i32[2] = {UA_INT32_MIN, UA_INT32_MAX}; UA_UInt32 u32[2] = {UA_UINT32_MAX, 0};
    UA_Int64 i64[2] = {UA_INT64_MIN, UA_INT64_MAX}; UA_UInt64 u64[2] = {UA_UINT64_MAX, 0}; UA_Float f[2] = {0.5f, -1.5f}; UA_Double d[2] = {0.1, -1e300};
    UA_String str[2] = {UA_STRING_STATIC("Gr\xc3\xbc\xc3\x9f""e"), UA_STRING_STATIC("")};
    UA_DateTime t[2] = {UA_DATETIME_UNIX_EPOCH + 1795696200LL * UA_DATETIME_SEC, UA_DATETIME_UNIX_EPOCH};
    UA_Guid g[2] = {{0x72962b91, 0xfa75, 0x4ae6, {0x8d, 0x28, 0xb4, 0x04, 0xdc, 0x7d, 0xaf, 0x63}}, {0}};
    UA_ByteString bytes[2] = {{2, (UA_Byte *)"\x00\xff"}, UA_BYTESTRING_NULL}; UA_XmlElement xml[2] = {UA_STRING_STATIC("<a>1</a>"), UA_STRING_STATIC("<b/>")};
    UA_NodeId id[2] = {named("Speed"), UA_NODEID_NUMERIC(0, 85)}; UA_ExpandedNodeId eid[2] = {{named("Speed"), {0, NULL}, 0}, {UA_NODEID_NUMERIC(0, 85), {0, NULL}, 0}};
    UA_StatusCode code[2] = {UA_STATUSCODE_UNCERTAINLASTUSABLEVALUE, UA_STATUSCODE_BADNOTCONNECTED};
    UA_QualifiedName q[2] = {browse_name("Speed"), UA_QUALIFIEDNAME(0, "EURange")};
    UA_LocalizedText text[2] = {UA_LOCALIZEDTEXT("de", "Drehzahl"), UA_LOCALIZEDTEXT("en", "speed")};
    UA_Range range = {0, 100}; UA_ExtensionObject ext[2]; for(int i = 0; i < 2; i++) UA_ExtensionObject_setValueNoDelete(&ext[i], &range, &UA_TYPES[UA_TYPES_RANGE]);
    UA_Variant variant[2]; UA_Variant_setScalar(&variant[0], &u8[0], &UA_TYPES[UA_TYPES_BYTE]); UA_Variant_setScalar(&variant[1], &str[0], &UA_TYPES[UA_TYPES_STRING]);
    UA_DataValue dv[2]; for(int i = 0; i < 2; i++) { UA_DataValue_init(&dv[i]); dv[i].hasValue = true; UA_Variant_setScalar(&dv[i].value, &f[i], &UA_TYPES[UA_TYPES_FLOAT]); }
    UA_DiagnosticInfo info[2]; memset(info, 0, sizeof info); info[0].hasSymbolicId = true; info[0].symbolicId = 7;
    void *all[25] = {b, i8, u8, i16, u16, i32, u32, i64, u64, f, d, str, t, g, bytes, xml, id, eid, code, q, text, ext, dv, variant, info};
    object(s, "Types");
    for(int k = UA_TYPES_BOOLEAN; k <= UA_TYPES_DIAGNOSTICINFO; k++) {
        char name[64];
        snprintf(name, sizeof name, "Scalar.%s", UA_TYPES[k].typeName);
        if(k != UA_TYPES_VARIANT) scalar(s, "Types", name, all[k], &UA_TYPES[k], 3);
        snprintf(name, sizeof name, "Array.%s", UA_TYPES[k].typeName);
        array(s, "Types", name, all[k], 2, &UA_TYPES[k]);
    }
}

static void structures(UA_Server *s) {
    add_type(s, &types[POINT], UA_NS0ID(STRUCTURE)); add_type(s, &types[LINE], UA_NS0ID(STRUCTURE)); add_type(s, &types[MODE], UA_NS0ID(ENUMERATION));
    Point points[2] = {{1, 2}, {3, -4.5}};
    UA_String label = UA_STRING("edge"); UA_Float weights[2] = {0.5f, 1.5f};
    Line line = {points[0], points[1], &label, 1, 2, weights};
    scalar(s, "Types", "Point", &points[0], &types[POINT], 3);
    array(s, "Types", "Points", points, 2, &types[POINT]);
    scalar(s, "Types", "Line", &line, &types[LINE], 3);
    line.label = NULL;
    scalar(s, "Types", "Line.NoLabel", &line, &types[LINE], 3);
}

/* --- Line7 --------------------------------------------------------------------------------------------------------------- */
static UA_StatusCode add_up(UA_Server *s, const UA_NodeId *sid, void *sc, const UA_NodeId *mid, void *mc, const UA_NodeId *oid, void *oc,
                            size_t n, const UA_Variant *in, size_t m, UA_Variant *out) {
    UA_Double sum = *(UA_Double *)in[0].data + *(UA_Double *)in[1].data;
    return UA_Variant_setScalarCopy(out, &sum, &UA_TYPES[UA_TYPES_DOUBLE]);
}
static UA_StatusCode do_nothing(UA_Server *s, const UA_NodeId *sid, void *sc, const UA_NodeId *mid, void *mc, const UA_NodeId *oid, void *oc,
                                size_t n, const UA_Variant *in, size_t m, UA_Variant *out) { return UA_STATUSCODE_GOOD; }
static UA_StatusCode refuse(UA_Server *s, const UA_NodeId *sid, void *sc, const UA_NodeId *mid, void *mc, const UA_NodeId *oid, void *oc,
                            size_t n, const UA_Variant *in, size_t m, UA_Variant *out) { return UA_STATUSCODE_BADINVALIDSTATE; }

static void method(UA_Server *s, const char *name, UA_MethodCallback call, size_t n, UA_Argument *in, size_t m, UA_Argument *out) {
    UA_MethodAttributes a = UA_MethodAttributes_default;
    a.executable = a.userExecutable = true;
    a.displayName = UA_LOCALIZEDTEXT("", (char *)(uintptr_t)name);
    must(UA_Server_addMethodNode(s, named(name), named("Line7"), UA_NS0ID(HASCOMPONENT), browse_name(name), a, call, n, in, m, out, NULL, NULL), name);
}
static UA_Argument argument(char *name, int type) {
    UA_Argument a; UA_Argument_init(&a);
    a.name = UA_STRING(name); a.dataType = UA_TYPES[type].typeId; a.valueRank = UA_VALUERANK_SCALAR;
    return a;
}

static void line7(UA_Server *s) {
    object(s, "Line7");
    UA_Double speed = 1.5, setpoint = 20; UA_Int32 count = 7; UA_String name = UA_STRING("press"); UA_Boolean on = true; UA_Float floats[4] = {1, 2, 3, 4};
    const UA_DataType *number = &UA_TYPES[UA_TYPES_DOUBLE];
    scalar(s, "Line7", "Speed", &speed, number, 3);
    scalar(s, "Line7", "Count", &count, &UA_TYPES[UA_TYPES_INT32], 3);
    scalar(s, "Line7", "Name", &name, &UA_TYPES[UA_TYPES_STRING], 3);
    scalar(s, "Line7", "On", &on, &UA_TYPES[UA_TYPES_BOOLEAN], 3);
    array(s, "Line7", "Floats", floats, 4, &UA_TYPES[UA_TYPES_FLOAT]);
    scalar(s, "Line7", "Locked", &speed, number, UA_ACCESSLEVELMASK_READ);
    scalar(s, "Line7", "Denied", &speed, number, 3);
    scalar(s, "Line7", "Setpoint", &setpoint, number, 3);
    UA_Range range = {0, 100};
    UA_EUInformation unit = {UA_STRING_STATIC("http://www.opcfoundation.org/UA/units/un/cefact"), 4408652, UA_LOCALIZEDTEXT("", "\xc2\xb0""C"), UA_LOCALIZEDTEXT("", "degree Celsius")};
    property(s, "Setpoint", "EURange", &range, &UA_TYPES[UA_TYPES_RANGE]);
    property(s, "Setpoint", "EngineeringUnits", &unit, &UA_TYPES[UA_TYPES_EUINFORMATION]);
    UA_Int32 mode = 1; UA_Variant v; UA_Variant_setScalar(&v, &mode, &UA_TYPES[UA_TYPES_INT32]);
    variable(s, named("Mode"), named("Line7"), "Mode", v, types[MODE].typeId, 3);
    UA_Argument ab[2] = {argument("a", UA_TYPES_DOUBLE), argument("b", UA_TYPES_DOUBLE)}, sum = argument("sum", UA_TYPES_DOUBLE), code = argument("code", UA_TYPES_BYTE);
    method(s, "Add", add_up, 2, ab, 1, &sum);
    method(s, "Reset", do_nothing, 1, &code, 0, NULL);
    method(s, "Refuse", refuse, 0, NULL, 0, NULL);
}
