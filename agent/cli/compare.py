"""`tower compare`: what differs between two revisions, and how they answered."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.rollout_words import measured_lines


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compare",
        help="compare two revisions of a service",
        description="Say which fields of two revisions differ, and how both answered when they served side by"
        " side. Without revisions, the newest and the one it replaced; with one, that and the newest.",
    )
    parser.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    parser.add_argument("before", nargs="?", type=int, metavar="REVISION", help="as `tower history` shows it")
    parser.add_argument("after", nargs="?", type=int, metavar="REVISION", help="the newer one")


def run(args: argparse.Namespace) -> int:
    comparison = connect(args).get(
        f"/services/{segment(args.service)}/comparison", before=args.before, after=args.after
    )
    if getattr(args, "json", False):
        print_json(comparison)
        return DONE
    print(f"{comparison['service_id']}: revision {comparison['before']} to {comparison['after']}")
    print_changes(comparison["changes"], empty="they are made from the same specification")
    for line in measured_lines(comparison["behaviour"]):
        print(printable(line))
    if comparison["note"]:
        print(printable(f"note: {comparison['note']}"))
    return DONE


def print_changes(changes: list[dict[str, str | None]], *, empty: str) -> None:
    """Print what differs, field by field, and what that does to what runs."""
    rows = [
        (change["field"], _shown(change["before"]), _shown(change["after"]), change["effect"])
        for change in changes
    ]
    print_table(("field", "before", "after", "effect"), rows, empty=empty)


def _shown(value: str | None) -> str:
    return "not set" if value is None else value or '""'
