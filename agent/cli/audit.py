"""`tower audit`: who did what."""

from __future__ import annotations

import argparse

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.token import seconds


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("audit", help="list who did what, and what was refused")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="newest entries (default: 50)")
    parser.add_argument("--since", type=seconds, metavar="TIME", help="only of the last 10m, 2h, 1d, ...")
    parser.add_argument("--principal", metavar="NAME", help="only by this user or token")
    parser.add_argument("--action", metavar="NAME", help="only this action, such as service.deploy")
    parser.add_argument("--refused", action="store_true", help="only what was refused")


def run(args: argparse.Namespace) -> int:
    answer = connect(args).get(
        "/audit",
        limit=args.limit,
        since_s=args.since,
        principal=args.principal,
        action=args.action,
        decision="refused" if args.refused else None,
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            moment(entry["at_ms"]),
            entry["principal"],
            entry["action"],
            entry["resource"],
            entry["decision"],
            entry["ip"],
            entry["reason"],
        )
        for entry in answer["entries"]
    ]
    columns = ("when", "who", "action", "on", "decision", "from", "reason")
    print_table(columns, rows, empty="no entries")
    return DONE
