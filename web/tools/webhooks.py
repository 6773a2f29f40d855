"""Where events are sent to. A secret goes in, or is made here and shown once, and never comes out again."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass, field

from cluster.commands.webhooks import (
    PingWebhook,
    PutWebhook,
    RemoveWebhook,
    ReplayDeliveries,
    RotateWebhookSecret,
)
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_webhook_secret
from cluster.model.events import Severity
from cluster.model.webhooks import (
    HMAC_BYTES_MAX,
    HMAC_BYTES_MIN,
    HMAC_SECRET_PREFIX,
    Backoff,
    DeliveryState,
    RetryPolicy,
    SealedSecret,
    Webhook,
    WebhookAuth,
    origin_of,
)
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.listing import Page, decode_cursor, encode_cursor
from web.tools.receivers import check_receiver, check_same_origin, find_receiver, header_secret
from web.tools.soon import soon
from web.tools.webhook_views import (
    DeliveryView,
    ReplayView,
    WebhookPutView,
    WebhookView,
    delivery_view,
    webhook_view,
)
from web.tools.windows import wrong

READ = "webhook.read"
PUT = "webhook.put"
REMOVE = "webhook.remove"
PING = "webhook.ping"
REPLAY = "webhook.replay"
MADE_BYTES = 32
KEEP_OLD_S = 24 * 3600
CHUNK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookWish:
    """A webhook as people write it. `secret` None: the one it has stays; a new webhook with HMAC gets one.

    An HMAC secret is `whsec_` and Base64 of 24 to 64 bytes, as Standard Webhooks has it; of the others it is
    the token or password itself.
    """

    url: str = field(repr=False)
    events: tuple[str, ...]
    auth: WebhookAuth = WebhookAuth.HMAC
    username: str = ""
    secret: str | None = field(default=None, repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_ms: int = 15_000
    min_severity: Severity = Severity.INFO
    is_ordered: bool = True
    is_enabled: bool = True


async def list_webhooks(context: Context, call: Call) -> list[WebhookView]:
    """Return the webhooks by name."""
    await context.authority.require(call, READ, "webhook")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        return [
            webhook_view(webhook, records.WEBHOOK_STANDINGS.get(txn, webhook.id), now_ms)
            for webhook in records.WEBHOOKS.scan(txn)
        ]


async def get_webhook(context: Context, call: Call, name: str) -> WebhookView:
    """Raises Problem (404)."""
    await context.authority.require(call, READ, f"webhook:{name}")
    return _view(context, _find(context, name).id)


async def put_webhook(
    context: Context, call: Call, name: str, wish: WebhookWish, *, expected_version: int | None = None
) -> WebhookPutView:
    """Make a webhook, or have everything of one as it is wished. Raises Problem (409, 422)."""
    resource = f"webhook:{name}"
    await context.authority.require(call, PUT, resource)
    check_receiver(context, name, wish.url)
    with context.surroundings.state.read() as txn:
        present = records.WEBHOOKS.get(txn, name)
    secrets, shown = _secrets(context, name, wish, present)
    try:
        webhook = Webhook(
            id=name,
            url=wish.url,
            events=wish.events,
            auth=wish.auth,
            username=wish.username,
            secrets=secrets,
            retry=wish.retry,
            timeout_ms=wish.timeout_ms,
            min_severity=wish.min_severity,
            is_ordered=wish.is_ordered,
            is_enabled=wish.is_enabled,
            changed_by=call.known().name,
        )
    except ValueError as error:
        raise wrong(error) from error
    if expected_version is None:
        expected_version = 0 if present is None else present.version
    command = PutWebhook(webhook=webhook, expected_version=expected_version)
    await context.authority.perform(call, PUT, resource, lambda permit: permit.propose(command))
    return WebhookPutView(webhook=_view(context, name), secret=shown)


async def rotate_secret(
    context: Context, call: Call, name: str, *, secret: str | None, keep_old_s: int
) -> WebhookPutView:
    """Give a webhook another secret; with HMAC the one before counts as well for `keep_old_s`.

    Without `secret` the cluster makes one (HMAC only). Raises Problem (404, 409, 422).
    """
    resource = f"webhook:{name}"
    await context.authority.require(call, PUT, resource)
    present = _find(context, name)
    if present.auth is WebhookAuth.NONE:
        raise invalid("auth", f"webhook {name} has no secret: its auth is none")
    value, shown = _given_or_made(context, present.auth, secret)
    command = RotateWebhookSecret(
        webhook_id=name,
        secret=_sealed(context, name, present.url, value),
        keep_ms=keep_old_s * 1000,
        expected_version=present.version,
        changed_by=call.known().name,
    )

    async def change(permit: Permit) -> None:
        await permit.propose(command, reason="another secret")

    await context.authority.perform(call, PUT, resource, change)
    return WebhookPutView(webhook=_view(context, name), secret=shown)


async def remove_webhook(context: Context, call: Call, name: str) -> None:
    """Forget a webhook, with what waits for it. Raises Problem (404)."""
    resource = f"webhook:{name}"
    await context.authority.require(call, REMOVE, resource)
    command = RemoveWebhook(webhook_id=_find(context, name).id)
    await context.authority.perform(call, REMOVE, resource, lambda permit: permit.propose(command))


async def ping_webhook(context: Context, call: Call, name: str) -> DeliveryView:
    """Send a test event there once, and return what came of it; `waiting` when that takes too long.

    It goes the way every event goes, by the host that leads. Raises Problem (404).
    """
    resource = f"webhook:{name}"
    await context.authority.require(call, PING, resource)
    webhook = _find(context, name)
    command = PingWebhook(webhook_id=name, by=call.known().name)
    sequence = await context.authority.perform(call, PING, resource, lambda permit: permit.propose(command))
    assert isinstance(sequence, int)

    def ended(txn: ReadTxn) -> bool | None:
        row = records.DELIVERIES.get(txn, name, sequence)
        return None if row is not None and row.state is DeliveryState.WAITING else True

    patience_s = webhook.timeout_ms / 1000 + context.pace.webhook_test_s
    await soon(context.surroundings, ended, patience_s=patience_s)
    with context.surroundings.state.read() as txn:
        delivery = records.DELIVERIES.get(txn, name, sequence)
    if delivery is None:
        raise Problem("conflict", f"webhook {name} was removed, or made again, while it was tried")
    return delivery_view(delivery)


async def list_deliveries(
    context: Context,
    call: Call,
    name: str,
    *,
    state: DeliveryState | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[DeliveryView]:
    """Return what is or was on its way to a webhook, newest first. Raises Problem (404)."""
    await context.authority.require(call, READ, f"webhook:{name}")
    _find(context, name)
    before = None if cursor is None else _sequence(cursor)
    found: list[DeliveryView] = []
    while True:
        with context.surroundings.state.read() as txn:
            rows = records.DELIVERIES.scan(
                txn, name, after=None if before is None else (name, before), limit=CHUNK, reverse=True
            )
        for row in rows:
            before = row.event.sequence
            if state is None or row.state is state:
                found.append(delivery_view(row))
                if len(found) == limit:
                    return Page(items=tuple(found), next_cursor=encode_cursor((before,)))
        if len(rows) < CHUNK:
            return Page(items=tuple(found))
        # Reading them takes a while; others want the loop too.
        await asyncio.sleep(0)


async def replay_deliveries(
    context: Context, call: Call, name: str, *, first: int, last: int | None, is_dead_only: bool
) -> ReplayView:
    """Send again what has ended, of the events from `first` to `last`; each keeps its id.

    Raises Problem (404, 422).
    """
    resource = f"webhook:{name}"
    await context.authority.require(call, REPLAY, resource)
    _find(context, name)
    if last is not None and last < first:
        raise invalid("last", f"{last} is before first, {first}")
    command = ReplayDeliveries(
        webhook_id=name,
        first=first,
        last=2**63 - 1 if last is None else last,
        is_dead_only=is_dead_only,
    )
    count = await context.authority.perform(call, REPLAY, resource, lambda permit: permit.propose(command))
    assert isinstance(count, int)
    return ReplayView(replayed=count)


# ---- secrets


def _secrets(
    context: Context, name: str, wish: WebhookWish, present: Webhook | None
) -> tuple[tuple[SealedSecret, ...], str | None]:
    """The secrets it is to have, and the one that is shown once because it was made here."""
    if wish.auth is WebhookAuth.NONE:
        if wish.secret is not None:
            raise invalid("secret", "with auth none there is nothing to use it for")
        return (), None
    if wish.secret is None and present is not None and present.auth is wish.auth:
        if origin_of(present.url) == origin_of(wish.url):
            return present.secrets, None
        # A signature tells nobody its secret; the new receiver gets one of its own all the same.
        if wish.auth is not WebhookAuth.HMAC:
            check_same_origin(name, present.url, wish.url)
    value, shown = _given_or_made(context, wish.auth, wish.secret)
    return (_sealed(context, name, wish.url, value),), shown


def _given_or_made(context: Context, auth: WebhookAuth, secret: str | None) -> tuple[bytes, str | None]:
    if secret is None:
        if auth is not WebhookAuth.HMAC:
            raise invalid("secret", f"auth {auth} needs one: the {_WORD[auth]} the receiver expects")
        made = context.surroundings.ids.token_bytes(MADE_BYTES)
        return made, HMAC_SECRET_PREFIX + base64.b64encode(made).decode()
    if auth is WebhookAuth.HMAC:
        return _hmac_key(secret), None
    return header_secret(secret, is_token=auth is WebhookAuth.BEARER), None


_WORD = {WebhookAuth.BEARER: "token", WebhookAuth.BASIC: "password"}


def _hmac_key(secret: str) -> bytes:
    text = secret.removeprefix(HMAC_SECRET_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not HMAC_BYTES_MIN <= len(key) <= HMAC_BYTES_MAX:
        raise invalid(
            "secret",
            f"for hmac it is {HMAC_SECRET_PREFIX} and Base64 of {HMAC_BYTES_MIN} to {HMAC_BYTES_MAX} bytes",
            hint="leave it out, and one is made and shown once",
        )
    return key


def _sealed(context: Context, name: str, url: str, value: bytes) -> SealedSecret:
    surroundings = context.surroundings
    return SealedSecret(
        sealed=seal_webhook_secret(
            value,
            surroundings.cluster.keyring(),
            webhook_id=name,
            url=url,
            nonce=surroundings.ids.token_bytes(NONCE_BYTES),
        )
    )


# ---- small things


def retry_policy(attempts: int, backoff: Backoff, base_s: float, max_s: float) -> RetryPolicy:
    """Return a policy as people write it. Raises Problem (422)."""
    try:
        return RetryPolicy(
            attempts=attempts, backoff=backoff, base_ms=round(base_s * 1000), max_ms=round(max_s * 1000)
        )
    except ValueError as error:
        raise wrong(error) from error


def _find(context: Context, name: str) -> Webhook:
    return find_receiver(context, records.WEBHOOKS, "webhook", name)


def _view(context: Context, name: str) -> WebhookView:
    with context.surroundings.state.read() as txn:
        webhook = records.WEBHOOKS.get(txn, name)
        standing = records.WEBHOOK_STANDINGS.get(txn, name)
    if webhook is None:
        raise Problem("conflict", f"webhook {name} was removed at the same moment")
    return webhook_view(webhook, standing, context.surroundings.clock.now_ms())


def _sequence(cursor: str) -> int:
    (sequence,) = decode_cursor(cursor, like=(0,))
    if not isinstance(sequence, int) or not 0 <= sequence < 2**63:
        raise invalid("cursor", "not a cursor of this list")
    return sequence
