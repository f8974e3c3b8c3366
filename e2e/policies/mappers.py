"""A mapper's token: its own node's devices and slices, and nothing else. Run twice: with RBAC as shipped, and widened."""

import collections
import threading
import time

from client import JSON_PATCH, MERGE, STRATEGIC, layer, message, must
from ground import (ACCOUNT, BUS, GROUP, MAPPERS, NODES, PROTOCOL, RBAC, SHORT, SPACE, T1, T2, T10, T1B, apply, condition, merge, path,
                    pod, reported, thing)

A, W = "allow", "policy"


def devices(g, tag, wide):
    case = lambda want, title, answer: g.report.case(want, f"{tag}device status: {title}", answer)  # noqa: E731
    status = path("Device", "d1") + "/status"
    other = path("Device", "d2") + "/status"
    own(g, case)
    for title, who in (("other node's token", g.t2), ("node with a dot", g.t1b), ("unbound token", g.unbound),
                       ("token bound to another Node", g.forged), ("account default", g.nobody)):
        case(W, title, merge(who, "Device", "d1", reported()))
    case(W, "other: forced apply", apply(g.t1, "Device", "d2", status={"reported": {"a": 1}}))
    case(W, "other: as manager pollux-operator", apply(g.t1, "Device", "d2", manager="pollux-operator", status={"reported": {"a": 1}}))
    case(W, "other: JSON patch", g.t1("PATCH", other, [{"op": "add", "path": "/status/reported", "value": {}}], JSON_PATCH))
    case(W, "other: empty merge, which would return the object", merge(g.t1, "Device", "d2", {}))
    case(W, "other: dry run", g.t1("PATCH", other + "?dryRun=All", reported(), MERGE))
    case(W, "other: nodeName to own in the same merge", merge(g.t1, "Device", "d2", {"status": {"nodeName": T1, "reported": {"a": 9}}}))
    case(W, "other: spec.nodeName to own in the same merge", merge(g.t1, "Device", "d2", {"spec": {"nodeName": T1}, **reported()}))
    case(W, "other: JSON patch nodeName there, write, nodeName back", g.t1("PATCH", other, [
        {"op": "replace", "path": "/status/nodeName", "value": T1}, {"op": "add", "path": "/status/reported", "value": {"a": 1}},
        {"op": "replace", "path": "/status/nodeName", "value": T2}], JSON_PATCH))
    case(W, "no status yet: merge", merge(g.t1, "Device", "dn", reported()))
    case(W, "no status yet: apply with nodeName", apply(g.t1, "Device", "dn", status={"nodeName": T1}))
    operators_fields(g, case)
    managed_fields(g, tag, wide)
    body = must(g.t1("PATCH", status, reported(4), MERGE))
    body["status"]["reported"] = {"a": 5}
    case(A if wide else "rbac", "own: PUT", g.t1("PUT", status, body))
    case("404", "absent: forced apply does not create", apply(g.t1, "Device", "nope", status={"reported": {"a": 1}}))


def own(g, case):
    mine = [condition("Connected"), condition("InSync")]
    case(A, "own: apply reported and own conditions", apply(g.t1, "Device", "d1", status={"reported": {"a": 1}, "conditions": mine}))
    case(A, "own: again, one condition less", apply(g.t1, "Device", "d1", status={"reported": {"a": 2}, "conditions": mine[:1]}))
    case(A, "own: merge", merge(g.t1, "Device", "d1", reported(3)))
    case(A, "own: token bound to the Node, not a Pod", merge(g.forged, "Device", "d2", reported()))
    uid = g.admin("GET", path("Device", "d1"))[1]["metadata"]["uid"]
    case(A, "own: uid of this Device", merge(g.t1, "Device", "d1", {"status": {"uid": uid}}))
    case(W, "own: uid of a Device that is gone", merge(g.t1, "Device", "d1", {"status": {"uid": "0" + uid[1:] if uid[0] != "0" else "1" + uid[1:]}}))


