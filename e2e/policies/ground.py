"""What the cases stand on: fake Nodes and Pods (for the node claims of their tokens), accounts, and objects of every kind. Never
started, all removed at the end. The operator rests meanwhile, because it would rightly mend what the cases break."""

import contextlib
import json
import time

from client import APPLY, MERGE, Api, Report, Server, kubectl, message, must

GROUP = "pollux.rs/v1alpha1"
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MAPPERS = "pollux-mappers"
SPACE = "pollux-policies-test"
WIDE = "pollux-policies-test"
# Names that are prefixes of each other, with and without dots: what a careless policy takes for the same.
T1, T2, T1B, T10 = NODES = ["pollux-t1", "pollux-t2", "pollux-t1.b", "pollux-t1.0"]
# Two classes, one a prefix of the other; no class of a user has such a name.
BUS, SHORT = "polluxtbus", "polluxt"
ACCOUNT, SHORT_ACCOUNT = f"pollux-mapper-{BUS}", f"pollux-mapper-{SHORT}"
PLURALS = {"Device": "devices", "DeviceModel": "devicemodels", "Channel": "channels", "DeviceSlice": "deviceslices",
           "DeviceModelRevision": "devicemodelrevisions", "MapperClass": "mapperclasses"}
PROTOCOL = {"modbus": {"tcp": {"host": "10.1.2.3"}}}


def path(kind, name="", namespace=SPACE):
    where = "" if kind == "MapperClass" else f"/namespaces/{namespace}"
    return f"/apis/{GROUP}{where}/{PLURALS[kind]}" + (f"/{name}" if name else "")


def thing(kind, name, namespace=SPACE, **parts):
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **parts}


def apply(who, kind, name, namespace=SPACE, manager="pollux-mapper", sub="/status", **parts):
    target = f"{path(kind, name, namespace)}{sub}?fieldManager={manager}&force=true"
    return who("PATCH", target, {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, **parts}, APPLY)


def merge(who, kind, name, body, namespace=SPACE, sub="/status"):
    return who("PATCH", path(kind, name, namespace) + sub, body, MERGE)


def condition(type_, status="True"):
    return {"type": type_, "status": status, "reason": "R", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z"}


def reported(value=1):
    return {"status": {"reported": {"a": value}}}


def account(namespace, name):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace},
            "automountServiceAccountToken": False}


def pod(name, node, service_account):
    # Mounts a token, or the API server gives its kubelet none. Nothing is pulled or run: the Node has no kubelet.
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": MAPPERS},
            "spec": {"serviceAccountName": service_account, "automountServiceAccountToken": True, "nodeName": node,
                     "tolerations": [{"operator": "Exists"}],
                     "containers": [{"name": "c", "image": "localhost/none:1", "imagePullPolicy": "Never"}]}}


def role(name, rules, namespace=None):
    kind, where = ("Role", {"namespace": namespace}) if namespace else ("ClusterRole", {})
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name, **where}, "rules": rules}


def binding(name, role_kind, subjects, namespace=None):
    kind, where = ("RoleBinding", {"namespace": namespace}) if namespace else ("ClusterRoleBinding", {})
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name, **where}, "subjects": subjects,
            "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": name}}


def wait(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds} s for: {what}")
        time.sleep(0.1)


