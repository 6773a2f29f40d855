"""Doing once what is asked for twice (draft-ietf-httpapi-idempotency-key-header-07).

A POST with `Idempotency-Key` is carried out once per account and key; the same request again is answered
with what the first one was answered. Outcomes are kept in memory, on the node that was asked, for an hour.
What was *changed* is found on every node: the key makes the request's id, which entries of the audit carry.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web

from web.auth.problems import FieldError, Problem
from web.ports import Clock

HEADER = "Idempotency-Key"
KEPT_S = 3600.0
KEYS_MAX = 2048
BYTES_MAX = 16 * 1024 * 1024
ANSWER_BYTES_MAX = 1024 * 1024
_KEY = re.compile(r'"?([\x21\x23-\x5b\x5d-\x7e]{1,200})"?')


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer as it is given again."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Request:
    fingerprint: bytes
    begun_at_s: float
    outcome: Outcome | None = None


class Repeats:
    """What was asked for under which key, on this node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: OrderedDict[tuple[str, str], _Request] = OrderedDict()
        self._bytes = 0

    def begin(self, account: str, key: str, fingerprint: bytes) -> Outcome | None:
        """Begin a request; returns the outcome when it was carried out before.

        Raises Problem: 409 while the first one is being carried out, 422 when the key was another request's.
        """
        self._forget_old()
        known = self._requests.get((account, key))
        if known is None:
            if len(self._requests) >= KEYS_MAX:
                self._forget_oldest()
            self._requests[account, key] = _Request(fingerprint, self._clock.monotonic_s())
            return None
        if known.fingerprint != fingerprint:
            rule = "a key stands for one request; this one was sent with another request before"
            raise Problem(
                "invalid",
                f"{HEADER}: {rule}",
                hint="make a new key for every new request, and keep it for its repeats",
                errors=(FieldError(field=HEADER, rule=rule, value=key[:80]),),
            )
        if known.outcome is None:
            raise Problem(
                "conflict",
                "the first request with this key is still being carried out",
                hint="send it again in a moment: the answer will be the first one's",
                retry_after_s=1,
            )
        return known.outcome

    def end(self, account: str, key: str, outcome: Outcome | None) -> None:
        """Keep what a request came to; without an outcome it may be tried again under its key."""
        known = self._requests.get((account, key))
        if known is None:
            return
        if outcome is None or len(outcome.body) > ANSWER_BYTES_MAX:
            del self._requests[account, key]
            return
        known.outcome = outcome
        self._bytes += len(outcome.body)
        while self._bytes > BYTES_MAX:
            self._forget_oldest()

    def _forget_old(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._requests:
            oldest = next(iter(self._requests.values()))
            if now_s - oldest.begun_at_s < KEPT_S:
                return
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, oldest = self._requests.popitem(last=False)
        if oldest.outcome is not None:
            self._bytes -= len(oldest.outcome.body)


REPEATS = web.AppKey("repeats", Repeats)


def key_in(request: web.Request) -> str | None:
    """Return the request's key, None without one. Raises Problem (422) for one that is none."""
    given = request.headers.get(HEADER)
    if given is None:
        return None
    match = _KEY.fullmatch(given.strip())
    if match is None:
        rule = "1 to 200 printable characters without spaces, such as a UUID"
        raise Problem(
            "invalid", f"{HEADER}: {rule}", errors=(FieldError(field=HEADER, rule=rule, value=given[:80]),)
        )
    return match[1]


def fingerprint_of(request: web.Request, body: bytes) -> bytes:
    """Return what tells one request from another: method, address and body."""
    head = f"{request.method} {request.path_qs}\n".encode(errors="surrogateescape")
    return hashlib.blake2b(head + body, digest_size=32).digest()


def request_id_of(account: str, key: str) -> str:
    """Return the id under which every node records what is done for a key."""
    return "ik_" + hashlib.blake2b(f"{account}\n{key}".encode(), digest_size=20).hexdigest()
