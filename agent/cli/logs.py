"""`tower logs`: what containers wrote, from whichever host they run on."""

from __future__ import annotations

import argparse
import sys

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import printable
from agent.cli.parsing import Verbs
from agent.cli.token import seconds


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("logs", help="show what a container or all replicas of a service wrote")
    parser.add_argument("target", metavar="NAME", help="a service, a container, or HOST/CONTAINER")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is written next")
    parser.add_argument(
        "--tail", "-n", type=int, default=100, metavar="N", help="last lines of each (default: 100)"
    )
    parser.add_argument("--since", type=seconds, metavar="TIME", help="only of the last 10m, 2h, 1d, ...")
    parser.add_argument("--timestamps", "-t", action="store_true", help="begin each line with its moment")


def run(args: argparse.Namespace) -> int:
    import json

    lines = connect(args).lines(
        "/logs",
        target=args.target,
        follow=args.follow or None,
        tail=args.tail,
        since_s=args.since,
    )
    as_json = getattr(args, "json", False)
    for line in lines:
        if as_json:
            print(json.dumps(line, ensure_ascii=False), flush=True)
            continue
        if "notice" in line:
            print(f"-- {printable(str(line['notice']))}", file=sys.stderr, flush=True)
            continue
        stream = sys.stderr if line["stream"] == "stderr" else sys.stdout
        parts = [line["at"]] if args.timestamps and line.get("at") else []
        parts.extend([f"{line['node']}/{line['container']} |"] if line.get("is_merged") else [])
        print(*(printable(str(part)) for part in (*parts, line["text"])), file=stream, flush=True)
    return DONE
