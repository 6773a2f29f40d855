"""`tower node ls | drain | resume | maintenance | fence | label | rm`"""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli import node_away
from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import in_bytes, moment, print_error, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("node", help="the hosts of the cluster")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    # Other nouns have list and remove.
    actions.add_parser("ls", aliases=["list"], help="list the hosts")
    for name, what in (
        ("drain", "move a host's replicas elsewhere and place none on it"),
        ("resume", "end a drain: the host takes replicas again"),
        ("rm", "remove a host from the cluster; if it still runs, it erases its state"),
    ):
        action = actions.add_parser(name, aliases=["remove"] if name == "rm" else [], help=what)
        action.add_argument("node", metavar="NODE", help="its name or id")
        if name == "drain":
            action.add_argument(
                "--dry-run", action="store_true", help="only say what would move and what would not"
            )
    node_away.add_actions(actions)
    labels = actions.add_parser("label", help="give a host labels for placement rules, or take some")
    labels.add_argument("node", metavar="NODE", help="its name or id")
    labels.add_argument(
        "labels", nargs="*", metavar="KEY=VALUE|KEY-", help="set a label, or remove one; none: show them"
    )


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action in ("ls", "list"):
        nodes = client.items("/nodes")
        if as_json:
            print_json({"items": nodes})
        else:
            print_nodes(nodes)
        return DONE
    node = find_node(client, args.node)
    path = node_path(node)
    if args.action == "label":
        return _label(client, node, args.labels, as_json=as_json)
    if args.action in node_away.ACTIONS:
        answer, said = node_away.run_action(client, node, args)
    elif args.action == "drain":
        if args.dry_run:
            return _show_forecast(client, path, as_json=as_json)
        # Told before it begins: afterwards what moved first is not there to be told of.
        if not as_json:
            try:
                _show_forecast(client, path, as_json=False)
            except CommandFailed as failure:
                # A host is also drained because the cluster is not well.
                print_error(f"what it moves cannot be told: {failure}")
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


def _label(client: Client, node: dict[str, Any], changes: list[str], *, as_json: bool) -> int:
    put, remove = _changes(changes)
    if put or remove:
        node = client.post(f"{node_path(node)}/labels", {"put": put, "remove": remove})
    if as_json:
        print_json({"labels": node["labels"]})
        return DONE
    rows = sorted(node["labels"].items())
    print_table(("label", "value"), rows, empty=f"{node['name']} has no labels")
    still = sorted(key for key in remove if key in node["labels"])
    if still:
        print(f"from the host's own settings, and there to be removed: {', '.join(still)}")
    return DONE


def _changes(words: list[str]) -> tuple[dict[str, str], list[str]]:
    put: dict[str, str] = {}
    remove: list[str] = []
    for word in words:
        key, separator, value = word.partition("=")
        if separator and key:
            put[key] = value
        elif word.endswith("-") and len(word) > 1:
            remove.append(word.removesuffix("-"))
        else:
            raise CommandFailed(
                f"{word!r} is no change of a label", hint="write zone=a to set it, zone- to remove it"
            )
    return put, remove


def _show_forecast(client: Client, path: str, *, as_json: bool) -> int:
    forecast: dict[str, Any] = client.get(f"{path}/drain-forecast")
    if as_json:
        print_json(forecast)
        return DONE
    rows = [
        *((move["service_id"], move["ordinal"], move["to_node"], "") for move in forecast["moves"]),
        *((stay["service_id"], stay["ordinal"], "stays", stay["reason"]) for stay in forecast["stays"]),
    ]
    if rows:
        print_table(("service", "replica", "to", "reason"), rows, empty="")
    print(f"{forecast['node_name']}: {forecast['summary']}")
    if forecast["unmanaged"] is None:
        print("containers that are not managed here cannot be counted: the host does not answer")
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
            _state(node),
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


def _state(node: dict[str, Any]) -> str:
    if node["status"] == "down" and node.get("is_fenced"):
        return "down, off"
    if node["status"] != "down" and node.get("is_unknown"):
        return "unknown"
    if node["status"] == "up" and not _has_come_up(node):
        return "joining"
    if node["status"] != "down" and node.get("maintenance_until_ms"):
        return "maintenance"
    return "draining" if node.get("is_draining") and node["status"] == "up" else str(node["status"])


def _has_come_up(node: dict[str, Any]) -> bool:
    """Whether its agent ever said what it runs on."""
    facts = node.get("facts")
    return facts is None or any(facts.values())


def _of(containers: dict[str, int] | None) -> str:
    return "" if not containers else f"{containers['running']} of {containers['total']}"
