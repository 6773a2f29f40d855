"""Scopes and hours as they are written on the command line and read there."""

from __future__ import annotations

import argparse
import re
from typing import Any

from agent.cli.failures import CommandFailed

_HOURS = re.compile(r"(?:([a-z,-]+) )?(\d{2}:\d{2})-(\d{2}:\d{2})(?: (\S+))?")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SCOPES = (
    ("--project", "projects", "a project", "PROJECT"),
    ("--service", "services", "a service, by id or name", "SERVICE"),
    ("--node", "nodes", "a host, by id or name", "HOST"),
    ("--container", "names", "a container: web, or h1/web", "NAME"),
    (
        "--label",
        "labels",
        "containers with this label, set by somebody and not by their image",
        "KEY[=VALUE]",
    ),
    ("--without-label", "without_labels", "containers without this label", "KEY[=VALUE]"),
    ("--environment", "environments", "an environment", "NAME"),
)


def add_scope(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say on what; each may be given again for more."""
    group = parser.add_argument_group("on what (nothing: everything)")
    for flag, name, text, metavar in _SCOPES:
        group.add_argument(flag, dest=name, action="append", metavar=metavar, help=text)


def scope_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the scope as the interface takes it."""
    return {name: values for _, name, _, _ in _SCOPES if (values := getattr(args, name)) is not None}


def add_hours(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says when."""
    parser.add_argument(
        "--hours",
        action="append",
        default=[],
        metavar='"[DAYS] HH:MM-HH:MM [ZONE]"',
        help='when it holds, as "mon-fri 09:00-17:00 Europe/Rome"; may be given again',
    )


def hours_of(texts: list[str]) -> list[dict[str, Any]]:
    """Return hours as the interface takes them. Raises CommandFailed."""
    return [_hours(text) for text in texts]


def _hours(text: str) -> dict[str, Any]:
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise CommandFailed(
            f"{text!r} is no time of the week",
            hint='write "mon-fri 09:00-17:00 Europe/Rome", or "22:00-06:00"',
        )
    days, start, end, zone = found.groups()
    hours: dict[str, Any] = {"start": start, "end": end, "tz": zone or "UTC"}
    if days:
        hours["days"] = _days(days)
    return hours


def _days(text: str) -> list[str]:
    days: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            raise CommandFailed(
                f"{part!r} is no day", hint=f"days are {', '.join(_DAYS)}, as mon-fri or sat,sun"
            )
        begin = _DAYS.index(first)
        count = (_DAYS.index(last) - begin) % 7 + 1 if last else 1
        days += [_DAYS[(begin + step) % 7] for step in range(count)]
    return list(dict.fromkeys(days))


def hours_text(hours: list[dict[str, Any]]) -> str:
    """Return hours for people."""
    return "; ".join(
        f"{_days_text(each['days'])}{each['start']}-{each['end']} {each['tz']}" for each in hours
    )


def _days_text(days: list[str]) -> str:
    return "" if len(days) == len(_DAYS) else f"{','.join(days)} "
