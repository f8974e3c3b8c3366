"""Readers: one account per class and node, whose token a mapper of that class on that node can get, and nobody else."""

from client import Api
from ground import ACCOUNT, BUS, MAPPERS, RBAC, SHORT, SPACE, T1, T2, T1B, account, apply, binding, merge, path, reported, role

A, W, X = "allow", "policy", "rbac"


def write_readers(g):
    """The operator makes them with its own rights, and can grant no more than it needs to."""
    for class_, node in ((BUS, T1), (BUS, T2), (BUS, T1B), (SHORT, T1)):
        name, space = f"slice.{class_}.{node}", f"namespaces/{MAPPERS}"
        reads = ["get", "list", "watch"]
        rules = [{"apiGroups": ["pollux.rs"], "resources": ["deviceslices"], "verbs": reads,
                  "resourceNames": [f"{class_}.{node}.0", f"{class_}.{node}.1"]},
                 {"apiGroups": [""], "resources": ["secrets"], "verbs": reads, "resourceNames": [f"{class_}.{node}"]}]
        subject = {"kind": "ServiceAccount", "name": name, "namespace": MAPPERS}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{class_}.{node}"}, "stringData": {"a": "b"}}
        for what, target, body in (
                ("ServiceAccount", f"/api/v1/{space}/serviceaccounts", account(MAPPERS, name)),
                ("Role", f"/apis/{RBAC}/v1/{space}/roles", role(name, rules, MAPPERS)),
                ("RoleBinding", f"/apis/{RBAC}/v1/{space}/rolebindings", binding(name, "Role", [subject], MAPPERS)),
                ("Secret", f"/api/v1/{space}/secrets", secret)):
            g.report.case(A, f"operator: writes {what} of {name}", g.operator("POST", target, body))
    grant = lambda space, rules: g.operator(  # noqa: E731
        "POST", f"/apis/{RBAC}/v1/namespaces/{space}/roles?dryRun=All", role("x", rules, space))
    admin = binding("cluster-admin", "ClusterRole", [], MAPPERS)
    one = lambda resource, verb, group="": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]  # noqa: E731
    g.report.case(X, "operator: grants minting of tokens", grant(MAPPERS, one("serviceaccounts/token", "create")))
    g.report.case(X, "operator: grants exec", grant(MAPPERS, one("pods/exec", "create")))
    g.report.case(X, "operator: grants slice status", grant(MAPPERS, one("deviceslices/status", "patch", "pollux.rs")))
    g.report.case(X, "operator: binds cluster-admin", g.operator("POST", f"/apis/{RBAC}/v1/namespaces/{MAPPERS}/rolebindings?dryRun=All", admin))
    g.report.case(X, "operator: writes a Role in another namespace", grant(SPACE, []))
    g.report.case(X, "operator: mints a reader's token", g.ask_token(g.operator, MAPPERS, f"slice.{BUS}.{T1}"))
    g.report.case(X, "operator: reads a Secret of another namespace", g.operator("GET", f"/api/v1/namespaces/{SPACE}/secrets/x"))
    g.report.case(X, "operator: reads another ConfigMap of pollux-mappers",
                  g.operator("GET", f"/api/v1/namespaces/{MAPPERS}/configmaps/kube-root-ca.crt"))
    g.report.case(A, "operator: reads the owner of all mappers", g.operator("GET", f"/api/v1/namespaces/{MAPPERS}/configmaps/pollux-mappers"))


