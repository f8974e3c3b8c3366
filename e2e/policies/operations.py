"""The operator: of Nodes its own labels alone; and only it writes where a device is."""

from client import APPLY, JSON_PATCH, MERGE, must
from ground import PROTOCOL, T1, T2, apply, merge, path, thing

A, W = "allow", "policy"
OURS = "pollux.node-restriction.kubernetes.io/"


def nodes(g):
    case = lambda want, title, answer: g.report.case(want, f"node: {title}", answer)  # noqa: E731
    target = f"/api/v1/nodes/{T1}"
    labels = lambda **_: {"metadata": {"labels": _}}  # noqa: E731
    patch = lambda body, who=g.operator: who("PATCH", target, body, MERGE)  # noqa: E731
    mine = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": T1, "labels": {OURS + "modbus": "", OURS + "ble": ""}}}
    taint = {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}
    case(A, "add own label", patch(labels(**{OURS + "modbus": ""})))
    case(A, "apply own labels", g.operator("PATCH", target + "?fieldManager=pollux&force=true", mine, APPLY))
    case(A, "remove own labels", patch(labels(**{OURS + "modbus": None, OURS + "ble": None})))
    must(g.admin("PATCH", target, labels(x="y"), MERGE))
    for title, body in (
            ("add another", labels(**{"node-role.kubernetes.io/control-plane": ""})), ("remove another", labels(x=None)),
            ("change another with own", labels(x="z", **{OURS + "modbus": ""})),
            ("another prefix of node-restriction", labels(**{"evil.node-restriction.kubernetes.io/x": ""})),
            ("prefix trick", labels(**{"pollux.node-restriction.kubernetes.io.evil/x": ""})),
            ("prefix without slash", labels(**{OURS[:-1]: ""})), ("taint", taint),
            ("own label and taint", {**labels(**{OURS + "a": ""}), **taint}), ("schedulable", {"spec": {"unschedulable": None}}),
            ("annotation", {"metadata": {"annotations": {"a": "b"}}}), ("finalizer", {"metadata": {"finalizers": ["a.b/c"]}}),
            ("ownerReference", {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "z", "uid": "u"}]}})):
        case(W, title, patch(body))
    case(W, "JSON patch replaces all labels", g.operator(
        "PATCH", target, [{"op": "replace", "path": "/metadata/labels", "value": {}}], JSON_PATCH))
    body = g.admin("GET", target)[1]
    body["metadata"]["labels"]["z"] = "1"
    case("policy|409", "PUT with another label", g.operator("PUT", target, body))
    case(W, "status", g.operator("PATCH", target + "/status", {"status": {"phase": "Running"}}, MERGE))
    absent = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "pollux-t9"}}
    case(W, "apply of an absent Node", g.operator("PATCH", "/api/v1/nodes/pollux-t9?fieldManager=p&force=true", absent, APPLY))
    case(W, "CREATE", g.operator("POST", "/api/v1/nodes", {"metadata": {"name": "pollux-t9"}}))
    case(W, "DELETE", g.operator("DELETE", target))
    case(W, "DELETECOLLECTION", g.operator("DELETE", "/api/v1/nodes?dryRun=All"))
    case(W, "nodes/proxy", g.operator("GET", target + "/proxy/pods"))
    case(W, "another account of its namespace", patch(labels(q=""), g.beside))


def placement(g):
    """RBAC lets everybody write the status: nodeName still is the operator's, and who may lift the policy may write it too."""
    case = lambda want, title, answer: g.report.case(want, f"placement: {title}", answer)  # noqa: E731
    status = path("Device", "d1") + "/status"
    put = lambda who, value, name="d1": merge(who, "Device", name, {"status": {"nodeName": value}})  # noqa: E731
    case(A, "the operator moves a device", put(g.operator, T2))
    case(A, "an administrator does", put(g.admin, T1))
    case(W, "somebody: change", put(g.app, T2))
    case(W, "somebody: remove", put(g.app, None))
    case(W, "somebody: set on a Device without status", put(g.app, "x", "dn"))
    case(W, "somebody: status null", merge(g.app, "Device", "d1", {"status": None}))
    case(W, "somebody: forced apply as the operator", apply(g.app, "Device", "d1", manager="pollux-operator", status={"nodeName": "x"}))
    case(W, "somebody: JSON patch", g.app("PATCH", status, [{"op": "remove", "path": "/status/nodeName"}], JSON_PATCH))
    body = g.admin("GET", path("Device", "d1"))[1]
    body["status"]["nodeName"] = "x"
    case(W, "somebody: PUT", g.app("PUT", status, body))
    case(W, "another account of the operator's namespace", put(g.beside, "x"))
    case(A, "other fields of status are RBAC's matter", merge(g.app, "Device", "d1", {"status": {"summary": "x"}}))
    spec = {"model": "m", "protocol": PROTOCOL}
    made = must(g.app("POST", path("Device"), thing("Device", "st", spec=spec, status={"nodeName": "x"})))
    g.report.fact("placement: CREATE with status: dropped", "status" not in made, made)
    after = must(g.app("PATCH", path("Device", "d1"), {"status": {"nodeName": "x"}}, MERGE))
    g.report.fact("placement: main resource with status: dropped", after["status"]["nodeName"] == T1, after["status"])
