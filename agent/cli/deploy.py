"""`tower deploy`: run a Compose file on the cluster, or change what runs of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from agent.cli import compose_files
from agent.cli.client import Client, segment
from agent.cli.compare import print_changes
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, OutcomeUnknown
from agent.cli.following import follow_all, succeeded
from agent.cli.output import print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.validation_words import finding_line, plan_lines

_BEGIN_S_MAX = 60.0
_POLL_INTERVAL_S = 0.5


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "deploy",
        help="run a Compose file on the cluster",
        description="Deploy the services of a Compose file, or change those that run to what it says now."
        " Returns when all replicas are healthy and the old ones are gone. Interrupting the"
        " command does not stop the rollout.",
    )
    compose_files.add_arguments(parser)
    parser.add_argument(
        "--strategy",
        choices=("rolling", "blue-green", "canary"),
        help="how requests move to a new revision, instead of what the file says",
    )
    parser.add_argument(
        "--skip-analysis",
        action="store_true",
        help="an emergency: judge nothing and ask nobody for approval; the audit says so",
    )
    parser.add_argument(
        "--override-window",
        action="store_true",
        help="deploy although a change window or a freeze is against it; the audit says so",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument("--wait", action="store_true", help="until every rollout has ended (the default)")
    waiting.add_argument("--no-wait", action="store_true", help="return when the rollouts have begun")


def run(args: argparse.Namespace) -> int:
    given = compose_files.gather(args)
    given.check_complete()
    client = connect(args)
    as_json = getattr(args, "json", False)
    answer = client.post(
        "/deployments",
        {
            **given.body(),
            "dry_run": args.dry_run,
            "strategy": args.strategy,
            "skip_analysis": args.skip_analysis,
            "override_window": args.override_window,
        },
    )
    if not as_json:
        say_plan(answer, is_dry_run=args.dry_run)
    return finish(
        client,
        answer,
        as_json=as_json,
        is_over=args.dry_run or args.no_wait,
        nothing="nothing to do: everything is as the file says",
    )


def finish(client: Client, answer: dict[str, Any], *, as_json: bool, is_over: bool, nothing: str) -> int:
    """Follow the rollouts of a deployment unless it `is_over`, and return the exit status.

    What was only tried fails where it would be refused.
    """
    if is_over:
        if as_json:
            print_json(answer)
        return FAILED if any(each["level"] == "error" for each in answer.get("findings", ())) else DONE
    begun = [client.get(f"/rollouts/{segment(rollout_id)}") for rollout_id in _begun(client, answer)]
    rollouts = follow_all(client, begun, quiet=as_json) if begun else []
    if as_json:
        print_json({**answer, "rollouts": rollouts})
    elif not any(service["changed"] for service in answer["services"]) and not rollouts:
        print(nothing)
    return DONE if all(succeeded(rollout) for rollout in rollouts) else FAILED


def _begun(client: Client, answer: dict[str, Any]) -> list[str]:
    """The rollouts to follow: also those that the leader had not begun when it was asked.

    A change of replicas or of the policy alone needs none.
    """
    found = []
    until_s = time.monotonic() + _BEGIN_S_MAX
    for service in answer["services"]:
        rollout_id = service.get("rollout_id")
        while service["changed"] and not rollout_id:
            detail = client.get(f"/services/{segment(service['service_id'])}")
            if detail["stable_revision"] == service["revision"]:
                break
            rollout = detail.get("rollout")
            if rollout and rollout["to_revision"] == service["revision"]:
                rollout_id = rollout["id"]
            elif time.monotonic() > until_s:
                raise OutcomeUnknown(
                    f"{service['service_id']}: no leader has begun its rollout within {_BEGIN_S_MAX:.0f} s",
                    hint="it begins as soon as there is one: `tower status` shows whether there is",
                )
            else:
                time.sleep(_POLL_INTERVAL_S)
        if rollout_id:
            found.append(rollout_id)
    return found


def say_plan(answer: dict[str, Any], *, is_dry_run: bool) -> None:
    """Print what a deployment changes, and of one that is only tried what would come of it."""
    for ignored in answer.get("ignored", ()):
        print(printable(f"note: {ignored['path']} is ignored: {ignored['reason']}"), file=sys.stderr)
    for warning in answer.get("warnings", ()):
        print(printable(f"warning: {warning}"), file=sys.stderr)
    for finding in answer.get("findings", ()):
        print(printable(finding_line(finding)), file=sys.stderr)
    for service in answer["services"]:
        print(f"{service['service_id']}: {_planned(service)}")
        if is_dry_run and service.get("changes"):
            print_changes(service["changes"], empty="")
    for line in plan_lines(answer.get("plan", ())):
        print(printable(line))
    print_hosts(answer.get("hosts", ()))


def print_hosts(hosts: Sequence[dict[str, Any]]) -> None:
    """Print where every replica would be."""
    if hosts:
        rows = [
            (
                host["service_id"],
                host["ordinal"],
                host["node_name"] or "nowhere",
                "new" if host["is_new"] else "stays",
                host["reason"],
            )
            for host in hosts
        ]
        print_table(("service", "replica", "host", "container", "reason"), rows, empty="")


def _planned(service: dict[str, Any]) -> str:
    if service.get("is_retry"):
        return f"revision {service['revision']} again, which did not last"
    if not service["changed"]:
        under_way = ", its rollout is under way" if service.get("rollout_id") else ""
        return f"unchanged{under_way}"
    strategy = service.get("strategy", "rolling")
    return f"revision {service['revision']}" + ("" if strategy == "rolling" else f", {strategy}")
