"""`tower node ls | drain | resume | rm`"""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import duration, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("node", help="the hosts of the cluster")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    actions.add_parser("ls", help="list the hosts")
    drain = actions.add_parser("drain", help="move a host's replicas elsewhere and place none on it")
    drain.add_argument("node")
    resume = actions.add_parser("resume", help="end a drain: the host takes replicas again")
    resume.add_argument("node")
    remove = actions.add_parser("rm", help="remove a host that is gone for good")
    remove.add_argument("node")
    remove.add_argument("--force", action="store_true", help="even if it still answers; it erases its state")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "ls":
        answer = client.get("/nodes")
        if as_json:
            print_json(answer)
        else:
            print_nodes(answer["nodes"])
        return DONE
    path = f"/nodes/{segment(args.node)}"
    if args.action == "drain":
        answer, said = client.post(f"{path}/drain"), "takes no new replicas; those it has are moving"
    elif args.action == "resume":
        answer, said = client.delete(f"{path}/drain"), "takes replicas again"
    else:
        answer, said = client.delete(path, force=args.force or None), "is removed from the cluster"
    if as_json:
        print_json(answer)
    else:
        print(f"{args.node} {said}")
    return DONE


def print_nodes(nodes: list[dict[str, Any]]) -> None:
    """Print hosts as a table."""
    rows = [
        (
            node["name"],
            node["status"],
            "leader" if node["is_leader"] else node["role"],
            node["address"],
            node["containers_running"],
            node["lag_entries"],
            duration(node["last_seen_s"]),
            node["version"],
        )
        for node in nodes
    ]
    columns = ("name", "status", "role", "address", "containers", "lag", "seen", "version")
    print_table(columns, rows, empty="no hosts")
