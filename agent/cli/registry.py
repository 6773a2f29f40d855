"""`tower registry login | list | logout`"""

from __future__ import annotations

import argparse
import getpass
import sys

from agent.cli.client import segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs

_PASSWORD_CHARACTERS_MAX = 4096


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("registry", help="logins at registries, for pulling private images")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    login = actions.add_parser(
        "login",
        help="let every host pull a registry's images as a user",
        description="Keep a registry's user and password for all hosts. The password, or the registry's"
        " token, is asked for or read from standard input. It is never shown again.",
    )
    login.add_argument("registry", metavar="HOST", help="as images name it: ghcr.io, docker.io, host:5000")
    login.add_argument("--username", "-u", required=True, metavar="NAME")
    login.add_argument(
        "--no-check", action="store_true", help="keep it without trying it at the registry first"
    )
    actions.add_parser("list", help="list the logins, without their passwords")
    logout = actions.add_parser("logout", help="forget a login")
    logout.add_argument("registry", metavar="HOST")


def run(args: argparse.Namespace) -> int:
    client = connect(args)
    as_json = getattr(args, "json", False)
    if args.action == "list":
        found = client.items("/registries")
        if as_json:
            print_json({"items": found})
        else:
            rows = [
                (each["registry"], each["username"], moment(each["changed_at_ms"]), each["changed_by"])
                for each in found
            ]
            print_table(("registry", "user", "since", "by"), rows, empty="no logins at registries")
        return DONE
    # A URL is one segment of the path no server takes for several.
    name = args.registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
    path = f"/registries/{segment(name)}"
    if args.action == "logout":
        client.delete(path)
        if as_json:
            print_json({"removed": name})
        else:
            print(f"the login at {name} is forgotten; images that hosts have stay there")
        return DONE
    body = {"username": args.username, "password": _password(args.username, name)}
    answer = client.put(path, {**body, "check_login": not args.no_check})
    if as_json:
        print_json(answer)
    else:
        if answer.get("said"):
            print(f"{answer['registry']} says: {answer['said']}")
        if answer.get("problem"):
            print(f"the login could not be tried: {answer['problem']}", file=sys.stderr)
        print(f"hosts pull from {answer['registry']} as {answer['username']} from now on")
    return DONE


def _password(user: str, registry: str) -> str:
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {user} at {registry}: ")
    else:
        # Line ends are no part of a password, and of what pipes it there they often are.
        password = sys.stdin.read(_PASSWORD_CHARACTERS_MAX + 2).rstrip("\r\n")
    if not password:
        raise CommandFailed(
            "no password was given", hint="pipe it to standard input, or run it in a terminal"
        )
    return password