def mint(g, tag, wide):
    case = lambda want, title, answer: g.report.case(want, f"{tag}token: {title}", answer)  # noqa: E731
    mine, me = f"slice.{BUS}.{T1}", ("Node", T1)
    ask = g.ask_token
    body = case(A, "own reader bound to own Node, 3600 s", ask(g.t1, MAPPERS, mine, *me, seconds=3600))
    g.reader = Api(g.server, body["status"]["token"])
    case(A, "own reader, expiration left out (3600)", ask(g.t1, MAPPERS, mine, *me, seconds=None))
    case(A, "node with a dot", ask(g.t1b, MAPPERS, f"slice.{BUS}.{T1B}", "Node", T1B))
    case(A, "other class, its own", ask(g.short, MAPPERS, f"slice.{SHORT}.{T1}", *me))
    for title, answer in (
            ("3601 s", ask(g.t1, MAPPERS, mine, *me, seconds=3601)), ("86400 s", ask(g.t1, MAPPERS, mine, *me, seconds=86400)),
            ("unbound", ask(g.t1, MAPPERS, mine)), ("bound to a Pod", ask(g.t1, MAPPERS, mine, "Pod", "policies-0")),
            ("own reader bound to another Node", ask(g.t1, MAPPERS, mine, "Node", T2)),
            ("other node's reader", ask(g.t1, MAPPERS, f"slice.{BUS}.{T2}", "Node", T2)),
            ("other node's reader bound to own", ask(g.t1, MAPPERS, f"slice.{BUS}.{T2}", *me)),
            ("node t1 → reader of t1.b", ask(g.t1, MAPPERS, f"slice.{BUS}.{T1B}", *me)),
            ("other class's reader", ask(g.t1, MAPPERS, f"slice.{SHORT}.{T1}", *me)),
            ("class account bound to another Node (forging)", ask(g.t1, MAPPERS, ACCOUNT, "Node", T2)),
            ("class account bound to own Node", ask(g.t1, MAPPERS, ACCOUNT, *me)),
            ("from an unbound token", ask(g.unbound, MAPPERS, mine, *me)),
            ("from a reader's token", ask(g.reader, MAPPERS, mine, *me)),
            ("from default's token", ask(g.nobody, MAPPERS, mine, *me))):
        case(W, title, answer)
    case(W if wide else X, "in another namespace", ask(g.t1, g.system, "pollux-operator"))
    case(W if wide else X, "by an account of a user's namespace", ask(g.app, MAPPERS, ACCOUNT, "Node", T2))
    kubelet = Api(g.server, user=f"system:node:{T1}", groups=["system:nodes", "system:authenticated"])
    for want, title, kind, name in ((A, "kubelet for a Pod on itself", "Pod", "policies-0"),
                                    ("rbac|policy", "kubelet for a Pod on another node", "Pod", "policies-1"),
                                    ("rbac|policy", "kubelet, bound to a Node", "Node", T2)):
        case(want, title, ask(kubelet, MAPPERS, ACCOUNT, kind, name, uid=g.pod_uid.get(name)))


def read(g):
    """What a reader's token reads: its own, by name."""
    slices = path("DeviceSlice", "", MAPPERS)
    by_name = lambda name: f"{slices}?fieldSelector=metadata.name%3D{name}"  # noqa: E731
    watch = "&watch=1&timeoutSeconds=1"
    secrets = f"/api/v1/namespaces/{MAPPERS}/secrets"
    own = f"{BUS}.{T1}.0"
    for want, title, target in (
            (A, "get own slice", path("DeviceSlice", own, MAPPERS)), (A, "list own by name", by_name(own)),
            (A, "watch own by name", by_name(own) + watch), (A, "own Secret", f"{secrets}/{BUS}.{T1}"),
            (A, "watch own Secret", f"{secrets}?fieldSelector=metadata.name%3D{BUS}.{T1}{watch}"),
            (A, "get revision", path("DeviceModelRevision", "policies-r1", MAPPERS)),
            (X, "list revisions", path("DeviceModelRevision", "", MAPPERS)),
            (X, "get other's slice", path("DeviceSlice", f"{BUS}.{T2}.0", MAPPERS)),
            (X, "slice of node with a dot", path("DeviceSlice", f"{BUS}.{T1B}.0", MAPPERS)),
            (X, "watch other's", by_name(f"{BUS}.{T2}.0") + watch), (X, "list all", slices),
            (X, "list by !=", f"{slices}?fieldSelector=metadata.name%21%3D{own}"),
            (X, "other's Secret", f"{secrets}/{BUS}.{T2}"), (X, "list Secrets", secrets), (X, "Device", path("Device", "d1"))):
        g.report.case(want, f"reader: {title}", g.reader("GET", target))
    code, body = g.reader("GET", by_name(f"{own},metadata.name%3D{BUS}.{T2}.0"))
    g.report.fact("reader: list by own AND other's name gives nothing", code == 403 or not body.get("items"), body)
    g.report.case(X, "class account reads a slice", g.t1("GET", path("DeviceSlice", own, MAPPERS)))
    g.report.case(X, "class account reads a Device", g.t1("GET", path("Device", "d1")))
    g.report.case(W, "reader: PATCH slice status", apply(g.reader, "DeviceSlice", own, MAPPERS, status={"taken": {"u": 3}}))
    g.report.case(W, "reader: PATCH device status", merge(g.reader, "Device", "d1", reported()))
