"""What the application and each request carry."""

from __future__ import annotations

import asyncio

from aiohttp import web

from web.auth.authority import Authority
from web.auth.call import Call
from web.auth.credentials import Authenticator
from web.auth.provider_tokens import ProviderTokens
from web.auth.sessions import Sessions
from web.auth.token_uses import TokenUses
from web.ports import Surroundings

SURROUNDINGS = web.AppKey("surroundings", Surroundings)
AUTHORITY = web.AppKey("authority", Authority)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
PROVIDER_TOKENS = web.AppKey("provider_tokens", ProviderTokens)
SESSIONS = web.AppKey("sessions", Sessions)
TOKEN_USES = web.AppKey("token_uses", TokenUses)
STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set when the server begins to stop: what would go on for ever ends then."""
STREAMS = web.AppKey("streams", asyncio.Semaphore)
"""How many logs may be followed at a time."""
TERMINALS = web.AppKey("terminals", asyncio.Semaphore)
"""How many commands may run in containers at a time, as far as they were asked for here."""

CALL = web.RequestKey("call", Call)
"""Who asks, from where, since when. `identity` is there after authentication."""
STARTED = web.RequestKey("started", web.StreamResponse)
"""The response whose head is sent: from then on there is no other."""
BODY = web.RequestKey("body", bytes)
"""The body, once it was read."""
RATE_HEADERS = web.RequestKey("rate_headers", dict[str, str])
