"""`tower validate`: what would go wrong with a deployment, and its plan."""

from __future__ import annotations

import argparse

from agent.cli import compose_files
from agent.cli.connection import connect
from agent.cli.deploy import print_hosts
from agent.cli.failures import DONE, FAILED
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs
from agent.cli.validation_words import finding_line, plan_lines, summary


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "validate",
        help="say what would go wrong with a deployment; nothing is changed",
        description="Check a deployment: first its files, then the cluster, then on every host images, ports,"
        " volumes and routers. Tells every finding, and the plan. Exit status: 0 it can be"
        " deployed, maybe with warnings, 1 it would be refused, 2 called wrongly.",
    )
    compose_files.add_arguments(parser)
    parser.add_argument(
        "--strategy",
        choices=("rolling", "blue-green", "canary"),
        help="how requests move to a new revision, instead of what the file says",
    )
    parser.add_argument("--strict", action="store_true", help="a warning counts as wrong")


def run(args: argparse.Namespace) -> int:
    given = compose_files.gather(args)
    given.check_complete()
    answer = connect(args).post("/validations", {**given.body(), "strategy": args.strategy})
    if getattr(args, "json", False):
        print_json(answer)
    else:
        for finding in answer["findings"]:
            print(printable(finding_line(finding)))
        for ignored in answer["ignored"]:
            print(printable(f"note: {ignored['path']} is ignored: {ignored['reason']}"))
        for line in plan_lines(answer["plan"]):
            print(printable(line))
        print_hosts(answer["hosts"])
        print(summary(answer["errors"], answer["warnings"]))
    return FAILED if answer["errors"] or (args.strict and answer["warnings"]) else DONE
