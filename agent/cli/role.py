"""`tower role list | show | put | remove | actions`: roles that people make."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from agent.cli.access_words import add_scope, hours_text, scope_of
from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import print_json, print_table
from agent.cli.parsing import Verbs

_FILE_BYTES_MAX = 64 * 1024


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("role", help="roles: what they allow and deny")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    actions.add_parser("list", aliases=["ls"], help="list the roles")
    show = actions.add_parser("show", help="show what a role allows and denies")
    show.add_argument("name")
    put = actions.add_parser(
        "put",
        help="make a role, or set everything of one anew",
        description="tower role put restarter --allow container.read --allow container.restart",
    )
    put.add_argument("name")
    put.add_argument(
        "--allow", action="append", default=[], metavar="ACTION", help="container.restart, *.read, *"
    )
    put.add_argument(
        "--deny", action="append", default=[], metavar="ACTION", help="wins over all that allows"
    )
    put.add_argument(
        "--file", metavar="FILE", help="its permissions as JSON, as `tower --json role show` gives them"
    )
    put.add_argument("--note", default="", help="what it is for")
    add_scope(put)
    remove = actions.add_parser("remove", aliases=["rm"], help="forget a role that is bound to nobody")
    remove.add_argument("name")
    actions.add_parser("actions", help="list what there is to allow and deny")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action in ("list", "ls"):
        roles = client.get("/roles")
        if as_json:
            print_json({"items": roles})
        else:
            rows = [
                (
                    each["name"],
                    "" if each["is_built_in"] else "made",
                    len(each["actions"]),
                    each["bindings"],
                    each["note"],
                )
                for each in roles
            ]
            print_table(("name", "", "actions", "bindings", "note"), rows, empty="no roles")
    elif args.action == "actions":
        found = client.get("/actions")
        if as_json:
            print_json({"items": found})
        else:
            listed = [
                (each["name"], each["role"], "changes" if each["changes_state"] else "reads")
                for each in found
            ]
            print_table(("action", "least role", ""), listed, empty="no actions")
    elif args.action == "show":
        role = next((each for each in client.get("/roles") if each["name"] == args.name), None)
        if role is None:
            raise CommandFailed(f"there is no role {args.name!r}", hint="`tower role list` lists them")
        if as_json:
            print_json(role)
        else:
            _show(role)
    elif args.action == "put":
        body = {"permissions": _permissions(args), "note": args.note}
        role = client.put(f"/roles/{segment(args.name)}", body)
        if as_json:
            print_json(role)
        else:
            print(f"role {args.name} allows {len(role['actions'])} actions; `tower user grant` binds it")
    else:
        client.delete(f"/roles/{segment(args.name)}")
        if as_json:
            print_json({"removed": args.name})
        else:
            print(f"role {args.name} is forgotten")
    return DONE


def _permissions(args: argparse.Namespace) -> list[dict[str, Any]]:
    scope = scope_of(args)
    found = [
        {"effect": effect, "actions": actions, "scope": scope}
        for effect, actions in (("allow", args.allow), ("deny", args.deny))
        if actions
    ]
    if args.file is not None:
        found += _read(Path(args.file))
    if not found:
        raise CommandFailed(
            "the role allows nothing", hint="give --allow ACTION, --deny ACTION or --file FILE"
        )
    return found


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_FILE_BYTES_MAX))
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}", hint="give a file with JSON") from error
    permissions = value.get("permissions") if isinstance(value, dict) else value
    if not isinstance(permissions, list) or not all(isinstance(each, dict) for each in permissions):
        raise CommandFailed(
            f"{path} holds no list of permissions", hint="as `tower --json role show` gives it"
        )
    for each in permissions:
        # What is shown says the scope in words besides.
        each["scope"] = {key: value for key, value in (each.get("scope") or {}).items() if key != "text"}
    return permissions


def _show(role: dict[str, Any]) -> None:
    if role["note"]:
        print(role["note"])
    if role["is_built_in"]:
        print_table(("allows",), [(action,) for action in role["actions"]], empty="nothing")
        return
    rows = [
        (
            each["effect"],
            " ".join(each["actions"]),
            each["scope"]["text"],
            hours_text(each["hours"]) or "always",
        )
        for each in role["permissions"]
    ]
    print_table(("", "actions", "on", "when"), rows, empty="nothing")
