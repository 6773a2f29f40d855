"""`tower network`: the networks of every host."""

from __future__ import annotations

import argparse

from agent.cli.clearing_words import (
    add_list_flags,
    add_prune_flags,
    add_remove_flags,
    prune,
    tell_problems,
    tell_removed,
    users_of,
)
from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("network", help="list and remove the networks of every host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("ls", help="list networks, and who is in them")
    add_list_flags(listing)
    removing = actions.add_parser("rm", help="remove a network")
    removing.add_argument("network", metavar="NETWORK", help="its name or id")
    add_remove_flags(removing)
    pruning = actions.add_parser("prune", help="show, and with --yes remove, networks that nobody is in")
    add_prune_flags(pruning)


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    match args.action:
        case "rm":
            answer = client.delete(
                f"/networks/{segment(args.network)}", node=args.node, force=args.force or None
            )
            return tell_removed(answer, as_json=as_json)
        case "prune":
            return prune(client, "networks", {"nodes": args.node}, args)
        case _:
            return _list(client, args)


def _list(client: Client, args: argparse.Namespace) -> int:
    answer = client.get(
        "/networks", node=args.node, project=args.project, unused=args.unused or None, limit=10_000
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            network["node_name"],
            network["name"],
            network["driver"],
            ", ".join(network["subnets"]),
            network["project"],
            "the engine's own" if network["is_built_in"] else users_of(network),
        )
        for network in answer["items"]
    ]
    print_table(("node", "network", "driver", "subnets", "project", "used by"), rows, empty="no networks")
    tell_problems(answer)
    return DONE
