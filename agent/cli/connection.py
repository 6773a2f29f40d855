"""From flags, environment and remembered contexts to a client. Flag beats environment beats context."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent.cli.client import Client, Session, Target
from agent.cli.context import DEFAULT_SERVER, Context, ContextFile, load_contexts, save_contexts
from agent.cli.failures import CommandFailed, UsageWrong

DEFAULT_PORT = 7443
_SERVER = re.compile(
    r"(?:https://)?(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?/?"
)


def connect(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Client:
    """Return a client of the cluster that the flags, the environment or the current context name."""
    file = load_contexts()
    context = chosen_context(args, file, environment)
    target = resolve_target(args, context, environment)

    def remember(session: Session) -> None:
        fresh = load_contexts()
        known = fresh.contexts.get(context.name, context)
        renewed = replace(known, access_token=session.access_token, refresh_token=session.refresh_token)
        save_contexts(fresh.with_context(renewed, make_current=False))

    return Client(target, on_refreshed=remember if target.refresh_token else None)


def chosen_context(args: argparse.Namespace, file: ContextFile, environment: Mapping[str, str]) -> Context:
    """Return the context to use: an empty one when none was asked for and none is there."""
    asked = getattr(args, "context", None) or environment.get("TOWER_CONTEXT", "")
    name = asked or file.current
    if name in file.contexts:
        return file.contexts[name]
    if asked:
        known = ", ".join(sorted(file.contexts)) or "none"
        raise CommandFailed(f"there is no context {asked!r}; known: {known}", hint="`tower login` makes one")
    return Context(name=name)


def resolve_target(args: argparse.Namespace, context: Context, environment: Mapping[str, str]) -> Target:
    """Return whom to ask and as whom.

    The context's session goes only to servers that prove themselves with the context's CA.
    """
    server = getattr(args, "server", None) or environment.get("TOWER_SERVER", "")
    servers = (normalized(server),) if server else context.servers or (DEFAULT_SERVER,)
    ca_file = getattr(args, "ca", None) or environment.get("TOWER_CA", "")
    ca_pem = read_text(ca_file, "--ca") if ca_file else context.ca_pem
    token = given_token(args, environment)
    if token:
        return Target(servers=servers, ca_pem=ca_pem, access_token=token)
    if ca_pem == context.ca_pem and (ca_pem or not server or servers[0] in context.servers):
        return Target(
            servers=servers,
            ca_pem=ca_pem,
            access_token=context.access_token,
            refresh_token=context.refresh_token,
        )
    return Target(servers=servers, ca_pem=ca_pem)


def given_token(args: argparse.Namespace, environment: Mapping[str, str]) -> str:
    """Return the token of --token or TOWER_TOKEN; `@FILE` is read, so that it need not be in argv."""
    token = getattr(args, "token", None) or environment.get("TOWER_TOKEN", "")
    if token.startswith("@"):
        token = read_text(token[1:], "--token").strip()
    if not re.fullmatch(r"[!-~]*", token):
        # The characters are not shown: they may be a password that was given by mistake.
        raise UsageWrong(
            "the token has characters that no token has, such as spaces or line ends",
            hint="copy the whole token again, on one line; --token @FILE reads it from a file",
        )
    return token


def normalized(server: str) -> str:
    """Return "host", "host:port" or a URL as an https URL with its port."""
    match = _SERVER.fullmatch(server.strip())
    if match is None or not 0 < int(match["port"] or DEFAULT_PORT) < 65536:
        raise UsageWrong(
            f"{server!r} is not the address of a host",
            hint="a name or address, with a port between 1 and 65535 where it is not 7443: 10.0.0.5, h1:8443,"
            " https://[2001:db8::1]:7443",
        )
    return f"https://{match['host']}:{match['port'] or DEFAULT_PORT}"


def read_text(path: str, flag: str) -> str:
    """Return the text of a file named by a flag."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CommandFailed(f"cannot read {path} ({flag}): {reason}") from error
