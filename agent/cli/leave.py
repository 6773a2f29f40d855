"""`tower leave`: take this host out of its cluster."""

from __future__ import annotations

import argparse
import os
import sys

from agent.cli.connection import connect
from agent.cli.context import DEFAULT_SERVER
from agent.cli.failures import DONE, UsageWrong
from agent.cli.node import node_with_id
from agent.cli.output import print_json
from agent.cli.parsing import Verbs

LEAVE_TIMEOUT_S = 90.0


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "leave",
        help="take this host out of its cluster",
        description="Take the host that answers (this one, unless --server names another) out of its cluster:"
        " its replicas start elsewhere, its agent erases its keys and state and stops."
        " Containers that the cluster does not manage go on running.",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    if not getattr(args, "server", None) and not os.environ.get("TOWER_SERVER"):
        # Never just any host of the cluster that is remembered.
        args.server = DEFAULT_SERVER
    client = connect(args)
    node = node_with_id(client, client.get("/health")["node_id"])
    if not args.yes:
        if not sys.stdin.isatty():
            raise UsageWrong(f"{node['name']} would leave its cluster", hint="confirm with --yes")
        print(f"{node['name']} will leave its cluster and erase what it keeps of it.", file=sys.stderr)
        if input("Go on? [yes/no] ").strip().lower() != "yes":
            raise UsageWrong("nothing was done")
    # The host answers once its replicas run elsewhere, or that took too long.
    client.post("/node/leave", timeout_s=LEAVE_TIMEOUT_S)
    if getattr(args, "json", False):
        print_json({"left": node["id"], "name": node["name"]})
    else:
        print(f"{node['name']} has left the cluster")
    return DONE
