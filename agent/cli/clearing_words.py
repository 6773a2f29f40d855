"""What `tower image`, `tower volume` and `tower network` have in common: users, plans, outcomes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from agent.cli.client import Client
from agent.cli.failures import DONE, FAILED
from agent.cli.output import in_bytes, print_json, print_table, printable

CLEANUP_TIMEOUT_S = 600.0
"""A host with many small files takes its time to remove them."""


def add_list_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", metavar="NODE", help="of this host only")
    parser.add_argument("--project", metavar="NAME", help="that this Compose project uses")
    parser.add_argument("--unused", action="store_true", help="that no container uses, running or not")


def add_remove_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", metavar="NODE", help="where several hosts have it")
    parser.add_argument(
        "--force", action="store_true", help="even if a service could need it again; never what is in use"
    )


def add_prune_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--node", metavar="NODE", action="append", default=[], help="on this host only; may be repeated"
    )
    parser.add_argument("--yes", action="store_true", help="remove what is shown; without it nothing is")


def users_of(item: Mapping[str, Any]) -> str:
    """Return who uses a thing, or why it stays although nobody does."""
    names = [user["name"] for user in item["users"]]
    if names:
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return "unused" if item["may_go"] else f"unused ({item['why']})"


def tell_problems(answer: Mapping[str, Any]) -> None:
    for problem in answer.get("problems", ()):
        print(f"note: {problem['node_name']}: {printable(problem['reason'])}", file=sys.stderr)


def tell_removed(answer: Mapping[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(answer)
    else:
        freed = f", {in_bytes(answer['bytes'])}" if answer["bytes"] else ""
        print(printable(f"{answer['name']} is removed from {answer['node_name']}{freed}"))
    return DONE


def prune(client: Client, kind: str, body: dict[str, Any], args: argparse.Namespace) -> int:
    """Show the plan; with --yes carry out what was shown. The status says whether all of it went."""
    plan = client.post(f"/{kind}/prune", body, timeout_s=CLEANUP_TIMEOUT_S)
    is_json = getattr(args, "json", False)
    if not args.yes:
        if is_json:
            print_json(plan)
        else:
            _tell_plan(plan, kind)
        return DONE
    if not plan["items"]:
        done = plan
    else:
        done = client.post(f"/{kind}/prune", {**body, "plan": plan["plan"]}, timeout_s=CLEANUP_TIMEOUT_S)
    if is_json:
        print_json(done)
    else:
        _tell_outcome(done, kind)
    return FAILED if any(item["outcome"] == "failed" for item in done["items"]) else DONE


def _tell_plan(plan: Mapping[str, Any], kind: str) -> None:
    print_table(("node", "name", "size", "why"), _rows(plan["items"]), empty=f"no {kind} to remove")
    if plan["kept"]:
        print(f"\nunused, and kept ({len(plan['kept'])}):")
        print_table(("node", "name", "size", "why"), _rows(plan["kept"]), empty="")
    if plan["items"]:
        print(f"\nthis would free up to {in_bytes(plan['bytes'])}; remove it with --yes")
    if plan["left_over"]:
        print(f"{plan['left_over']} more could go after that")
    tell_problems(plan)


def _tell_outcome(done: Mapping[str, Any], kind: str) -> None:
    for item in done["items"]:
        words = item["outcome"] if item["outcome"] == "removed" else f"{item['outcome']}: {item['why']}"
        print(printable(f"{item['node_name']}  {item['name']}  {words}"))
    removed = sum(item["outcome"] == "removed" for item in done["items"])
    print(f"{removed} {kind} removed, up to {in_bytes(done['bytes'])} freed")
    if done["gone"]:
        print(f"{done['gone']} were gone already, or had changed, and were left alone")
    tell_problems(done)


def _rows(items: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    return [(item["node_name"], item["name"], in_bytes(item["bytes"]), item["why"]) for item in items]
