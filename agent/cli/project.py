"""`tower project`: Compose projects over all hosts."""

from __future__ import annotations

import argparse

from agent.cli.clearing_words import tell_problems
from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED
from agent.cli.output import print_json, print_table, printable
from agent.cli.parsing import Verbs

ACT_TIMEOUT_S = 300.0
_ACTIONS = {
    "start": "start what a project has, what depends on what in that order",
    "stop": "stop what a project has, in the opposite order",
    "restart": "stop and start what a project has",
}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("project", help="list, start, stop and restart Compose projects of every host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("ls", help="list the projects")
    listing.add_argument("--node", metavar="NODE", help="of this host only")
    for name, what in _ACTIONS.items():
        action = actions.add_parser(name, help=what)
        action.add_argument("project", metavar="PROJECT")
        action.add_argument("--node", metavar="NODE", help="on this host only")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "ls":
        answer = client.get("/projects", node=args.node, limit=10_000)
        if as_json:
            print_json(answer)
            return DONE
        rows = [
            (
                project["name"],
                project["state"],
                f"{project['running']}/{project['total']}",
                ", ".join(project["services"]),
                ", ".join(host["node_name"] for host in project["hosts"]),
            )
            for project in answer["items"]
        ]
        print_table(("project", "state", "running", "services", "nodes"), rows, empty="no projects")
        tell_problems(answer)
        return DONE
    path = f"/projects/{segment(args.project)}/{args.action}"
    answer = client.post(path, timeout_s=ACT_TIMEOUT_S, node=args.node)
    if as_json:
        print_json(answer)
    else:
        for step in answer["items"]:
            words = step["outcome"] + (f": {step['reason']}" if step["reason"] else "")
            print(printable(f"{step['node_name']}  {step['name']}  {words}"))
    return FAILED if any(step["outcome"] == "failed" for step in answer["items"]) else DONE
