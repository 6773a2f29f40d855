"""`tower session ls | end`: logins that live, one's own and others'."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("session", help="logins that live: list them, end them")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("ls", help="list one's own logins, or others' with --user")
    listing.add_argument("--user", default="", metavar="NAME", help="whose, or all: for administrators")
    end = actions.add_parser(
        "end",
        help="end one login, or all but this one",
        description="End one login by its id, as `tower session ls` shows it, or with --others every one of"
        " an account but the one that asks. What it was used with has to log in again.",
    )
    end.add_argument("id", nargs="?", default="", metavar="ID")
    end.add_argument("--others", action="store_true", help="all of an account but this one")
    end.add_argument("--user", default="", metavar="NAME", help="whose, with --others: for administrators")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    if args.action == "end" and bool(args.id) == args.others:
        raise UsageWrong("name one login, or say --others", hint="`tower session ls` lists them")
    client = connect(args)
    if args.action == "ls":
        found = client.items("/sessions", user=args.user or None)
        if as_json:
            print_json({"items": found})
        else:
            _print(found, has_users=bool(args.user))
        return DONE
    if args.others:
        answer = client.delete("/sessions", user=args.user or None)
        if as_json:
            print_json(answer)
        else:
            print(f"{answer['ended']} logins are ended")
        return DONE
    client.delete(f"/sessions/{segment(args.id)}")
    if as_json:
        print_json({"ended": args.id})
    else:
        print(f"login {args.id} is ended")
    return DONE


def _print(found: list[dict[str, Any]], *, has_users: bool) -> None:
    heads: tuple[str, ...] = ("id", "with", "from", "begun", "last used", "")
    rows: list[tuple[object, ...]] = [
        (
            each["id"],
            " on ".join(filter(None, (each["browser"], each["system"]))) or each["kind"],
            each["ip"],
            moment(each["started_at_ms"]),
            moment(each["last_used_at_ms"]),
            "this one" if each["is_current"] else "",
        )
        for each in found
    ]
    if has_users:
        heads = ("user", *heads)
        rows = [(each["user_name"], *row) for each, row in zip(found, rows, strict=True)]
    print_table(heads, rows, empty="no logins")
