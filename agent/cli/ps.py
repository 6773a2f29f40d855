"""`tower ps`: the containers of every host."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import in_bytes, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("ps", help="list the containers of every host")
    parser.add_argument("--all", "-a", action="store_true", help="stopped ones too")
    parser.add_argument("--node", metavar="NAME", help="of this host only")
    parser.add_argument("--service", metavar="NAME", help="of this service only")


def run(args: argparse.Namespace) -> int:
    answer = connect(args).get("/containers", all=args.all or None, node=args.node, service=args.service)
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            container["node"],
            container["name"],
            container["image"],
            container["state"] if container["health"] in (None, "none") else container["health"],
            container["status"],
            _percent(container.get("cpu_percent")),
            in_bytes(container.get("memory_bytes")),
            _ports(container["ports"]),
        )
        for container in answer["containers"]
    ]
    columns = ("node", "name", "image", "state", "status", "cpu", "memory", "ports")
    print_table(columns, rows, empty="no containers run; --all shows stopped ones")
    for warning in answer.get("warnings", ()):
        print(f"note: {warning}")
    return DONE


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}%"


def _ports(ports: list[dict[str, Any]]) -> str:
    published = {f"{port['host_port']}->{port['container_port']}" for port in ports if port["host_port"]}
    return ", ".join(sorted(published))
