"""`tower provider put | list | show | check | remove`: who people may log in through."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from typing import Any

from agent.cli.client import ApiRefused, Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed, UsageWrong
from agent.cli.output import moment, print_json, print_table
from agent.cli.parsing import Verbs
from agent.cli.text_files import read_text

ROLES = ("none", "viewer", "operator", "admin")
_KEPT = (
    "label",
    "issuer",
    "client_id",
    "scopes",
    "groups_claim",
    "name_claim",
    "roles",
    "ca_pem",
    "token_audience",
)
_SECRET_CHARACTERS_MAX = 256
_CA_BYTES_MAX = 64 * 1024


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("provider", help="identity providers (OIDC) that people may log in through")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    put = actions.add_parser(
        "put",
        help="let people log in through a provider, or change how",
        description="Keep an identity provider. Of one that is there already, what is not given stays as it"
        " is. Its client secret comes from a file or standard input and is never shown again. Who is in no"
        " group that has a role is not let in.",
    )
    put.add_argument("id", metavar="ID", help="short and lasting: it is part of the addresses it sends to")
    put.add_argument("--label", metavar="TEXT", help="what its button says (ID)")
    put.add_argument(
        "--issuer", metavar="URL", help="as its tokens name it: https://sso.example.com/realms/x"
    )
    put.add_argument("--client-id", metavar="ID", help="what this cluster is called there")
    secret = put.add_mutually_exclusive_group()
    secret.add_argument(
        "--secret-file", metavar="FILE", help='the client secret; "-" is standard input, or asks for it'
    )
    secret.add_argument("--no-secret", action="store_true", help="a public client, which has none")
    put.add_argument("--scope", metavar="NAME", action="append", help="what is asked for, once for each")
    put.add_argument(
        "--groups-claim", metavar="PATH", help="where its groups are: realm_access.roles (groups)"
    )
    put.add_argument("--name-claim", metavar="PATH", help="where the account's name is")
    put.add_argument(
        "--role",
        metavar="GROUP=ROLE",
        action="append",
        help="what members of a group are here, once for each group; all that were before are replaced",
    )
    put.add_argument(
        "--issuer-ca", metavar="FILE", help='a CA of its own, in PEM; "" for the system\'s again'
    )
    put.add_argument(
        "--token-audience",
        metavar="AUDIENCE",
        help='take its access tokens for this audience at the MCP endpoint; "" to take none again',
    )
    actions.add_parser("list", help="list them, without their secrets")
    for name, said in (
        ("show", "all of one but its secret"),
        ("check", "ask a provider now what it publishes"),
        ("remove", "forget one: its accounts get in no more"),
    ):
        actions.add_parser(name, help=said).add_argument("id", metavar="ID")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    # What is wrong with the arguments is said before anybody is asked.
    given = _given(args) if args.action == "put" else {}
    client = connect(args)
    match args.action:
        case "put":
            answer = _put(client, args.id, given)
            said = _described(answer)
        case "list":
            return _list(client, as_json=as_json)
        case "show":
            answer = client.get(f"/providers/{segment(args.id)}")
            said = _described(answer)
        case "check":
            answer = client.get(f"/providers/{segment(args.id)}/published")
            said = (
                f"it answers, with {answer['keys']} keys; people log in at {answer['authorization_endpoint']}"
            )
        case _:
            client.delete(f"/providers/{segment(args.id)}")
            answer, said = {"removed": args.id}, f"nobody logs in through {args.id} any more"
    if as_json:
        print_json(answer)
    else:
        print(said)
    return DONE


def _put(client: Client, provider_id: str, given: Mapping[str, Any]) -> Any:
    """Have what is given beside what is there already, unless somebody else is quicker."""
    path = f"/providers/{segment(provider_id)}"
    try:
        there = client.get(path)
    except ApiRefused as refused:
        if refused.status != 404:
            raise
        missing = [
            flag for flag, key in (("--issuer", "issuer"), ("--client-id", "client_id")) if key not in given
        ]
        if missing:
            raise UsageWrong(
                f"there is no provider {provider_id!r} yet, and a new one needs {' and '.join(missing)}"
            ) from refused
        return client.put(path, {"label": provider_id, **given, "expected_version": 0})
    kept = {key: there[key] for key in _KEPT}
    return client.put(path, {**kept, **given, "expected_version": there["version"]})


def _given(args: argparse.Namespace) -> dict[str, Any]:
    given: dict[str, Any] = {
        key: value
        for key, value in (
            ("label", args.label),
            ("issuer", args.issuer),
            ("client_id", args.client_id),
            ("scopes", args.scope),
            ("groups_claim", args.groups_claim),
            ("name_claim", args.name_claim),
            ("token_audience", args.token_audience),
        )
        if value is not None
    }
    if args.role is not None:
        given["roles"] = [_group_role(text) for text in args.role]
    if args.issuer_ca is not None:
        given["ca_pem"] = read_text(args.issuer_ca, _CA_BYTES_MAX) if args.issuer_ca else ""
    if args.no_secret:
        given["client_secret"] = ""
    elif args.secret_file is not None:
        given["client_secret"] = _secret(args.secret_file, args.id)
    return given


def _group_role(text: str) -> dict[str, str]:
    group, equals, role = text.rpartition("=")
    if not equals or not group or role not in ROLES:
        raise UsageWrong(
            f"--role {text!r} is not GROUP=ROLE",
            hint=f"ROLE is one of {', '.join(ROLES)}: --role ops=operator",
        )
    return {"group": group, "role": role}


def _secret(file: str, provider_id: str) -> str:
    if file == "-" and sys.stdin.isatty():
        secret = getpass.getpass(f"Client secret of {provider_id}: ")
    elif file == "-":
        secret = sys.stdin.read(_SECRET_CHARACTERS_MAX + 2)
    else:
        secret = read_text(file, 4 * _SECRET_CHARACTERS_MAX)
    # Line ends are no part of a secret, and of what made the file they often are.
    secret = secret.rstrip("\r\n")
    if not secret:
        raise CommandFailed(
            "the client secret is empty", hint="--no-secret is for a public client, which has none"
        )
    return secret


def _described(provider: Mapping[str, Any]) -> str:
    roles = [f"{each['group']} = {each['role']}" for each in provider["roles"]]
    secret = "with a secret" if provider["has_secret"] else "without a secret"
    lines = [
        f"{provider['id']}: {provider['label']}",
        f"  issuer        {provider['issuer']}",
        f"  client        {provider['client_id']}, {secret}",
        f"  scopes        {' '.join(provider['scopes'])}",
        f"  claims        groups in {provider['groups_claim']}, name in {provider['name_claim']}",
        f"  roles         {', '.join(roles) or 'none, so nobody is let in: --role GROUP=ROLE'}",
        f"  accounts      {provider['accounts']}",
        f"  MCP tokens    {_taken(provider)}",
        "  register there, as where it sends people back to:",
    ]
    return "\n".join([*lines, *(f"    {url}" for url in provider["redirect_urls"])])


def _taken(provider: Mapping[str, Any]) -> str:
    audience = provider["token_audience"]
    return f"taken, for audience {audience}" if audience else "not taken: --token-audience AUDIENCE"


def _list(client: Client, *, as_json: bool) -> int:
    found = client.items("/providers")
    if as_json:
        print_json({"items": found})
        return DONE
    rows = [
        (
            each["id"],
            each["label"],
            each["issuer"],
            each["accounts"],
            moment(each["changed_at_ms"]),
            each["changed_by"],
        )
        for each in found
    ]
    print_table(
        ("id", "label", "issuer", "accounts", "since", "by"),
        rows,
        empty="no identity providers; `tower provider put` makes one",
    )
    return DONE
