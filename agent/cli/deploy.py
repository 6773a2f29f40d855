"""`tower deploy`: run a Compose file on the cluster, or change what runs of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from agent.cli.connection import connect
from agent.cli.failures import DONE, FAILED, CommandFailed
from agent.cli.output import print_json
from agent.cli.parsing import Verbs
from agent.cli.rollout import follow

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
    parser.add_argument(
        "--project", "-p", metavar="NAME", help="default: the file's name:, or its folder's name"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--no-wait", action="store_true", help="return when the rollout has begun")


def run(args: argparse.Namespace) -> int:
    text = _read(args.file)
    client = connect(args)
    as_json = getattr(args, "json", False)
    folder = Path.cwd() if args.file == "-" else Path(args.file).resolve().parent
    answer = client.post(
        "/deployments",
        {
            "compose": text,
            "file_name": args.file,
            "project": args.project,
            "default_project": folder.name,
            "dry_run": args.dry_run,
        },
    )
    if not as_json:
        for ignored in answer["ignored"]:
            print(f"note: {ignored['field']} is ignored: {ignored['reason']}", file=sys.stderr)
        for line in answer["plan"]:
            print(line)
    if args.dry_run or args.no_wait:
        if as_json:
            print_json(answer)
        return DONE
    rollouts: list[dict[str, Any]] = []
    for rollout in answer["rollouts"]:
        rollouts.append(follow(client, rollout, quiet=as_json))
    if as_json:
        print_json({**answer, "rollouts": rollouts})
    elif not rollouts:
        print("nothing to do: everything is as the file says")
    return DONE if all(rollout["succeeded"] for rollout in rollouts) else FAILED


def _read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(_FILE_BYTES_MAX + 1) if file == "-" else Path(file).read_bytes()
        if len(content) > _FILE_BYTES_MAX:
            raise CommandFailed(f"{file} is larger than 1 MiB: that is not a Compose file")
        return content.decode("utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not UTF-8 text") from error
