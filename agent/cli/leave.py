"""`tower leave`: take this host out of its cluster."""

from __future__ import annotations

import argparse

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "leave",
        help="take this host out of its cluster",
        description="Move this host's replicas elsewhere, take it out of the cluster and erase its keys and"
        " state. Containers that the cluster does not manage go on running.",
    )
    parser.add_argument("--no-drain", action="store_true", help="do not wait for replicas to move first")


def run(args: argparse.Namespace) -> int:
    answer = connect(args).post("/node/leave", {"drain": not args.no_drain}, timeout_s=600)
    if getattr(args, "json", False):
        print_json(answer)
    else:
        print(f"{answer['node']} has left the cluster; its agent has stopped")
    return DONE
