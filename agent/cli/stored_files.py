"""What `tower secret` and `tower config` have in common: putting, listing and removing."""

from __future__ import annotations

import argparse
import base64
import getpass
import sys
from pathlib import Path
from typing import Any

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import in_bytes, moment, print_json, print_table
from agent.cli.parsing import Verbs

# What the cluster takes, and a little, so that it is the one to say what the most is.
_FILE_BYTES_MAX = 256 * 1024


def add_actions(actions: Verbs[argparse.ArgumentParser], kind: str, *, hidden: bool) -> None:
    """Add `put`, `list` and `remove`. `hidden`: what is put is not for others' eyes."""
    put = actions.add_parser(
        "put",
        help=f"keep a new version of a {kind}; services get it when they are deployed",
        description=f"Keep a new version of a {kind}: the exact bytes of FILE or of standard input, so"
        " mind the line end of `echo`."
        + (" Without either it is asked for. Its value is never shown again." if hidden else ""),
    )
    put.add_argument("name", metavar="NAME", help="as `secrets:` or `configs:` of a Compose file has it")
    put.add_argument("file", metavar="FILE", nargs="?", default="-", help='"-" is standard input (default)')
    _add_environment(put)
    if hidden:
        put.add_argument(
            "--generate",
            metavar="BYTES",
            type=int,
            nargs="?",
            const=32,
            help="let the cluster make so many random bytes (32), as text that nobody ever sees",
        )
    actions.add_parser("list", help=f"list the {kind}s, their versions and who uses them")
    remove = actions.add_parser("remove", help=f"forget a {kind}, unless something in use has it")
    remove.add_argument("name", metavar="NAME")
    _add_environment(remove)


def run_action(args: argparse.Namespace, kind: str) -> int:
    """Do what `add_actions` declared."""
    if args.action == "put":
        return _put(args, kind)
    if args.action == "list":
        return _list(args, kind)
    connect(args).delete(f"/{kind}s/{segment(args.name)}", environment=args.environment)
    if getattr(args, "json", False):
        print_json({"removed": args.name})
    else:
        print(f"{kind} {args.name} is removed")
    return DONE


def _add_environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--environment", "-e", metavar="NAME", help="the one of this environment, not the one of all"
    )


def _put(args: argparse.Namespace, kind: str) -> int:
    client = connect(args)
    if getattr(args, "generate", None) is not None:
        if args.file != "-":
            raise CommandFailed(
                "--generate makes the value, so no FILE is read", hint="leave one of them out"
            )
        body: dict[str, Any] = {"generate_bytes": args.generate}
    else:
        body = {"value_base64": base64.b64encode(_content(args, kind)).decode("ascii")}
    answer = client.put(f"/{kind}s/{segment(args.name)}", body, environment=args.environment)
    if getattr(args, "json", False):
        print_json(answer)
        return DONE
    newest, *earlier = answer["versions"]
    print(f"{kind} {args.name}: version {newest['version']} is kept")
    users = sorted({user for version in earlier for user in version["used_by"]})
    if users:
        print(f"{', '.join(users)} got an earlier version: deploy again to give them this one")
    return DONE


def _content(args: argparse.Namespace, kind: str) -> bytes:
    if args.file == "-" and sys.stdin.isatty():
        if kind == "secret":
            return getpass.getpass(f"Value of {args.name}: ").encode()
        raise CommandFailed("there is nothing on standard input", hint="name the FILE")
    try:
        if args.file == "-":
            content = sys.stdin.buffer.read(_FILE_BYTES_MAX + 1)
        else:
            with Path(args.file).open("rb") as file:
                content = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed(f"cannot read {args.file}: {error.strerror}") from error
    if len(content) > _FILE_BYTES_MAX:
        raise CommandFailed(
            f"{args.file} is larger than 240 KiB, the most a {kind} may be",
            hint="large files belong into an image or a volume",
        )
    if not content:
        raise CommandFailed(f"{args.file} is empty", hint=f"a {kind} without content is surely a mistake")
    return content


def _list(args: argparse.Namespace, kind: str) -> int:
    found = connect(args).items(f"/{kind}s")
    if getattr(args, "json", False):
        print_json({"items": found})
        return DONE
    rows = []
    for stored in found:
        newest = stored["versions"][0]
        users = [
            f"{user} (version {version['version']})" if version is not newest else user
            for version in stored["versions"]
            for user in version["used_by"]
        ]
        rows.append(
            (
                stored["name"],
                stored["environment"] or "all",
                newest["version"],
                in_bytes(newest["size_bytes"]),
                moment(newest["created_at_ms"]),
                newest["created_by"],
                ", ".join(users),
            )
        )
    columns = ("name", "environment", "version", "size", "put", "by", "used by")
    print_table(columns, rows, empty=f"no {kind}s; `tower {kind} put NAME FILE` makes one")
    return DONE
