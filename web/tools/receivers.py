"""What holds for every receiver that people set, of events or of the metric history: its name, its address,
and the password or token it expects.
"""

from __future__ import annotations

from cluster.model import rules
from cluster.model.webhooks import SECRET_BYTES_MAX, check_url, origin_of
from web.auth.problems import invalid
from web.tools.windows import wrong


def check_receiver(name: str, url: str) -> None:
    """Check a receiver before anything is sealed for it. Raises Problem (422)."""
    try:
        rules.check_name("name", name)
        check_url(url)
    except ValueError as error:
        raise wrong(error) from error


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
