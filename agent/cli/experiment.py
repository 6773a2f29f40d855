"""`tower experiment start | status | end | list`: A/B tests."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from agent.cli import compose_files
from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.experiment_words import lines_of
from agent.cli.failures import DONE, FAILED, UsageWrong
from agent.cli.following import follow, succeeded
from agent.cli.moments import moment_ms, span_s
from agent.cli.output import moment, print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.traffic import permille_of

POLL_INTERVAL_S = 0.5
BEGIN_S_MAX = 600.0
"""A replica may have long to come up; the leader gives it up before."""
_BRINGING_UP = frozenset({"starting"})


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("experiment", help="A/B tests: try a revision beside the stable one")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    start = actions.add_parser(
        "start",
        help="try a second revision of a service on a part of its requests",
        description="Run a second revision b of a service beside the stable one (a). Requests with the header"
        " or cookie go to b, of all others the share does. Nothing is taken back by itself: it ends when its"
        " time is over, or with `tower experiment end`. Returns when every router follows it.",
    )
    start.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    start.add_argument("--image", metavar="IMAGE", default="", help="b is what runs, with this image")
    compose_files.add_rendering(start)
    start.add_argument(
        "--environment", "-e", metavar="NAME", default="", help="whose section of the file is b's"
    )
    # As options alone: files after other options would be taken for something else.
    start.set_defaults(files=[])
    start.add_argument("--header", metavar="NAME=VALUE", action="append", default=[], help="leads to b")
    start.add_argument("--cookie", metavar="NAME=VALUE", action="append", default=[], help="leads to b")
    start.add_argument("--share", metavar="PERCENT", help="of all other requests, such as 20%%")
    start.add_argument(
        "--not-sticky", action="store_true", help="throw for each request, not once for each visitor"
    )
    start.add_argument("--replicas", type=int, metavar="N", help="of b (default: as its share needs)")
    length = start.add_mutually_exclusive_group()
    length.add_argument(
        "--for", dest="lasts", metavar="SPAN", help="how long: 90m, 7d (default: until ended)"
    )
    length.add_argument("--until", metavar="TIME", help='when it ends: "2026-12-24 18:00"')
    start.add_argument("--keep", choices=("a", "b"), default="a", help="which is kept then (default: a)")
    start.add_argument("--override-window", action="store_true", help="whatever change windows say")
    start.add_argument("--no-wait", action="store_true", help="return when it is committed")
    status = actions.add_parser("status", help="show how the two compare, and what can be concluded")
    status.add_argument("service", metavar="SERVICE")
    end = actions.add_parser("end", help="end it, and keep one of the two")
    end.add_argument("service", metavar="SERVICE")
    end.add_argument("--keep", choices=("a", "b"), required=True, help="a: as before; b: for all requests")
    end.add_argument("--reason", default="", help="why, for the record")
    end.add_argument("--no-wait", action="store_true", help="return when the leader has taken it up")
    listing = actions.add_parser("list", help="list the experiments that are remembered")
    listing.add_argument("--service", default="", metavar="SERVICE", help="of this one alone")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    match args.action:
        case "start":
            return _start(args, as_json=as_json)
        case "end":
            return _end(args, as_json=as_json)
        case "list":
            found = connect(args).items("/experiments", service=args.service)
            print_json({"items": found}) if as_json else _print_list(found)
            return DONE
        case _:
            _print(connect(args).get(_path(args.service)), as_json=as_json)
            return DONE


def _start(args: argparse.Namespace, *, as_json: bool) -> int:
    body = _body(args)
    client = connect(args)
    view = client.post(_path(args.service), body)
    if not args.no_wait:
        view = _until_begun(client, args.service, view)
    _print(view, as_json=as_json)
    if view["state"] == "failed":
        print(printable(f"tower: {view['reason'] or view['progress']}"), file=sys.stderr)
        return FAILED
    return DONE


def _body(args: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {
        "headers": [_named("--header", text) for text in args.header],
        "cookies": [_named("--cookie", text) for text in args.cookie],
        "permille": 0 if args.share is None else permille_of("--share", args.share),
        "sticky": False if args.not_sticky else None,
        "replicas": args.replicas,
        "for_s": None if args.lasts is None else span_s("--for", args.lasts),
        "until_ms": None if args.until is None else moment_ms("--until", args.until),
        "keep": args.keep,
        "override_window": args.override_window,
    }
    if not (args.header or args.cookie or body["permille"]):
        raise UsageWrong(
            "which requests b gets is not said", hint="--header X-Beta=yes, --cookie beta=yes or --share 20%"
        )
    if args.image:
        if args.file:
            raise UsageWrong("--image and a Compose file: give one of the two", hint="b is either of them")
        body["image"] = args.image
        return body
    if not args.file:
        raise UsageWrong("what b is is not said", hint="--image web:2, or -f with a Compose file")
    given = compose_files.gather(args)
    given.check_complete()
    body["deployment"] = given.body()
    if not args.project:
        # Whatever the folder is called: it is the file of this service.
        body["deployment"].pop("project", None)
    return body


def _named(option: str, text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise UsageWrong(f"{option} {text}: NAME=VALUE is expected", hint=f"such as {option} X-Beta=yes")
    return {"name": name, "value": value}


def _until_begun(client: Client, service: str, view: dict[str, Any]) -> dict[str, Any]:
    until_s = time.monotonic() + BEGIN_S_MAX
    said = ""
    while view["state"] in _BRINGING_UP and time.monotonic() < until_s:
        if view["progress"] != said:
            said = view["progress"]
            print(printable(f"{view['service_id']}: {said}"), file=sys.stderr, flush=True)
        time.sleep(POLL_INTERVAL_S)
        view = client.get(_path(service))
    return view


def _end(args: argparse.Namespace, *, as_json: bool) -> int:
    client = connect(args)
    view = client.post(f"{_path(args.service)}/end", {"keep": args.keep, "reason": args.reason})
    is_kept = True
    if not args.no_wait and view["rollout_id"]:
        rollout = client.get(f"/rollouts/{segment(view['rollout_id'])}")
        rollout = follow(client, rollout, quiet=as_json)
        view = client.get(_path(args.service))
        # Going back to a is a rollout that was rolled back, and what was asked for.
        is_kept = view["kept"] == args.keep and (args.keep == "a" or succeeded(rollout))
    _print(view, as_json=as_json)
    if not is_kept:
        print(printable(f"tower: {args.keep} was not kept: {view['reason']}"), file=sys.stderr)
        return FAILED
    return DONE


def _path(service: str) -> str:
    return f"/services/{segment(service)}/experiment"


def _print(view: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    for line in lines_of(view):
        print(printable(line))


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["service_id"],
            each["state"],
            f"{each['a']['revision']} and {each['b']['revision']}",
            moment(each["started_at_ms"]),
            moment(each["ended_at_ms"]) or moment(each["ends_at_ms"]),
            each["kept"] or "",
            each["asked_by"],
        )
        for each in found
    ]
    columns = ("service", "state", "revisions", "started", "ends", "kept", "by")
    print_table(columns, rows, empty="there was no experiment yet; try `tower experiment start`")
