"""`tower rollback`: have an earlier revision of a service run again."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.parsing import Verbs
from agent.cli.rollout import report_change


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "rollback",
        help="go back to an earlier revision of a service",
        description="Have the last revision that was stable before the present one run again, or any that is"
        " remembered (`tower history`). During a rollout, abort it. Nothing is judged on the way back.",
    )
    parser.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    parser.add_argument("--to", type=int, metavar="REVISION", help="this one instead")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")
    parser.add_argument("--no-wait", action="store_true", help="return when it has begun")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    answer = client.post(
        f"/services/{segment(args.service)}/rollback", {"to": args.to, "reason": args.reason}
    )
    return report_change(
        client, answer, as_json=getattr(args, "json", False), wait=not args.no_wait, is_undoing=True
    )
