"""`tower services`: what is deployed, and whether it is as it should be."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import duration, moment, print_json, print_table, printable
from agent.cli.parsing import Verbs
from agent.cli.rollout_words import line_of, percent, split_lines
from agent.cli.scaling_words import scaling_lines

_ENDED_BADLY = ("failed", "rolled-back", "cancelled")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "services",
        help="list the deployed services, or show one",
        description="List the deployed services. Of one, show what really runs of it, host by host, and where"
        " that is not what the cluster asked for.",
    )
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="its id, as shop.web, or its name")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    if args.service is not None:
        detail = client.get(f"/services/{segment(args.service)}")
        if getattr(args, "json", False):
            print_json(detail)
        else:
            _print_one(detail)
        return DONE
    services = client.items("/services")
    if getattr(args, "json", False):
        print_json({"items": services})
        return DONE
    rows = [
        (
            service["id"],
            f"{service.get('status')}{', adopted' if service.get('adopted') else ''}",
            f"{service.get('replicas_ready', '?')} of {service.get('replicas_wanted', '?')}",
            *_what_serves(service),
            ", ".join(service.get("nodes", ())),
            ", ".join(service.get("routes", ())),
        )
        for service in services
    ]
    columns = ("service", "status", "ready", "revision", "image", "on", "route")
    print_table(columns, rows, empty="nothing is deployed; try `tower deploy compose.yaml`")
    return DONE


def _what_serves(service: dict[str, Any]) -> tuple[str, str]:
    """Revisions and images that answer now; of a service nobody answers for, what was asked for."""
    serving = service.get("serving") or [service]
    numbers = ", ".join(str(each.get("revision")) for each in serving)
    images = dict.fromkeys(str(each.get("image")) for each in serving)
    return numbers, ", ".join(images)


def rollout_lines(rollout: dict[str, Any]) -> list[str]:
    """How the newest rollout goes or went, and why it ended badly."""
    lines = [f"rollout   {line_of(rollout)}"]
    if rollout["phase"] in _ENDED_BADLY and rollout["reason"]:
        lines.append(f"reason    {rollout['reason']}")
    return lines


def _watch_lines(watch: dict[str, Any]) -> list[str]:
    """How it follows its image."""
    asked = moment(watch["checked_at_ms"]) or "not yet"
    lines = [
        f"watch     {watch['image'] or 'its image'} every {duration(watch['every_s'])}, deployed at"
        f" {duration(watch['min_age_s'])}; asked {asked}"
    ]
    if watch["is_newer"]:
        lines.append(f"newer     {watch['digest']} since {moment(watch['first_seen_ms'])}")
    if watch["problem"]:
        lines.append(f"watch     {watch['problem']}")
    return lines


def _print_one(service: dict[str, Any]) -> None:
    lines = [
        f"service   {service['id']}",
        f"status    {service['status']}: {service['replicas_ready']} of {service['replicas_wanted']} ready",
    ]
    if service.get("adopted"):
        lines.append(
            f"adopted   {service['adopted']} of its containers were made by somebody else; `tower deploy`"
            " replaces them"
        )
    for each in service["serving"]:
        share = "" if each["permille"] is None else f", {percent(each['permille'])} of the requests"
        lines.append(
            f"serving   revision {each['revision']} of {each['image']} on {', '.join(each['nodes'])}{share}"
        )
    if service["kept"]:
        kept = service["kept"]
        lines.append(
            f"kept      revision {kept['revision']} without requests until {moment(kept['until_ms'])}:"
            f" tower rollback {service['id']}"
        )
    if service.get("watch"):
        lines += _watch_lines(service["watch"])
    split = service["split"]
    if split and any(share["permille"] not in (0, 1000) or split["waiting_for"] for share in split["shares"]):
        lines += split_lines(split)
    if service["rollout"]:
        lines += rollout_lines(service["rollout"])
    lines += scaling_lines(service)
    for trouble in service["troubles"]:
        on = trouble["node_name"] or "no host"
        why = f": {trouble['reason']}" if trouble["reason"] else ""
        lines.append(f"replica   {trouble['ordinal']} on {on} is {trouble['phase']}{why}")
    lines += [f"drift     {each['words']}" for each in service["drift"]]
    lines += [f"unknown   what runs on {host} cannot be asked now" for host in service["unseen"]]
    for line in lines:
        print(printable(line))
    rows = [
        (
            each["node_name"],
            each["container_name"],
            each["revision"],
            each["digest"].removeprefix("sha256:")[:12] or each["image"],
            each["health"] or each["state"],
        )
        for each in service["running"]
    ]
    columns = ("host", "container", "revision", "image", "state")
    print_table(columns, rows, empty="no container of it runs on a host that can be asked")
