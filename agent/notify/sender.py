"""One HTTP request to a receiver somebody named, and what came of it.

Where it goes is checked where the socket is made (`dialing`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from agent.clock import Clock
from agent.notify.dialing import AddressRefused, Dialing, Networks, causes_of
from agent.notify.message import Message
from cluster.model.events import clip
from cluster.model.outbound import ALLOWED_NETWORKS_SETTING
from cluster.model.webhooks import DELAY_MAX_MS, DETAIL_CHARS_MAX, FailureKind

EXCERPT_BYTES = 2048
EXCERPT_TIMEOUT_S = 2.0
HEADERS_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`status` 0: there was none. `detail` begins what was answered, or names the error."""

    duration_ms: int
    status: int = 0
    failure: FailureKind = FailureKind.NONE
    detail: str = ""
    retry_after_ms: int = 0

    @property
    def is_gone(self) -> bool:
        """The receiver says that it wants no more (410)."""
        return self.status == 410


class HttpSender:
    """Sends to receivers. Its connections are its own and used once. Made on a running event loop.

    `allowed` says which networks may be called that are not public; it is asked for every connection.
    """

    def __init__(self, *, clock: Clock, version: str, allowed: Callable[[], Networks]) -> None:
        self._clock = clock
        self._dialing = Dialing(allowed)
        self._session = aiohttp.ClientSession(
            connector=self._dialing.connector(),
            # A proxy would dial for us, past the check; cookies would make one receiver's answers matter.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=HEADERS_BYTES_MAX,
            max_field_size=HEADERS_BYTES_MAX,
            headers={"User-Agent": f"ControlTower/{version}", "Accept": "*/*"},
        )

    async def close(self) -> None:
        await self._session.close()
        self._dialing.shut_down()

    async def send(self, message: Message, *, timeout_ms: int) -> Answer:
        """Return what came of one attempt; it takes at most `timeout_ms`, and little more. Raises nothing."""
        started_s = self._clock.monotonic_s()

        def answer(**fields: Any) -> Answer:
            duration_ms = max(0, round((self._clock.monotonic_s() - started_s) * 1000))
            fields["detail"] = clip(fields.get("detail", ""), DETAIL_CHARS_MAX)
            return Answer(duration_ms=duration_ms, **fields)

        try:
            async with asyncio.timeout(timeout_ms / 1000):
                response = await self._session.post(
                    message.url,
                    data=message.body,
                    headers=message.headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                )
        except TimeoutError:
            return answer(failure=FailureKind.TIMEOUT, detail=f"no answer within {timeout_ms / 1000:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind, detail = _failure_of(error, message.url)
            return answer(failure=kind, detail=detail)
        try:
            return answer(**await self._read(response))
        finally:
            response.close()

    async def _read(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        status = response.status
        if 200 <= status < 300:
            # It has it. What it says beyond that is nobody's to wait for.
            return {"status": status}
        if 300 <= status < 400:
            where = urlsplit(response.headers.get("Location", "")).hostname or "another place"
            return {
                "status": status,
                "failure": FailureKind.REDIRECT,
                "detail": f"redirects to {where}, which is not followed: give the URL it leads to",
            }
        excerpt = b""
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(EXCERPT_TIMEOUT_S):
                excerpt = await response.content.read(EXCERPT_BYTES)
        text = excerpt.decode(errors="replace")
        return {
            "status": status,
            "failure": FailureKind.STATUS,
            "detail": text or (response.reason or ""),
            "retry_after_ms": retry_after_ms(response.headers.get("Retry-After", ""), self._clock.now_ms()),
        }


def retry_after_ms(text: str, now_ms: int) -> int:
    """What `Retry-After` (RFC 9110 10.2.3) asks to wait, at most a day; 0 when it says nothing readable."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        wanted_ms = int(text) * 1000
    else:
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return 0
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        wanted_ms = round((at - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds() * 1000)
    return min(DELAY_MAX_MS, max(0, wanted_ms))


def _failure_of(error: Exception, url: str) -> tuple[FailureKind, str]:
    """What kind of failure it is, in words without the URL, which may hold a secret."""
    host = urlsplit(url).hostname or ""
    for each in causes_of(error):
        if isinstance(each, AddressRefused):
            hint = f"add its network to setting {ALLOWED_NETWORKS_SETTING} to allow it"
            return FailureKind.BLOCKED, f"{each}, which is not called: {hint}"
        if isinstance(each, aiohttp.ClientConnectorDNSError | socket.gaierror):
            return FailureKind.NAME, f"the name {host} leads to no address"
        if isinstance(each, ssl.SSLError | ssl.CertificateError | aiohttp.ClientSSLError):
            return FailureKind.TLS, f"TLS with {host} failed: {_words(each)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return FailureKind.CONNECT, f"{host} cannot be reached: {error.os_error.strerror or 'refused'}"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        return FailureKind.CLOSED, f"{host} closed the connection before it had answered"
    return FailureKind.CLOSED, f"{host} gave no answer that can be read ({type(error).__name__})"


def _words(error: BaseException) -> str:
    inner = getattr(error, "certificate_error", error)
    return str(getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or type(inner).__name__)
