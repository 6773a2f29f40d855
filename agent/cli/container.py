"""`tower container start | stop | restart | inspect | rm`: any container of any host."""

from __future__ import annotations

import argparse
import json

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import print_json
from agent.cli.parsing import Verbs

_DONE_WORDS = {"start": "is started", "stop": "is stopped", "restart": "is restarted", "rm": "is removed"}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "container", help="start, stop, restart, inspect or remove a container of any host"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    for name, what in (
        ("start", "start a container"),
        ("stop", "stop a container"),
        ("restart", "stop and start a container"),
        ("inspect", "print everything about a container"),
        ("rm", "remove a container"),
    ):
        action = actions.add_parser(name, help=what)
        action.add_argument("container", metavar="HOST/CONTAINER", help="as `tower ps` shows them")
        if name in ("stop", "restart"):
            action.add_argument("--grace", type=int, metavar="SECONDS", help="before it is killed")
        if name == "rm":
            action.add_argument("--force", action="store_true", help="even if it runs")
            action.add_argument("--volumes", action="store_true", help="its anonymous volumes too")


def run(args: argparse.Namespace) -> int:
    node, slash, name = args.container.partition("/")
    if not (node and slash and name):
        raise UsageWrong(f"{args.container!r} names no host", hint="such as h1/web-1; `tower ps` lists them")
    client = connect(args)
    path = f"/nodes/{segment(node)}/containers/{segment(name)}"
    if args.action == "inspect":
        answer = client.get(path)
        if getattr(args, "json", False):
            print_json(answer)
        else:
            print(json.dumps(answer, indent=2, ensure_ascii=False))
        return DONE
    if args.action == "rm":
        answer = client.delete(path, force=args.force or None, volumes=args.volumes or None)
    else:
        grace_s = getattr(args, "grace", None)
        answer = client.post(f"{path}/{args.action}", {} if grace_s is None else {"grace_s": grace_s})
    if getattr(args, "json", False):
        print_json(answer)
    else:
        print(f"{args.container} {_DONE_WORDS[args.action]}")
    return DONE
