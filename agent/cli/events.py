"""`tower events`: what happened in the cluster."""

from __future__ import annotations

import argparse

from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.moments import span_s
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "events",
        help="what happened in the cluster, newest first",
        description="Show what happened to hosts, rollouts, replicas and alerts. Webhooks send the same on.",
    )
    parser.add_argument(
        "--kind", dest="kinds", metavar="KINDS", default="", help='such as "alert:*,node:down"'
    )
    parser.add_argument("--since", metavar="TIME", help="such as 2h: not what is older")
    parser.add_argument("--min-severity", choices=("info", "warning", "critical"), default="info")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="how many (default: 50)")


def run(args: argparse.Namespace) -> int:
    if not 1 <= args.limit <= 500:
        raise UsageWrong(f"--limit {args.limit}: 1 to 500")
    since_ms = None
    if args.since:
        # Costs what this verb alone should pay.
        from agent.clock import SystemClock

        since_ms = max(0, SystemClock().now_ms() - span_s("--since", args.since) * 1000)
    page = connect(args).get(
        "/events",
        kinds=args.kinds or None,
        since_ms=since_ms,
        min_severity=args.min_severity,
        limit=args.limit,
    )
    if getattr(args, "json", False):
        print_json(page)
        return DONE
    rows = [
        (moment(each["at_ms"]), each["severity"], each["kind"], each["summary"]) for each in page["items"]
    ]
    print_table(("at", "severity", "kind", "what"), rows, empty="nothing of that kind happened")
    return DONE
