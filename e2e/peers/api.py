#!/usr/bin/env python3
"""Clients of the HTTP faces of Pollux that share no code with it. Each command prints lines of JSON; 1: what was read is wrong.

  api.py metrics URL [--reference docs/reference/metrics.md]     Prometheus' own parser over a page of metrics
  api.py openapi URL NAMESPACE/NAME                              schemathesis over /openapi.json, real bodies by JSON Schema
  api.py events URL                                              a listener to server-sent events, told what to do on standard input:
                                                                 listen [ID] · next · close
"""
import argparse
import collections
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import httpx


def say(**words):
    print(json.dumps(words), flush=True)


def fail(wrong):
    say(ok=False, wrong=wrong)
    sys.exit(1)


def documented(reference):
    """name: (type, labels) of each row of the reference."""
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
    text = pathlib.Path(reference).read_text(encoding="utf-8")
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in row.findall(text)}


def metrics(options):
    from prometheus_client.parser import text_string_to_metric_families

    answer = httpx.get(options.url, timeout=30)
    wrong = [] if answer.status_code == 200 else [f"status {answer.status_code}"]
    if not answer.headers.get("content-type", "").startswith("text/plain; version=0.0.4"):
        wrong.append(f"content type {answer.headers.get('content-type')}")
    known = documented(options.reference) if options.reference else None
    series, families = collections.Counter(), collections.Counter()
    for family in text_string_to_metric_families(answer.text):
        families[family.name] += 1
        if not family.documentation or family.type == "unknown":
            wrong.append(f"{family.name}: no help, or no type")
        for sample in family.samples:
            series[sample.name, tuple(sorted(sample.labels.items()))] += 1
            if not math.isfinite(sample.value) and family.type != "histogram":
                wrong.append(f"{sample.name}: {sample.value}")
            if known is not None and known.get(sample.name) != (family.type, set(sample.labels)):
                wrong.append(f"{sample.name}: {family.type} with {sorted(sample.labels)}; documented: {known.get(sample.name)}")
    wrong += [f"shown {count} times: {name}" for name, count in [*series.items(), *families.items()] if count > 1]
    if wrong or not series:
        fail(wrong or ["no series at all"])
    say(ok=True, families=len(families), series=len(series), names=sorted({name for name, _ in series}))


def bodies(base, document, namespace, name):
    """What is answered in earnest, by the schemas that the document gives for it."""
    import jsonschema_rs

    def judge(schema, method, path):
        answer = httpx.request(method, base + path, timeout=30)
        root = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        errors = jsonschema_rs.Draft202012Validator(root).iter_errors(answer.json())
        return [f"{method} {path}: {'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors]

    device = f"/v1/devices/{namespace}/{name}"
    asked = [("DeviceList", "GET", "/v1/devices"), ("Device", "GET", device), ("Device", "POST", device + "/read")]
    asked.append(("Problem", "GET", "/v1/devices/nowhere/nobody"))
    return [error for what in asked for error in judge(*what)]


def openapi(options):
    namespace, name = options.device.split("/")
    document = httpx.get(options.url + "/openapi.json", timeout=30).json()
    wrong = bodies(options.url, document, namespace, name)
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "schemathesis.toml"
        # Half of the operations are asked of a device that is there, all of them of devices that are not.
        there = f'[parameters]\nnamespace = "{namespace}"\nname = "{name}"\n'
        for settings in (there, ""):
            config.write_text(settings)
            command = [program, "--config-file", config, "run", options.url + "/openapi.json", "--exclude-path", "/v1/events"]
            command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1", "--request-timeout", "30"]
            command += ["--continue-on-failure", "--suppress-health-check", "all"]
            done = subprocess.run(command, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
            if done.returncode:
                wrong.append(done.stdout + done.stderr)
    if wrong:
        fail(wrong)
    say(ok=True, paths=sorted(document["paths"]))


def events(options):
    from httpx_sse import connect_sse

    client, stream, source = httpx.Client(timeout=60), None, None
    for line in sys.stdin:
        match line.split():
            case ["listen", *last]:
                headers = {"Last-Event-ID": last[0]} if last else {}
                stream = connect_sse(client, "GET", options.url, headers=headers)
                source = stream.__enter__()
                source.response.raise_for_status()
                source = source.iter_sse()
                say(ok=True)
            case ["next"]:
                event = next(event for event in source if event.data)  # an empty one is none: a comment that keeps the connection
                say(ok=True, event=event.event, id=event.id, data=event.json())
            case ["close"]:
                stream.__exit__(None, None, None)
                say(ok=True)
            case words:
                fail([f"not understood: {words}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run in (metrics, openapi, events):
        command = commands.add_parser(run.__name__)
        command.add_argument("url")
        command.set_defaults(run=run)
        if run is metrics:
            command.add_argument("--reference")
        if run is openapi:
            command.add_argument("device")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
