"""`tower alerts [list] | show | ack | silence | silences | unsilence | rules ...`"""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import urlencode

from agent.cli import alert_rules
from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.languages import add_language_flag, language_of
from agent.cli.moments import moment_ms, span_s
from agent.cli.output import duration, moment, print_json, print_table, printable
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "alerts",
        help="what is wrong now, and what people are told of",
        description="Without an action: what is wrong now.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    listing = actions.add_parser("list", help="list alerts, newest first (default)")
    listing.add_argument(
        "--state",
        choices=("open", "pending", "firing", "acknowledged", "silenced", "resolved", "all"),
        default="open",
        help="default: open, all that are not resolved",
    )
    listing.add_argument("--severity", choices=("info", "warning", "critical"), help="at least")
    for name in ("rule", "host", "service", "environment"):
        listing.add_argument(f"--{name}", metavar="NAME")
    add_language_flag(listing)
    show = actions.add_parser("show", help="show one, with what to do")
    show.add_argument("alert", metavar="NUMBER", type=int)
    add_language_flag(show)
    ack = actions.add_parser(
        "ack",
        help="say that you look after one",
        description="Say that you look after an alert: nobody is told of it again until it is over.",
    )
    ack.add_argument("alert", metavar="NUMBER", type=int)
    ack.add_argument("--comment", default="", metavar="TEXT", help="what is done about it")
    ack.add_argument("--withdraw", action="store_true", help="nobody looks after it any more")
    silence = actions.add_parser(
        "silence",
        help="have nobody told of some alerts for a while",
        description="Have nobody told of what fits all flags. What still fires when it ends is told then."
        " Rollouts, drains and maintenance of hosts keep their own alerts quiet without this.",
    )
    silence.add_argument("--reason", required=True, metavar="TEXT")
    end = silence.add_mutually_exclusive_group()
    end.add_argument("--for", dest="span", metavar="TIME", help="such as 2h; default 1h, with --cron a year")
    end.add_argument("--until", metavar="TIME", help='"2026-12-24 03:30"')
    silence.add_argument("--from", dest="since", metavar="TIME", help="default: now")
    silence.add_argument("--rule", action="append", metavar="RULE")
    silence.add_argument("--severity", action="append", choices=("info", "warning", "critical"))
    silence.add_argument("--cron", metavar="EXPR", help='hours of maintenance that come round: "0 3 * * SUN"')
    silence.add_argument("--each", metavar="TIME", default="1h", help="with --cron: how long each time")
    silence.add_argument("--tz", metavar="ZONE", default="UTC", help="of --cron")
    alert_rules.add_scope_flags(silence, what="what is kept quiet")
    actions.add_parser("silences", help="list the silences in force and to come")
    unsilence = actions.add_parser("unsilence", help="end a silence")
    unsilence.add_argument("silence", metavar="ID")
    alert_rules.add_parser(actions)


def run(args: argparse.Namespace) -> int:
    action = args.action or "list"
    if action == "rules":
        return alert_rules.run(args)
    as_json = getattr(args, "json", False)
    if action == "silence":
        return _silence(args, as_json=as_json)
    client = connect(args)
    if action == "list":
        found = client.items(f"/alerts{_query(args)}")
        state = getattr(args, "state", "open")
        print_json({"items": found}) if as_json else _print_list(found, is_open=state == "open")
    elif action == "silences":
        found = client.items("/silences")
        print_json({"items": found}) if as_json else _print_silences(found)
    elif action == "unsilence":
        client.delete(f"/silences/{segment(args.silence)}")
        print_json({"ended": args.silence}) if as_json else print(f"silence {args.silence} is ended")
    elif action == "ack":
        body = {"comment": args.comment, "withdrawn": args.withdraw}
        view = client.post(f"/alerts/{args.alert}/acknowledge", body)
        print_json(view) if as_json else _print_one(view)
    else:
        view = client.get(f"/alerts/{args.alert}?language={language_of(args)}")
        print_json(view) if as_json else _print_one(view)
    return DONE


def _query(args: argparse.Namespace) -> str:
    given = {
        "language": language_of(args),
        "state": getattr(args, "state", None),
        "severity": getattr(args, "severity", None),
        "rule": getattr(args, "rule", None),
        "node": getattr(args, "host", None),
        "service": getattr(args, "service", None),
        "environment": getattr(args, "environment", None),
    }
    wanted = {name: value for name, value in given.items() if value}
    return f"?{urlencode(wanted)}"


