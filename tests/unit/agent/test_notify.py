"""What receivers get and how attempts are told apart, over real sockets on this host."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from agent.clock import SystemClock
from agent.notify.message import Message, message_of
from agent.notify.sender import Answer, HttpSender, Networks, retry_after_ms
from cluster.model.events import Event, EventKind, EventSubject, Severity
from cluster.model.webhooks import FailureKind, SealedSecret, Webhook, WebhookAuth

NOW_MS = 1_800_000_000_000
LOOPBACK: Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
CLUSTER = {"id": "cl_1", "name": "prod"}

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def an_event() -> Event:
    return Event(
        sequence=7,
        kind=EventKind.ROLLOUT_FAILED,
        severity=Severity.CRITICAL,
        at_ms=NOW_MS,
        summary="Rollout of shop.web to revision 2 has failed: größer als 3",
        subject=EventSubject(service_id="shop.web", rollout_id="ro_1"),
        details=(("by", "ann"),),
    )


def a_webhook(auth: WebhookAuth = WebhookAuth.HMAC, username: str = "") -> Webhook:
    return Webhook(
        id="pager",
        url="https://hooks.example.com/in",
        events=("*",),
        auth=auth,
        username=username,
        secrets=() if auth is WebhookAuth.NONE else (SealedSecret(sealed=b"x" * 60),),
    )


def verifier(secret: bytes) -> Verifier:
    return Verifier("whsec_" + base64.b64encode(secret).decode())


def test_the_published_library_verifies_what_is_signed() -> None:
    now_ms = SystemClock().now_ms()
    secret = bytes(range(32))
    message = message_of(a_webhook(), an_event(), [secret], cluster=CLUSTER, now_ms=now_ms)
    assert verifier(secret).verify(message.body, dict(message.headers)) == {
        "type": "rollout:failed",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "id": an_event().id,
            "sequence": 7,
            "severity": "critical",
            "summary": "Rollout of shop.web to revision 2 has failed: größer als 3",
            "subject": {"service_id": "shop.web", "rollout_id": "ro_1"},
            "details": {"by": "ann"},
            "cluster": {"id": "cl_1", "name": "prod"},
        },
    }
    with pytest.raises(WebhookVerificationError):
        verifier(bytes(32)).verify(message.body, dict(message.headers))
    with pytest.raises(WebhookVerificationError):
        verifier(secret).verify(message.body + b" ", dict(message.headers))


def test_while_a_secret_is_rotated_either_verifies() -> None:
    now_ms = SystemClock().now_ms()
    new, old = b"n" * 32, b"o" * 32
    message = message_of(a_webhook(), an_event(), [new, old], cluster=CLUSTER, now_ms=now_ms)
    for secret in (new, old):
        assert verifier(secret).verify(message.body, dict(message.headers))["type"] == "rollout:failed"


def test_attempts_at_different_times_have_one_id_and_one_body() -> None:
    first, second = (
        message_of(a_webhook(), an_event(), [b"s" * 32], cluster=CLUSTER, now_ms=NOW_MS + later_ms)
        for later_ms in (0, 60_000)
    )
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == an_event().id
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


def test_bearer_and_basic_are_authorisations_and_nothing_is_signed() -> None:
    bearer = message_of(a_webhook(WebhookAuth.BEARER), an_event(), [b"t0ken"], cluster=CLUSTER, now_ms=NOW_MS)
    basic = message_of(
        a_webhook(WebhookAuth.BASIC, "ann"), an_event(), [b"pass"], cluster=CLUSTER, now_ms=NOW_MS
    )
    assert bearer.headers["Authorization"] == "Bearer t0ken"
    assert basic.headers["Authorization"] == "Basic YW5uOnBhc3M="
    assert "webhook-signature" not in bearer.headers
    assert "t0ken" not in repr(bearer)


@asynccontextmanager
async def receiver(handle: Handler) -> AsyncIterator[str]:
    writers = []
    idle = asyncio.Condition()
    busy = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy
        busy += 1
        writers.append(writer)
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            busy -= 1
            async with idle:
                idle.notify_all()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
    finally:
        server.close()
        async with idle:
            await idle.wait_for(lambda: not busy)
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(
        int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
    )
    return head, await reader.readexactly(length)


def answering(text: str) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(text.replace("\n", "\r\n").encode())
        await writer.drain()
        writer.close()

    return handle


async def send(url: str, *, allowed: Networks = LOOPBACK, timeout_ms: int = 5_000) -> Answer:
    sender = HttpSender(clock=SystemClock(), version="1", allowed=lambda: allowed)
    try:
        return await sender.send(
            Message(url=url, headers={"webhook-id": "evt_1"}, body=b"{}"), timeout_ms=timeout_ms
        )
    finally:
        await sender.close()


async def test_what_was_taken_is_a_success() -> None:
    got: list[tuple[str, bytes]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await read_request(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with receiver(handle) as url:
        answer = await send(url)
    assert (answer.status, answer.failure) == (204, FailureKind.NONE)
    ((head, body),) = got
    assert head.startswith("POST /in HTTP/1.1")
    assert "webhook-id: evt_1" in head
    assert json.loads(body) == {}


async def test_a_body_that_never_ends_does_not_undo_a_success() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nab")
        await writer.drain()
        await reader.read()
        writer.close()

    async with receiver(handle) as url:
        assert (await send(url)).failure is FailureKind.NONE


async def test_a_refusal_is_kept_with_the_beginning_of_its_answer() -> None:
    text = "HTTP/1.1 503 Busy\nRetry-After: 90\nContent-Length: 2000\n\n" + "x" * 2000
    async with receiver(answering(text)) as url:
        answer = await send(url)
    assert (answer.status, answer.failure, answer.retry_after_ms) == (503, FailureKind.STATUS, 90_000)
    assert answer.detail.startswith("xxx")
    assert len(answer.detail) == 300
    async with receiver(answering("HTTP/1.1 410 Gone\nContent-Length: 0\n\n")) as url:
        assert (await send(url)).is_gone


async def test_a_redirect_is_not_followed() -> None:
    asked = []

    async def inner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        writer.close()

    async with receiver(inner) as private:
        text = f"HTTP/1.1 307 Elsewhere\nLocation: {private}\nContent-Length: 0\n\n"
        async with receiver(answering(text)) as url:
            answer = await send(url)
    assert (answer.status, answer.failure) == (307, FailureKind.REDIRECT)
    assert "redirects to 127.0.0.1, which is not followed" in answer.detail
    assert asked == []


async def test_a_receiver_that_hangs_is_a_time_out() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with receiver(handle) as url:
        answer = await send(url, timeout_ms=100)
    assert (answer.status, answer.failure) == (0, FailureKind.TIMEOUT)
    assert answer.detail == "no answer within 0.1 s"


async def test_a_receiver_that_closes_early_is_told_of() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with receiver(handle) as url:
        answer = await send(url)
    assert answer.failure is FailureKind.CLOSED
    async with receiver(answering("what is this\n\n")) as url:
        assert (await send(url)).failure is FailureKind.CLOSED


async def test_who_refuses_the_connection_and_names_that_lead_nowhere_are_told_apart() -> None:
    async with receiver(answering("")) as url:
        pass
    answer = await send(url)
    assert answer.failure is FailureKind.CONNECT
    assert answer.detail.startswith("127.0.0.1 cannot be reached")
    assert (await send("http://no-such-host.invalid/")).failure is FailureKind.NAME

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 This is no TLS\r\n\r\n")
        await writer.drain()
        writer.close()

    async with receiver(plain) as url:
        assert (await send(url.replace("http:", "https:"))).failure is FailureKind.TLS


async def sent_inwards(host: str) -> tuple[Answer, int]:
    """Send to a receiver of this machine by another name of it: the answer, and how often it was asked."""
    asked = 0

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    async with receiver(handle) as url:
        answer = await send(url.replace("127.0.0.1", host), allowed=())
    return answer, asked


@pytest.mark.parametrize("host", ["0", "2130706433", "0x7f.1"])
async def test_digits_that_are_no_address_lead_nowhere(host: str) -> None:
    answer, asked = await sent_inwards(host)
    assert answer.failure is not FailureKind.NONE
    assert asked == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])  # noqa: S104 (an address to call)
async def test_no_socket_is_made_for_an_address_that_is_not_public(host: str) -> None:
    answer, asked = await sent_inwards(host)
    assert answer.failure is FailureKind.BLOCKED, answer
    assert "outbound.allowed_networks" in answer.detail
    assert asked == 0


@pytest.mark.parametrize(
    ("text", "wanted_ms"),
    [
        ("120", 120_000),
        (" 0 ", 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("9" * 9, 86_400_000),
        ("9" * 40, 0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("Fri, 15 Jan 2027 07:59:30 GMT", 0),
    ],
)
def test_how_long_a_receiver_asks_to_wait(text: str, wanted_ms: int) -> None:
    assert retry_after_ms(text, NOW_MS) == wanted_ms
