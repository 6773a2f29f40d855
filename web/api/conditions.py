"""Changing something only if it is still as it was read (RFC 9110, 13.1): If-Match and If-None-Match."""

from __future__ import annotations

from aiohttp import web

from web.auth.problems import Problem
from web.middleware.answers import Content, tags_in

UNSAFE = frozenset({"PUT", "DELETE", "PATCH"})


def is_conditional(request: web.Request) -> bool:
    """Whether a change is asked for under a condition."""
    return request.method in UNSAFE and ("If-Match" in request.headers or "If-None-Match" in request.headers)


def require_match(request: web.Request, present: Content | None) -> None:
    """Raise Problem (412) unless what is there now, None for nothing, is as the request wants it.

    Of what has a version that alone is compared: what it shows besides may have moved since.
    """
    wanted = request.headers.get("If-Match")
    if wanted is not None and not _matches(wanted, present):
        if present is None:
            raise Problem(
                "changed", "there is nothing here any more", hint="leave If-Match out to make it anew"
            )
        now = "" if present.version is None else f"; it is at version {present.version} now"
        raise Problem(
            "changed",
            f"it is no longer as it was when If-Match was read{now}",
            hint="GET it again, look at what changed, and send its new ETag",
            extra={"etag": present.tag()},
        )
    unwanted = request.headers.get("If-None-Match")
    if unwanted is not None and present is not None and _matches(unwanted, present):
        raise Problem(
            "changed",
            "there is one already",
            hint="leave If-None-Match out to change it, or choose another name",
            extra={"etag": present.tag()},
        )


def _matches(header: str, present: Content | None) -> bool:
    if present is None:
        return False
    if header.strip() == "*":
        return True
    for version, digest in tags_in(header):
        if version is not None and present.version is not None:
            if version == present.version:
                return True
        elif digest == present.digest:
            return True
    return False
