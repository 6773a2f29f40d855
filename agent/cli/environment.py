"""`tower environment list | show | put | remove`"""

from __future__ import annotations

import argparse
import re
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, UsageWrong
from agent.cli.output import duration, in_bytes, print_json, print_table, printable
from agent.cli.parsing import Verbs

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_UNITS_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("environment", help="where services are deployed to, and what holds there")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    actions.add_parser("list", help="list the environments, with what is in them")
    show = actions.add_parser("show", help="show one environment")
    show.add_argument("name", metavar="NAME")
    put = actions.add_parser(
        "put",
        help="make an environment, or change what is given of one",
        description="Make an environment, or change what is given; the rest stays as it is. Give an empty"
        " value to take a setting back.",
    )
    put.add_argument("name", metavar="NAME", help="staging, production or a name of your own")
    put.add_argument("--hosts", metavar="NAME,...", help="the hosts its services may be on")
    put.add_argument(
        "--constraint", metavar="RULE", action="append", help="that its hosts meet: node.labels.tier==prod"
    )
    put.add_argument("--registry", metavar="HOST[/PATH]", help="where its images come from instead")
    put.add_argument("--replicas-min", type=int, metavar="N", help="of each service; 0: no bound")
    put.add_argument("--replicas-max", type=int, metavar="N", help="of each service; 0: no bound")
    put.add_argument("--quota-cpus", metavar="N", help="most that is reserved together, such as 7.5")
    put.add_argument("--quota-memory", metavar="SIZE", help="most that is reserved together, such as 16g")
    put.add_argument("--quota-replicas", metavar="N", help="most replicas together")
    put.add_argument("--requires", metavar="ENVIRONMENT", help="where an image has to be stable before")
    put.add_argument("--soak", metavar="TIME", help="for how long, such as 30m")
    put.add_argument(
        "--protected", choices=("yes", "no"), help="a person approves what a program deploys there"
    )
    put.add_argument("--alerting", choices=("yes", "no"))
    put.add_argument("--alert-channel", metavar="NAME")
    put.add_argument("--sample-interval", metavar="TIME", help="how often its services are measured")
    remove = actions.add_parser("remove", help="forget an environment without services")
    remove.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        found = client.items("/environments")
        if as_json:
            print_json({"items": found})
        else:
            _print_list(found)
        return DONE
    path = f"/environments/{segment(args.name)}"
    if args.action == "remove":
        client.delete(path)
        print_json({"removed": args.name}) if as_json else print(f"environment {args.name} is removed")
        return DONE
    if args.action == "put":
        # What is not given stays: the interface sets everything at once.
        known = {each["name"]: each for each in client.items("/environments")}
        settings = dict(known[args.name]["settings"]) if args.name in known else {}
        view = client.put(path, {**settings, **_given(args)})
    else:
        view = client.get(path)
    if as_json:
        print_json(view)
    else:
        _print_one(view)
    return DONE


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The settings on the command line, as the interface has them."""
    given: dict[str, Any] = {}
    if args.hosts is not None:
        given["hosts"] = [name for name in args.hosts.split(",") if name]
    if args.constraint is not None:
        given["constraints"] = [rule for rule in args.constraint if rule]
    for name in ("registry", "replicas_min", "replicas_max", "requires", "alert_channel"):
        if getattr(args, name) is not None:
            given[name] = getattr(args, name)
    if args.quota_cpus is not None:
        given["quota_cpu_millis"] = _cpu_millis(args.quota_cpus)
    if args.quota_memory is not None:
        given["quota_memory_bytes"] = _size_bytes(args.quota_memory)
    if args.quota_replicas is not None:
        given["quota_replicas"] = _count(args.quota_replicas)
    for option, name in (("soak", "soak_s"), ("sample_interval", "sample_interval_s")):
        if getattr(args, option) is not None:
            given[name] = _seconds(option.replace("_", "-"), getattr(args, option))
    for name in ("protected", "alerting"):
        if getattr(args, name) is not None:
            given[name] = getattr(args, name) == "yes"
    return given


def _cpu_millis(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text):
        raise UsageWrong(f"--quota-cpus {text}: a number of processors is expected", hint="such as 7.5")
    return round(float(text) * 1000)


def _size_bytes(text: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,12})([kmgt]?)(i?b)?", text.lower())
    if not text:
        return None
    if found is None:
        raise UsageWrong(f"--quota-memory {text}: a size is expected", hint="such as 512m or 16g")
    return int(found[1]) * _UNITS_BYTES[found[2]]


def _count(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise UsageWrong(f"--quota-replicas {text}: a number is expected")
    return int(text)


def _seconds(option: str, text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text or "0")
    if found is None:
        raise UsageWrong(f"--{option} {text}: a time is expected", hint="such as 45s, 30m, 2h or 1d")
    return int(found[1]) * _UNITS_S[found[2] or "s"]


def _print_list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["name"],
            len(each["services"]),
            ", ".join(each["on"]),
            each["settings"]["requires"],
            "yes" if each["settings"]["protected"] else "",
            each["settings"]["registry"],
        )
        for each in found
    ]
    columns = ("environment", "services", "hosts", "requires", "protected", "registry")
    print_table(columns, rows, empty="no environments")


def _print_one(view: dict[str, Any]) -> None:
    settings = view["settings"]
    bounds = f"{settings['replicas_min']} to {settings['replicas_max'] or 'any number'}"
    cpus = settings["quota_cpu_millis"]
    memory, replicas = settings["quota_memory_bytes"], settings["quota_replicas"]
    lines = [
        f"environment {view['name']}",
        f"hosts       {', '.join(view['on']) or 'none that is there'}",
        *(f"rule        {rule}" for rule in settings["constraints"]),
        f"registry    {settings['registry'] or 'as images say'}",
        f"replicas    {bounds}, of each service",
        f"replicas    {view['used_replicas']} in all{'' if replicas is None else f', of {replicas}'}",
        f"CPU         {view['used_cpu_millis'] / 1000:g} reserved"
        + ("" if cpus is None else f", of {cpus / 1000:g}"),
        f"memory      {in_bytes(view['used_memory_bytes'])} reserved"
        + ("" if memory is None else f", of {in_bytes(memory)}"),
    ]
    if settings["requires"]:
        lines.append(f"requires    {settings['requires']}, stable for {duration(settings['soak_s'])}")
    if settings["protected"]:
        lines.append("protected   a person approves what a program deploys")
    lines += (f"service     {each}" for each in view["services"])
    for line in lines:
        print(printable(line))
