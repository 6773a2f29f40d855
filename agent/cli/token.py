"""`tower token create | list | revoke`: tokens with which hosts join."""

from __future__ import annotations

import argparse
import re
from typing import Any

from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("token", help="tokens with which hosts join")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    create = actions.add_parser("create", help="make a join token; it is printed once")
    create.add_argument("--ttl", type=seconds, default=3600, metavar="TIME", help="how long it works (1h)")
    create.add_argument("--uses", type=int, default=1, metavar="N", help="how many hosts may join (1)")
    create.add_argument("--learner", action="store_true", help="hosts join without a vote")
    actions.add_parser("list", help="list the join tokens, without their secrets")
    revoke = actions.add_parser("revoke", help="make a join token useless")
    revoke.add_argument("id")


def seconds(text: str) -> int:
    """Return the seconds of "90s", "30m", "24h" or "7d"."""
    match = re.fullmatch(r"(\d{1,6})([smhd]?)", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 24h or 7d")
    return int(match[1]) * _UNITS_S[match[2] or "s"]


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "create":
        answer = client.post("/join-tokens", {"ttl_s": args.ttl, "uses": args.uses, "learner": args.learner})
        if as_json:
            print_json(answer)
        else:
            print(f"On the host that is to join, before {moment(answer['expires_at_ms'])}:\n")
            print(f"  tower join {_address(client)} --token {answer['token']}")
    elif args.action == "list":
        tokens = client.items("/join-tokens")
        if as_json:
            print_json({"items": tokens})
        else:
            _print_tokens(tokens)
    else:
        client.delete(f"/join-tokens/{segment(args.id)}")
        if as_json:
            print_json({"revoked": args.id})
        else:
            print(f"join token {args.id} is revoked")
    return DONE


def _address(client: Client) -> str:
    """Where a new host should ask: the leader, or any host that is up."""
    nodes = [node for node in client.items("/nodes") if node.get("api_address")]
    nodes.sort(key=lambda node: (not node["is_leader"], node["status"] != "up", node["name"]))
    return str(nodes[0]["api_address"]) if nodes else "HOST"


def _print_tokens(tokens: list[dict[str, Any]]) -> None:
    rows = [
        (
            token["id"],
            token.get("state"),
            token.get("uses_left"),
            "learner" if token.get("learner") else "voter",
            moment(token.get("expires_at_ms")),
        )
        for token in tokens
    ]
    print_table(("id", "state", "uses left", "joins as", "expires"), rows, empty="no join tokens")
