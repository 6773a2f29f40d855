"""Requests to identity providers: short, bounded, to allowed addresses only, redirects not followed."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp

from agent.notify.dialing import AddressRefused, Dialing, Networks, causes_of
from cluster.model.outbound import ALLOWED_NETWORKS_SETTING

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 1024 * 1024
HEADERS_BYTES_MAX = 16 * 1024
_CONTEXTS_MAX = 32


class Request(Protocol):
    """What is asked; `web.ports.ProviderRequest` is one."""

    @property
    def url(self) -> str: ...
    @property
    def ca_pem(self) -> str: ...
    @property
    def form(self) -> Mapping[str, str] | None: ...
    @property
    def basic(self) -> tuple[str, str] | None: ...
    @property
    def bearer(self) -> str: ...


class ProviderClient:
    """Asks providers. `unreachable` makes the exception its callers know. Made on a running event loop."""

    def __init__(
        self,
        *,
        version: str,
        allowed: Callable[[], Networks],
        unreachable: Callable[[str], Exception],
    ) -> None:
        self._unreachable = unreachable
        self._dialing = Dialing(allowed)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._session = aiohttp.ClientSession(
            connector=self._dialing.connector(),
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=HEADERS_BYTES_MAX,
            max_field_size=HEADERS_BYTES_MAX,
            headers={"User-Agent": f"ControlTower/{version}", "Accept": "application/json"},
        )

    async def close(self) -> None:
        await self._session.close()
        self._dialing.shut_down()

    async def fetch(self, request: Request) -> tuple[int, object]:
        """Return status and JSON of the answer, None for what is no JSON. Raises what `unreachable` makes."""
        host = urlsplit(request.url).hostname or ""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._ask(request)
        except TimeoutError as error:
            raise self._unreachable(f"{host} gave no answer within {TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unreachable(_why(error, host)) from error

    async def _ask(self, request: Request) -> tuple[int, object]:
        headers: dict[str, str] = {}
        if request.basic is not None:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined.
            pair = ":".join(quote_plus(part) for part in request.basic)
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
        elif request.bearer:
            headers["Authorization"] = f"Bearer {request.bearer}"
        options: dict[str, Any] = {
            "headers": headers,
            "allow_redirects": False,
            "ssl": await self._context(request.ca_pem),
            "timeout": aiohttp.ClientTimeout(total=None),
        }
        if request.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            options["data"] = urlencode(request.form)
        method = "GET" if request.form is None else "POST"
        async with self._session.request(method, request.url, **options) as response:
            content = await response.content.read(ANSWER_BYTES_MAX + 1)
            while len(content) <= ANSWER_BYTES_MAX and not response.content.at_eof():
                content += await response.content.read(ANSWER_BYTES_MAX + 1 - len(content))
            if len(content) > ANSWER_BYTES_MAX:
                raise ValueError("the answer is longer than a mebibyte")
            return response.status, _parse(content)

    async def _context(self, ca_pem: str) -> ssl.SSLContext:
        known = self._contexts.get(ca_pem)
        if known is None:
            # Reads the system's certificates.
            known = await asyncio.to_thread(_make_context, ca_pem)
            if len(self._contexts) >= _CONTEXTS_MAX:
                self._contexts.clear()
            self._contexts[ca_pem] = known
        return known


def _make_context(ca_pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context


def _parse(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _why(error: Exception, host: str) -> str:
    for each in causes_of(error):
        if isinstance(each, AddressRefused):
            return (
                f"{host} is at an address that is not called: {each}; add its network to setting"
                f" {ALLOWED_NETWORKS_SETTING} to allow it"
            )
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"the certificate of {host} is not trusted ({each.verify_message}); give its CA as ca_pem"
        if isinstance(each, aiohttp.ClientConnectorDNSError):
            return f"the name {host} leads to no address"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{host} cannot be reached: {error.os_error.strerror or 'refused'}"
    return f"{host} gave no answer that can be read ({type(error).__name__})"
