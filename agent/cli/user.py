"""`tower user`: accounts, and what they may."""

from __future__ import annotations

import argparse
import getpass
import sys

from agent.cli.access_words import add_hours, add_scope, hours_of, scope_of
from agent.cli.binding import print_bindings
from agent.cli.client import Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.settings_flags import add_settings_flags, app_module, load

ROLES = ("none", "viewer", "operator", "admin")
_PASSWORD_CHARACTERS_MAX = 1024


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("user", help="accounts, and what they may")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    actions.add_parser("list", aliases=["ls"], help="list the accounts")
    add = actions.add_parser(
        "add",
        help="make an account",
        description="Make an account. The password is asked for, or read from standard input.",
    )
    add.add_argument("name")
    add.add_argument(
        "--role",
        choices=ROLES,
        default="viewer",
        help="what it may in the whole cluster (viewer); none: see grant",
    )
    remove = actions.add_parser("remove", aliases=["rm"], help="remove an account, its logins and tokens")
    remove.add_argument("name")
    role = actions.add_parser("set-role", help="change what an account may in the whole cluster")
    role.add_argument("name")
    role.add_argument("role", choices=ROLES)
    password = actions.add_parser("set-password", help="set an account's password, and end its logins")
    password.add_argument("name")
    reset = actions.add_parser(
        "reset",
        help="on a host, as root: a new password for who lost theirs, without the second factor",
        description="For the day when the last administrator has lost password or second factor. Run it as"
        " root on a host of the cluster whose agent runs: it asks for no login, prints a new password once,"
        " takes the second factor away, ends all logins of the account, and is in the audit.",
    )
    reset.add_argument("name")
    add_settings_flags(reset)
    grant = actions.add_parser(
        "grant",
        help="let an account do what a role says, on part of the cluster",
        description="Bind a role to an account: tower user grant ann operator --project shop",
    )
    grant.add_argument("name")
    grant.add_argument("role", help="viewer, operator, admin, or one of `tower role list`")
    add_scope(grant)
    add_hours(grant)
    grant.add_argument("--note", default="", help="why, for who reads it later")
    revoke = actions.add_parser("revoke", help="take such a role away from an account")
    revoke.add_argument("name")
    revoke.add_argument("role", nargs="?", default="", help="this role only; none: all that is bound")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    if args.action == "reset":
        return _reset(args, as_json=as_json)
    client = connect(args)
    match args.action:
        case "list" | "ls":
            return _list(client, as_json=as_json)
        case "add":
            body = {"name": args.name, "role": args.role, "password": _password(args.name)}
            answer = client.post("/users", body)
            said = f"{args.name} may log in, as {args.role}"
        case "remove" | "rm":
            client.delete(f"/users/{segment(args.name)}")
            answer, said = {"removed": args.name}, f"{args.name} is removed, with its logins and tokens"
        case "set-role":
            answer = client.post(f"/users/{segment(args.name)}/role", {"role": args.role})
            said = f"{args.name} is {args.role} from now on, and logs in again"
        case "set-password":
            client.post(f"/users/{segment(args.name)}/password", {"password": _password(args.name)})
            answer, said = {"changed": args.name}, f"{args.name} logs in with the new password from now on"
        case "grant":
            body = {
                "user": args.name,
                "role": args.role,
                "scope": scope_of(args),
                "hours": hours_of(args.hours),
                "note": args.note,
            }
            answer = client.post("/bindings", body)
            said = f"{args.name} is {args.role} on {answer['scope']['text']} ({answer['id']})"
        case _:
            return _revoke(client, args, as_json=as_json)
    if as_json:
        print_json(answer)
    else:
        print(said)
    return DONE


def _reset(args: argparse.Namespace, *, as_json: bool) -> int:
    app = app_module()
    try:
        password = app.reset_account(load(args), name=args.name)
    except app.StartRefused as refused:
        raise CommandFailed(
            str(refused), hint="`tower status` tells whether the agent runs and the cluster has a quorum"
        ) from refused
    if as_json:
        print_json({"name": args.name, "password": password})
        return DONE
    print(f"{args.name} has no second factor and no login any more; this password is shown only now:")
    print(f"  {password}")
    print("log in with it and choose another: `tower login`, then the account's page of the dashboard")
    return DONE


def _list(client: Client, *, as_json: bool) -> int:
    users = client.items("/users")
    if as_json:
        print_json({"items": users})
        return DONE
    bindings = client.items("/bindings")
    rows = [
        (
            user["name"],
            user["role"],
            sum(each["holder_id"] == user["id"] for each in bindings) or "",
            user["logins"],
            user["api_tokens"],
            "yes" if user.get("has_second_factor") else "",
        )
        for user in users
    ]
    print_table(("name", "role", "bindings", "logins", "tokens", "second factor"), rows, empty="no accounts")
    return DONE


def _revoke(client: Client, args: argparse.Namespace, *, as_json: bool) -> int:
    found = [each for each in client.items("/bindings", user=args.name) if args.role in ("", each["role"])]
    if not found:
        what = (
            f"role {args.role} is not bound to {args.name}"
            if args.role
            else f"nothing is bound to {args.name}"
        )
        raise CommandFailed(what, hint=f"`tower binding list --user {args.name}` shows what is")
    for each in found:
        client.delete(f"/bindings/{segment(each['id'])}")
    if as_json:
        print_json({"removed": [each["id"] for each in found]})
    else:
        print(f"taken away from {args.name}:")
        print_bindings(found)
    return DONE


def _password(name: str) -> str:
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {name}: ")
        if password != getpass.getpass("Again: "):
            raise CommandFailed("the two are not the same", hint="try again")
    else:
        # Line ends are no part of a password, and of what pipes it there they often are.
        password = sys.stdin.read(_PASSWORD_CHARACTERS_MAX + 2).rstrip("\r\n")
    if not password:
        raise CommandFailed(
            "no password was given", hint="pipe it to standard input, or run it in a terminal"
        )
    return password
