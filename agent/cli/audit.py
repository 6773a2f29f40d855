"""`tower audit`: who did what."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import Client
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("audit", help="list who did what, and what was refused, newest first")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="entries at most (50)")
    parser.add_argument("--actor", metavar="NAME", help="only by this user or token")
    parser.add_argument("--action", metavar="NAME", help="only this action, such as service.deploy")
    parser.add_argument("--on", metavar="TEXT", help="only what was done to things with this in their name")
    parser.add_argument(
        "--result", choices=("applied", "rejected", "denied", "failed"), help="only with this result"
    )
    parser.add_argument(
        "--verify", action="store_true", help="check that no entry was changed instead; status 1: one was"
    )


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    if args.verify:
        return _verify(client, as_json=getattr(args, "json", False))
    answer = client.get(
        "/audit",
        limit=args.limit,
        actor=args.actor,
        action=args.action,
        resource=args.on,
        outcome=args.result,
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            moment(entry.get("at_ms")),
            entry.get("actor"),
            entry.get("action"),
            entry.get("resource"),
            _decision(entry),
            entry.get("ip"),
            entry.get("reason"),
        )
        for entry in answer["items"]
    ]
    columns = ("when", "who", "action", "on", "decision", "from", "reason")
    print_table(columns, rows, empty="no entries")
    return DONE


def _verify(client: Client, *, as_json: bool) -> int:
    standing = client.get("/audit/verification")
    if as_json:
        print_json(standing)
    else:
        print(standing["reason"])
        if standing["is_intact"]:
            print(f"head: {standing['size']} {standing['root']}")
    return DONE if standing["is_intact"] else FAILED


def _decision(entry: dict[str, Any]) -> str:
    """Whether it was allowed, what became of it when that is not what was asked for, and how often."""
    said = str(entry.get("decision") or "")
    if entry.get("outcome") in ("failed", "rejected"):
        said += f", {entry['outcome']}"
    count = entry.get("count") or 1
    return said if count == 1 else f"{said} ({count} times)"
