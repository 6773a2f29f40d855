"""`tower image`: the images of every host."""

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
from agent.cli.failures import DONE, FAILED
from agent.cli.output import in_bytes, moment, print_json, print_table, printable
from agent.cli.parsing import Verbs

PULL_TIMEOUT_S = 620.0


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("image", help="list, pull and remove the images of every host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("ls", help="list images, and who uses them")
    add_list_flags(listing)
    pulling = actions.add_parser("pull", help="have hosts get an image")
    pulling.add_argument("image", metavar="IMAGE", help="such as nginx:1.27")
    pulling.add_argument(
        "--node", metavar="NODE", action="append", default=[], help="this host only; may be repeated"
    )
    removing = actions.add_parser("rm", help="remove an image with all of its names")
    removing.add_argument("image", metavar="IMAGE", help="its name or id")
    add_remove_flags(removing)
    pruning = actions.add_parser(
        "prune",
        help="show, and with --yes remove, images that no container and no roll-back needs",
        description="Show the images that no container uses, running or not, and that no service would go"
        " back to. With --yes exactly what is shown is removed.",
    )
    add_prune_flags(pruning)
    pruning.add_argument(
        "--keep-revisions", metavar="N", type=int, help="of each service, whose images stay (default 3)"
    )
    pruning.add_argument("--older-than", metavar="DAYS", type=float, help="made so many days ago or before")
    pruning.add_argument("--only-untagged", action="store_true", help="only those without any name")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    match args.action:
        case "pull":
            answer = client.post(
                "/images/pull", {"image": args.image, "nodes": args.node}, timeout_s=PULL_TIMEOUT_S
            )
            if as_json:
                print_json(answer)
            else:
                for item in answer["items"]:
                    words = "has it" if item["is_pulled"] else f"failed: {item['reason']}"
                    print(printable(f"{item['node_name']}  {words}"))
            return DONE if all(item["is_pulled"] for item in answer["items"]) else FAILED
        case "rm":
            answer = client.delete(f"/images/{segment(args.image)}", node=args.node, force=args.force or None)
            return tell_removed(answer, as_json=as_json)
        case "prune":
            body: dict[str, object] = {"nodes": args.node, "only_untagged": args.only_untagged}
            if args.keep_revisions is not None:
                body["keep_revisions"] = args.keep_revisions
            if args.older_than is not None:
                body["older_than_s"] = int(args.older_than * 86_400)
            return prune(client, "images", body, args)
        case _:
            return _list(client, args)


def _list(client: Client, args: argparse.Namespace) -> int:
    answer = client.get(
        "/images", node=args.node, project=args.project, unused=args.unused or None, limit=10_000
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            image["node_name"],
            ", ".join(image["tags"] or image["digests"]) or "(no name)",
            image["id"].removeprefix("sha256:")[:12],
            in_bytes(image["size_bytes"]),
            moment(image["created_at_ms"]),
            users_of(image),
        )
        for image in answer["items"]
    ]
    print_table(("node", "image", "id", "size", "made", "used by"), rows, empty="no images")
    tell_problems(answer)
    return DONE
