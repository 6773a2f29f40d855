"""The application: every surface of one host, on one port."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from cluster.identity.passwords import CURRENT_COST, Argon2Cost
from cluster.identity.throttle import LoginThrottle
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from web.api import openapi, prometheus, published, reference
from web.api.dashboard import Dashboard
from web.api.endpoint import READERS, readers_of
from web.api.routes import ENDPOINTS
from web.assistant.choosing import answerer_of
from web.assistant.desk import DESK, AnswerDesk, Choosing
from web.auth.authority import Authority
from web.auth.catching_up import CatchingUp
from web.auth.credentials import Authenticator
from web.auth.kept_records import KeptRecords
from web.auth.password_work import PasswordWork
from web.auth.provider_cache import ProviderCache
from web.auth.provider_tokens import ProviderTokens
from web.auth.sessions import Sessions
from web.auth.sign_in import SignIn
from web.auth.token_uses import TokenUses
from web.live import event_stream, socket, terminal
from web.live.hub import HUB, LiveHub
from web.middleware.authentication import authenticate
from web.middleware.authorization import authorize
from web.middleware.bodies import limit_body
from web.middleware.client_address import PROXIES, TrustedProxies
from web.middleware.entrance import add_headers, enter
from web.middleware.errors import tell_problems
from web.middleware.idempotency import REPEATS, Repeats
from web.middleware.keys import (
    AUTHENTICATOR,
    AUTHORITY,
    PROVIDER_TOKENS,
    SESSIONS,
    STOPPING,
    STREAMS,
    SURROUNDINGS,
    TERMINALS,
    TOKEN_USES,
)
from web.middleware.methods import answer_options
from web.middleware.rate_limit import LIMITER, Limits, RateLimiter, limit_rate
from web.middleware.routes import ROUTES, Route, everybody, refuse_undeclared, register
from web.middleware.shared_answers import SHARED, SharedAnswers
from web.ports import Surroundings
from web.tools.background import Background
from web.tools.context import CONTEXT, Context
from web.tools.pace import Pace
from web.tools.shared_reading import SharedReading
from web.tools.shared_spans import SharedSpans

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
MCP_MOUNT = "web.mcp.mount"


def build_app(
    surroundings: Surroundings,
    *,
    limits: Limits | None = None,
    static: Path = STATIC,
    pace: Pace | None = None,
    password_cost: Argon2Cost = CURRENT_COST,
    choose_answerer: Choosing = answerer_of,
) -> web.Application:
    """Return the application that serves everything of this host over `surroundings`.

    Nothing is started before its runner is set up, and everything is stopped by its clean-up.
    """
    pace = pace or Pace()
    limits = limits or Limits()
    app = web.Application(
        middlewares=[enter, tell_problems, limit_body, authenticate, limit_rate, answer_options, authorize],
        client_max_size=surroundings.request_body_bytes_max,
    )
    kept = KeptRecords(surroundings.state)
    authority = Authority(surroundings, kept)
    catching_up = CatchingUp(surroundings.state)
    provider_cache = ProviderCache(surroundings)
    provider_tokens = ProviderTokens(surroundings, catching_up, provider_cache)
    authenticator = Authenticator(surroundings, catching_up, kept, provider_tokens=provider_tokens)
    passwords = PasswordWork(password_cost)
    sessions = Sessions(
        surroundings,
        authority=authority,
        authenticator=authenticator,
        catching_up=catching_up,
        passwords=passwords,
        throttle=LoginThrottle(),
    )
    app[SURROUNDINGS] = surroundings
    app[AUTHORITY] = authority
    app[AUTHENTICATOR] = authenticator
    app[PROVIDER_TOKENS] = provider_tokens
    app[SESSIONS] = sessions
    uses = app[TOKEN_USES] = TokenUses(surroundings)
    app[PROXIES] = TrustedProxies(surroundings.trusted_proxies)
    app[LIMITER] = RateLimiter(limits)
    app[ROUTES] = {}
    app[READERS] = readers_of(ENDPOINTS)
    app[REPEATS] = Repeats(surroundings.clock)
    app[SHARED] = SharedAnswers(surroundings.clock, fresh_s=pace.answers_fresh_s)
    app[STOPPING] = asyncio.Event()
    app[STREAMS] = asyncio.Semaphore(limits.log_streams)
    app[TERMINALS] = asyncio.Semaphore(limits.terminals)
    app[CONTEXT] = Context(
        surroundings=surroundings,
        authority=authority,
        sessions=sessions,
        sign_in=SignIn(surroundings, authority=authority, sessions=sessions, cache=provider_cache),
        views=SharedReading(surroundings.hosts.views, clock=surroundings.clock),
        live=SharedReading(surroundings.hosts.live, clock=surroundings.clock, fresh_s=pace.numbers_fresh_s),
        spans=SharedSpans(),
        pace=pace,
        background=Background(),
        parsing=asyncio.Semaphore(1),
        analysing=asyncio.Semaphore(1),
    )
    app[DESK] = AnswerDesk(app[CONTEXT], choose_answerer)
    app[HUB] = LiveHub(app[CONTEXT], authenticator, clients_max=limits.live_clients)
    dashboard = Dashboard(static)

    register(
        app,
        (
            Route(
                method="GET",
                path="/healthz",
                handler=_healthz,
                access=everybody(),
                body_bytes_max=0,
                takes_head=True,
            ),
            Route(
                method="GET",
                path="/readyz",
                handler=_readyz,
                access=everybody(),
                body_bytes_max=0,
                takes_head=True,
            ),
        ),
    )
    register(app, (route for endpoint in ENDPOINTS for route in endpoint.routes()))
    register(app, (openapi.route(ENDPOINTS),))
    register(app, published.routes())
    register(app, reference.routes())
    register(app, prometheus.routes())
    register(app, socket.routes())
    register(app, event_stream.routes())
    register(app, terminal.routes())
    _mount_mcp(app)
    # Last: it answers for every address that is left.
    register(app, dashboard.routes())

    async def end_streams(_: web.Application) -> None:
        app[STOPPING].set()

    async def watch_hosts(_: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work, name=name)
                for name, work in (
                    ("live", app[HUB].run()),
                    ("host-views", app[CONTEXT].views.run()),
                    ("host-numbers", app[CONTEXT].live.run()),
                )
            ]
            yield
            for task in running:
                task.cancel()

    async def watch_access(_: web.Application) -> AsyncIterator[None]:
        with kept.watching():
            yield

    async def close_passwords(_: web.Application) -> None:
        passwords.close()

    async def write_audit(_: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(_write_audit(authority, uses, pace.audit_flush_s), name="audit-flush")
            yield
            writing.cancel()
        await _flush(authority, uses)

    app.on_response_prepare.append(add_headers)
    app.on_startup.append(refuse_undeclared)
    app.on_startup.append(dashboard.load)
    app.on_shutdown.append(end_streams)
    # Before the live connections: who is told of a change there is looked at anew by what is kept here.
    app.cleanup_ctx.append(watch_access)
    app.cleanup_ctx.append(write_audit)
    app.cleanup_ctx.append(watch_hosts)
    app.cleanup_ctx.append(app[CONTEXT].background.lifetime)
    app.on_cleanup.append(close_passwords)
    return app


def _mount_mcp(app: web.Application) -> None:
    if importlib.util.find_spec(MCP_MOUNT) is not None:
        importlib.import_module(MCP_MOUNT).mount(app)


async def _healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _readyz(request: web.Request) -> web.Response:
    reason = request.app[SURROUNDINGS].cluster.is_ready()
    if reason is None:
        return web.Response(text="ready\n")
    return web.Response(status=503, text=f"{reason}\n")


async def _write_audit(authority: Authority, uses: TokenUses, interval_s: float) -> None:
    while True:
        await asyncio.sleep(interval_s)
        await _flush(authority, uses)


async def _flush(authority: Authority, uses: TokenUses) -> None:
    try:
        await authority.flush()
        await uses.flush()
    except (NotCommitted, OutcomeUnknown) as error:
        log.warning("audit.flush_delayed", extra={"reason": str(error)})
