"""`tower exec`: a command in a container of any host, with its input, its outputs and its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from agent.cli.client import API, Client, segment, tls_context
from agent.cli.connection import connect
from agent.cli.failures import FAILED, CommandFailed
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "exec",
        help="run a command in a container of any host",
        description="Run a command in a container. The exit status is the command's. Without a command, and"
        " on a terminal, the best shell the container has is opened.",
        epilog="tower exec web-1 -- ls /srv    tower exec -it web-1    tower exec -i db-1 -- psql < dump.sql",
    )
    parser.add_argument("container", metavar="CONTAINER", help="its name or id, as `tower ps` shows it")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="after --; with its arguments")
    parser.add_argument("-i", "--interactive", action="store_true", help="give it the standard input")
    parser.add_argument("-t", "--tty", action="store_true", help="give it a terminal")
    parser.add_argument("--user", "-u", default="", metavar="USER", help="name, id or user:group inside")
    parser.add_argument("--workdir", "-w", default="", metavar="DIRECTORY", help="where it begins")
    parser.add_argument("--node", metavar="NODE", help="where several hosts have one of that name")


def run(args: argparse.Namespace) -> int:
    # The event loop and the WebSocket client cost more to load than other commands take.
    import asyncio

    from agent.cli.exec_session import Wish, converse

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if args.tty and not is_terminal:
        raise CommandFailed("-t needs a terminal", hint="leave it out in scripts: tower exec -i ...")
    is_shell = not args.command
    if is_shell and not (is_terminal or args.interactive):
        raise CommandFailed("no command was given", hint="tower exec CONTAINER -- COMMAND")
    client = connect(args)
    found = client.get(f"/containers/{segment(args.container)}", node=args.node)
    wish = Wish(
        url=_url(client, found),
        command=tuple(args.command),
        user=args.user,
        working_dir=args.workdir,
        has_terminal=args.tty or (is_shell and is_terminal),
        has_input=args.interactive or (is_shell and is_terminal),
    )
    return _status(asyncio.run(converse(wish, client.access_token, tls_context(client.ca_pem))))


def _url(client: Client, container: dict[str, Any]) -> str:
    server = client.server.replace("https://", "wss://", 1)
    return f"{server}{API}/containers/{segment(container['id'])}/exec?node={segment(container['node_id'])}"


def _status(code: int | None) -> int:
    if code is None:
        return FAILED
    return code if 0 <= code <= 255 else os.EX_SOFTWARE
