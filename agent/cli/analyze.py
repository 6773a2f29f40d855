"""`tower analyze`: what the metric history means."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.cli import analyze_anomalies
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed, UsageWrong
from agent.cli.languages import add_language_flag, language_of
from agent.cli.output import can_draw, print_json, printable
from agent.cli.parsing import Verbs
from agent.cli.sparkline import sparkline

_FORMATS = ("markdown", "html", "csv", "json")
_ENDINGS = {".md": "markdown", ".html": "html", ".htm": "html", ".csv": "csv", ".json": "json"}
_MORE = re.compile(r"(?P<service>[^=]+)=\+?(?P<replicas>\d{1,4})")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "analyze",
        help="say what the metrics mean: trends, forecasts, capacity, profiles",
        description="Say what the metrics of the last 30 days mean, and what could not be concluded.",
        epilog="examples:\n"
        "  tower analyze trend shop.db memory\n"
        "  tower analyze trend h1:/var --language it\n"
        "  tower analyze capacity --add shop.web=2\n"
        "  tower analyze capacity --lose h2\n"
        "  tower analyze anomalies shop.web --since 7d\n"
        "  tower analyze report --output report.html",
    )
    parts = parser.add_subparsers(title="analyses", metavar="ANALYSIS", dest="analysis", required=True)
    trend = parts.add_parser("trend", help="rising or falling, and when its limit is reached")
    _add_subject(trend, with_metric=True)
    trend.add_argument(
        "--at", type=float, metavar="PERCENT", help="so much of its limit counts as used up (memory: 90)"
    )
    forecast = parts.add_parser("forecast", help="what it will need: a day, a week, a month ahead")
    _add_subject(forecast, with_metric=True)
    capacity = parts.add_parser("capacity", help="the room there is, when it is used up, and what if")
    what_if = capacity.add_mutually_exclusive_group()
    what_if.add_argument("--add", metavar="SERVICE=N", help="what if the service had N more replicas")
    what_if.add_argument("--lose", metavar="NODE", help="what if this host were lost")
    profile = parts.add_parser("profile", help="what held it up, and what helps")
    _add_subject(profile)
    baseline = parts.add_parser("baseline", help="the last hours beside what is usual for them")
    _add_subject(baseline, with_metric=True)
    for part in (profile, baseline):
        part.add_argument("--hours", type=int, metavar="N", help="the last N hours, up to 168 (default: 24)")
    analyze_anomalies.add_part(parts)
    report = parts.add_parser("report", help="all of it, to print, to file or to calculate with")
    report.add_argument("--format", choices=_FORMATS, help="(default: by the file's ending, or markdown)")
    report.add_argument("--output", "-o", metavar="FILE", help="write it there")
    for part in parts.choices.values():
        add_language_flag(part)


def _add_subject(parser: argparse.ArgumentParser, *, with_metric: bool = False) -> None:
    parser.add_argument(
        "subject", metavar="SUBJECT", help="a host, service, container or file system: h1, shop.web, h1:/var"
    )
    if with_metric:
        parser.add_argument("metric", metavar="METRIC", nargs="?", help="as cpu, memory, disk")


def run(args: argparse.Namespace) -> int:
    if args.analysis == "report":
        return _report(args)
    query = {"language": language_of(args), **_QUERIES[args.analysis](args)}
    answer = connect(args).get(f"/analytics/{args.analysis}", **query)
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    for line in _LINES[args.analysis](answer):
        print(printable(line))
    for note in answer["notes"]:
        print(printable(f"note: {note}"), file=sys.stderr)
    return DONE


def _report(args: argparse.Namespace) -> int:
    chosen = args.format
    if chosen is None and getattr(args, "json", False):
        chosen = "json"
    if chosen is None:
        ending = Path(args.output or "").suffix.lower()
        if ending and ending not in _ENDINGS:
            raise UsageWrong(
                f"--output {args.output}: no report ends with {ending}",
                hint=f"end it with {', '.join(_ENDINGS)}, or give --format",
            )
        chosen = _ENDINGS.get(ending, "markdown")
    content = connect(args).text("/analytics/report", format=chosen, language=language_of(args))
    if args.output is None:
        print(printable(content) if sys.stdout.isatty() else content, end="")
        return DONE
    try:
        Path(args.output).write_text(content, encoding="utf-8", newline="")
    except OSError as error:
        raise CommandFailed(f"{args.output} cannot be written: {error.strerror or error}") from error
    print(f"{args.output} is written")
    return DONE


# ---- what is asked for


def _trend_query(args: argparse.Namespace) -> dict[str, Any]:
    return {"subject": args.subject, "metric": args.metric, "at_percent": args.at}


def _forecast_query(args: argparse.Namespace) -> dict[str, Any]:
    return {"subject": args.subject, "metric": args.metric}


def _capacity_query(args: argparse.Namespace) -> dict[str, Any]:
    if args.add is None:
        return {"lost": args.lose}
    more = _MORE.fullmatch(args.add)
    if more is None:
        raise UsageWrong(f"--add {args.add}: a service and how many more", hint="such as --add shop.web=2")
    return {"service": more["service"], "replicas": int(more["replicas"])}


def _profile_query(args: argparse.Namespace) -> dict[str, Any]:
    return {"subject": args.subject, "hours": args.hours}


def _baseline_query(args: argparse.Namespace) -> dict[str, Any]:
    return {"subject": args.subject, "metric": args.metric, "hours": args.hours}


# ---- what is said


def _trend_lines(answer: dict[str, Any]) -> list[str]:
    confidence = answer["confidence"]
    sure = "" if confidence is None else f" (confidence {confidence:.0%})"
    return [f"{answer['verdict']}{sure}", *answer["said"]]


def _forecast_lines(answer: dict[str, Any]) -> list[str]:
    lines = []
    for need in answer["needs"]:
        expected = need["path"]["expected"]
        if expected:
            line = sparkline(expected, width=len(expected), top=None, can_draw=can_draw())
            lines.append(f"{need['metric']}  {line}")
        lines += need["said"]
    return lines


def _profile_lines(answer: dict[str, Any]) -> list[str]:
    found = answer["bottlenecks"]
    lines = [f"{each['kind']} ({each['impact']}): {each['description']}\n  {each['fix']}" for each in found]
    return lines + [said for said in answer["said"] if all(said != each["description"] for each in found)]


def _said(answer: dict[str, Any]) -> list[str]:
    return list(answer["said"])


_QUERIES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "anomalies": analyze_anomalies.query_of,
    "trend": _trend_query,
    "forecast": _forecast_query,
    "capacity": _capacity_query,
    "profile": _profile_query,
    "baseline": _baseline_query,
}
_LINES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "anomalies": analyze_anomalies.lines_of,
    "trend": _trend_lines,
    "forecast": _forecast_lines,
    "capacity": _said,
    "profile": _profile_lines,
    "baseline": _said,
}
