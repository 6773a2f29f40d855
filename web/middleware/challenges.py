"""What a 401 asks for: a bearer token, and where a client learns who gives them (RFC 6750, RFC 9728)."""

from __future__ import annotations

import re

from aiohttp import web

from web.middleware.keys import PROVIDER_TOKENS
from web.middleware.routes import route_of

METADATA_PATH = "/.well-known/oauth-protected-resource"
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def origin_of(request: web.Request) -> str | None:
    """Return where the caller reaches us, None when it did not say so in a way that can be repeated to it."""
    # The name it asked for, as a login does: behind a proxy that is the one of the outside.
    return f"https://{request.host}" if _HOST.fullmatch(request.host or "") else None


def challenge(request: web.Request) -> str:
    """Return the value of WWW-Authenticate."""
    plain = 'Bearer realm="Control Tower"'
    route, origin = route_of(request), origin_of(request)
    if route is None or origin is None or not route.access.protected_resource:
        return plain
    if not request.app[PROVIDER_TOKENS].providers():
        return plain
    return f'{plain}, resource_metadata="{origin}{METADATA_PATH}{route.access.protected_resource}"'
