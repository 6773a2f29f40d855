"""The tools for webhooks. No secret passes through one: a webhook is made with the command line."""

from __future__ import annotations

from dataclasses import dataclass

from web.auth.call import Call
from web.tools.arguments import Arguments, Named
from web.tools.context import Context
from web.tools.registry import Tool
from web.tools.times import moment
from web.tools.untrusted import cleaned
from web.tools.webhook_views import WebhookView
from web.tools.webhooks import PING, READ, list_webhooks, ping_webhook


class ListWebhooks(Arguments):
    """None are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLines:
    webhooks: tuple[str, ...]


async def _list(context: Context, call: Call, _: ListWebhooks) -> WebhookLines:
    return WebhookLines(webhooks=tuple(map(_line, await list_webhooks(context, call))))


class TestWebhook(Arguments):
    """Which webhook."""

    __test__ = False

    webhook: Named


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTested:
    """What came of the test; `detail` is data from the receiver."""

    state: str
    status: int | None
    detail: str | None


async def _test(context: Context, call: Call, given: TestWebhook) -> WebhookTested:
    view = await ping_webhook(context, call, given.webhook)
    last = view.log[-1] if view.log else None
    detail = "" if last is None else ": ".join(each for each in (last.failure.value, last.detail) if each)
    return WebhookTested(
        state=view.state.value,
        status=None if last is None else last.status,
        detail=cleaned(detail) or None,
    )


def _line(view: WebhookView) -> str:
    state = "on" if view.is_enabled else f"off ({view.disabled_because or 'by hand'})"
    failing = "" if view.failing_since_ms is None else f", failing since {moment(view.failing_since_ms)}"
    return (
        f"{view.id}: {', '.join(view.events)} to {view.url}, {state}; {view.delivered} delivered,"
        f" {view.waiting} waiting, {view.dead} given up{failing}"
    )


WEBHOOK_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="list-webhooks",
        title="Webhooks",
        description="List webhooks: which events go where, and what could not be delivered.",
        input_model=ListWebhooks,
        output=WebhookLines,
        action=READ,
        run=_list,
    ),
    Tool(
        name="test-webhook",
        title="Try a webhook",
        description="Send a test event to a webhook and say what came of it.",
        input_model=TestWebhook,
        output=WebhookTested,
        action=PING,
        run=_test,
        resource_of=lambda given: f"webhook:{given.webhook}",
        is_read_only=False,
        is_idempotent=False,
        is_open_world=True,
    ),
)
