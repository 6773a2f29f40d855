"""`tower alerts rules ...`: what people are told of."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.moments import span_s
from agent.cli.output import duration, moment, print_json, print_table, printable
from agent.cli.parsing import Verbs

_KINDS = (
    "threshold, absence, forecast, anomaly, container-down, container-unhealthy, crash-loop, out-of-memory,"
    " host-down, certificate-expiring, quorum-risk"
)
_SPANS = {
    "for": "for_s",
    "keep-firing": "keep_firing_s",
    "remind": "remind_s",
    "within": "within_s",
    "window": "window_s",
    "step": "step_s",
}
_LISTS = {
    "of": "kinds",
    "host": "hosts",
    "service": "services",
    "environment": "environments",
    "name": "names",
}
_PLAIN = ("kind", "metric", "above", "below", "resolve", "statistic", "severity", "count", "summary", "hint")


def add_scope_flags(parser: argparse.ArgumentParser, *, what: str) -> None:
    """Flags that say what a rule or a silence is about."""
    group = parser.add_argument_group(what, "What fits all that is given; a flag may be repeated.")
    group.add_argument("--of", action="append", metavar="KIND", help="host, container, disk, route, ...")
    group.add_argument("--host", action="append", metavar="NAME")
    group.add_argument("--service", action="append", metavar="ID")
    group.add_argument("--environment", action="append", metavar="NAME")
    group.add_argument("--name", action="append", metavar="NAME", help="of a container, ...; may end in *")
    group.add_argument("--label", action="append", metavar="KEY=VALUE")


def scope_of(args: argparse.Namespace) -> dict[str, Any]:
    """What those flags say, as the interface has it; without what was not given."""
    body: dict[str, Any] = {
        field: values for flag, field in _LISTS.items() if (values := getattr(args, flag)) is not None
    }
    if args.label is not None:
        body["match"] = pairs("--label", args.label)
    return body


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """Return what KEY=VALUE words mean. Raises UsageWrong naming the option."""
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageWrong(f"{option} {text}: KEY=VALUE is expected")
        found[key] = value
    return found


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("rules", help="what people are told of")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="rules")
    actions.add_parser("list", help="list the rules, with those that are built in (default)")
    show = actions.add_parser("show", help="show one")
    show.add_argument("rule", metavar="RULE")
    put = actions.add_parser(
        "set",
        help="make a rule, or change one",
        description="Make a rule, or change what is given of one there is; a built-in one, too. Nothing is"
        " told twice for it. Try it first: `tower alerts rules test`.",
    )
    put.add_argument("rule", metavar="RULE", help="its name, such as big-uploads")
    _add_settings(put)
    remove = actions.add_parser("remove", help="forget one; a built-in one is as it was made")
    remove.add_argument("rule", metavar="RULE")
    test = actions.add_parser(
        "test",
        help="what a rule would have done in the past days",
        description="Try a rule on what is recorded. With flags: as it would be after `set` with them. Tells"
        " nobody, changes nothing.",
    )
    test.add_argument("rule", metavar="RULE")
    test.add_argument("--days", type=float, default=7.0, metavar="N", help="default 7, at most 30")
    _add_settings(test)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what is looked for")
    what.add_argument("--kind", metavar="KIND", help=_KINDS)
    what.add_argument("--metric", metavar="NAME", help="such as memory_bytes; see `tower metrics`")
    side = what.add_mutually_exclusive_group()
    side.add_argument("--above", type=float, metavar="VALUE", help="in the metric's unit")
    side.add_argument("--below", type=float, metavar="VALUE")
    what.add_argument("--resolve", type=float, metavar="VALUE", help="over on the other side of this")
    what.add_argument(
        "--percent", action=argparse.BooleanOptionalAction, help="bounds are percent of what there can be"
    )
    what.add_argument("--statistic", metavar="WORD", help="of a step: mean, min, max, p95, last, sum")
    what.add_argument("--step", metavar="TIME", help="one value for so long; default 1m")
    what.add_argument("--count", type=int, metavar="N", help="how many restarts, kills, metrics, spare hosts")
    what.add_argument("--window", metavar="TIME", help="restarts or kills within so long")
    what.add_argument("--within", metavar="TIME", help="how far ahead forecasts and certificates look")
    when = parser.add_argument_group("when people are told")
    when.add_argument("--for", metavar="TIME", help="how long it must hold, such as 5m")
    when.add_argument("--looks", metavar="N/M", help="instead: in N of the last M steps, such as 3/5")
    when.add_argument("--keep-firing", metavar="TIME", help="how long it must be over")
    when.add_argument("--remind", metavar="TIME", help="again so often until acknowledged; 0s: never")
    when.add_argument("--severity", choices=("info", "warning", "critical"))
    switch = when.add_mutually_exclusive_group()
    switch.add_argument("--enable", action="store_const", const=True, help="switch the rule on")
    switch.add_argument("--disable", dest="enable", action="store_const", const=False, help="or off")
    said = parser.add_argument_group("what they are told")
    said.add_argument("--summary", metavar="TEXT")
    said.add_argument("--hint", metavar="TEXT", help="what to do")
    said.add_argument("--tell", action="append", metavar="KEY=VALUE", help="a label told with the alert")
    add_scope_flags(parser, what="what it is about")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    action = args.rules or "list"
    if action == "list":
        found = client.items("/alert-rules")
        print_json({"items": found}) if as_json else _print_rules(found)
        return DONE
    path = f"/alert-rules/{segment(args.rule)}"
    if action == "remove":
        client.delete(path)
        print_json({"removed": args.rule}) if as_json else print(f"rule {args.rule} is removed")
        return DONE
    if action == "test":
        changes = _changes(args)
        rule = {**_settings_there(client, args.rule), **changes} if changes else None
        view = client.post(f"{path}/test", {"days": args.days, "rule": rule})
        print_json(view) if as_json else _print_rehearsal(args.rule, view)
        return DONE
    if action == "set":
        changes = _changes(args)
        if not changes:
            raise UsageWrong("nothing to set", hint="such as --for 5m, --disable, --severity warning")
        there = _settings_there(client, args.rule)
        if not there and "kind" not in changes:
            raise UsageWrong(
                f"there is no rule {args.rule}: to make one, give --kind", hint=f"one of {_KINDS}"
            )
        view = client.put(path, {**there, **changes})
    else:
        view = client.get(path)
    print_json(view) if as_json else _print_rule(view)
    return DONE


def _settings_there(client: Client, name: str) -> dict[str, Any]:
    """The settings of a rule there is, {} without one."""
    for view in client.items("/alert-rules"):
        if view["id"] == name:
            settings: dict[str, Any] = view["settings"]
            return settings
    return {}


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    """What the flags say of a rule, as the interface has it."""
    body = {**scope_of(args)}
    body |= {name: value for name in _PLAIN if (value := getattr(args, name)) is not None}
    for flag, field in _SPANS.items():
        text = getattr(args, flag.replace("-", "_"))
        if text is not None:
            body[field] = span_s(f"--{flag}", text)
    if args.above is not None:
        body["below"] = None
    if args.below is not None:
        body["above"] = None
    if args.percent is not None:
        body["percent_of_limit"] = args.percent
    if args.enable is not None:
        body["enabled"] = args.enable
    if args.looks is not None:
        body |= _looks(args.looks)
    if args.tell is not None:
        body["labels"] = pairs("--tell", args.tell)
    return body


def _looks(text: str) -> dict[str, int]:
    least, slash, most = text.partition("/")
    if not slash or not least.isdigit() or not most.isdigit():
        raise UsageWrong(f"--looks {text}: N/M is expected, such as 3/5")
    return {"looks_min": int(least), "looks": int(most)}


def _print_rules(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["id"],
            each["settings"]["severity"] if each["settings"]["enabled"] else "off",
            _condition(each["settings"]),
            each["open_alerts"] or "",
            ("changed" if each["is_changed"] else "built in") if each["is_built_in"] else each["changed_by"],
            each["settings"]["summary"],
        )
        for each in found
    ]
    print_table(("rule", "severity", "when", "open", "by", "summary"), rows, empty="there are no rules")


def _condition(settings: dict[str, Any]) -> str:
    """When a rule fires, in a few words: `memory_bytes above 95 % for 10m`."""
    words = [settings["metric"] or settings["kind"]]
    unit = " %" if settings["percent_of_limit"] else ""
    if settings["kind"] == "forecast":
        words.append("at its limit")
    if settings["kind"] == "absence":
        words.append("absent")
    for side in ("above", "below"):
        if settings[side] is not None:
            words.append(f"{side} {settings[side]:g}{unit}")
    if settings["count"]:
        words.append(f"{settings['count']}x" if settings["window_s"] else f"of {settings['count']}")
    for field, word in (("window_s", "within"), ("within_s", "within"), ("for_s", "for")):
        if settings[field]:
            words.append(f"{word} {duration(settings[field])}")
    if settings["looks"]:
        words.append(f"in {settings['looks_min']} of {settings['looks']} looks")
    return " ".join(words)


def _print_rule(view: dict[str, Any]) -> None:
    settings = view["settings"]
    lines = [
        f"rule      {view['id']}" + ("" if settings["enabled"] else " (switched off)"),
        f"when      {_condition(settings)}",
        f"severity  {settings['severity']}",
    ]
    if settings["resolve"] is not None:
        lines.append(f"over at   {settings['resolve']:g}")
    if settings["keep_firing_s"]:
        lines.append(f"kept      {duration(settings['keep_firing_s'])} after it is over")
    if settings["remind_s"]:
        lines.append(f"again     every {duration(settings['remind_s'])} until acknowledged")
    about = [f"{field} {', '.join(settings[field])}" for field in _LISTS.values() if settings[field]]
    about += [f"{key}={value}" for key, value in settings["match"].items()]
    lines.append(f"about     {'; '.join(about) or 'everything'}")
    for name in ("summary", "hint"):
        if settings[name]:
            lines.append(f"{name:<9} {settings[name]}")
    if view["changed_by"]:
        lines.append(f"changed   {moment(view['changed_at_ms'])} by {view['changed_by']}")
    lines.append(f"open      {view['open_alerts']} alerts")
    for line in lines:
        print(printable(line))


def _print_rehearsal(name: str, view: dict[str, Any]) -> None:
    span = f"from {moment(view['since_ms'])} until {moment(view['until_ms'])}"
    waiting = f"; {view['waiting']} hold now, and have not for long enough yet" if view["waiting"] else ""
    print(
        f"rule {name} would have fired {view['times_fired']} times {span}, of {view['series']} series;"
        f" {view['came_to_nothing']} times it held, but not for long enough{waiting}"
    )
    rows = [
        (
            moment(each["fired_ms"]),
            duration((each["resolved_ms"] - each["fired_ms"]) / 1000) if each["resolved_ms"] else "still",
            each["subject"],
            each["node_name"],
            each["text"],
        )
        for each in view["firings"]
    ]
    if rows:
        print_table(("fired", "for", "of", "host", "text"), rows, empty="")
    for note in view["notes"]:
        print(printable(f"note: {note}"))
