"""`tower binding list | remove`: roles that are bound to accounts and API tokens."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.access_words import hours_text
from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("binding", help="roles that are bound to part of the cluster")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", aliases=["ls"], help="list who may what where")
    listing.add_argument("--user", default="", metavar="NAME", help="of one account; me: your own")
    listing.add_argument("--api-token", default="", metavar="PREFIX", help="of one API token")
    remove = actions.add_parser("remove", aliases=["rm"], help="take a binding away")
    remove.add_argument("id")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action in ("list", "ls"):
        found = client.items("/bindings", user=args.user, token=args.api_token)
        if as_json:
            print_json({"items": found})
        else:
            print_bindings(found)
        return DONE
    client.delete(f"/bindings/{segment(args.id)}")
    if as_json:
        print_json({"removed": args.id})
    else:
        print(f"binding {args.id} is taken away; it holds no more from the next request on")
    return DONE


def print_bindings(found: list[dict[str, Any]]) -> None:
    """Print bindings as a table."""
    rows = [
        (
            each["id"],
            f"{'token ' if each['kind'] == 'token' else ''}{each['holder_name'] or each['holder_id']}",
            each["role"],
            each["scope"]["text"],
            hours_text(each["hours"]) or "always",
            each["note"],
        )
        for each in found
    ]
    print_table(("id", "who", "role", "on", "when", "note"), rows, empty="no bindings")
