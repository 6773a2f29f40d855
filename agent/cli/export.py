"""`tower export add | list | status | remove`: the metric history in other programs."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.moments import span_s
from agent.cli.output import duration, moment, print_json, print_table
from agent.cli.parsing import Verbs

_SECRET_CHARACTERS_MAX = 4096


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("export", help="send the metric history to other programs as well")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    add = actions.add_parser(
        "add",
        help="make an export, or another in its place",
        description="Send all that is measured to Prometheus, VictoriaMetrics, Mimir or whatever else takes"
        " remote-write, or to InfluxDB. While it is away, what it misses waits in the history. A password or"
        " token is asked for, or read from standard input. Addresses that are not public have to be allowed:"
        " `tower webhook networks --set`.",
    )
    add.add_argument("name", metavar="NAME", help="such as grafana")
    add.add_argument(
        "url", metavar="URL", help="http://vm:8428/api/v1/write, http://influx:8086/write?db=tower"
    )
    add.add_argument("--kind", choices=("prometheus", "influxdb"), default="prometheus")
    add.add_argument("--auth", choices=("none", "bearer", "basic", "token"), default="none")
    add.add_argument("--user", metavar="NAME", default="", help="of auth basic")
    add.add_argument("--keep-secret", action="store_true", help="the one it has stays")
    add.add_argument("--back", metavar="TIME", default="0s", help="of the past, this much first: 7d")
    add.add_argument("--off", action="store_true", help="send nothing for now")
    actions.add_parser("list", help="list the exports and how far each has come")
    status = actions.add_parser("status", help="show everything of one")
    remove = actions.add_parser("remove", help="forget one; what was sent stays where it is")
    for each in (status, remove):
        each.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        found = client.items("/exports")
        print_json({"items": found}) if as_json else _print_list(found)
        return DONE
    path = f"/exports/{segment(args.name)}"
    match args.action:
        case "status":
            view = client.get(path)
            print_json(view) if as_json else _print_one(view)
        case "remove":
            client.delete(path)
            print_json({"removed": args.name}) if as_json else print(f"export {args.name} is removed")
        case _:
            view = client.put(path, _body(args))
            if as_json:
                print_json(view)
            else:
                print(f"what is measured goes to {view['url']} from now on")
                print(f"see how far it is: tower export status {view['id']}")
    return DONE


def _body(args: argparse.Namespace) -> dict[str, Any]:
    is_asked = args.auth != "none" and not args.keep_secret
    return {
        "kind": args.kind,
        "url": args.url,
        "auth": args.auth,
        "username": args.user,
        "secret": _secret(args.name) if is_asked else None,
        "back_s": span_s("--back", args.back),
        "is_enabled": not args.off,
    }


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (each["id"], each["kind"], each["url"], _state(each), each["waiting"], each["sent"], each["refused"])
        for each in found
    ]
    columns = ("export", "kind", "to", "state", "waiting", "sent", "refused")
    print_table(columns, rows, empty="the history is sent nowhere: `tower export add` changes that")


def _state(view: dict[str, Any]) -> str:
    if not view["is_enabled"]:
        return "off"
    if view["failing_since_ms"] is not None:
        return f"failing since {moment(view['failing_since_ms'])}"
    if view["past_left_ms"]:
        return f"sending the past, {duration(view['past_left_ms'] / 1000)} left"
    return "ok" if view["last_sent_ms"] is not None else "new"


def _print_one(view: dict[str, Any]) -> None:
    rows = [
        ("url", view["url"]),
        ("kind", view["kind"]),
        ("auth", view["auth"] + (f" as {view['username']}" if view["username"] else "")),
        ("state", _state(view)),
        ("said last", view["detail"]),
        ("tried next", moment(view["next_ms"]) if view["next_ms"] is not None else ""),
        ("batches waiting", view["waiting"]),
        ("samples sent", view["sent"]),
        ("samples refused", view["refused"]),
        ("last sent", moment(view["last_sent_ms"]) if view["last_sent_ms"] is not None else "never"),
        ("changed", f"{moment(view['changed_at_ms'])} by {view['changed_by']}"),
    ]
    print_table((view["id"], ""), [row for row in rows if row[1] != ""], empty="")


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        secret = getpass.getpass(f"Password or token for export {name}: ")
    else:
        # Line ends are no part of a secret, and of what pipes it there they often are.
        secret = sys.stdin.read(_SECRET_CHARACTERS_MAX + 2).rstrip("\r\n")
    if not secret:
        raise CommandFailed(
            "no password or token was given", hint="pipe it to standard input, or run it in a terminal"
        )
    return secret