def operators_fields(g, case):
    for field, value in (("nodeName", T2), ("nodeName", None), ("mapperClass", SHORT), ("mapperClass", None), ("observedGeneration", 7)):
        case(W, f"own: {field} to {value}", merge(g.t1, "Device", "d1", {"status": {field: value}}))
    case(W, "own: status null", merge(g.t1, "Device", "d1", {"status": None}))
    for type_ in ("Accepted", "Scheduled", "Ready"):
        both = [condition("Connected"), condition(type_, "False")]
        case(W, f"own: {type_} changed by apply", apply(g.t1, "Device", "d1", status={"conditions": both}))
    case(W, "own: the operator's conditions dropped", merge(g.t1, "Device", "d1", {"status": {"conditions": [condition("Connected")]}}))
    case(W, "own: apply as manager pollux-operator drops its fields",
         apply(g.t1, "Device", "d1", manager="pollux-operator", status={"reported": {"a": 1}}))


def managed_fields(g, tag, wide):
    """Whose spec fields are cannot be wiped or forged through the status."""
    of_spec = lambda: [m for m in g.admin("GET", path("Device", "d1"))[1]["metadata"].get("managedFields", [])  # noqa: E731
                       if not m.get("subresource")]
    before = of_spec()
    forged = {"manager": "gitops", "operation": "Apply", "apiVersion": GROUP, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:mode": {}}}}
    for value in ([{}], [], [forged]):
        merge(g.t1, "Device", "d1", {"metadata": {"managedFields": value}, "status": {"summary": str(len(str(value)))}})
    if wide:
        body = g.admin("GET", path("Device", "d1"))[1]
        body["metadata"]["managedFields"], body["status"]["summary"] = [{}], "p"
        g.t1("PUT", path("Device", "d1") + "/status", body)
    g.report.fact(f"{tag}device status: managedFields of spec stay", before and of_spec() == before, of_spec())


def main_resources(g, tag, want):
    case = lambda title, answer: g.report.case(want, f"{tag}mapper: {title}", answer)  # noqa: E731
    spec = {"model": "m", "protocol": PROTOCOL}
    slice_ = thing("DeviceSlice", f"{BUS}.{T1}.9", MAPPERS, spec={"class": BUS, "nodeName": T1, "devices": []})
    revision = thing("DeviceModelRevision", "policies-r9", MAPPERS, spec={"properties": []})
    case("PATCH spec of a Device", merge(g.t1, "Device", "d1", {"spec": {"mode": "Off"}}, sub=""))
    case("apply spec.nodeName", apply(g.t1, "Device", "d2", sub="", spec={"nodeName": T1}))
    case("apply that creates a Device", apply(g.t1, "Device", "dz", sub="", spec=spec))
    case("CREATE a Device with status", g.t1("POST", path("Device"), thing("Device", "dz", spec=spec, status={"nodeName": T1})))
    case("DELETE a Device", g.t1("DELETE", path("Device", "d1")))
    case("DELETECOLLECTION of Devices", g.t1("DELETE", path("Device")))
    case("CREATE a slice", g.t1("POST", path("DeviceSlice", "", MAPPERS), slice_))
    case("PATCH spec of its slice", merge(g.t1, "DeviceSlice", f"{BUS}.{T1}.0", {"spec": {"class": SHORT}}, MAPPERS, ""))
    case("CREATE a revision", g.t1("POST", path("DeviceModelRevision", "", MAPPERS), revision))
    case("DELETE a Channel", g.t1("DELETE", path("Channel", "ch")))
    case("status of a Channel", merge(g.t1, "Channel", "ch", {"status": {"nodes": [{"node": T1, "connected": True}]}}))
    case("status of a Channel by apply", apply(g.t1, "Channel", "ch", status={"nodes": [{"node": T1, "connected": True}]}))
    case("MapperClass: writes", merge(g.t1, "MapperClass", BUS, {"spec": {"writes": "Disabled"}}, sub=""))
    case("MapperClass: status", merge(g.t1, "MapperClass", BUS, {"status": {"ready": 1}}))


def slices(g, tag, wide):
    body = {"status": {"taken": {"u": 1}}}
    names = {g.t1: "bus on t1", g.t2: "bus on t2", g.t1b: "bus on t1.b", g.t10: "bus on t1.0", g.short: "short on t1",
             g.unbound: "unbound", g.forged: "bus on t2, bound to the Node"}
    cases = [(A, g.t1, f"{BUS}.{T1}.0"), (A, g.t1, f"{BUS}.{T1}.1"), (A, g.t1b, f"{BUS}.{T1B}.0"), (A, g.t10, f"{BUS}.{T10}.3"),
             (A, g.short, f"{SHORT}.{T1}.0"), (W, g.t2, f"{BUS}.{T1}.0"), (W, g.t1, f"{BUS}.{T1B}.0"), (W, g.t1, f"{BUS}.{T10}.3"),
             (W, g.t10, f"{BUS}.{T1}.0"), (W, g.t1, f"{SHORT}.{T1}.0"), (W, g.short, f"{BUS}.{T1}.0"), (W, g.t1, f"{BUS}.{T1}.00"),
             (W, g.t1, f"{BUS}.{T1}.x"), (W, g.unbound, f"{BUS}.{T1}.0"), (W, g.forged, f"{BUS}.{T1}.0")]
    for want, who, name in cases:
        g.report.case(want, f"{tag}slice status: {names[who]} → {name}", apply(who, "DeviceSlice", name, MAPPERS, **body))
    after = must(merge(g.t1, "DeviceSlice", f"{BUS}.{T1}.0", {"spec": {"class": SHORT}, "status": {"taken": {"u": 2}}}, MAPPERS))
    g.report.fact(f"{tag}slice status: spec in the same request is dropped", after["spec"]["class"] == BUS, after["spec"])
    g.report.case(W if wide else "rbac", f"{tag}slice status: same name in another namespace",
                  apply(g.t1, "DeviceSlice", f"{BUS}.{T1}.0", SPACE, **body))


def namespace(g):
    """With RBAC widened: a mapper does nothing in its own namespace that would get it another node's claim."""
    core = f"/api/v1/namespaces/{MAPPERS}"
    ephemeral = {"spec": {"ephemeralContainers": [{"name": "e", "image": "x"}]}}
    bind = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "policies-1"}, "target": {"kind": "Node", "name": T1}}
    secret = {"metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": ACCOUNT}},
              "type": "kubernetes.io/service-account-token"}
    labels = {"matchLabels": {"a": "b"}}
    daemon = {"metadata": {"name": "x"}, "spec": {"selector": labels, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}}
    g.report.case(W, "mapper PUTs another's device status", g.t2(
        "PUT", path("Device", "d1") + "/status", g.admin("GET", path("Device", "d1"))[1]))
    for title, answer in (
            ("Pod on another node", g.t1("POST", core + "/pods", pod("evil", T2, ACCOUNT))),
            ("pods/exec", g.t1("POST", core + "/pods/policies-1/exec?command=id&stdout=1")),
            ("DELETE Pod", g.t1("DELETE", core + "/pods/policies-1")),
            ("ephemeral container", g.t1("PATCH", core + "/pods/policies-1/ephemeralcontainers", ephemeral, STRATEGIC)),
            ("pods/binding", g.t1("POST", core + "/pods/policies-1/binding", bind)),
            ("Secret with an account's token", g.t1("POST", core + "/secrets", secret)),
            ("Secret of another node", g.t1("PATCH", f"{core}/secrets/{BUS}.{T2}", {"stringData": {"a": "z"}}, MERGE)),
            ("Role of its reader", g.t1("PATCH", f"/apis/{RBAC}/v1/namespaces/{MAPPERS}/roles/slice.{BUS}.{T1}", {"rules": []}, MERGE)),
            ("owner of all mappers", g.t1("DELETE", core + "/configmaps/pollux-mappers?dryRun=All")),
            ("DaemonSet", g.t1("POST", f"/apis/apps/v1/namespaces/{MAPPERS}/daemonsets", daemon))):
        g.report.case(W, f"mapper in its namespace: {title}", answer)


