"""`tower rollout status | list | approve | ...`: how far a change has come, and what becomes of it."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed
from agent.cli.following import follow, succeeded
from agent.cli.output import moment, print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.rollout_words import ROLLED_BACK, SUCCEEDED, TERMINAL, details_of, line_of

_STEERS = {
    "approve": "let a rollout that waits for approval go on",
    "pause": "hold a rollout where it is",
    "resume": "let a paused rollout go on",
    "promote": "take a rollout to its end at once, without judging",
    "abort": "take a rollout back",
}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("rollout", help="follow and steer the changes of services")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    status = actions.add_parser("status", help="show one rollout, or the newest of a service or of all")
    status.add_argument("rollout", nargs="?", metavar="ID", help="a rollout's id, or a service's id or name")
    status.add_argument("--wait", action="store_true", help="until it has ended; status 1 if it failed")
    listing = actions.add_parser("list", help="list rollouts, newest first")
    listing.add_argument("--service", metavar="NAME", help="of this service only")
    for name, what in (*_STEERS.items(), ("retry", "try the revision of a rollout that failed again")):
        action = actions.add_parser(name, help=what)
        action.add_argument("rollout", metavar="ID", help="a rollout's id, or a service's for its newest")
        if name != "retry":
            action.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")
        action.add_argument("--wait", action="store_true", help="until the rollout has ended")


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
    if args.action in _STEERS:
        return _steer(client, args, as_json=as_json)
    if args.action == "retry":
        answer = client.post(f"/rollouts/{segment(args.rollout)}/retry")
        return report_change(client, answer, as_json=as_json, wait=args.wait)
    rollout = _find(client, args.rollout)
    if args.wait:
        rollout = follow(client, rollout, quiet=as_json)
    if as_json:
        print_json(rollout)
    else:
        _print_one(rollout)
    return FAILED if rollout["phase"] in TERMINAL and not succeeded(rollout) else DONE


def report_change(
    client: Client,
    answer: dict[str, Any],
    *,
    as_json: bool,
    wait: bool,
    is_undoing: bool = False,
) -> int:
    """Say what was done to a service, follow the rollout of it if asked to, and return the exit status.

    `is_undoing`: a rollout that was under way is to be rolled back, and that is then what was asked for.
    """
    if not as_json:
        print(printable(str(answer["done"])), flush=True)
    rollout_id = answer.get("rollout_id")
    if not wait or not rollout_id:
        if as_json:
            print_json(answer)
        elif answer.get("next"):
            print(printable(f"  {answer['next']}"))
        return DONE
    rollout = follow(client, client.get(f"/rollouts/{segment(rollout_id)}"), quiet=as_json)
    if as_json:
        print_json({**answer, "rollout": rollout})
    is_aborted = is_undoing and rollout.get("aim") != "rollback"
    return DONE if rollout["phase"] == (ROLLED_BACK if is_aborted else SUCCEEDED) else FAILED


def _steer(client: Client, args: argparse.Namespace, *, as_json: bool) -> int:
    rollout = client.post(f"/rollouts/{segment(args.rollout)}/{args.action}", {"reason": args.reason})
    wanted = ROLLED_BACK if args.action == "abort" else SUCCEEDED
    if args.wait:
        rollout = follow(client, rollout, quiet=as_json)
    if as_json:
        print_json(rollout)
    elif not args.wait:
        print(printable(line_of(rollout)))
    return FAILED if args.wait and rollout["phase"] != wanted else DONE


def _find(client: Client, reference: str | None) -> dict[str, Any]:
    if reference is not None:
        named: dict[str, Any] = client.get(f"/rollouts/{segment(reference)}")
        return named
    rollouts = client.get("/rollouts", limit=1)["items"]
    if not rollouts:
        raise CommandFailed("there was no rollout yet", hint="`tower deploy compose.yaml` makes one")
    newest: dict[str, Any] = client.get(f"/rollouts/{segment(rollouts[0]['id'])}")
    return newest


def _print_one(rollout: dict[str, Any]) -> None:
    lines = [
        f"rollout   {rollout['id']} of {rollout.get('service_id')}",
        f"phase     {rollout['phase']}: {rollout.get('progress', '')}",
    ]
    if rollout.get("strategy"):
        unjudged = ", not judged" if rollout.get("is_unjudged") else ""
        by = f" of {rollout['asked_by']}" if rollout.get("asked_by") else ""
        lines.append(f"asked     {rollout['aim']}{by}, {rollout['strategy']}{unjudged}")
    for key, label in (("started_at_ms", "started"), ("ended_at_ms", "ended")):
        if rollout.get(key):
            lines.append(f"{label:<9} {moment(rollout[key])}")
    steering = rollout.get("steering")
    if steering:
        lines.append(f"asked     {steering['steer']} by {steering['by']}; the leader does it next")
    lines += details_of(rollout)
    if rollout.get("reason"):
        lines.append(f"reason    {rollout['reason']}")
    for line in lines:
        print(printable(line))


def _print_list(rollouts: list[dict[str, Any]]) -> None:
    rows = [
        (
            rollout["id"],
            rollout.get("service_id"),
            rollout.get("strategy"),
            rollout["phase"],
            rollout.get("progress"),
            moment(rollout.get("started_at_ms")),
        )
        for rollout in rollouts
    ]
    columns = ("id", "service", "strategy", "phase", "progress", "started")
    print_table(columns, rows, empty="no rollouts yet")
