"""`tower schedule deploy | list | show | remove | run-now`"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.cli import compose_files
from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.moments import moment_ms
from agent.cli.output import moment, print_json, print_table, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("schedule", help="deployments that are made later")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    deploy = actions.add_parser(
        "deploy",
        help="deploy a Compose file later",
        description="Schedule a deployment, once or again and again. It is checked now, and again when it is"
        " made, in your name. Images are pinned to what their tags mean now. One that is made once is not"
        " made if somebody has deployed the service meanwhile.",
    )
    compose_files.add_arguments(deploy)
    when = deploy.add_mutually_exclusive_group(required=True)
    when.add_argument("--at", metavar="TIME", help='once: "2026-12-24 03:30", or with a time zone')
    when.add_argument("--cron", metavar="EXPR", help='again and again: "30 3 * * MON-FRI"')
    deploy.add_argument("--tz", metavar="ZONE", default="UTC", help="of --cron, such as Europe/Berlin")
    deploy.add_argument(
        "--catch-up",
        choices=("skip", "once"),
        default="skip",
        help="once: make up for a missed time within an hour",
    )
    deploy.add_argument(
        "--pin-at-fire", action="store_true", help="take what the images' tags mean then, and not now"
    )
    deploy.add_argument(
        "--strategy", choices=("rolling", "blue-green", "canary"), help="instead of what the file says"
    )
    deploy.add_argument("--skip-analysis", action="store_true", help="judge nothing and ask nobody")
    deploy.add_argument(
        "--override-window", action="store_true", help="whatever change windows and freezes say then"
    )
    actions.add_parser("list", help="list the schedules")
    show = actions.add_parser("show", help="show one, with what became of its times")
    show.add_argument("schedule", metavar="ID")
    remove = actions.add_parser("remove", help="forget one; what it deployed stays")
    remove.add_argument("schedule", metavar="ID")
    run_now = actions.add_parser("run-now", help="deploy what it deploys now; its own times stay")
    run_now.add_argument("schedule", metavar="ID")
    run_now.add_argument("--override-window", action="store_true", help="whatever change windows say")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    if args.action == "deploy":
        return _deploy(args, as_json=as_json)
    client = connect(args)
    if args.action == "list":
        found = client.items("/schedules")
        print_json({"items": found}) if as_json else _print_list(found)
        return DONE
    path = f"/schedules/{segment(args.schedule)}"
    if args.action == "remove":
        client.delete(path)
        if as_json:
            print_json({"removed": args.schedule})
        else:
            print(f"schedule {args.schedule} is forgotten; what it deployed stays")
        return DONE
    if args.action == "run-now":
        view = client.post(f"{path}/run", {"override_window": args.override_window})
    else:
        view = client.get(path)
    print_json(view) if as_json else _print_one(view)
    return DONE


def _deploy(args: argparse.Namespace, *, as_json: bool) -> int:
    given = compose_files.gather(args)
    given.check_complete()
    body = {
        "deployment": {
            **given.body(),
            "strategy": args.strategy,
            "skip_analysis": args.skip_analysis,
            "override_window": args.override_window,
        },
        "at_ms": None if args.at is None else moment_ms("--at", args.at),
        "cron": args.cron or "",
        "time_zone": args.tz,
        "catch_up": args.catch_up,
        "pin_at_fire": args.pin_at_fire,
    }
    view = connect(args).post("/schedules", body)
    for warning in view["warnings"]:
        print(f"warning: {printable(warning)}", file=sys.stderr)
    print_json(view) if as_json else _print_one(view)
    return DONE


def _when(view: dict[str, Any]) -> str:
    return f"{view['cron']} ({view['time_zone']})" if view["cron"] else moment(view["at_ms"])


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["id"],
            ", ".join(service["service_id"] for service in each["services"]),
            _when(each),
            moment(each["next_fire_ms"]) or "over",
            each["by"],
            _run_words(each["runs"][0]) if each["runs"] else "",
        )
        for each in found
    ]
    columns = ("schedule", "services", "when", "next", "by", "last")
    print_table(columns, rows, empty="nothing is scheduled; try `tower schedule deploy --at TIME`")


def _print_one(view: dict[str, Any]) -> None:
    lines = [f"schedule  {view['id']} of {view['by']}", f"when      {_when(view)}"]
    lines += [f"next      {moment(at_ms)}" for at_ms in view["upcoming_ms"]] or [
        "next      never: it is over"
    ]
    for each in view["services"]:
        digest = each["digest"] or "as its tag means then"
        lines.append(f"service   {each['service_id']}: {each['image']} ({digest})")
    lines += [f"was       {_run_words(each)}" for each in view["runs"]]
    for line in lines:
        print(printable(line))


def _run_words(run: dict[str, Any]) -> str:
    about = ", ".join(f"{service} revision {number}" for service, number in run["revisions"].items())
    said = "; ".join(each for each in (about, run["reason"]) if each)
    return f"{moment(run['at_ms'])} {run['outcome']}{': ' if said else ''}{said}"
