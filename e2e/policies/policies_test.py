#!/usr/bin/env python3
"""Shows on a live cluster, with the chart installed, what admission policies and RBAC allow and what they refuse.

    policies_test.py [--namespace pollux-system] [--verbose]

Uses the cluster of $KUBECONFIG (administrator by certificate) and kubectl from PATH or $KUBECTL. One line per failure; exit code 1 if any.
"""

import argparse
import sys

import mappers
import operations
import people
import tokens
from client import must
from ground import ADMISSION, Ground


def run(g):
    section = g.report.section
    warnings(g)
    section("mappers and readers, RBAC as shipped")
    with g.without_early():
        mappers.devices(g, "", wide=False)
        mappers.main_resources(g, "", "rbac")
        mappers.slices(g, "", wide=False)
    tokens.write_readers(g)
    tokens.mint(g, "", wide=False)
    tokens.read(g)
    section("mappers, RBAC widened: only the policies stand between")
    g.widen()
    with g.without_early():
        mappers.devices(g, "[wide] ", wide=True)
        mappers.main_resources(g, "[wide] ", "policy")
        mappers.slices(g, "[wide] ", wide=True)
        section("races, co-owned fields")
        mappers.races(g)
        mappers.co_owned(g)
    section("tokens, namespace, what errors echo, with every policy")
    tokens.mint(g, "[wide] ", wide=True)
    mappers.namespace(g)
    mappers.early(g)
    mappers.leaks(g)
    section("the operator")
    operations.nodes(g)
    operations.placement(g)
    section("people")
    people.names(g)
    people.sizes(g)
    people.older_objects(g)
    people.group(g)


def warnings(g):
    """What the API server's type checker holds against the expressions."""
    found = {p["metadata"]["name"]: p.get("status", {}).get("typeChecking", {}).get("expressionWarnings", [])
             for p in must(g.admin("GET", f"{ADMISSION}/validatingadmissionpolicies"))["items"] if p["metadata"]["name"].startswith("pollux-")}
    g.report.fact("policies: the type checker has nothing to say", found and not any(found.values()), found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--namespace", default="pollux-system", help="of the release")
    parser.add_argument("--verbose", action="store_true", help="a line per case")
    args = parser.parse_args()
    ground = Ground(args.namespace, args.verbose)
    ground.report.section("making fake Nodes, Pods and accounts")
    with ground.ready():
        try:
            run(ground)
        except (RuntimeError, KeyError) as error:      # such as an object that a case should not have been able to delete
            ground.report.fact("the cases can go on to the end", False, error)
    return ground.report.end()


if __name__ == "__main__":
    sys.exit(main())