def races(g):
    """The device is placed anew while its old mapper writes."""
    status = path("Device", "d1") + "/status"
    body = g.admin("GET", path("Device", "d1"))[1]
    g.place("d1", T2)
    body["status"]["reported"] = {"a": 77}
    g.report.case("409|policy", "race: PUT read before, sent after the move", g.t1("PUT", status, body))
    g.report.case(W, "race: apply after the move", apply(g.t1, "Device", "d1", status={"reported": {"a": 77}}))
    g.place("d1", T1)
    stop, counts, wrong = threading.Event(), collections.Counter(), []

    def hammer(who, node):
        who = who.again()
        while not stop.is_set():
            code, answer = apply(who, "Device", "d1", status={"reported": {"by": node, "n": str(time.monotonic_ns())}})
            counts[f"{node} {layer(code, answer)}"] += 1
            if code < 300 and answer["status"].get("nodeName") != node:
                wrong.append(answer["metadata"]["resourceVersion"])

    threads = [threading.Thread(target=hammer, args=x) for x in ((g.t1, T1), (g.t2, T2)) * 2]
    for thread in threads:
        thread.start()
    for i in range(150):
        g.place("d1", NODES[(i + 1) % 2])
    stop.set()
    for thread in threads:
        thread.join()
    g.place("d1", T1)
    accepted = all(counts[f"{node} allow"] for node in (T1, T2))
    g.report.fact("race: 150 moves under 4 writers, none accepted for a node not in force", accepted and not wrong, (wrong, counts))


