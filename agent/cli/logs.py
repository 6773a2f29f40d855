"""`tower logs`: what containers wrote, from whichever host they run or ran on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import moment, print_error, printable
from agent.cli.parsing import Verbs
from agent.cli.token import seconds

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
PAGE_LINES = 2_000
TAIL_DEFAULT = 100


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "logs",
        help="show what containers wrote",
        description=(
            "One container: its own log. Several, or with --service, --project, --level, --grep or --until:\n"
            "what hosts keep, by time over all hosts, also of containers that are gone."
        ),
    )
    parser.add_argument(
        "containers", nargs="*", metavar="CONTAINER", help="name or id, as `tower ps` shows it"
    )
    parser.add_argument("--service", action="append", metavar="NAME", help="all containers of a service")
    parser.add_argument("--project", action="append", metavar="NAME", help="all containers of a project")
    parser.add_argument("--node", metavar="NODE", help="only on this host")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is written next")
    parser.add_argument("--tail", "-n", type=int, metavar="N", help=f"the last lines ({TAIL_DEFAULT})")
    parser.add_argument("--since", type=seconds, metavar="TIME", help="only of the last 10m, 2h, 1d, ...")
    parser.add_argument(
        "--until", type=seconds, metavar="TIME", help="only from before the last 10m, 2h, ..."
    )
    parser.add_argument("--level", choices=LEVELS, help="only lines that say they are at least as grave")
    parser.add_argument(
        "--grep", metavar="EXPRESSION", help="only lines that fit (Python's regular expressions)"
    )
    parser.add_argument("--timestamps", "-t", action="store_true", help="begin each line with its moment")


def run(args: argparse.Namespace) -> int:
    if not (args.containers or args.service or args.project or args.node):
        raise UsageWrong(
            "the following arguments are required: CONTAINER, --service or --project",
            hint="`tower ps --all` lists the containers",
        )
    if args.follow and (args.until or args.grep):
        raise UsageWrong(
            "--follow goes with neither --until nor --grep", hint="pipe what follows through grep"
        )
    client = connect(args)
    is_of_many = len(args.containers) != 1 or args.service or args.project
    if is_of_many or args.until or args.level or args.grep:
        return _show_kept(args, client)
    lines = client.lines(
        f"/logs/{segment(args.containers[0])}",
        node=args.node,
        tail=TAIL_DEFAULT if args.tail is None else args.tail,
        since=None if args.since is None else f"{args.since}s",
        follow=args.follow or None,
        timestamps=True,
    )
    as_json = getattr(args, "json", False)
    for line in lines:
        if as_json:
            print(json.dumps(line, ensure_ascii=False), flush=True)
            continue
        stamp = f"{moment(line.get('at_ms'))} " if args.timestamps else ""
        stream = sys.stderr if line["stream"] == "stderr" else sys.stdout
        print(stamp + printable(str(line["text"])), file=stream, flush=True)
    return DONE


# ---- what hosts keep -----------------------------------------------------------------------------


def _show_kept(args: argparse.Namespace, client: Client) -> int:
    choice = {
        "containers": ",".join(args.containers) or None,
        "services": ",".join(args.service or ()) or None,
        "projects": ",".join(args.project or ()) or None,
        "hosts": args.node,
    }
    wanted = {
        "since": None if args.since is None else f"{args.since}s",
        "until": None if args.until is None else f"{args.until}s",
        "level": args.level,
        "q": args.grep,
        "regex": True if args.grep else None,
    }
    as_json = getattr(args, "json", False)
    newest_us = 0
    seen: set[tuple[str, int]] = set()
    for page in _pages(args, client, choice, wanted):
        for line in page["lines"]:
            source = page["sources"][line["source"]]
            newest_us = max(newest_us, line["at_us"])
            seen.add((source["container_id"], line["ordinal"]))
            _print(line, source, as_json=as_json, with_time=args.timestamps)
        for problem in page["problems"]:
            print_error(f"{problem['node_name']}: {problem['reason']}")
        for note in page["notes"]:
            print_error(note)
    if args.follow:
        _follow(args, client, choice, after_us=newest_us, seen=seen, as_json=as_json)
    return DONE


def _pages(
    args: argparse.Namespace, client: Client, choice: dict[str, Any], wanted: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Pages with the oldest line first: all of a stretch of time, or else the last lines."""
    if args.since is None or args.tail is not None:
        tail = TAIL_DEFAULT if args.tail is None else max(1, args.tail)
        pages: list[dict[str, Any]] = []
        cursor = None
        while tail > 0:
            page = client.get("/logs", **choice, **wanted, limit=min(tail, PAGE_LINES), cursor=cursor)
            page["lines"].reverse()
            pages.append(page)
            tail -= len(page["lines"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        yield from reversed(pages)
        return
    cursor = None
    while True:
        page = client.get("/logs", **choice, **wanted, order="oldest", limit=PAGE_LINES, cursor=cursor)
        yield page
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _follow(
    args: argparse.Namespace,
    client: Client,
    choice: dict[str, Any],
    *,
    after_us: int,
    seen: set[tuple[str, int]],
    as_json: bool,
) -> None:
    levels = ",".join(LEVELS[LEVELS.index(args.level) :]) if args.level else None
    sources: list[dict[str, Any]] = []
    for message in client.lines("/logs/follow", **choice, after_us=after_us or None, levels=levels):
        sources = message.get("sources", sources)
        for line in message.get("lines", ()):
            source = sources[line["source"]]
            if line["at_us"] <= after_us and (source["container_id"], line["ordinal"]) in seen:
                continue
            _print(line, source, as_json=as_json, with_time=args.timestamps)
        if message.get("missed"):
            print_error(f"{message['missed']} lines were left out: they came faster than they could be shown")
        if message.get("ended"):
            print_error(str(message["ended"]))


def _print(line: dict[str, Any], source: dict[str, Any], *, as_json: bool, with_time: bool) -> None:
    if as_json:
        shown = {
            "node": source["node_name"],
            "container": source["name"],
            "container_id": source["container_id"],
            **{name: value for name, value in line.items() if name != "source"},
        }
        print(json.dumps(shown, ensure_ascii=False), flush=True)
        return
    stamp = f"{moment(line['at_us'] // 1000)} " if with_time else ""
    mark = "-- " if line["stream"] == "event" else ""
    where = f"{source['node_name']}/{source['name']}"
    stream = sys.stderr if line["stream"] == "stderr" else sys.stdout
    print(f"{stamp}{where} | {mark}{printable(str(line['text']))}", file=stream, flush=True)