class Ground:
    """Accounts and objects, ready for cases."""

    def __init__(self, system, verbose):
        self.system = system
        self.server = Server()
        self.report = Report(verbose)
        self.admin = Api(self.server)

    def has(self, resource, name):
        return self.admin("GET", f"{ADMISSION}/{resource}/{name}")[0] == 200

    # ---------------------------------------------------------------------------------------------------------------- tokens
    def ask_token(self, who, namespace, name, kind=None, bound=None, seconds=600, uid=None):
        spec = {"expirationSeconds": seconds} if seconds else {}
        if kind:
            spec["boundObjectRef"] = {"kind": kind, "apiVersion": "v1", "name": bound, **({"uid": uid} if uid else {})}
        return who("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
                   {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})

    def bearer(self, *args, **named):
        return Api(self.server, must(self.ask_token(self.admin, *args, **named))["status"]["token"])

    # ---------------------------------------------------------------------------------------------------------------- up, down
    @contextlib.contextmanager
    def ready(self):
        deployment = f"/apis/apps/v1/namespaces/{self.system}/deployments/pollux-operator"
        replicas = must(self.admin("GET", deployment))["spec"]["replicas"]
        try:
            self.rest_operator(deployment)
            self.clean()
            self.make_fakes()
            self.make_accounts()
            self.make_objects()
            yield self
        finally:
            self.clean()
            self.admin("PATCH", deployment, {"spec": {"replicas": replicas}}, MERGE)

    def rest_operator(self, deployment):
        must(self.admin("PATCH", deployment, {"spec": {"replicas": 0}}, MERGE))
        pods = f"/api/v1/namespaces/{self.system}/pods?labelSelector=app.kubernetes.io%2Fname%3Dpollux-operator"
        wait("the operator to rest", lambda: not must(self.admin("GET", pods))["items"], 90)

    def make_fakes(self):
        for name in NODES:
            must(self.admin("POST", "/api/v1/nodes", {"metadata": {"name": name}, "spec": {"unschedulable": True}}))
        must(self.admin("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}}))
        for namespace, name in ((MAPPERS, ACCOUNT), (MAPPERS, SHORT_ACCOUNT), (self.system, "policies-test"), (SPACE, "app")):
            must(self.admin("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account(namespace, name)))
        for name, node, who in [*((f"policies-{i}", node, ACCOUNT) for i, node in enumerate(NODES)), ("policies-s", T1, SHORT_ACCOUNT)]:
            must(self.admin("POST", f"/api/v1/namespaces/{MAPPERS}/pods", pod(name, node, who)))
        self.pod_uid = {name: must(self.admin("GET", f"/api/v1/namespaces/{MAPPERS}/pods/{name}"))["metadata"]["uid"]
                        for name in ("policies-0", "policies-1")}

    def make_accounts(self):
        self.t1, self.t2, self.t1b, self.t10 = (self.bearer(MAPPERS, ACCOUNT, "Pod", f"policies-{i}") for i in range(4))
        self.short = self.bearer(MAPPERS, SHORT_ACCOUNT, "Pod", "policies-s")
        self.unbound = self.bearer(MAPPERS, ACCOUNT)
        self.forged = self.bearer(MAPPERS, ACCOUNT, "Node", T2)      # by the administrator; a mapper must not get one
        self.nobody = self.bearer(MAPPERS, "default")
        self.operator = self.bearer(self.system, "pollux-operator")
        self.beside = self.bearer(self.system, "policies-test")
        self.app = self.bearer(SPACE, "app")
        self.reader = None                                           # cases of tokens.py get it as a mapper does

    def make_objects(self):
        for name, node in (("d1", T1), ("d2", T2), ("dn", T1)):
            must(apply(self.admin, "Device", name, manager="gitops", sub="",
                       spec={"model": "m", "nodeName": node, "protocol": PROTOCOL, "desired": {"a": 1}}))
        self.place("d1", T1)
        self.place("d2", T2)
        for name, (class_, node) in {f"{BUS}.{T1}.0": (BUS, T1), f"{BUS}.{T1}.1": (BUS, T1), f"{BUS}.{T2}.0": (BUS, T2),
                                     f"{BUS}.{T1B}.0": (BUS, T1B), f"{BUS}.{T10}.3": (BUS, T10), f"{SHORT}.{T1}.0": (SHORT, T1),
                                     f"{BUS}.{T1}.00": (BUS, T1), f"{BUS}.{T1}.x": (BUS, T1)}.items():
            spec = {"class": class_, "nodeName": node, "devices": []}
            must(self.operator("POST", path("DeviceSlice", "", MAPPERS), thing("DeviceSlice", name, MAPPERS, spec=spec)))
        spec = {"class": BUS, "nodeName": T1, "devices": []}
        must(self.admin("POST", path("DeviceSlice"), thing("DeviceSlice", f"{BUS}.{T1}.0", spec=spec)))
        must(self.admin("POST", path("Channel"), thing("Channel", "ch", spec={"protocol": PROTOCOL})))
        must(self.admin("POST", path("MapperClass"), thing("MapperClass", BUS, spec={"image": "localhost/none:1"})))
        revision = thing("DeviceModelRevision", "policies-r1", MAPPERS, spec={"properties": []})
        must(self.operator("POST", path("DeviceModelRevision", "", MAPPERS), revision))

    def place(self, name, node):
        conditions = [condition(c) for c in ("Accepted", "Scheduled", "Ready")]
        status = {"nodeName": node, "mapperClass": BUS, "observedGeneration": 1, "conditions": conditions}
        return must(apply(self.operator, "Device", name, manager="pollux-operator", status=status))

    def widen(self):
        """RBAC gives everything to everybody whom the policies watch: what is refused now, the policies refuse."""
        rules = [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]} for groups in (["pollux.rs"], [""], ["apps", RBAC])]
        groups = [*(f"system:serviceaccounts:{n}" for n in (MAPPERS, self.system, SPACE)), "pollux:operators"]
        must(self.admin("POST", f"/apis/{RBAC}/v1/clusterroles", role(WIDE, rules)))
        subjects = [{"kind": "Group", "apiGroup": RBAC, "name": group} for group in groups]
        must(self.admin("POST", f"/apis/{RBAC}/v1/clusterrolebindings", binding(WIDE, "ClusterRole", subjects)))
        wait("RBAC to be widened", lambda: self.app("GET", path("Device", "d1"))[0] == 200)

    def without_early(self):
        """Without the mutating policy, which answers first where the API server has it, and would hide what the validating ones do."""
        if not self.early():
            return contextlib.nullcontext()
        in_force = lambda: "not of your node" in message(merge(self.t2, "Device", "d1", reported())[1])  # noqa: E731
        return self.without_binding("pollux-mapper-early", in_force, "mutatingadmissionpolicybindings")

    def early(self):
        return self.has("mutatingadmissionpolicies", "pollux-mapper-early")

    @contextlib.contextmanager
    def without_binding(self, name, in_force, resource="validatingadmissionpolicybindings"):
        """Takes a policy out of force; `in_force` tells by trying."""
        target = f"{ADMISSION}/{resource}/{name}"
        old = must(self.admin("GET", target))
        old["metadata"] = {k: v for k, v in old["metadata"].items() if k in ("name", "labels", "annotations")}
        must(self.admin("DELETE", target))
        try:
            wait(f"{name} to be out of force", lambda: not in_force())
            yield
        finally:
            must(self.admin("POST", target.rsplit("/", 1)[0], old))
            wait(f"{name} to be in force", in_force)

    def clean(self):
        """Removes what this or an earlier run made, by name."""
        gone = ["--ignore-not-found", "--wait=false"]
        kubectl("delete", "clusterrolebinding,clusterrole", WIDE, *gone)
        kubectl("delete", "pods", *(f"policies-{x}" for x in "0123s"), "-n", MAPPERS, "--force", "--grace-period=0", *gone, check=False)
        for stuck in (path("Device", "d1"), *(f"/api/v1/nodes/{name}" for name in NODES)):
            # A case that failed may have left a finalizer.
            self.admin("PATCH", stuck, {"metadata": {"finalizers": None}}, MERGE)
        kubectl("delete", "nodes", *NODES, *gone)
        kubectl("delete", "mapperclass", BUS, *gone)
        kubectl("delete", "devicemodelrevision", "policies-r1", "-n", MAPPERS, *gone)
        kubectl("delete", "sa", "policies-test", "-n", self.system, *gone)
        kubectl("delete", "sa", ACCOUNT, SHORT_ACCOUNT, "-n", MAPPERS, *gone)
        for kind in ("deviceslices", "serviceaccounts", "roles", "rolebindings", "secrets"):
            items = json.loads(kubectl("get", kind, "-n", MAPPERS, "-o", "json"))["items"]
            ours = [i["metadata"]["name"] for i in items if f"{SHORT}." in i["metadata"]["name"] or f"{BUS}." in i["metadata"]["name"]]
            if ours:
                kubectl("delete", kind, *ours, "-n", MAPPERS, *gone)
        kubectl("delete", "namespace", SPACE, "--ignore-not-found", "--timeout=60s")
        pods = f"/api/v1/namespaces/{MAPPERS}/pods/policies-"
        wait("fake Pods to be gone", lambda: all(self.admin("GET", pods + x)[0] == 404 for x in "0123s"))
