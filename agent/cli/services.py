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
    answer = connect(args).get("/services")
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    rows = [
        (
            service["name"],
            service["status"],
            f"{service['replicas_ready']} of {service['replicas_wanted']}",
            service["revision"],
            service["image"],
            ", ".join(service["nodes"]),
            ", ".join(service["routes"]),
        )
        for service in answer["services"]
    ]
    columns = ("service", "status", "ready", "revision", "image", "on", "route")
    print_table(columns, rows, empty="nothing is deployed; try `tower deploy compose.yaml`")
    return DONE
