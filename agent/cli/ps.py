"""`tower ps`: the containers of every host."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import in_bytes, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("ps", help="list the containers of every host")
    parser.add_argument("--all", "-a", action="store_true", help="stopped ones too")
    parser.add_argument("--node", metavar="NODE", help="of this host only")
    parser.add_argument("--project", metavar="NAME", help="of this Compose project only")
    parser.add_argument("--service", metavar="NAME", help="of this service only")


def run(args: argparse.Namespace) -> int:
    answer = connect(args).get(
        "/containers",
        node=args.node,
        project=args.project,
        service=args.service,
        state=None if args.all else "running",
        limit=10_000,
    )
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            container["node_name"],
            container["name"],
            container["image"],
            container["state"] if container["health"] in ("", "none") else container["health"],
            container["status"],
            "" if container.get("cpu_percent") is None else f"{container['cpu_percent']:.1f}%",
            in_bytes(container.get("memory_bytes")),
            _ports(container.get("ports", ())),
        )
        for container in answer["items"]
    ]
    columns = ("node", "name", "image", "state", "status", "cpu", "memory", "ports")
    print_table(columns, rows, empty="no containers run" if not args.all else "no containers")
    for problem in answer.get("problems", ()):
        print(f"note: {problem['node_name']}: {problem['reason']}", file=sys.stderr)
    return DONE


def _ports(ports: list[dict[str, Any]]) -> str:
    published = {f"{port['host_port']}->{port['container_port']}" for port in ports if port["host_port"]}
    return ", ".join(sorted(published))
