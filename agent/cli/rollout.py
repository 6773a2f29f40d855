"""`tower rollout status | list`: how far a change has come."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed, OutcomeUnknown
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs

_POLL_INTERVAL_S = 0.5
_SILENCE_S_MAX = 60.0


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("rollout", help="follow the changes of services")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    status = actions.add_parser("status", help="show one rollout, by default the newest")
    status.add_argument("rollout", nargs="?", metavar="ID", help="a rollout's id, or a service's name")
    status.add_argument("--wait", action="store_true", help="until it has ended; status 1 if it failed")
    listing = actions.add_parser("list", help="list rollouts, newest first")
    listing.add_argument("--service", metavar="NAME", help="of this service only")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        answer = client.get("/rollouts", service=args.service)
        if as_json:
            print_json(answer)
        else:
            _print_list(answer["rollouts"])
        return DONE
    rollout = client.get(f"/rollouts/{segment(args.rollout or 'latest')}")
    if args.wait:
        rollout = follow(client, rollout, quiet=as_json)
    if as_json:
        print_json(rollout)
    else:
        _print_one(rollout)
    return FAILED if rollout["is_terminal"] and not rollout["succeeded"] else DONE


def follow(client: Client, rollout: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Return the rollout once it has ended, saying each step on the way unless `quiet`.

    Hosts may come and go meanwhile; only a minute without any answer ends the waiting.
    """
    said = ""
    answered_s = time.monotonic()
    while True:
        line = f"{rollout['service']}: {rollout['phase']}, {rollout['detail']}"
        if line != said and not quiet:
            print(line, file=sys.stderr, flush=True)
            said = line
        if rollout["is_terminal"]:
            return rollout
        time.sleep(_POLL_INTERVAL_S)
        try:
            rollout = client.get(f"/rollouts/{segment(rollout['id'])}")
        except CommandFailed as error:
            if time.monotonic() - answered_s > _SILENCE_S_MAX:
                raise OutcomeUnknown(
                    f"the rollout {rollout['id']} goes on, but no host answers: {error}",
                    hint=f"later: tower rollout status {rollout['id']}",
                ) from error
            continue
        answered_s = time.monotonic()


def _print_one(rollout: dict[str, Any]) -> None:
    print(f"rollout    {rollout['id']} of {rollout['service']}")
    print(f"phase      {rollout['phase']}: {rollout['detail']}")
    print(f"revision   {rollout['from_revision'] or 'none'} -> {rollout['to_revision']}")
    print(f"started    {moment(rollout['started_at_ms'])} by {rollout['started_by']}")
    if rollout["ended_at_ms"]:
        print(f"ended      {moment(rollout['ended_at_ms'])}")
    print()
    rows = [(step["replica"], step["node"], step["state"], step["detail"]) for step in rollout["replicas"]]
    print_table(("replica", "node", "state", "detail"), rows, empty="no replicas yet")


def _print_list(rollouts: list[dict[str, Any]]) -> None:
    rows = [
        (
            rollout["id"],
            rollout["service"],
            rollout["phase"],
            rollout["to_revision"],
            moment(rollout["started_at_ms"]),
            rollout["started_by"],
        )
        for rollout in rollouts
    ]
    columns = ("id", "service", "phase", "revision", "started", "by")
    print_table(columns, rows, empty="no rollouts yet")
