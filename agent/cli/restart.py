"""`tower restart`: new replicas for old ones of the same make, without losing requests."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.parsing import Verbs
from agent.cli.rollout import report_change


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "restart",
        help="replace the replicas of a service by new ones",
        description="Replace the replicas of a service by new ones of the same specification, as a deployment"
        " would. One container is restarted by `tower container restart`.",
    )
    parser.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    parser.add_argument("--no-wait", action="store_true", help="return when it has begun")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    answer = client.post(f"/services/{segment(args.service)}/restart")
    return report_change(client, answer, as_json=getattr(args, "json", False), wait=not args.no_wait)
