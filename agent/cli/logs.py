"""`tower logs`: what a container wrote, from whichever host it runs on."""

from __future__ import annotations

import argparse
import json
import sys

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import moment, printable
from agent.cli.parsing import Verbs
from agent.cli.token import seconds


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("logs", help="show what a container wrote")
    parser.add_argument("container", metavar="CONTAINER", help="its name or id, as `tower ps` shows it")
    parser.add_argument("--node", metavar="NODE", help="where several hosts have one of that name")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is written next")
    parser.add_argument("--tail", "-n", type=int, default=100, metavar="N", help="the last lines (100)")
    parser.add_argument("--since", type=seconds, metavar="TIME", help="only of the last 10m, 2h, 1d, ...")
    parser.add_argument("--timestamps", "-t", action="store_true", help="begin each line with its moment")


def run(args: argparse.Namespace) -> int:
    lines = connect(args).lines(
        f"/logs/{segment(args.container)}",
        node=args.node,
        tail=args.tail,
        since=None if args.since is None else f"{args.since}s",
        follow=args.follow or None,
        timestamps=True,
    )
    as_json = getattr(args, "json", False)
    for line in lines:
        if as_json:
            print(json.dumps(line, ensure_ascii=False), flush=True)
            continue
        stamp = f"{moment(line.get('at_ms'))} " if args.timestamps else ""
        stream = sys.stderr if line["stream"] == "stderr" else sys.stdout
        print(stamp + printable(str(line["text"])), file=stream, flush=True)
    return DONE
