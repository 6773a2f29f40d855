"""`tower traffic`: how the requests of a service are shared, and sharing them by hand."""

from __future__ import annotations

import argparse
import re
import sys
import time
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, UsageWrong
from agent.cli.output import print_json, printable
from agent.cli.parsing import Verbs
from agent.cli.rollout_words import split_lines

POLL_INTERVAL_S = 0.5
WAIT_S_MAX = 60.0
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d)?)%?")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "traffic",
        help="show or change how a service's requests are shared",
        description="Show how the requests of a service are shared between its two colours, or share them by"
        " hand: a rollout under way is paused by that. Which colour is the new revision's changes with each"
        " deployment; --new means it, whichever it is. Returns when every router has it in force.",
    )
    parser.add_argument("service", metavar="SERVICE", help="its id, as shop.web, or its name")
    share = parser.add_mutually_exclusive_group()
    for name, whose in (("new", "the new revision"), ("green", "green"), ("blue", "blue")):
        share.add_argument(f"--{name}", metavar="PERCENT", help=f"the share of {whose}, such as 20%%")
    share.add_argument("--to", choices=("blue", "green"), help="all requests to this colour")
    parser.add_argument("--force", action="store_true", help="even with too few replicas ready for it")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for every router")


def run(args: argparse.Namespace) -> int:
    body = _body(args)
    client = connect(args)
    path = f"/services/{segment(args.service)}/traffic"
    as_json = getattr(args, "json", False)
    if body is None:
        if args.force:
            raise UsageWrong("--force says nothing without a share", hint="such as --new 20%")
        split = client.get(path)
        _say(split, as_json=as_json)
        return DONE
    split = client.post(path, body)
    token = split["token"]
    if not args.no_wait:
        split = _wait(client, path, split)
    _say(split, as_json=as_json)
    if split["token"] != token:
        print("note: the requests were shared anew meanwhile, by a rollout or by somebody", file=sys.stderr)
    elif split["waiting_for"] and not args.no_wait:
        print(
            printable(f"tower: not in force on {', '.join(split['waiting_for'])} after {WAIT_S_MAX:.0f} s"),
            file=sys.stderr,
        )
        return FAILED
    return DONE


def _body(args: argparse.Namespace) -> dict[str, Any] | None:
    if args.to:
        return {"colour": args.to, "force": args.force}
    for name in ("new", "green", "blue"):
        text = getattr(args, name)
        if text is not None:
            colour = None if name == "new" else name
            return {"colour": colour, "permille": permille_of(f"--{name}", text), "force": args.force}
    return None


def permille_of(option: str, text: str) -> int:
    """Return the thousandths that a share such as 20% or 2.5 means. Raises UsageWrong naming the option."""
    match = _PERCENT.fullmatch(text.strip())
    permille = None if match is None else round(float(match[1]) * 10)
    if permille is None or permille > 1000:
        raise UsageWrong(f"{option} {text}: a share from 0% to 100%", hint="such as 20% or 2.5%")
    return permille


def _wait(client: Client, path: str, split: dict[str, Any]) -> dict[str, Any]:
    """Return the split once every router that is up has it in force, or another one is there."""
    token = split["token"]
    until_s = time.monotonic() + WAIT_S_MAX
    while split["waiting_for"] and split["token"] == token and time.monotonic() < until_s:
        time.sleep(POLL_INTERVAL_S)
        split = client.get(path)
    return split


def _say(split: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(split)
        return
    for line in split_lines(split):
        print(printable(line))
    if split.get("by"):
        print(printable(f"by hand   {split['by']}"))
