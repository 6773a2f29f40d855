"""`tower login`: remember a cluster and a session with it."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import os
import ssl
import sys
from dataclasses import replace
from typing import Any

from agent.cli.client import Client, Target, fetch_ca
from agent.cli.connection import chosen_context, normalized, read_text
from agent.cli.context import DEFAULT_SERVER, Context, load_contexts, save_contexts
from agent.cli.failures import DONE, CommandFailed
from agent.cli.output import print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "login",
        help="log in to a cluster and remember it",
        description="Log in to a cluster. The password is asked for, or read from standard input, or from"
        " TOWER_PASSWORD. So is the code of an account with a second factor: after the password, or from"
        " TOWER_CODE. The first time, the fingerprint of the cluster's CA is asked about,"
        " unless it is given.",
    )
    parser.add_argument("address", nargs="?", metavar="HOST", help="any host of the cluster, as host[:port]")
    parser.add_argument("--user", default="admin", help="default: admin")
    parser.add_argument("--ca-fingerprint", metavar="SHA256", help="what the CA must have, from `tower init`")
    parser.add_argument(
        "--setup-token",
        metavar="TOKEN",
        help="from `tower init`, or @FILE: make the first administrator, with the password given now",
    )


def run(args: argparse.Namespace) -> int:
    file = load_contexts()
    asked = getattr(args, "context", None)
    if asked:
        context = file.contexts.get(asked, Context(name=asked))
    else:
        context = chosen_context(args, file, os.environ)
    address = args.address or getattr(args, "server", None) or os.environ.get("TOWER_SERVER", "")
    servers = (normalized(address),) if address else context.servers or (DEFAULT_SERVER,)
    ca_pem = _trusted_ca(args, context, servers[0])
    client = Client(Target(servers=servers, ca_pem=ca_pem))
    password = _password(args.user)
    if args.setup_token:
        token = args.setup_token
        token = read_text(token[1:], "--setup-token").strip() if token.startswith("@") else token
        client.post("/setup", {"token": token, "name": args.user, "password": password})
    answer = client.post("/auth/login", {"name": args.user, "password": password, "mode": "token"})
    if "challenge" in answer:
        answer = _give_code(client, answer, args.user)
    context = replace(
        context,
        servers=tuple(dict.fromkeys((*servers, *_other_servers(servers, ca_pem, answer)))),
        ca_pem=ca_pem,
        user=args.user,
        access_token=str(answer["access_token"]),
        refresh_token=str(answer["refresh_token"]),
    )
    save_contexts(file.with_context(context, make_current=True))
    if getattr(args, "json", False):
        print_json({"context": context.name, "user": args.user, "servers": list(context.servers)})
    else:
        print(f"logged in to {servers[0]} as {args.user}")
    return DONE


def _give_code(client: Client, begun: dict[str, Any], user: str) -> dict[str, Any]:
    """Go on with the login of somebody who needs a code besides the password."""
    enrolment = begun.get("enrolment")
    if enrolment:
        print(
            "This cluster requires a second factor of this account, and there is none yet. Add this to an"
            f" authenticator app:\n\n  secret  {enrolment['secret']}\n  link    {enrolment['uri']}\n",
            file=sys.stderr,
        )
    code = os.environ.get("TOWER_CODE", "")
    if not code and sys.stdin.isatty():
        code = getpass.getpass(f"Code of {user}'s authenticator, or a recovery code: ")
    elif not code:
        code = sys.stdin.readline().rstrip("\n")
    if not code.strip():
        raise CommandFailed(
            "a code is needed besides the password",
            hint="give it after the password on standard input, or in TOWER_CODE",
        )
    body = {
        "challenge": begun["challenge"],
        "code": code.strip(),
        "enrolment": enrolment["ticket"] if enrolment else None,
        "mode": "token",
    }
    answer: dict[str, Any] = client.post("/auth/login/code", body)
    if answer.get("recovery_codes"):
        codes = "\n".join(f"  {each}" for each in answer["recovery_codes"])
        print(
            f"Keep these recovery codes where the authenticator is not; each works once:\n\n{codes}\n",
            file=sys.stderr,
        )
    return answer


def _other_servers(servers: tuple[str, ...], ca_pem: str, answer: dict[str, str]) -> list[str]:
    """Every host of the cluster, so that the next command works when this one is down."""
    client = Client(Target(servers=servers, ca_pem=ca_pem, access_token=answer["access_token"]))
    try:
        return [normalized(node["api_address"]) for node in client.items("/nodes") if node.get("api_address")]
    except CommandFailed:
        return []


def _trusted_ca(args: argparse.Namespace, context: Context, server: str) -> str:
    ca_file = getattr(args, "ca", None) or os.environ.get("TOWER_CA", "")
    if ca_file:
        return read_text(ca_file, "--ca")
    if context.ca_pem and not args.ca_fingerprint:
        return context.ca_pem
    ca_pem = fetch_ca(server)
    seen = ca_fingerprint(ca_pem)
    if args.ca_fingerprint:
        if args.ca_fingerprint.lower().removeprefix("sha256:").replace(":", "") != seen:
            raise CommandFailed(
                f"the CA at {server} is another one: its fingerprint is {seen}",
                hint="is that the cluster you meant? nothing was sent to it",
            )
        return ca_pem
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"the CA of {server} is not known yet; its fingerprint is {seen}",
            hint="compare it with what `tower init` printed and give it with --ca-fingerprint",
        )
    print(f"The CA of {server} is not known yet. Its SHA-256 fingerprint is\n  {seen}", file=sys.stderr)
    if input("Is it what `tower init` printed? [yes/no] ").strip().lower() != "yes":
        raise CommandFailed("not logged in: the CA was not confirmed")
    return ca_pem


def ca_fingerprint(ca_pem: str) -> str:
    """Return the SHA-256 of the first certificate's DER bytes, in hexadecimal."""
    end = "-----END CERTIFICATE-----"
    try:
        der = ssl.PEM_cert_to_DER_cert(f"{ca_pem.partition(end)[0].strip()}\n{end}\n")
    except ValueError as error:
        raise CommandFailed("the CA is not a PEM certificate") from error
    return hashlib.sha256(der).hexdigest()


def _password(user: str) -> str:
    if password := os.environ.get("TOWER_PASSWORD", ""):
        return password
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    return sys.stdin.readline().rstrip("\n")
