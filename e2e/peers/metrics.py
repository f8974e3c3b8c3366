#!/usr/bin/env python3
"""metrics.py URL: reads a /metrics page with Prometheus' own parsers, as strictly as they can, and prints the sum of each family's
samples as one JSON object. Fails where a page is not what its Content-Type says, or a family stands in it twice."""

import collections
import json
import sys
import urllib.request

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics


def main():
    with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
        kind, text = answer.headers["Content-Type"] or "", answer.read().decode()
    if kind.startswith("application/openmetrics-text"):
        parse = openmetrics.text_string_to_metric_families
    elif kind.startswith("text/plain; version=0.0.4"):
        parse = parser.text_string_to_metric_families
    else:
        sys.exit(f"Content-Type {kind!r}: Prometheus knows text/plain; version=0.0.4 and application/openmetrics-text")
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        sys.exit(f"# TYPE more than once: {twice}")
    sums = collections.Counter()
    for family in parse(text):
        if family.type == "unknown":
            sys.exit(f"{family.name}: no type")
        for sample in family.samples:
            sums[sample.name] += float(sample.value)
    print(json.dumps(sums))


if __name__ == "__main__":
    main()
