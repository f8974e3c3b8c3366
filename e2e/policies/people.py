"""People: names and sizes in spec.desired, and the group that may change setpoints and nothing else."""

from client import JSON_PATCH, Api, must
from ground import BUS, GROUP, PROTOCOL, apply, merge, path, thing

A, W = "allow", "policy"
RESERVED = "y n yes no on off true false null".split()


def dry(g, desired=None, kind="Device", **spec):
    """Tries to create an object."""
    spec = {**({"protocol": PROTOCOL} if kind == "Device" else {}), **({"desired": desired} if desired is not None else {}), **spec}
    return g.admin("POST", path(kind) + "?dryRun=All", {"apiVersion": GROUP, "kind": kind, "metadata": {"generateName": "v"}, "spec": spec})


def names(g):
    case = lambda want, title, answer: g.report.case(want, f"desired: {title}", answer)  # noqa: E731
    good = {"a": 1, "b": True, "c": 1.5, "d": [1], "e": {"x": 1}, "_f": "s", "TT_101": 1, "yesterday": 1, "one": 1, "nul": 1}
    case(A, "scalars, list, object", dry(g, good))
    case(A, "63 characters", dry(g, {"a" * 63: 1}))
    case(W, "64 characters", dry(g, {"a" * 64: 1}))
    for word in RESERVED:
        for name in (word, word.upper(), word.capitalize()) if len(word) > 1 else (word, word.upper()):
            case(W, f"name {name}", dry(g, {name: 1}))
    for name in ("9x", "a-b", "a.b", "", "ä", "a b", "~"):
        case(W, f"name {name!r}", dry(g, {name: 1}))
    case(A, "string of 4096", dry(g, {"a": "x" * 4096}))
    case("policy|422", "string of 4097", dry(g, {"a": "x" * 4097}))
    case(A, "list of about 4 kB", dry(g, {"a": ["x" * 100] * 38}))
    case(W, "list too long", dry(g, {"a": ["x" * 100] * 42}))
    case(W, "object too long", dry(g, {"a": {f"k{i}": i for i in range(600)}}))
    case(W, "nested five deep, too long", dry(g, {"a": [[[[["x" * 4090]]]]] + [1] * 9}))
    case(A, "Device's own property", dry(g, properties=[{"name": "temp"}]))
    case("422", "Device's own property On", dry(g, properties=[{"name": "On"}]))
    case(A, "DeviceModel, 1,000 names", dry(g, kind="DeviceModel", properties=[{"name": f"p{i}"} for i in range(1000)]))
    case("422", "DeviceModel property NO", dry(g, kind="DeviceModel", properties=[{"name": "a"}, {"name": "NO"}]))


def sizes(g):
    """The largest edits there can be stay below the cost limit of expressions, which would refuse them."""
    big = {f"property_{i:054}": i for i in range(1000)}
    for want, title, desired in (
            (A, "1,000 keys of 63 characters", big), (W, "1,000 keys, the last one bad", {**dict(list(big.items())[:999]), "off": 1}),
            (A, "1,000 strings of 1 kB", {k: "x" * 1000 for k in big}), (A, "1,000 small objects", {k: {"a": 1, "b": [1, 2, 3]} for k in big}),
            (A, "1,000 lists of 1 kB", {k: ["x" * 10] * 75 for k in big}), (W, "1,000 bad keys", {f"é{i}": 1 for i in range(1000)})):
        g.report.case(want, f"desired: {title}", dry(g, desired))


def older_objects(g):
    """An object from before the policy stays editable where the edit is not about its spec."""
    in_force = lambda: dry(g, {"on": 1})[0] != 201  # noqa: E731
    with g.without_binding("pollux-property-names", in_force):
        must(g.admin("POST", path("Device"), thing("Device", "old", spec={"protocol": PROTOCOL, "desired": {"on": 1}})))
    edit = lambda body: merge(g.admin, "Device", "old", body, sub="")  # noqa: E731
    g.report.case(A, "older object: labels", edit({"metadata": {"labels": {"a": "b"}}}))
    g.report.case(A, "older object: finalizers", edit({"metadata": {"finalizers": []}}))
    g.report.case(W, "older object: spec while it stays bad", edit({"spec": {"mode": "Off"}}))
    g.report.case(A, "older object: mended", edit({"spec": {"desired": {"on": None, "a": 1}}}))


