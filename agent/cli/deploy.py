"""`tower deploy`: run a Compose file on the cluster, or change what runs of it."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed, UsageWrong
from agent.cli.output import print_json
from agent.cli.parsing import Verbs
from agent.cli.rollout import follow, succeeded

_FILE_BYTES_MAX = 1024 * 1024


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "deploy",
        help="run a Compose file on the cluster",
        description="Deploy the services of a Compose file, or change those that run to what it says now."
        " Returns when all replicas are healthy and the old ones are gone. Interrupting the"
        " command does not stop the rollout.",
    )
    parser.add_argument("file", metavar="FILE", help='the Compose file, "-" for standard input')
    parser.add_argument("--project", "-p", metavar="NAME", help="default: the file's name:, or its folder's")
    parser.add_argument(
        "--variable", metavar="NAME=VALUE", action="append", default=[], help="for ${NAME} in the file"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--no-wait", action="store_true", help="return when the rollout has begun")


def run(args: argparse.Namespace) -> int:
    compose = _read(args.file)
    client = connect(args)
    as_json = getattr(args, "json", False)
    answer = client.post(
        "/deployments",
        {
            "compose": compose,
            "project": args.project or _folder_name(args.file, compose),
            "variables": _variables(args.variable),
            "dry_run": args.dry_run,
        },
    )
    if not as_json:
        _say_plan(answer)
    if args.dry_run or args.no_wait:
        if as_json:
            print_json(answer)
        return DONE
    rollouts = [
        follow(client, client.get(f"/rollouts/{segment(service['rollout_id'])}"), quiet=as_json)
        for service in answer["services"]
        if service.get("rollout_id")
    ]
    if as_json:
        print_json({**answer, "rollouts": rollouts})
    elif not rollouts:
        print("nothing to do: everything is as the file says")
    return DONE if all(succeeded(rollout) for rollout in rollouts) else FAILED


def _say_plan(answer: dict[str, Any]) -> None:
    for ignored in answer.get("ignored", ()):
        print(f"note: {ignored['path']} is ignored: {ignored['reason']}", file=sys.stderr)
    for warning in answer.get("warnings", ()):
        print(f"warning: {warning}", file=sys.stderr)
    for service in answer["services"]:
        changed = f"revision {service['revision']}" if service["changed"] else "unchanged"
        print(f"{service['service_id']}: {changed}")


def _folder_name(file: str, compose: str) -> str | None:
    """The project's name where neither the command nor the file gives one, as Compose does it."""
    if file == "-" or re.search(r"^name\s*:", compose, re.MULTILINE):
        return None
    return Path(file).resolve().parent.name or None


def _variables(assignments: list[str]) -> dict[str, str]:
    variables = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UsageWrong(f"--variable {assignment}: there is no '='", hint="such as --variable TAG=1.2")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageWrong(
                f"--variable {assignment}: {name!r} is no name of a variable",
                hint="letters, digits and _, no digit first, such as --variable TAG=1.2",
            )
        variables[name] = value
    return variables


def _read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(_FILE_BYTES_MAX + 1) if file == "-" else Path(file).read_bytes()
        if len(content) > _FILE_BYTES_MAX:
            raise CommandFailed(
                f"{file} is larger than 1 MiB, the most a Compose file may be",
                hint="is it the file you meant? large data belongs into an image or a volume",
            )
        return content.decode("utf-8")
    except OSError as error:
        raise CommandFailed(
            f"cannot read {file}: {error.strerror}", hint='name the Compose file, or "-" for standard input'
        ) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(
            f"{file} is not UTF-8 text (byte {error.start + 1})", hint="is it the Compose file you meant?"
        ) from error
