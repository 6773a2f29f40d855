"""`tower history`: the revisions of a service, and what became of each."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import duration, moment, print_json, print_table, printable
from agent.cli.parsing import Verbs

_CHANGES_SHOWN = 3


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("history", help="list the revisions of a service")
    parser.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    parser.add_argument("--attempts", action="store_true", help="also every rollout to each of them")


def run(args: argparse.Namespace) -> int:
    history = connect(args).get(f"/services/{segment(args.service)}/history")
    if getattr(args, "json", False):
        print_json(history)
        return DONE
    rows = [
        (
            entry["revision"],
            entry["state"],
            entry["image"],
            short_digest(entry["digest"]),
            moment(entry["created_at_ms"]),
            entry["created_by"],
            _changed(entry["changes"]),
            _outcome(entry["attempts"][0]) if entry["attempts"] else "",
        )
        for entry in history["revisions"]
    ]
    columns = ("revision", "state", "image", "digest", "created", "by", "changed", "rollout")
    print_table(columns, rows, empty="no revisions are remembered")
    for entry in history["revisions"]:
        if entry.get("promoted_from"):
            print(printable(f"revision {entry['revision']} was promoted from {entry['promoted_from']}"))
    if args.attempts:
        for entry in history["revisions"]:
            for attempt in entry["attempts"]:
                print(printable(f"{attempt['rollout_id']}: {_attempt(entry['revision'], attempt)}"))
    return DONE


def short_digest(digest: str) -> str:
    """Return enough of a digest to tell two apart."""
    return digest.removeprefix("sha256:")[:12]


def _changed(changes: list[dict[str, Any]]) -> str:
    names = [str(change["field"]) for change in changes]
    more = len(names) - _CHANGES_SHOWN
    return ", ".join(names[:_CHANGES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _outcome(attempt: dict[str, Any]) -> str:
    said = attempt["verdict"] or attempt["reason"]
    return f"{attempt['phase']}: {said}" if said else str(attempt["phase"])


def _attempt(revision: int, attempt: dict[str, Any]) -> str:
    words = f"{moment(attempt['started_at_ms'])} {attempt['aim']} to revision {revision}"
    if attempt["from_revision"]:
        words += f" from {attempt['from_revision']}"
    words += f", {attempt['strategy']}" + (", not judged" if attempt["is_unjudged"] else "")
    if attempt["asked_by"]:
        words += f", by {attempt['asked_by']}"
    words += f": {_outcome(attempt)}"
    if attempt["ended_at_ms"]:
        words += f" (took {duration((attempt['ended_at_ms'] - attempt['started_at_ms']) / 1000)})"
    if attempt["requests"] is not None:
        words += f"; {attempt['failures']} of {attempt['requests']} requests failed, {attempt['lost']} lost"
    return words
