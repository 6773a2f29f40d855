"""`tower service explain | rebalance | lint | schema`: where replicas are and why, and what files may say."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli import service_lint
from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.rebalance import add_dry_run, rebalance


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "service", help="explain and change where a service's replicas are; check its file"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    explain = actions.add_parser("explain", help="why its replicas are there, and why not elsewhere")
    explain.add_argument("service", metavar="NAME", help="its id, as shop.web, or its name")
    moving = actions.add_parser("rebalance", help="move replicas to where they would be placed anew")
    moving.add_argument("service", metavar="NAME", help="its id, as shop.web, or its name")
    add_dry_run(moving)
    service_lint.add_actions(actions)


def run(args: argparse.Namespace) -> int:
    if args.action == "lint":
        return service_lint.run_lint(args)
    if args.action == "schema":
        return service_lint.run_schema()
    if args.action == "rebalance":
        return rebalance(args, args.service)
    placement: dict[str, Any] = connect(args).get(f"/services/{segment(args.service)}/placement")
    if getattr(args, "json", False):
        print_json(placement)
    else:
        print_placement(placement)
    return DONE


def print_placement(placement: dict[str, Any]) -> None:
    """Print why replicas are where they are, then every host with its verdict."""
    for rule in placement["rules"]:
        print(f"rule: {printable(rule)}")
    rows = [
        (
            replica["ordinal"],
            replica["node_name"],
            "; ".join(replica["reasons"]),
            "; ".join(replica["objections"]),
        )
        for replica in placement["replicas"]
    ]
    print_table(
        ("replica", "host", "why here", "what speaks against it"), rows, empty="no replica is anywhere"
    )
    print()
    hosts = [
        (
            host["node_name"],
            host["verdict"],
            ", ".join(map(str, host["ordinals"])),
            "; ".join(host["reasons"]),
        )
        for host in placement["hosts"]
    ]
    print_table(("host", "for one more", "replicas", "reasons"), hosts, empty="the cluster has no hosts")
    if placement["refusal"]:
        print(f"\n{printable(placement['refusal'])}")
