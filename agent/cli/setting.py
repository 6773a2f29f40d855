"""`tower setting list | put | reset`: what all hosts of the cluster go by."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import moment, print_json, print_table, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "setting",
        help="look at and change the cluster's settings",
        description="Look at and change what all hosts of the cluster go by. A host's own settings are in its"
        " tower.toml.",
        epilog="examples:\n"
        "  tower setting list metrics.\n"
        "  tower setting put metrics.retention.container.raw 14\n"
        "  tower setting reset metrics.retention.container.raw",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", help="list the settings, with their defaults")
    listing.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="how keys begin")
    put = actions.add_parser("put", help="set one")
    put.add_argument("key", metavar="KEY")
    put.add_argument("value", metavar="VALUE")
    reset = actions.add_parser("reset", help="give one its default again")
    reset.add_argument("key", metavar="KEY")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    client = connect(args)
    if args.action == "list":
        found = [each for each in client.items("/settings") if each["key"].startswith(args.prefix)]
        print_json({"items": found}) if as_json else _print_list(found)
        return DONE
    value = args.value if args.action == "put" else None
    view = client.put(f"/settings/{segment(args.key)}", {"value": value})
    print_json(view) if as_json else print(printable(f"{view['key']} is {_in_force(view)}"))
    if view["value"] is not None and view["default"] is None:
        print("note: no host goes by a setting of this name; `tower setting list` has those", file=sys.stderr)
    return DONE


def _in_force(view: dict[str, Any]) -> str:
    if view["value"] is not None:
        return str(view["value"])
    return "not set" if view["default"] is None else f"{view['default']}, the default"


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["key"],
            each["default"] if each["value"] is None else each["value"],
            each["default"],
            moment(each["changed_at_ms"]),
        )
        for each in found
    ]
    print_table(("key", "value", "default", "changed"), rows, empty="there are no such settings")
