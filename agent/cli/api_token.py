"""`tower api-token create | list | revoke`: tokens with which programs act in one's name."""

from __future__ import annotations

import argparse
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.token import seconds

ROLES = ("viewer", "operator", "admin")


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("api-token", help="tokens with which programs act in your name")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    create = actions.add_parser(
        "create",
        help="make an API token; it is printed once",
        description="Make a token for a program: at most with your role, and never with more than you may.",
    )
    create.add_argument("name")
    create.add_argument("--role", choices=ROLES, default="viewer", help="at most what it may (viewer)")
    create.add_argument(
        "--ttl", type=seconds, default=None, metavar="TIME", help="how long it works (always)"
    )
    create.add_argument("--read-only", action="store_true", help="it changes nothing, whatever its role may")
    create.add_argument(
        "--toolsets",
        default="",
        metavar="A,B",
        help="the tools it is shown over MCP: containers, observe, analytics, deploy, cluster, admin (all)",
    )
    actions.add_parser("list", help="list the API tokens, without their secrets")
    revoke = actions.add_parser("revoke", help="make an API token useless")
    revoke.add_argument("prefix")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "create":
        answer = client.post("/tokens", _body(args))
        print_json(answer) if as_json else print(answer["token"])
    elif args.action == "list":
        tokens = client.items("/tokens")
        print_json({"items": tokens}) if as_json else _print_tokens(tokens)
    else:
        _revoke(client, args.prefix, as_json=as_json)
    return DONE


def _body(args: argparse.Namespace) -> dict[str, Any]:
    toolsets = [name.strip() for name in args.toolsets.split(",") if name.strip()]
    body = {"name": args.name, "role": args.role, "read_only": args.read_only, "toolsets": toolsets}
    return body if args.ttl is None else {**body, "ttl_s": args.ttl}


def _revoke(client: Client, prefix: str, *, as_json: bool) -> None:
    client.delete(f"/tokens/{segment(prefix)}")
    if as_json:
        print_json({"revoked": prefix})
    else:
        print(f"API token {prefix} is revoked")


def _print_tokens(tokens: list[dict[str, Any]]) -> None:
    rows = [
        (
            token["prefix"],
            token["name"],
            token["state"],
            f"{token['role']}, only reads" if token["read_only"] else token["role"],
            ", ".join(token["toolsets"]) or "all",
            token["owner_name"],
            "never" if token["expires_at_ms"] is None else moment(token["expires_at_ms"]),
        )
        for token in tokens
    ]
    headings = ("prefix", "name", "state", "may", "tools", "owner", "expires")
    print_table(headings, rows, empty="no API tokens")
