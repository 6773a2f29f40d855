"""`tower container start | stop | ...`: any container of any host, whoever made it."""

from __future__ import annotations

import argparse
import json

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json
from agent.cli.parsing import Verbs

_ACTIONS = {
    "start": ("start a container", "is started"),
    "stop": ("stop a container", "is stopped"),
    "restart": ("stop and start a container", "is restarted"),
    "pause": ("freeze a container's processes", "is paused"),
    "unpause": ("let a paused container go on", "goes on"),
    "kill": ("end a container at once", "is killed"),
    "rm": ("remove a container", "is removed"),
    "inspect": ("print everything about a container", ""),
}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("container", help="start, stop, restart, inspect, ... a container of any host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    for name, (what, _) in _ACTIONS.items():
        action = actions.add_parser(name, help=what)
        action.add_argument("container", metavar="CONTAINER", help="its name or id, as `tower ps` shows it")
        action.add_argument("--node", metavar="NODE", help="where several hosts have one of that name")
        if name == "rm":
            action.add_argument("--force", action="store_true", help="even if it runs")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    path = f"/containers/{segment(args.container)}"
    if args.action == "inspect":
        print(json.dumps(client.get(path, node=args.node), indent=2, ensure_ascii=False))
        return DONE
    if args.action == "rm":
        answer = client.delete(path, node=args.node, force=args.force or None)
    else:
        answer = client.post(f"{path}/{args.action}", node=args.node)
    if getattr(args, "json", False):
        print_json(answer)
    else:
        print(f"{args.container} {_ACTIONS[args.action][1]}")
    return DONE
