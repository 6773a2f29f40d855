"""`tower node maintenance | fence`: hosts that are away on purpose, and hosts that are lost."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.failures import UsageWrong
from agent.cli.output import duration
from agent.cli.parsing import Verbs
from agent.cli.token import seconds

ACTIONS = ("maintenance", "fence")
_DEFAULT_S = 300


def add_actions(actions: Verbs[argparse.ArgumentParser]) -> None:
    leave = actions.add_parser(
        "maintenance",
        help="let a host be away for a while: nothing is moved from it, and what it runs goes on",
        description="For an upgrade of the agent, of Docker or of the host by hand. It ends by itself when"
        " the agent has restarted. A planned restart of the agent needs none: it takes a minute of its own.",
    )
    leave.add_argument("node", metavar="NODE", help="its name or id")
    how_long = leave.add_mutually_exclusive_group()
    how_long.add_argument(
        "--for", dest="for_s", type=seconds, default=_DEFAULT_S, metavar="TIME", help="at most 30m (5m)"
    )
    how_long.add_argument("--end", action="store_true", help="end it now")
    leave.add_argument("--reason", default="", metavar="TEXT", help="for whoever looks at the host")
    fence = actions.add_parser(
        "fence",
        help="say that a host which is down runs nothing any more",
        description="What must never run twice starts elsewhere by it, also where that waits for a person"
        " (`singleton: manual`). Switch the host off first: if it still runs, so does its copy.",
    )
    fence.add_argument("node", metavar="NODE", help="its name or id")
    fence.add_argument("--yes", action="store_true", help="do not ask")


def run_action(client: Client, node: dict[str, Any], args: argparse.Namespace) -> tuple[Any, str]:
    """Return the API's answer, and what was done in words. Raises CommandFailed."""
    path = f"/nodes/{segment(str(node['id']))}"
    if args.action == "maintenance":
        length_s = 0 if args.end else args.for_s
        answer = client.post(f"{path}/maintenance", {"duration_s": length_s, "reason": args.reason})
        if args.end:
            return answer, "is no longer expected to be away"
        return answer, f"may be away for {duration(length_s)}; nothing is moved from it"
    _confirm(node["name"], is_sure=args.yes)
    return client.post(f"{path}/fence"), "counts as switched off: what it ran starts elsewhere"


def _confirm(name: str, *, is_sure: bool) -> None:
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageWrong(f"what {name} runs might run twice", hint="switch it off, and confirm with --yes")
    print(f"If {name} still runs, what must never run twice will. Is it switched off?", file=sys.stderr)
    if input("Go on? [yes/no] ").strip().lower() != "yes":
        raise UsageWrong("nothing was done")
