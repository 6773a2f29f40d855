"""Whether they may: before the body is read, so that nobody learns from errors what they may not do."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from web.auth.problems import Problem
from web.middleware.keys import AUTHORITY, CALL
from web.middleware.routes import Audience, route_of


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the request through when its route allows it. Raises Problem (401 or 403), recorded."""
    route = route_of(request)
    if route is None:
        # The router's own answer: nothing here, or not with this method.
        if request.match_info.http_exception is not None:
            return await handler(request)
        raise Problem("forbidden", "this address does not say who may use it")
    if route.access.audience is Audience.LOGGED_IN:
        request[CALL].known()
    elif route.access.audience is Audience.ALLOWED:
        resource = route.access.resource_of(request.match_info)
        await request.app[AUTHORITY].admit(request[CALL], route.access.action, resource)
    return await handler(request)
