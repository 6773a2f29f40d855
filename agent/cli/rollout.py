"""`tower rollout status | list`: how far a change has come."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed, OutcomeUnknown
from agent.cli.output import moment, print_json, print_table, printable
from agent.cli.parsing import Verbs

_POLL_INTERVAL_S = 0.5
_SILENCE_S_MAX = 60.0
_SUCCEEDED = "succeeded"
_TERMINAL = frozenset({_SUCCEEDED, "rolled-back", "failed", "cancelled"})


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("rollout", help="follow the changes of services")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    status = actions.add_parser("status", help="show one rollout, or the newest of a service or of all")
    status.add_argument("rollout", nargs="?", metavar="ID", help="a rollout's id, or a service's")
    status.add_argument("--wait", action="store_true", help="until it has ended; status 1 if it failed")
    listing = actions.add_parser("list", help="list rollouts, newest first")
    listing.add_argument("--service", metavar="NAME", help="of this service only")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        rollouts = client.items("/rollouts", service=args.service)
        if as_json:
            print_json({"items": rollouts})
        else:
            _print_list(rollouts)
        return DONE
    rollout = _find(client, args.rollout)
    if args.wait:
        rollout = follow(client, rollout, quiet=as_json)
    if as_json:
        print_json(rollout)
    else:
        _print_one(rollout)
    return FAILED if rollout["phase"] in _TERMINAL and not succeeded(rollout) else DONE


def succeeded(rollout: dict[str, Any]) -> bool:
    """Whether the rollout ended as it was meant to."""
    return bool(rollout["phase"] == _SUCCEEDED)


def follow(client: Client, rollout: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Return the rollout once it has ended, saying each step on the way unless `quiet`.

    Hosts may come and go meanwhile; only a minute without any answer ends the waiting.
    """
    said = ""
    answered_s = time.monotonic()
    while True:
        line = (
            f"{rollout.get('service_id', rollout['id'])}: {rollout['phase']}: {rollout.get('progress', '')}"
        )
        if line != said and not quiet:
            print(line, file=sys.stderr, flush=True)
            said = line
        if rollout["phase"] in _TERMINAL:
            if not quiet and not succeeded(rollout) and rollout.get("reason"):
                print(f"  {printable(str(rollout['reason']))}", file=sys.stderr)
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


def _find(client: Client, reference: str | None) -> dict[str, Any]:
    rollouts = client.items("/rollouts")
    for rollout in rollouts:
        if reference in (None, rollout["id"], rollout.get("service_id")):
            found: dict[str, Any] = client.get(f"/rollouts/{segment(rollout['id'])}")
            return found
    what = (
        "there was no rollout yet"
        if reference is None
        else f"there is no rollout of or with id {reference!r}"
    )
    raise CommandFailed(what, hint="`tower rollout list` shows them")


def _print_one(rollout: dict[str, Any]) -> None:
    print(f"rollout   {rollout['id']} of {rollout.get('service_id')}")
    print(f"phase     {rollout['phase']}: {rollout.get('progress', '')}")
    for key, label in (("started_at_ms", "started"), ("ended_at_ms", "ended")):
        if rollout.get(key):
            print(f"{label:<9} {moment(rollout[key])}")
    if rollout.get("reason"):
        print(f"reason    {rollout['reason']}")


def _print_list(rollouts: list[dict[str, Any]]) -> None:
    rows = [
        (
            rollout["id"],
            rollout.get("service_id"),
            rollout["phase"],
            rollout.get("progress"),
            moment(rollout.get("started_at_ms")),
        )
        for rollout in rollouts
    ]
    print_table(("id", "service", "phase", "progress", "started"), rows, empty="no rollouts yet")
