"""`tower secret put | list | remove`"""

from __future__ import annotations

import argparse

from agent.cli.parsing import Verbs
from agent.cli.stored_files import add_actions, run_action


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("secret", help="secrets that containers get as files")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    add_actions(actions, "secret", hidden=True)


def run(args: argparse.Namespace) -> int:
    return run_action(args, "secret")
