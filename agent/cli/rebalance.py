"""`tower rebalance`: move replicas so that services keep their rules and are spread evenly."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("rebalance", help="spread the replicas of a service evenly over the hosts")
    parser.add_argument(
        "service", nargs="?", metavar="NAME", help="its id or name; without one the first that needs it"
    )
    add_dry_run(parser)


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would move")


def run(args: argparse.Namespace) -> int:
    return rebalance(args, args.service)


def rebalance(args: argparse.Namespace, service: str | None) -> int:
    """Have replicas moved, or only say which."""
    body = {"dry_run": args.dry_run, **({} if service is None else {"service": service})}
    answer: dict[str, Any] = connect(args).post("/rebalance", body)
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (each["service_id"], move["ordinal"], move["from_node"], move["to_node"], move["reason"])
        for each in answer["services"]
        for move in each["moves"]
    ]
    for each in answer["services"]:
        if each["refusal"]:
            print(f"{each['service_id']} stays as it is: {printable(each['refusal'])}")
    if rows:
        print_table(("service", "replica", "from", "to", "why"), rows, empty="")
    elif not answer["services"]:
        print("nothing to move: every service is spread as evenly as its rules allow")
    started = answer["started"]
    if started:
        print(f"{started} is moving, each successor first; see `tower service explain {started}`")
        if len(answer["services"]) > 1:
            print("the others wait their turn: run this again when it is done")
    return DONE
