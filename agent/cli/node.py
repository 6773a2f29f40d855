"""`tower node ls | drain | resume | rm`"""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import in_bytes, moment, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("node", help="the hosts of the cluster")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    actions.add_parser("ls", help="list the hosts")
    for name, what in (
        ("drain", "move a host's replicas elsewhere and place none on it"),
        ("resume", "end a drain: the host takes replicas again"),
        ("rm", "remove a host from the cluster; if it still runs, it erases its state"),
    ):
        action = actions.add_parser(name, help=what)
        action.add_argument("node", metavar="NODE", help="its name or id")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "ls":
        nodes = client.items("/nodes")
        if as_json:
            print_json({"items": nodes})
        else:
            print_nodes(nodes)
        return DONE
    path = node_path(find_node(client, args.node))
    if args.action == "drain":
        answer = client.post(f"{path}/drain", {"draining": True})
        said = "takes no new replicas; those it has are moving"
    elif args.action == "resume":
        answer = client.post(f"{path}/drain", {"draining": False})
        said = "takes replicas again"
    else:
        answer = client.delete(path)
        said = "is removed from the cluster"
    if as_json:
        print_json(answer)
    else:
        print(f"{args.node} {said}")
    return DONE


def find_node(client: Client, name_or_id: str) -> dict[str, Any]:
    """Return the host of that name or id."""
    nodes = client.items("/nodes")
    for node in nodes:
        if name_or_id in (node["id"], node["name"]):
            return node
    names = ", ".join(sorted(str(node["name"]) for node in nodes))
    raise CommandFailed(f"there is no host {name_or_id!r}", hint=f"the cluster has {names}")


def node_with_id(client: Client, node_id: str) -> dict[str, Any]:
    """Return the host of that id."""
    node: dict[str, Any] = client.get(f"/nodes/{segment(node_id)}")
    return node


def node_path(node: dict[str, Any]) -> str:
    """Return the resource of a host."""
    return f"/nodes/{segment(str(node['id']))}"


def print_nodes(nodes: list[dict[str, Any]]) -> None:
    """Print hosts as a table."""
    rows = [
        (
            node["name"],
            "draining" if node.get("is_draining") and node["status"] == "up" else node["status"],
            "leader" if node["is_leader"] else node["role"],
            node["address"],
            _of(node.get("containers")),
            "" if node.get("cpu_percent") is None else f"{node['cpu_percent']:.0f}%",
            in_bytes(node.get("memory_bytes")),
            node.get("lag"),
            moment(node.get("last_seen_ms")),
            # What is wrong with its Docker says more than why it counts as up.
            node.get("problem") or node.get("status_reason"),
        )
        for node in nodes
    ]
    columns = ("name", "status", "role", "address", "running", "cpu", "memory", "lag", "seen", "reason")
    print_table(columns, rows, empty="no hosts")


def _of(containers: dict[str, int] | None) -> str:
    return "" if not containers else f"{containers['running']} of {containers['total']}"