def group(g):
    if not g.has("validatingadmissionpolicies", "pollux-operators-group"):
        g.report.skip("group pollux:operators: operatorsGroup.enabled is false")
        return
    case = lambda want, title, answer: g.report.case(want, f"group: {title}", answer)  # noqa: E731
    ann = Api(g.server, user="ann", groups=["pollux:operators", "system:authenticated"])
    edit = lambda body, sub="", name="d1": merge(ann, "Device", name, body, sub=sub)  # noqa: E731
    spec = lambda **fields: {"spec": fields}  # noqa: E731
    case(A, "desired by merge", edit(spec(desired={"a": 2, "b": 3})))
    case(A, "mode by merge", edit(spec(mode="Monitor")))
    case(A, "desired by JSON patch", ann("PATCH", path("Device", "d1"), [{"op": "replace", "path": "/spec/desired/a", "value": 5}], JSON_PATCH))
    case(A, "desired by forced apply", apply(ann, "Device", "d1", manager="kubectl", sub="", spec={"desired": {"a": 6}, "protocol": PROTOCOL}))
    case(A, "remove desired and mode", edit(spec(desired=None, mode=None)))
    for title, body in (
            ("nodeName", spec(nodeName="x")), ("desired and nodeName", spec(desired={"a": 1}, nodeName="x")), ("model", spec(model=None)),
            ("protocol inside", spec(protocol={"modbus": {"tcp": {"host": "evil"}}})), ("properties", spec(properties=[{"name": "a"}])),
            ("mapperClass", spec(mapperClass="x")), ("label", {"metadata": {"labels": {"a": "b"}}}),
            ("annotation pollux.rs/force-release", {"metadata": {"annotations": {"pollux.rs/force-release": "1"}}}),
            ("annotation pollux.rs/rewrite", {"metadata": {"annotations": {"pollux.rs/rewrite": "1"}}}),
            ("finalizer", {"metadata": {"finalizers": ["a.b/c"]}})):
        case(W, title, edit(body))
    case("policy|422", "spec null", edit({"spec": None}))
    group_other_verbs(ann, case, edit)
    for want, field, value in ((A, "desired", {"z": 1}), (W, "model", "evil")):
        body = g.admin("GET", path("Device", "d1"))[1]
        body["spec"][field] = value
        case(want, f"PUT with another {field}", ann("PUT", path("Device", "d1"), body))


def group_other_verbs(ann, case, edit):
    new = {"protocol": PROTOCOL}
    case(W, "status", edit({"status": {"reported": {"a": 1}}}, "/status"))
    case(W, "forced apply of protocol", apply(ann, "Device", "d1", manager="gitops", sub="", spec={"desired": {"a": 1}, "protocol": {
        "modbus": {"tcp": {"host": "evil"}}}}))
    case(W, "CREATE Device", ann("POST", path("Device"), thing("Device", "u1", spec=new)))
    case(W, "apply that creates", apply(ann, "Device", "u1", sub="", spec=new))
    case(W, "DELETE", ann("DELETE", path("Device", "d1")))
    case(W, "DELETECOLLECTION", ann("DELETE", path("Device")))
    case(W, "CREATE DeviceModel", ann("POST", path("DeviceModel"), thing("DeviceModel", "u1", spec={"properties": [{"name": "a"}]})))
    case(W, "Channel", merge(ann, "Channel", "ch", {"spec": {"protocol": {"modbus": {"tcp": {"host": "evil"}}}}}, sub=""))
    case(W, "MapperClass: writes", merge(ann, "MapperClass", BUS, {"spec": {"writes": "Disabled"}}, sub=""))