def co_owned(g):
    """A mapper may co-own the operator's fields at their present value. The operator, which always writes them, still moves the device."""
    same = {"nodeName": T1, "reported": {"a": 1}, "conditions": [condition("Ready")]}
    g.report.case(A, "co-owned: nodeName and Ready at their present values", apply(g.t1, "Device", "d1", status=same))
    left = {"nodeName": "", "mapperClass": BUS, "observedGeneration": 1,
            "conditions": [condition(c) for c in ("Accepted", "Scheduled", "Ready")]}
    after = must(apply(g.operator, "Device", "d1", manager="pollux-operator", status=left))
    g.report.fact("co-owned: the operator takes the device away", after["status"]["nodeName"] == "", after["status"])
    g.report.case(W, "co-owned: the mapper after it", merge(g.t1, "Device", "d1", reported()))
    g.place("d1", T1)


def early(g):
    """The mutating policy, where there is one, refuses nothing that is a mapper's own, and answers before the schema does."""
    if not g.early():
        return
    for want, who, kind, name, body in (
            (A, g.t1, "Device", "d1", reported()), (W, g.t2, "Device", "d1", reported()), (W, g.t1, "Device", "dn", reported()),
            (A, g.t1, "DeviceSlice", f"{BUS}.{T1}.0", {"status": {"taken": {"u": 1}}}),
            (W, g.t2, "DeviceSlice", f"{BUS}.{T1}.0", {"status": {"taken": {"u": 1}}})):
        space = SPACE if kind == "Device" else MAPPERS
        answer = merge(who, kind, name, body, space)
        g.report.case(want, f"early: {kind} {name}", answer)
        if want == W:
            g.report.fact(f"early: {kind} {name}: it answers first", "not of your node" in message(answer[1]), message(answer[1]))


def leaks(g):
    """Patches run before admission, so an error could echo what a JSON patch copied out of another node's object."""
    if not g.early():
        g.report.skip("what errors echo of another node's objects: no MutatingAdmissionPolicy v1 in this cluster")
        return
    host = "/spec/protocol/modbus/tcp/host"
    twice = [{"op": "add", "path": "/status/conditions", "value": [condition("a"), condition("b")]},
             *({"op": "copy", "from": host, "path": f"/status/conditions/{i}/type"} for i in (0, 1))]
    for title, kind, name, space, patch in (
            ("into a field of another type", "Device", "d2", SPACE, [{"op": "copy", "from": "/spec/protocol", "path": "/status/summary"}]),
            ("twice into a list key", "Device", "d2", SPACE, twice),
            ("of a slice into another type", "DeviceSlice", f"{BUS}.{T2}.0", MAPPERS,
             [{"op": "add", "path": "/status", "value": {}}, {"op": "copy", "from": "/spec/class", "path": "/status/taken"}])):
        code, body = g.t1("PATCH", path(kind, name, space) + "/status", patch, JSON_PATCH)
        g.report.case(W, f"leak: copy {title}", (code, body))
        g.report.fact(f"leak: copy {title} is not echoed", not any(x in message(body) for x in ("10.1.2.3", f'"{BUS}"')), message(body))
