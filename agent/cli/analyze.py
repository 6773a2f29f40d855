"""`tower analyze`: what the metric history means."""

from __future__ import annotations

import argparse
import os
from typing import Any

from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs

LANGUAGES = ("en", "it")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "analyze",
        help="say what the metrics mean: trends, forecasts, capacity, profiles",
        description="Say what the metrics of the last 30 days mean, and what could not be concluded.",
        epilog="examples:\n"
        "  tower analyze trend shop.db memory\n"
        "  tower analyze trend h1:/var\n"
        "  tower analyze trend h1 cpu --language it",
    )
    parts = parser.add_subparsers(title="analyses", metavar="ANALYSIS", dest="analysis", required=True)
    trend = parts.add_parser("trend", help="rising or falling, and when its limit is reached")
    _add_subject(trend)
    _add_metric(trend)
    trend.add_argument(
        "--at", type=float, metavar="PERCENT", help="so much of its limit counts as used up (memory: 90)"
    )
    for part in parts.choices.values():
        part.add_argument(
            "--language", choices=LANGUAGES, help="of the sentences (default: as LANG says, or English)"
        )


def _add_subject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject", metavar="SUBJECT", help="a host, service, container or file system: h1, shop.web, h1:/var"
    )


def _add_metric(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("metric", metavar="METRIC", nargs="?", default="", help="as cpu, memory, disk")


def run(args: argparse.Namespace) -> int:
    answer = connect(args).get(f"/analytics/{args.analysis}", language=_language(args), **_query(args))
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    for line in _LINES[args.analysis](answer):
        print(printable(line))
    for note in answer["notes"]:
        print(printable(f"note: {note}"))
    return DONE


def _query(args: argparse.Namespace) -> dict[str, Any]:
    return {"subject": args.subject, "metric": args.metric or None, "at_percent": args.at}


def _language(args: argparse.Namespace) -> str:
    if args.language:
        return str(args.language)
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return next((each for each in LANGUAGES if spoken.lower().startswith(each)), "en")


def _trend_lines(answer: dict[str, Any]) -> list[str]:
    confidence = answer["confidence"]
    sure = "" if confidence is None else f" ({confidence:.0%})"
    return [f"{answer['verdict']}{sure}", *answer["said"]]


_LINES = {"trend": _trend_lines}
