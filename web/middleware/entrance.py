"""The outermost layer: the request's id, the access log, and the headers every answer has."""

from __future__ import annotations

import logging
import re

from aiohttp import web
from aiohttp.typedefs import Handler

from web.auth.call import USER_AGENT_CHARACTERS_MAX, Call, printable
from web.middleware.client_address import address_of
from web.middleware.keys import CALL, RATE_HEADERS, STARTED, SURROUNDINGS
from web.middleware.routes import route_of
from web.middleware.shared_answers import SHARED

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PATTERN = re.compile(r"\{(\w+):[^{}]*\}")
SLOW_S = 1.0
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

# Scripts come from our own files alone. Styles may be set by scripts: the dialogs and charts of the dashboard
# place themselves that way.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STRICT_TRANSPORT = "max-age=31536000"


@web.middleware
async def enter(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id and its place in the log."""
    surroundings = request.app[SURROUNDINGS]
    asked_id = request.headers.get(REQUEST_ID_HEADER, "")
    call = Call(
        identity=None,
        request_id=asked_id if _REQUEST_ID.fullmatch(asked_id) else surroundings.ids.new_id("rq"),
        ip=address_of(request),
        user_agent=printable(request.headers.get("User-Agent", ""), USER_AGENT_CHARACTERS_MAX),
        started_s=surroundings.clock.monotonic_s(),
    )
    request[CALL] = call
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        if request.method not in _SAFE_METHODS:
            request.app[SHARED].forget()
        route = route_of(request)
        identity = request[CALL].identity
        log.log(
            _level_of(request, status, surroundings.clock.monotonic_s() - call.started_s),
            "http.request",
            extra={
                "method": request.method,
                # The route and not the address: queries and ids in it may say more than a log should keep.
                "route": "-" if route is None else _PATTERN.sub(r"{\1}", route.path),
                "status": status,
                "duration_ms": round((surroundings.clock.monotonic_s() - call.started_s) * 1000, 1),
                "request_id": call.request_id,
                "principal": "" if identity is None else identity.principal_id,
                "ip": call.ip,
            },
        )


def _level_of(request: web.Request, status: int, duration_s: float) -> int:
    """What was read without trouble is for looking closely: pages and programs read all day."""
    if request.path in _QUIET_PATHS:
        return logging.DEBUG
    is_plain = request.method in _SAFE_METHODS and status < 400 and duration_s < SLOW_S
    return logging.DEBUG if is_plain else logging.INFO


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Complete the headers of any answer just before it is sent, streams and sockets included."""
    request[STARTED] = response
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # Instead of the versions of what it is made of.
    response.headers["Server"] = "control-tower"
    # On "localhost" it would bind every other program of this machine too.
    if not (request.host or "").startswith("localhost"):
        response.headers.setdefault("Strict-Transport-Security", _STRICT_TRANSPORT)
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")
    call = request.get(CALL)
    if call is not None:
        response.headers[REQUEST_ID_HEADER] = call.request_id
    for name, value in request.get(RATE_HEADERS, {}).items():
        response.headers.setdefault(name, value)
