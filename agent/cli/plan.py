"""`tower plan list | show | approve | refuse | withdraw`"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, UNKNOWN
from agent.cli.output import moment, print_json, print_table, printable
from agent.cli.parsing import Verbs

_POLL_S = 0.5
_PATIENCE_S = 130.0
_STATUS = {"done": DONE, "unknown": UNKNOWN, "running": UNKNOWN}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("plan", help="what programs asked for, and people approve")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", help="list the plans that wait or run")
    listing.add_argument("--state", default="open", help="or all, waiting, done, failed, refused, stale, ...")
    show = actions.add_parser("show", help="show one: what it changes, what it touches, how it ended")
    show.add_argument("plan", metavar="ID")
    approve = actions.add_parser(
        "approve",
        help="have one carried out",
        description="Approve a plan. It is looked at anew and carried out once, in the name of whoever asked:"
        " not if what it was made against has changed. You need the permission for what it does yourself.",
    )
    approve.add_argument("plan", metavar="ID")
    approve.add_argument("--comment", default="", help="why, for the record")
    approve.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    for name, what in (("refuse", "turn one down"), ("withdraw", "take back one asked for in your name")):
        action = actions.add_parser(name, help=what)
        action.add_argument("plan", metavar="ID")
        action.add_argument("--comment", default="", help="why, for whoever asked")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    client = connect(args)
    if args.action == "list":
        found = client.items("/plans", state=args.state)
        print_json({"items": found}) if as_json else _print_list(found)
        return DONE
    path = f"/plans/{segment(args.plan)}"
    if args.action == "show":
        view = client.get(path)
        print_json(view) if as_json else _print_one(view)
        return DONE
    view = client.post(f"{path}/{args.action}", {"comment": args.comment})
    if args.action == "approve" and not args.no_wait:
        view = _until_ended(client, path, view)
    print_json(view) if as_json else print(printable(_said(view)))
    if args.action != "approve" or (args.no_wait and view["state"] == "running"):
        return DONE
    return _STATUS.get(view["state"], FAILED)


def _until_ended(client: Client, path: str, view: dict[str, Any]) -> dict[str, Any]:
    deadline_s = time.monotonic() + _PATIENCE_S
    while view["state"] == "running" and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        view = client.get(path)
    return view


def _said(view: dict[str, Any]) -> str:
    outcome = f": {view['outcome']}" if view["outcome"] else ""
    return f"plan {view['id']} is {view['state']}{outcome}"


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["id"],
            each["state"],
            each["summary"],
            f"{each['asked_by']} ({each['via']})",
            moment(each["made_at_ms"]),
        )
        for each in found
    ]
    print_table(("plan", "state", "what", "by", "since"), rows, empty="no plan waits for anybody")


def _print_one(view: dict[str, Any]) -> None:
    token = f", token {view['token_prefix']}" if view["token_prefix"] else ""
    lines = [
        f"plan      {view['id']}: {view['state']}",
        f"what      {view['summary']}",
        f"by        {view['asked_by']} through {view['via']}{token}, {moment(view['made_at_ms'])}",
        f"tool      {view['tool']} "
        + " ".join(f"{name}={value}" for name, value in view["arguments"].items()),
    ]
    if view["state"] == "waiting":
        lines.append(f"expires   {moment(view['expires_at_ms'])}")
        lines.append(f"because   {view['reason']}")
    lines += [f"change    {_change(each)}" for each in view["changes"]]
    lines += [
        f"touches   {kind}: {', '.join(names)}"
        for kind, names in view["touches"].items()
        if kind != "left_out" and names
    ]
    if view["touches"]["left_out"]:
        lines.append(f"touches   and {view['touches']['left_out']} more")
    lines += [f"note      {note}" for note in view["notes"]]
    if view["decided_by"]:
        lines.append(
            f"decided   by {view['decided_by']} ({view['decided_through']}), {moment(view['decided_at_ms'])}"
        )
    lines += [f"comment   {view['comment']}"] if view["comment"] else []
    lines += [f"outcome   {view['outcome']}"] if view["outcome"] else []
    for line in lines:
        print(printable(line))
    if view["why_not"]:
        print(printable(f"you cannot approve it: {view['why_not']}"), file=sys.stderr)


def _change(change: dict[str, Any]) -> str:
    before, after = ("not set" if change[side] is None else change[side] for side in ("before", "after"))
    subject = f"{change['subject']} " if change["subject"] else ""
    effect = f" ({change['effect']})" if change["effect"] else ""
    return f"{subject}{change['field']}: {before} -> {after}{effect}"
