"""`tower analyze anomalies`: what was unusual, by incident."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.output import moment

METHODS = ("calibrated", "zscore", "iqr", "isolation-forest", "seasonal")


def add_part(parts: Any) -> None:
    """Add the analysis to those of `tower analyze`."""
    parser: argparse.ArgumentParser = parts.add_parser(
        "anomalies",
        help="what was unusual: spikes, drops, changes of pattern",
        description="Say what was unusual, grouped by container and host. One metric alone is a note; two"
        " kinds at once, or one that meets a resource nearly used up, are worth an alert (marked with *).",
    )
    parser.add_argument(
        "subject",
        metavar="SUBJECT",
        nargs="?",
        default="",
        help="a host, service or container (default: all)",
    )
    parser.add_argument("--metric", default="", metavar="NAMES", help="as cpu,memory (default: all watched)")
    parser.add_argument("--method", choices=METHODS, default="calibrated", help="default: calibrated")
    parser.add_argument("--since", default="24h", metavar="SPAN", help="as 2h, 7d or a moment (default: 24h)")


def query_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the question."""
    return {
        "subject": args.subject or None,
        "metric": args.metric or None,
        "method": args.method,
        "since": args.since,
    }


def lines_of(answer: dict[str, Any]) -> list[str]:
    """Return the answer for a person."""
    lines = []
    for incident in answer["incidents"]:
        mark = "*" if incident["is_alertable"] else " "
        span = f"{moment(incident['started_ms'])} to {moment(incident['until_ms'])}"
        lines.append(f"{mark} {span}  {incident['severity']}: {incident['said']}")
        for anomaly in incident["anomalies"]:
            sure = "" if anomaly["confidence"] is None else f", {anomaly['confidence']:.0%} sure"
            kind = anomaly["kind"].replace("_", " ")
            lines.append(f"    {moment(anomaly['at_ms'])}  {kind}: {anomaly['said']}{sure}")
        if incident["anomalies_left_out"]:
            lines.append(f"    and {incident['anomalies_left_out']} more")
    if answer["incidents_left_out"]:
        lines.append(f"and {answer['incidents_left_out']} more incidents")
    if not answer["incidents"]:
        lines += answer["said"]
    lines.append(f"{answer['series']} series looked at since {moment(answer['since_ms'])}")
    return lines
