"""`tower login`: remember a cluster and a session with it."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import os
import ssl
import sys
from dataclasses import replace

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
        " TOWER_PASSWORD. The first time, the fingerprint of the cluster's CA is asked about,"
        " unless it is given.",
    )
    parser.add_argument("address", nargs="?", metavar="HOST", help="any host of the cluster, as host[:port]")
    parser.add_argument("--user", default="admin", help="default: admin")
    parser.add_argument(
        "--ca-fingerprint", metavar="SHA256", help="what the CA must have; `tower init` prints it"
    )
    parser.add_argument("--one-time-code", metavar="CODE", help="of the second factor, where one is set")


def run(args: argparse.Namespace) -> int:
    file = load_contexts()
    asked = getattr(args, "context", None)
    context = (
        file.contexts.get(asked, Context(name=asked)) if asked else chosen_context(args, file, os.environ)
    )
    address = args.address or getattr(args, "server", None) or os.environ.get("TOWER_SERVER", "")
    servers = (normalized(address),) if address else context.servers or (DEFAULT_SERVER,)
    ca_pem = _trusted_ca(args, context, servers[0])
    answer = Client(Target(servers=servers, ca_pem=ca_pem)).post(
        "/auth/login",
        {
            "username": args.user,
            "password": _password(args.user),
            "one_time_code": args.one_time_code,
        },
    )
    # Every host of the cluster, so that the next command works when this one is down.
    known = tuple(str(server) for server in answer.get("servers", ()))
    context = replace(
        context,
        servers=tuple(dict.fromkeys((*servers, *known))),
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


def _trusted_ca(args: argparse.Namespace, context: Context, server: str) -> str:
    ca_file = getattr(args, "ca", None) or os.environ.get("TOWER_CA", "")
    if ca_file:
        return read_text(ca_file, "--ca")
    if context.ca_pem and not args.ca_fingerprint:
        return context.ca_pem
    ca_pem = fetch_ca(server)
    seen = ca_fingerprint(ca_pem)
    if args.ca_fingerprint:
        if args.ca_fingerprint.replace(":", "").lower().removeprefix("sha256") != seen:
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
    try:
        end = "-----END CERTIFICATE-----"
        der = ssl.PEM_cert_to_DER_cert(ca_pem.partition(end)[0].strip() + f"\n{end}\n")
    except ValueError as error:
        raise CommandFailed("the CA is not a PEM certificate") from error
    return hashlib.sha256(der).hexdigest()


def _password(user: str) -> str:
    if password := os.environ.get("TOWER_PASSWORD", ""):
        return password
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    return sys.stdin.readline().rstrip("\n")
