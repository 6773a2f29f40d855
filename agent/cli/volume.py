"""`tower volume`: the volumes of every host."""

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
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import in_bytes, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("volume", help="list and remove the volumes of every host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("ls", help="list volumes, and who uses them")
    add_list_flags(listing)
    listing.add_argument("--sizes", action="store_true", help="have the engines count; takes a while")
    removing = actions.add_parser("rm", help="remove a volume, and what is in it")
    removing.add_argument("volume", metavar="VOLUME")
    add_remove_flags(removing)
    removing.add_argument("--yes", action="store_true", help="do it without asking back")
    pruning = actions.add_parser(
        "prune",
        help="show unused volumes, and with names and --yes remove those",
        description="Show the volumes that no container uses, running or not. Volumes hold data, so only"
        " those that are named go, and only with --yes.",
    )
    pruning.add_argument("volumes", metavar="VOLUME", nargs="*", help="a volume of the host given by --node")
    add_prune_flags(pruning)


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    match args.action:
        case "rm":
            if not args.yes:
                raise UsageWrong(
                    f"this deletes what is in volume {args.volume}, and nothing brings it back",
                    hint="confirm with --yes",
                )
            answer = connect(args).delete(
                f"/volumes/{segment(args.volume)}", node=args.node, force=args.force or None
            )
            return tell_removed(answer, as_json=as_json)
        case "prune":
            if args.volumes and len(args.node) != 1:
                raise UsageWrong("volumes are named on one host", hint="give it with --node")
            named = [{"node": args.node[0], "name": name} for name in args.volumes]
            return prune(connect(args), "volumes", {"nodes": args.node, "volumes": named}, args)
        case _:
            return _list(connect(args), args)


def _list(client: Client, args: argparse.Namespace) -> int:
    answer = client.get(
        "/volumes",
        node=args.node,
        project=args.project,
        unused=args.unused or None,
        sizes=args.sizes or None,
        limit=10_000,
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            volume["node_name"],
            volume["name"],
            volume["driver"],
            in_bytes(volume["size_bytes"]),
            volume["project"],
            users_of(volume),
        )
        for volume in answer["items"]
    ]
    print_table(("node", "volume", "driver", "size", "project", "used by"), rows, empty="no volumes")
    tell_problems(answer)
    return DONE
