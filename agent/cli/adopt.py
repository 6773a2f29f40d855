"""`tower adopt`: make running containers services, without touching them."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "adopt",
        help="make running Compose projects and containers services, without restarting them",
        description="Make running Compose projects and containers services of the cluster. Nothing is stopped"
        " or started; from then on they are watched, and replaced when they are gone. The next `tower deploy`"
        " of their Compose file replaces them like any revision.",
    )
    parser.add_argument("name", nargs="+", metavar="PROJECT|CONTAINER", help="a container by name or id")
    parser.add_argument("--host", metavar="HOST", help="only what runs on this host")
    parser.add_argument("--dry-run", action="store_true", help="only say what would become of what")
    parser.add_argument(
        "--force", action="store_true", help="also when the next deployment takes something away"
    )
    parser.add_argument(
        "--route",
        action="append",
        default=[],
        metavar="[SERVICE=]HOST:PORT",
        help="send requests for HOST to PORT of the containers, which has to be published",
    )
    parser.add_argument(
        "--health", default="", metavar="PATH", help="where the route asks for health; else it connects"
    )


def run(args: argparse.Namespace) -> int:
    routes = {}
    for text in args.route:
        service, _, route = text.rpartition("=")
        routes[service] = route
    body = {
        "names": args.name,
        "node": args.host,
        "routes": routes,
        "health_path": args.health,
        "dry_run": args.dry_run,
        "force": args.force,
    }
    answer = connect(args).post("/adoptions", body)
    if getattr(args, "json", False):
        print_json(answer)
    else:
        for line in lines_of(answer):
            print(printable(line))
    return FAILED if answer["dry_run"] and answer["problems"] else DONE


def lines_of(answer: dict[str, Any]) -> list[str]:
    """Return what was adopted, or would be, for people."""
    lines = []
    for service in answer["services"]:
        what = "would be adopted" if answer["dry_run"] else "adopted"
        what = what if service["is_new"] else "adopted already"
        route = f", reached as {service['route']}" if service["route"] else ""
        lines.append(f"{service['service_id']}: {what}, {service['image']}{route}")
        lines += [
            f"  replica {each['ordinal']} is {each['container_name']} ({each['container_id'][:12]})"
            f" on {each['node_name']}"
            for each in service["replicas"]
        ]
        lines += [f"  will be lost at the next deploy: {loss}" for loss in service["losses"]]
    lines += [f"against it: {problem}" for problem in answer["problems"]]
    lines.append(answer["next"])
    return lines
