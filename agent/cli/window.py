"""`tower window add | list | remove`: when services may be changed."""

from __future__ import annotations

import argparse

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.moments import span_s
from agent.cli.output import duration, print_json, print_table
from agent.cli.parsing import Verbs


def add_scope(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which services are meant."""
    scope = parser.add_mutually_exclusive_group()
    for kind in ("environment", "project", "service"):
        scope.add_argument(f"--{kind}", metavar="NAME", help=f"only of this {kind}")


def scope_of(args: argparse.Namespace) -> dict[str, str]:
    """The scope on the command line, as the interface has it."""
    for kind in ("environment", "project", "service"):
        name = getattr(args, kind)
        if name:
            return {"scope": kind, "scope_name": name}
    return {"scope": "cluster", "scope_name": ""}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("window", help="when services may be changed")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    add = actions.add_parser(
        "add",
        help="make a change window, or another in its place",
        description="Make a change window. Without any, services may be changed at all times. Where windows"
        " allow, they may only while one is open; one that denies wins. Going back is always possible, and a"
        " rollout under way goes on when a window closes.",
    )
    add.add_argument("name", metavar="NAME", help="such as nights")
    kind = add.add_mutually_exclusive_group(required=True)
    kind.add_argument("--allow", metavar="EXPR", help='opens then: "0 22 * * MON-THU"')
    kind.add_argument("--deny", metavar="EXPR", help='no changes from then on: "0 16 * * FRI"')
    add.add_argument("--for", dest="span", required=True, metavar="TIME", help="how long, such as 8h")
    add.add_argument("--tz", metavar="ZONE", default="UTC", help="such as Europe/Berlin")
    add.add_argument("--note", default="", help="why, for whoever is refused")
    add_scope(add)
    actions.add_parser("list", help="list the change windows")
    remove = actions.add_parser("remove", help="forget one")
    remove.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        found = client.items("/windows")
        if as_json:
            print_json({"items": found})
            return DONE
        rows = [
            (
                each["id"],
                each["kind"],
                each["scope"],
                f"{each['cron']} ({each['time_zone']})",
                duration(each["duration_s"]),
                each["note"],
                each["by"],
            )
            for each in found
        ]
        columns = ("window", "kind", "of", "opens", "for", "note", "by")
        print_table(columns, rows, empty="there are no change windows: services may be changed at all times")
        return DONE
    path = f"/windows/{segment(args.name)}"
    if args.action == "remove":
        client.delete(path)
        print_json({"removed": args.name}) if as_json else print(f"change window {args.name} is removed")
        return DONE
    span = span_s("--for", args.span)
    if span < 60:
        raise UsageWrong(f"--for {args.span}: at least a minute")
    view = client.put(
        path,
        {
            "kind": "allow" if args.allow else "deny",
            "cron": args.allow or args.deny,
            "duration_s": span,
            "time_zone": args.tz,
            "note": args.note,
            **scope_of(args),
        },
    )
    if as_json:
        print_json(view)
    else:
        verb = "allows" if args.allow else "denies"
        opens = f"{view['cron']} ({view['time_zone']}) for {args.span}"
        print(f"change window {view['id']} {verb} changes of {view['scope']}: {opens}")
    return DONE
