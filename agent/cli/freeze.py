"""`tower freeze [begin] | end | list`: no changes for a while."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed, UsageWrong
from agent.cli.moments import moment_ms
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.window import add_scope, scope_of


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "freeze",
        help="have nothing deployed for a while",
        description="Have nothing deployed, until a time or until `tower freeze end`. Going back is always"
        " possible, and a rollout under way goes on.",
    )
    parser.add_argument(
        "action",
        metavar="begin|end|list",
        nargs="?",
        choices=("begin", "end", "list"),
        default="begin",
        help="default: begin",
    )
    parser.add_argument("freeze", metavar="ID", nargs="?", help="which to end; default: the only one")
    parser.add_argument("--reason", help="why, for whoever is refused")
    parser.add_argument("--from", dest="since", metavar="TIME", help="default: now")
    parser.add_argument("--until", metavar="TIME", help='"2026-12-27 08:00"; default: until it is ended')
    add_scope(parser)


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    if args.action == "begin" and not args.reason:
        raise UsageWrong("--reason is missing", hint='such as --reason "end of the quarter"')
    if args.action == "begin" and args.freeze:
        raise UsageWrong(f"{args.freeze}: only `tower freeze end` takes an id")
    client = connect(args)
    if args.action == "list":
        found = client.items("/freezes")
        print_json({"items": found}) if as_json else _print_list(found)
        return DONE
    if args.action == "end":
        name = args.freeze or _only(client)
        client.delete(f"/freezes/{segment(name)}")
        print_json({"ended": name}) if as_json else print(f"freeze {name} is ended")
        return DONE
    view = client.post(
        "/freezes",
        {
            "reason": args.reason,
            "from_ms": None if args.since is None else moment_ms("--from", args.since),
            "until_ms": None if args.until is None else moment_ms("--until", args.until),
            **scope_of(args),
        },
    )
    if as_json:
        print_json(view)
    else:
        until = moment(view["until_ms"]) or f"`tower freeze end {view['id']}`"
        print(f"{view['scope']} is frozen from {moment(view['from_ms'])} until {until}")
    return DONE


def _only(client: Client) -> str:
    found = client.items("/freezes")
    if len(found) != 1:
        names = ", ".join(each["id"] for each in found)
        raise CommandFailed(
            f"there are {len(found)} freezes" if found else "there is no freeze",
            hint=f"name one of {names}" if found else "",
        )
    name = found[0]["id"]
    assert isinstance(name, str), "ids are text"
    return name


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["id"],
            each["scope"],
            moment(each["from_ms"]),
            moment(each["until_ms"]) or "it is ended",
            each["reason"],
            each["by"],
        )
        for each in found
    ]
    print_table(("freeze", "of", "from", "until", "reason", "by"), rows, empty="nothing is frozen")
