"""Events, and the webhooks they are sent to."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.events import Severity
from cluster.model.webhooks import (
    ATTEMPTS_MAX,
    DELAY_MAX_MS,
    PATTERNS_MAX,
    SECRET_BYTES_MAX,
    TIMEOUT_MAX_MS,
    URL_CHARS_MAX,
    Backoff,
    DeliveryState,
    WebhookAuth,
)
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Schema
from web.middleware.routes import needs
from web.tools import events, webhooks
from web.tools.listing import Page, page_of
from web.tools.webhook_views import (
    DeliveryView,
    EventView,
    ReplayView,
    WebhookPutView,
    WebhookView,
)
from web.tools.webhooks import KEEP_OLD_S, WebhookWish

_DELAY_MAX_S = DELAY_MAX_MS // 1000

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=64)]
SecretText = Annotated[str, StringConstraints(min_length=1, max_length=SECRET_BYTES_MAX)]


class EventsQuery(PageQuery):
    """Which events: kinds as webhooks name them, with commas between."""

    kinds: FilterText = Field(default="", description="such as alert:*,rollout:failed; all when left out")
    min_severity: Severity = Severity.INFO
    since_ms: int = Field(default=0, ge=0, le=2**53)


class WebhookBody(Schema):
    """A webhook. With auth hmac and no secret one is made, and shown in this answer only."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_CHARS_MAX)] = Field(repr=False)
    events: list[Pattern] = Field(
        min_length=1, max_length=PATTERNS_MAX, description="such as alert:*, rollout:*, node:down or *"
    )
    auth: WebhookAuth = WebhookAuth.HMAC
    username: FilterText = Field(default="", description="of auth basic")
    secret: SecretText | None = Field(
        default=None,
        repr=False,
        description="token, password or whsec_ secret; left out, the one it has stays",
    )
    attempts: int = Field(default=15, ge=1, le=ATTEMPTS_MAX)
    backoff: Backoff = Backoff.EXPONENTIAL
    base_s: float = Field(default=5.0, ge=0.1, le=_DELAY_MAX_S, description="pause after the first failure")
    max_s: float = Field(default=7200.0, ge=0.1, le=_DELAY_MAX_S, description="longest pause")
    timeout_s: float = Field(default=15.0, ge=1, le=TIMEOUT_MAX_MS // 1000)
    min_severity: Severity = Severity.INFO
    is_ordered: bool = Field(default=True, description="one after the other, in the order they happened")
    is_enabled: bool = True


class PingBody(Schema):
    """Nothing has to be said."""


class RotateBody(Schema):
    """Another secret; with hmac the one before counts as well for a while."""

    secret: SecretText | None = Field(default=None, repr=False, description="left out: one is made (hmac)")
    keep_old_s: int = Field(default=KEEP_OLD_S, ge=0, le=30 * 24 * 3600)


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    state: DeliveryState | None = None


class ReplayBody(Schema):
    """What is sent again: of the sequences from first to last, those that were given up, or all."""

    first: int = Field(default=0, ge=0, le=2**53)
    last: int | None = Field(default=None, ge=0, le=2**53)
    with_delivered: bool = Field(default=False, description="also those that arrived")


async def list_events(ask: Ask[None, EventsQuery]) -> Page[EventView]:
    query = ask.query
    return await events.list_events(
        ask.context,
        ask.call,
        kinds=[kind.strip() for kind in query.kinds.split(",") if kind.strip()],
        min_severity=query.min_severity,
        since_ms=query.since_ms,
        cursor=query.cursor,
        limit=query.limit,
    )


async def list_webhooks(ask: Ask[None, PageQuery]) -> Page[WebhookView]:
    found = await webhooks.list_webhooks(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_webhook(ask: Ask[None, Nothing]) -> WebhookView:
    return await webhooks.get_webhook(ask.context, ask.call, ask.path["webhook"])


async def put_webhook(ask: Ask[WebhookBody, Nothing]) -> WebhookPutView:
    body = ask.body
    wish = WebhookWish(
        url=body.url,
        events=tuple(body.events),
        auth=body.auth,
        username=body.username,
        secret=body.secret,
        retry=webhooks.retry_policy(body.attempts, body.backoff, body.base_s, body.max_s),
        timeout_ms=round(body.timeout_s * 1000),
        min_severity=body.min_severity,
        is_ordered=body.is_ordered,
        is_enabled=body.is_enabled,
    )
    return await webhooks.put_webhook(
        ask.context, ask.call, ask.path["webhook"], wish, expected_version=ask.expected_version
    )


async def remove_webhook(ask: Ask[None, Nothing]) -> None:
    await webhooks.remove_webhook(ask.context, ask.call, ask.path["webhook"])


async def ping_webhook(ask: Ask[PingBody, Nothing]) -> DeliveryView:
    return await webhooks.ping_webhook(ask.context, ask.call, ask.path["webhook"])


async def rotate_secret(ask: Ask[RotateBody, Nothing]) -> WebhookPutView:
    return await webhooks.rotate_secret(
        ask.context,
        ask.call,
        ask.path["webhook"],
        secret=ask.body.secret,
        keep_old_s=ask.body.keep_old_s,
    )


async def list_deliveries(ask: Ask[None, DeliveriesQuery]) -> Page[DeliveryView]:
    return await webhooks.list_deliveries(
        ask.context,
        ask.call,
        ask.path["webhook"],
        state=ask.query.state,
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )


async def replay_deliveries(ask: Ask[ReplayBody, Nothing]) -> ReplayView:
    return await webhooks.replay_deliveries(
        ask.context,
        ask.call,
        ask.path["webhook"],
        first=ask.body.first,
        last=ask.body.last,
        is_dead_only=not ask.body.with_delivered,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/events",
        run=list_events,
        access=needs("event.read", lambda _: "event"),
        summary="What happened in the cluster, newest first",
        tag="events",
        query=EventsQuery,
        answer=Page[EventView],
    ),
    Endpoint(
        method="GET",
        path="/webhooks",
        run=list_webhooks,
        access=needs("webhook.read", lambda _: "webhook"),
        summary="The webhooks and how they do, without their secrets",
        tag="webhooks",
        query=PageQuery,
        answer=Page[WebhookView],
    ),
    Endpoint(
        method="GET",
        path="/webhooks/{webhook}",
        run=get_webhook,
        version=lambda view: view.version,
        access=needs("webhook.read"),
        summary="One webhook",
        tag="webhooks",
        answer=WebhookView,
        problems=("not-found",),
    ),
    Endpoint(
        method="PUT",
        path="/webhooks/{webhook}",
        run=put_webhook,
        version=lambda view: view.webhook.version,
        access=needs("webhook.put"),
        summary="Make a webhook, or set everything of one; its secret is never shown again",
        tag="webhooks",
        body=WebhookBody,
        answer=WebhookPutView,
        problems=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path="/webhooks/{webhook}",
        run=remove_webhook,
        access=needs("webhook.remove"),
        summary="Forget a webhook, with what waits for it",
        tag="webhooks",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/webhooks/{webhook}/ping",
        run=ping_webhook,
        access=needs("webhook.ping"),
        summary="Send a test event there and say what came of it",
        tag="webhooks",
        body=PingBody,
        answer=DeliveryView,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/webhooks/{webhook}/rotate",
        run=rotate_secret,
        access=needs("webhook.put"),
        summary="Give a webhook another secret, while the one before counts as well for a time",
        tag="webhooks",
        body=RotateBody,
        answer=WebhookPutView,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/webhooks/{webhook}/deliveries",
        run=list_deliveries,
        access=needs("webhook.read"),
        summary="What is or was on its way to a webhook, newest first",
        tag="webhooks",
        query=DeliveriesQuery,
        answer=Page[DeliveryView],
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/webhooks/{webhook}/replay",
        run=replay_deliveries,
        access=needs("webhook.replay"),
        summary="Send again what was given up, under the same ids",
        tag="webhooks",
        body=ReplayBody,
        answer=ReplayView,
        problems=("not-found",),
    ),
)
