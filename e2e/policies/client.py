"""A client of the API server with nothing but the standard library: what is sent is exactly what a case says."""

import base64
import http.client
import json
import shlex
import os
import ssl
import subprocess
import tempfile
import urllib.parse

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
TIMEOUT = 30

KUBECTL = shlex.split(os.environ.get("KUBECTL", "kubectl"))


def kubectl(*args, stdin=None, check=True):
    done = subprocess.run([*KUBECTL, *args], input=stdin, text=True, capture_output=True, timeout=120)
    if check and done.returncode:
        raise RuntimeError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


class Server:
    """Where the API server is, and the administrator's certificate, from the kubeconfig in force."""

    def __init__(self):
        config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        cluster, self.user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url = urllib.parse.urlparse(cluster["server"])
        self.ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.name = cluster.get("tls-server-name")

    def tls(self, with_certificate):
        context = ssl.create_default_context(cadata=self.ca)
        if with_certificate:
            pem = b"\n".join(base64.b64decode(self.user[k]) for k in ("client-certificate-data", "client-key-data"))
            with tempfile.NamedTemporaryFile() as file:
                file.write(pem)
                file.flush()
                context.load_cert_chain(file.name)
        return context


class Api:
    """One account: an administrator, somebody whom the administrator impersonates, or the bearer of a token."""

    def __init__(self, server, token=None, user=None, groups=()):
        self.server, self.token = server, token
        self.headers = [("Accept", "application/json")]
        if token:
            self.headers.append(("Authorization", "Bearer " + token))
        if user:
            self.headers.append(("Impersonate-User", user))
            self.headers.extend(("Impersonate-Group", group) for group in groups)
        self.connection = http.client.HTTPSConnection(
            server.url.hostname, server.url.port or 443, timeout=TIMEOUT, context=server.tls(not token))

    def again(self):
        """The same account on a connection of its own, for another thread."""
        return Api(self.server, self.token)

    def __call__(self, method, path, body=None, content="application/json"):
        data = None if body is None else json.dumps(body).encode()
        self.connection.putrequest(method, path)
        for name, value in self.headers:
            self.connection.putheader(name, value)
        if data is not None:
            self.connection.putheader("Content-Type", content)
            self.connection.putheader("Content-Length", str(len(data)))
        self.connection.endheaders(data)
        answer = self.connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, {"message": text.decode(errors="replace")[:200]}


def message(body):
    return body.get("message", "") if isinstance(body, dict) else ""


def layer(status, body):
    """Who decided: `allow`, `policy`, `rbac`, `authn`, or the status code."""
    if status < 300:
        return "allow"
    if "AdmissionPolicy" in message(body) or "denied request" in message(body):
        return "policy"
    return {403: "rbac", 401: "authn"}.get(status, str(status))


def must(answer):
    """For the ground that cases stand on."""
    status, body = answer
    if status >= 300:
        raise RuntimeError(f"{status} {message(body)}")
    return body


class Report:
    """Counts cases. Prints failures, and with `verbose` every case."""

    def __init__(self, verbose=False):
        self.passed = self.failed = 0
        self.skipped = []
        self.verbose = verbose

    def section(self, title):
        print(f"[{self.passed + self.failed:3} done] {title}", flush=True)

    def skip(self, title):
        self.skipped.append(title)

    def case(self, wanted, title, answer):
        """`wanted` is one of the words of `layer`, or several with | between them."""
        got = layer(*answer)
        good = got in wanted.split("|")
        self.passed += good
        self.failed += not good
        if self.verbose or not good:
            print(f"{'ok  ' if good else 'FAIL'} {title}: {got}, wanted {wanted}  {message(answer[1])[:300]}", flush=True)
        return answer[1]

    def fact(self, title, holds, detail=""):
        """A case that is a fact about what the API server holds afterwards."""
        self.passed += bool(holds)
        self.failed += not holds
        if self.verbose or not holds:
            print(f"{'ok  ' if holds else 'FAIL'} {title}  {str(detail)[:300]}", flush=True)

    def end(self):
        for title in self.skipped:
            print(f"skipped: {title}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
