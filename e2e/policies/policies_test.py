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
from ground import Ground


def run(g):
    section = g.report.section
    section("mappers and readers, RBAC as shipped")
    mappers.devices(g, "", wide=False)
    mappers.main_resources(g, "", "rbac")
    mappers.slices(g, "", wide=False)
    tokens.write_readers(g)
    tokens.mint(g, "", wide=False)
    tokens.read(g)
    section("mappers, RBAC widened: only the policies stand between")
    g.widen()
    mappers.devices(g, "[wide] ", wide=True)
    mappers.main_resources(g, "[wide] ", "policy")
    mappers.slices(g, "[wide] ", wide=True)
    tokens.mint(g, "[wide] ", wide=True)
    mappers.namespace(g)
    section("races, co-owned fields, what errors echo")
    mappers.races(g)
    mappers.co_owned(g)
    mappers.leaks(g)
    section("the operator")
    operations.nodes(g)
    operations.placement(g)
    section("people")
    people.names(g)
    people.sizes(g)
    people.older_objects(g)
    people.group(g)


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