def _silence(args: argparse.Namespace, *, as_json: bool) -> int:
    body: dict[str, Any] = {"comment": args.reason, **alert_rules.scope_of(args)}
    if args.rule is not None:
        body["rules"] = args.rule
    if args.severity is not None:
        body["severities"] = args.severity
    if len(body) == 1:
        raise UsageWrong(
            "it would silence everything", hint="name what is meant: --host, --service, --rule, ..."
        )
    if args.since is not None:
        body["from_ms"] = moment_ms("--from", args.since)
    if args.until is not None:
        body["until_ms"] = moment_ms("--until", args.until)
    elif args.span is not None:
        body["for_s"] = span_s("--for", args.span)
    if args.cron:
        body |= {"cron": args.cron, "duration_s": span_s("--each", args.each), "time_zone": args.tz}
    view = connect(args).post("/silences", body)
    if as_json:
        print_json(view)
        return DONE
    now = ", ".join(map(str, view["alerts"]))
    print(
        f"silence {view['id']} until {moment(view['until_ms'])}"
        + (f": alerts {now} are quiet now" if now else "")
    )
    return DONE


def _print_list(found: list[dict[str, Any]], *, is_open: bool) -> None:
    rows = [
        (
            each["number"],
            each["severity"],
            each["state"],
            moment(each["since_ms"]),
            each["rule"],
            each["text"],
            _standing(each),
        )
        for each in found
    ]
    empty = "nothing is wrong that anybody asked to be told of" if is_open else "there are no such alerts"
    print_table(("alert", "severity", "state", "since", "rule", "what", "by"), rows, empty=empty)


def _standing(view: dict[str, Any]) -> str:
    if view["state"] == "acknowledged":
        return f"{view['acknowledged_by']}: {view['comment']}" if view["comment"] else view["acknowledged_by"]
    if view["state"] == "silenced":
        return str(view["muted_by"])
    return str(view["resolution"])


def _print_one(view: dict[str, Any]) -> None:
    subject = view["subject"]
    where = f" on {subject['node_name']}" if subject["node_name"] else ""
    lines = [
        f"alert     {view['number']} ({view['severity']}), {view['state']}",
        f"what      {view['text']}",
    ]
    if view["usual"]:
        lines.append(f"usually   {view['usual']}")
    if view["next_step"]:
        lines.append(f"do        {view['next_step']}")
    lines.append(f"about     {subject['kind']} {subject['name']}{where}")
    lines.append(f"rule      {view['rule']}")
    for name, field in (("since", "since_ms"), ("told", "told_at_ms"), ("unseen", "unseen_ms")):
        if view[field]:
            lines.append(f"{name:<9} {moment(view[field])}")
    if view["acknowledged_by"]:
        said = f": {view['comment']}" if view["comment"] else ""
        lines.append(f"by        {view['acknowledged_by']}{said}")
    if view["muted_by"]:
        lines.append(f"quiet     {view['muted_by']}")
    if view["is_flapping"]:
        lines.append("flapping  it comes and goes: it stays until it was quiet for half an hour")
    if view["resolved_at_ms"]:
        why = f" ({view['resolution']})" if view["resolution"] else ""
        lines.append(f"over      {moment(view['resolved_at_ms'])}{why}")
    for line in lines:
        print(printable(line))


def _print_silences(found: list[dict[str, Any]]) -> None:
    rows = []
    for each in found:
        settings = each["settings"]
        about = [*settings["rules"], *settings["severities"]]
        for field in ("kinds", "hosts", "services", "environments", "names"):
            about += settings[field]
        about += [f"{key}={value}" for key, value in settings["match"].items()]
        round_ = f"{settings['cron']} ({settings['time_zone']}) for {duration(settings['duration_s'])}"
        rows.append(
            (
                each["id"],
                "in force" if each["is_in_force"] else "to come",
                moment(each["until_ms"]),
                round_ if settings["cron"] else "",
                ", ".join(about),
                ", ".join(map(str, each["alerts"])),
                settings["comment"],
                each["by"],
            )
        )
    columns = ("silence", "state", "until", "when", "of", "alerts", "why", "by")
    print_table(columns, rows, empty="nothing is kept quiet")
