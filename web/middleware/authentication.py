"""Who asks: the sender of a token, or the browser's login with proof that our page sent the request."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler

from cluster.identity.csrf import check_csrf_token
from web.auth import cookies
from web.auth.call import Identity
from web.auth.not_accepted import NotAccepted
from web.auth.origin import may_be_rebound, refuse_foreign
from web.auth.problems import Problem
from web.middleware.keys import AUTHENTICATOR, AUTHORITY, CALL, SURROUNDINGS, TOKEN_USES
from web.middleware.rate_limit import Counted, take
from web.middleware.routes import Access, Audience, route_of

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, where the route wants to know. Raises Problem (401)."""
    route = route_of(request)
    if route is None or route.access.audience is Audience.EVERYBODY:
        return await handler(request)
    identity = await _identify(request, route.access)
    if identity is None:
        _refuse(request, NotAccepted("no login and no token", "this needs a login"), route.access)
    request[CALL] = replace(request[CALL], identity=identity)
    return await handler(request)


def require_own_page(request: web.Request) -> None:
    """Raise Problem (403) unless a request with cookies comes from our own page."""
    foreign = refuse_foreign(
        origin=request.headers.get("Origin"),
        fetch_site=request.headers.get("Sec-Fetch-Site"),
        host=request.host,
        public_origins=request.app[SURROUNDINGS].public_origins,
    )
    if foreign is not None:
        request.app[AUTHORITY].strangers.count("request", "account", foreign)
        raise Problem(
            "forbidden",
            foreign,
            hint="open the dashboard at this host's own address, or set api.public_url to the one you use",
        )


def _require_own_name(request: web.Request) -> None:
    """Raise Problem (403) for a page whose name may have been led here by somebody else (DNS rebinding)."""
    public_origins = request.app[SURROUNDINGS].public_origins
    if may_be_rebound(request.headers["Origin"], host=request.host, public_origins=public_origins):
        reason = "nothing says that this name is the cluster's"
        request.app[AUTHORITY].strangers.count("request", "account", reason)
        raise Problem(
            "forbidden",
            reason,
            hint="ask at this host's address, or set api.public_url to the name you use",
        )


async def _identify(request: web.Request, access: Access) -> Identity | None:
    authenticator = request.app[AUTHENTICATOR]
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            malformed = NotAccepted("malformed", "the Authorization header is not 'Bearer <token>'")
            _refuse(request, malformed, access)
        if not access.takes_cookies and "Origin" in request.headers:
            # The MCP specification asks for it: a page of another site has no business here.
            require_own_page(request)
            _require_own_name(request)
        identity = await authenticator.bearer(
            token.strip(), takes_provider_tokens=bool(access.protected_resource)
        )
        if isinstance(identity, NotAccepted):
            _refuse(request, identity, access)
        if identity.token_prefix is not None:
            request.app[TOKEN_USES].note(identity.token_prefix, request[CALL].ip)
        return identity
    cookie = request.cookies.get(cookies.ACCESS)
    if cookie is None or not access.takes_cookies:
        return None
    identity = await authenticator.cookie(cookie)
    if isinstance(identity, NotAccepted):
        _refuse(request, identity, access)
    if request.method not in _SAFE_METHODS:
        require_own_page(request)
        _require_csrf_token(request, identity)
    elif request.headers.get("Upgrade", "").lower() == "websocket":
        require_own_page(request)
    return identity


def _require_csrf_token(request: web.Request, identity: Identity) -> None:
    refused = check_csrf_token(
        request.app[SURROUNDINGS].cluster.keyring(),
        session_id=identity.session_id or "",
        cookie=request.cookies.get(cookies.CSRF),
        header=request.headers.get(cookies.CSRF_HEADER),
    )
    if refused is not None:
        request.app[AUTHORITY].strangers.count("request", "account", f"CSRF token {refused.code}")
        raise Problem(
            "forbidden", refused.reason, hint=f"send {cookies.CSRF_HEADER} as GET /api/v1/auth/me gives it"
        )


def _refuse(request: web.Request, refused: NotAccepted, access: Access) -> NoReturn:
    action = access.action or "request"
    request.app[AUTHORITY].strangers.count(action, action.partition(".")[0], refused.code)
    # Guessing at tokens costs its address what other requests of strangers cost.
    take(request, Counted.ADDRESS, request[CALL].ip)
    raise Problem("not-authenticated", refused.reason, hint="log in, or send a token")
