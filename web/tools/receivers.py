"""What holds for every receiver that people set, of events or of the metric history: its name, its address,
and the password or token it expects.
"""

from __future__ import annotations

import ipaddress
from typing import TypeVar
from urllib.parse import urlsplit

from cluster.model import rules
from cluster.model.outbound import ALLOWED_NETWORKS_SETTING, parse_networks, why_refused
from cluster.model.webhooks import SECRET_BYTES_MAX, check_url, origin_of
from cluster.store import records
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.windows import wrong

_T = TypeVar("_T")


def find_receiver(context: Context, table: records.Records[_T], what: str, name: str) -> _T:
    """Return a receiver by its name; `what` is as the CLI calls its kind. Raises Problem (404)."""
    try:
        rules.check_name("name", name)
    except ValueError:
        receiver = None
    else:
        with context.surroundings.state.read() as txn:
            receiver = table.get(txn, name)
    if receiver is None:
        raise Problem(
            "not-found", f"there is no {what} {name[:80]!r}", hint=f"`tower {what} list` lists them"
        )
    return receiver


def check_receiver(context: Context, name: str, url: str) -> None:
    """Check a receiver before anything is sealed for it. Raises Problem (422)."""
    try:
        rules.check_name("name", name)
        check_url(url)
    except ValueError as error:
        raise wrong(error) from error
    _check_address(context, urlsplit(url).hostname or "")


def _check_address(context: Context, host: str) -> None:
    """Refuse an address that would never be called. Where a name leads is seen at each call."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    with context.surroundings.state.read() as txn:
        setting = records.SETTINGS.get(txn, ALLOWED_NETWORKS_SETTING)
    reason = why_refused(host, parse_networks((setting and setting.value) or ""))
    if reason:
        raise invalid(
            "url",
            f"{reason}, which is called only where {ALLOWED_NETWORKS_SETTING} allows it",
            hint=f"allow it first, beside the networks that are allowed already:"
            f" `tower webhook networks --set {ipaddress.ip_network(address)}`",
        )


def header_secret(secret: str, *, is_token: bool) -> bytes:
    """Return a password, or a token, as a header holds it. Raises Problem (422)."""
    if not secret or not secret.isprintable():
        raise invalid("secret", "it is empty, or has characters that no header may hold")
    value = secret.encode(errors="replace")
    if len(value) > SECRET_BYTES_MAX:
        raise invalid("secret", f"{len(value)} bytes; at most {SECRET_BYTES_MAX} are allowed")
    if is_token and (not secret.isascii() or " " in secret):
        raise invalid("secret", "a token has ASCII characters without spaces")
    return value


def check_same_origin(name: str, known_url: str, url: str) -> None:
    """Check that a secret may stay with a receiver that gets another address. Raises Problem (422).

    Whoever may change where something is sent must not be sent a secret they never knew.
    """
    if origin_of(known_url) != origin_of(url):
        raise invalid(
            "secret",
            f"the one that {name} has was given for {origin_of(known_url)}, and is not sent elsewhere",
            hint="give it again for another host",
        )
