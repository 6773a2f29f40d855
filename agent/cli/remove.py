"""`tower remove`: take a service down."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("remove", help="take a service and its replicas down")
    parser.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    parser.add_argument("--yes", action="store_true", help="do it without asking back")


def run(args: argparse.Namespace) -> int:
    if not args.yes:
        raise UsageWrong(
            f"this ends every replica of {args.service}, and its requests are answered no more",
            hint="confirm with --yes; its named volumes stay",
        )
    removed = connect(args).delete(f"/services/{segment(args.service)}")
    if getattr(args, "json", False):
        print_json(removed)
    else:
        print(printable(f"{removed['id']} is being taken down"))
    return DONE
