"""`tower scale`: change how many replicas services have."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("scale", help="change how many replicas services have")
    parser.add_argument("service", nargs="+", metavar="SERVICE=REPLICAS", help="such as shop.web=5")
    parser.add_argument(
        "--override",
        action="store_true",
        help="also of services that are scaled by themselves: they are not, until they are deployed again",
    )


def run(args: argparse.Namespace) -> int:
    wanted = [_parse(each) for each in args.service]
    client = connect(args)
    as_json = getattr(args, "json", False)
    answers = []
    for service, replicas in wanted:
        body = {"replicas": replicas, **({"override": True} if args.override else {})}
        answer = client.post(f"/services/{segment(service)}/scale", body)
        answers.append(answer)
        if not as_json:
            print(printable(str(answer["done"])), flush=True)
    if as_json:
        print_json({"services": answers})
    elif answers[-1].get("next"):
        print(printable(f"  {answers[-1]['next']}"))
    return DONE


def _parse(text: str) -> tuple[str, int]:
    service, equals, number = text.rpartition("=")
    if not (equals and service and number.isascii() and number.isdigit()):
        raise UsageWrong(f"{text!r} is no SERVICE=REPLICAS", hint="such as tower scale shop.web=5")
    return service, int(number)
