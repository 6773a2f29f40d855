"""Who gives tokens for the MCP endpoints: metadata of a protected resource (RFC 9728)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from cluster.model.sign_in import SignInProvider
from web.auth.problems import Problem
from web.middleware.challenges import METADATA_PATH, origin_of
from web.middleware.keys import PROVIDER_TOKENS
from web.middleware.routes import Handler, Route, everybody

STREAMABLE_HTTP = "/mcp"
SSE = "/sse"


def routes() -> tuple[Route, ...]:
    """Return the routes of the metadata: of each endpoint under its path, of the one at hand without one."""
    return tuple(
        Route(
            method="GET",
            path=f"{METADATA_PATH}{path}",
            handler=_serving(path or STREAMABLE_HTTP),
            access=everybody(),
            body_bytes_max=0,
            takes_head=True,
        )
        for path in ("", STREAMABLE_HTTP, SSE)
    )


def _serving(path: str) -> Handler:
    async def serve(request: web.Request) -> web.Response:
        providers = request.app[PROVIDER_TOKENS].providers()
        if not providers:
            raise Problem(
                "not-found",
                "tokens of identity providers are not accepted here; API tokens are",
                hint="`tower provider put ID --token-audience AUDIENCE` lets a provider's in",
            )
        origin = origin_of(request)
        if origin is None:
            raise Problem("bad-request", "the Host header is no name or address with which to reach this")
        document = {
            "resource": f"{origin}{path}",
            "resource_name": "Control Tower",
            "authorization_servers": list(dict.fromkeys(each.issuer for each in providers)),
            "scopes_supported": _scopes(providers),
            "bearer_methods_supported": ["header"],
        }
        return web.Response(
            body=json.dumps(document).encode(),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return serve


def _scopes(providers: Sequence[SignInProvider]) -> list[str]:
    """What a login asks for, so that groups are told; of several providers, what each of them knows."""
    first, *others = (provider.scopes for provider in providers)
    return [scope for scope in first if all(scope in each for each in others)]
