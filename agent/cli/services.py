"""`tower services`: what is deployed, and whether it is as it should be."""

from __future__ import annotations

import argparse

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    verbs.add_parser("services", help="list the deployed services")


def run(args: argparse.Namespace) -> int:
    services = connect(args).items("/services")
    if getattr(args, "json", False):
        print_json({"items": services})
        return DONE
    rows = [
        (
            service["id"],
            service.get("status"),
            f"{service.get('replicas_ready', '?')} of {service.get('replicas_wanted', '?')}",
            service.get("revision"),
            service.get("image"),
            ", ".join(service.get("nodes", ())),
            ", ".join(service.get("routes", ())),
        )
        for service in services
    ]
    columns = ("service", "status", "ready", "revision", "image", "on", "route")
    print_table(columns, rows, empty="nothing is deployed; try `tower deploy compose.yaml`")
    return DONE
