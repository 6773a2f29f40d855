"""One HTTP request to a receiver somebody named, and what came of it.

Where it goes is checked where the socket is made, on the address that is then connected to. So it makes no
difference how the address was come by: a name, a name that means something else now, or digits in the URL.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from agent.clock import Clock
from agent.notify.message import Message
from cluster.model.events import clip
from cluster.model.outbound import ALLOWED_NETWORKS_SETTING, why_refused
from cluster.model.webhooks import DELAY_MAX_MS, DETAIL_CHARS_MAX, FailureKind

Networks = tuple[IPv4Network | IPv6Network, ...]

EXCERPT_BYTES = 2048
EXCERPT_TIMEOUT_S = 2.0
HEADERS_BYTES_MAX = 16 * 1024
LOOKUPS_AT_ONCE = 8
"""Look-ups block a thread. With a pool of their own they keep nothing else of the agent waiting."""


class AddressRefused(OSError):
    """The address is one that may not be called."""


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
        self._allowed = allowed
        self._resolver = _OwnThreadsResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                force_close=True,
                use_dns_cache=False,
                resolver=self._resolver,
                socket_factory=self._make_socket,
            ),
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
        self._resolver.shut_down()

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

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        reason = why_refused(address[0], self._allowed())
        if reason:
            raise AddressRefused(reason)
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made


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
    for each in _causes(error):
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


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what led to it, those that were tried at the same time among them."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < 32:
        each = waiting.pop()
        if each is None or each in found:
            continue
        found.append(each)
        if isinstance(each, aiohttp.ClientConnectorError):
            waiting.append(each.os_error)
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting.extend((each.__cause__, each.__context__))
    return found


def _words(error: BaseException) -> str:
    inner = getattr(error, "certificate_error", error)
    return str(getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or type(inner).__name__)


class _OwnThreadsResolver(AbstractResolver):
    """The system's resolver, on a few threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="receiver-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=each,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for each, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """The session's connector asks for this; threads end with `shut_down`."""

    def shut_down(self) -> None:
        # A look-up that hangs ends by the resolver's own time-out; nobody waits for it here.
        self._threads.shutdown(wait=False, cancel_futures=True)
