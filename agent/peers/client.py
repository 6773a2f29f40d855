"""Asking another host over mutual TLS. One session for all hosts; connections are kept."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp

from agent.peers import protocol
from agent.peers.liveness import watch_peer
from agent.peers.protocol import (
    ADOPTABLES,
    ADOPTION_QUESTIONS,
    BEAT_ANSWERS,
    BEATS,
    DISK_USAGES,
    FOLLOWED,
    HISTORY_PAGES,
    HISTORY_QUESTIONS,
    INVENTORIES,
    LIVES,
    LOG_COUNT_QUERIES,
    LOG_COUNTS,
    LOG_FOLLOWS,
    LOG_LINES,
    LOG_PAGES,
    LOG_SEARCHES,
    LOG_STANDINGS,
    PULLED,
    QUESTIONS,
    READINESSES,
    REFUSALS,
    REMOVALS,
    RESOURCE_LISTS,
    STANDINGS,
    TRAFFIC_REPORTS,
    Beat,
    BeatAnswer,
    HistoryPage,
    HistoryQuestion,
    TrafficReport,
)
from cluster.encoding import Codec, EncodingError
from cluster.model.adoption import AdoptionQuestion, HostFound
from cluster.model.autoscaling import ScalingStanding
from cluster.model.inventory import (
    Caller,
    ContainerAction,
    HostInventory,
    HostLive,
    HostRefused,
    HostUnavailable,
    LogLine,
    LogQuery,
)
from cluster.model.log_history import (
    FollowedLines,
    LogCountQuery,
    LogCounts,
    LogFollow,
    LogPage,
    LogSearch,
    LogStanding,
)
from cluster.model.readiness import HostQuestion, HostReadiness
from cluster.model.resources import DiskUsage, HostResources, PulledImage, Removal, ResourceKind
from cluster.raft.tls import IdentityError, peer_identity

VIEW_TIMEOUT_S = 2.0
WATCH_TIMEOUT_S = 0.8
"""Whoever watches asks every second; one host that is silent must not make it three for all."""
READINESS_TIMEOUT_S = 10.0
ACT_TIMEOUT_S = 70.0
BEAT_TIMEOUT_S = 1.0
PULL_TIMEOUT_S = 610.0
"""Beyond what the host itself gives a pull."""
HISTORY_TIMEOUT_S = 20.0
LOG_SEARCH_TIMEOUT_S = 20.0
LOG_IDLE_S = 3600.0
CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
LOG_FRAME_BYTES_MAX = 1024 * 1024

_Answer = TypeVar("_Answer")


class PeerClient:
    """Calls to peers by node id; `address_of` gives their peer port as "host:port", or None.

    Every call raises HostUnavailable when the host cannot be reached in time, or HostRefused.
    """

    def __init__(
        self,
        *,
        contexts: Callable[[], ssl.SSLContext],
        address_of: Callable[[str], str | None],
        cluster_id: str,
    ) -> None:
        self._contexts = contexts
        self._address_of = address_of
        self._cluster_id = cluster_id
        self._session: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> PeerClient:
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=16, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        # What is open for hours must not take the connections that heartbeats need.
        streams = aiohttp.TCPConnector(limit=0, limit_per_host=256, force_close=True)
        self._streams = aiohttp.ClientSession(connector=streams, auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._streams):
            if session is not None:
                await session.close()

    async def beat(self, node_id: str, beat: Beat) -> BeatAnswer:
        body = await self._ask(
            node_id, "POST", protocol.BEAT, data=BEATS.encode(beat), timeout_s=BEAT_TIMEOUT_S
        )
        return _decoded(BEAT_ANSWERS, body, node_id)

    async def report_traffic(self, node_id: str, report: TrafficReport) -> None:
        data = TRAFFIC_REPORTS.encode(report)
        await self._ask(node_id, "POST", protocol.TRAFFIC, data=data, timeout_s=BEAT_TIMEOUT_S)

    async def inventory(self, node_id: str) -> HostInventory:
        body = await self._ask(node_id, "GET", protocol.INVENTORY, timeout_s=VIEW_TIMEOUT_S)
        return _decoded(INVENTORIES, body, node_id)

    async def live(self, node_id: str) -> HostLive:
        body = await self._ask(node_id, "GET", protocol.LIVE, timeout_s=VIEW_TIMEOUT_S)
        return _decoded(LIVES, body, node_id)

    async def watch(self, node_id: str, moments: int) -> HostLive:
        query = {"moments": str(moments)}
        body = await self._ask(node_id, "GET", protocol.WATCH, timeout_s=WATCH_TIMEOUT_S, query=query)
        return _decoded(LIVES, body, node_id)

    async def image_digest(self, node_id: str, image: str) -> str:
        body = await self._ask(
            node_id, "GET", protocol.DIGEST, query={"image": image}, timeout_s=ACT_TIMEOUT_S
        )
        return body.decode()

    async def readiness(self, node_id: str, question: HostQuestion) -> HostReadiness:
        data = QUESTIONS.encode(question)
        body = await self._ask(node_id, "POST", protocol.READINESS, data=data, timeout_s=READINESS_TIMEOUT_S)
        return _decoded(READINESSES, body, node_id)

    async def reset_account(self, node_id: str, name: str) -> str:
        """Return the new password. A host does this for itself alone."""
        body = await self._ask(
            node_id, "POST", protocol.RESET, data=name.encode(), timeout_s=READINESS_TIMEOUT_S
        )
        return body.decode()

    async def scaling(self, node_id: str, service_id: str) -> ScalingStanding:
        path = protocol.SCALING.format(service=service_id)
        body = await self._ask(node_id, "GET", path, timeout_s=VIEW_TIMEOUT_S)
        return _decoded(STANDINGS, body, node_id)

    async def adoptable(self, node_id: str, question: AdoptionQuestion) -> HostFound:
        data = ADOPTION_QUESTIONS.encode(question)
        body = await self._ask(node_id, "POST", protocol.ADOPTABLE, data=data, timeout_s=READINESS_TIMEOUT_S)
        return _decoded(ADOPTABLES, body, node_id)

    async def resources(self, node_id: str, kind: ResourceKind, *, with_sizes: bool) -> HostResources:
        path = protocol.RESOURCES.format(kind=kind.value)
        # Who asks for sizes waits for an engine that counts; who does not, as for any list.
        timeout_s = READINESS_TIMEOUT_S if with_sizes else VIEW_TIMEOUT_S
        query = {"sizes": "1" if with_sizes else "0"}
        body = await self._ask(node_id, "GET", path, query=query, timeout_s=timeout_s)
        return _decoded(RESOURCE_LISTS, body, node_id)

    async def disk_usage(self, node_id: str) -> DiskUsage:
        body = await self._ask(node_id, "GET", protocol.DISK_USAGE, timeout_s=ACT_TIMEOUT_S)
        return _decoded(DISK_USAGES, body, node_id)

    async def remove_resource(self, node_id: str, removal: Removal, *, caller: Caller) -> None:
        data = REMOVALS.encode(removal)
        await self._ask(
            node_id, "POST", protocol.REMOVE_RESOURCE, data=data, caller=caller, timeout_s=ACT_TIMEOUT_S
        )

    async def pull_image(self, node_id: str, image: str, *, caller: Caller) -> PulledImage:
        body = await self._ask(
            node_id,
            "POST",
            protocol.PULL,
            query={"image": image},
            caller=caller,
            timeout_s=PULL_TIMEOUT_S,
        )
        return _decoded(PULLED, body, node_id)

    async def history(self, node_id: str, start_ms: int, end_ms: int, *, after: bytes) -> HistoryPage:
        question = HistoryQuestion(start_ms=start_ms, end_ms=end_ms, after=after)
        body = await self._ask(
            node_id,
            "POST",
            protocol.HISTORY,
            data=HISTORY_QUESTIONS.encode(question),
            timeout_s=HISTORY_TIMEOUT_S,
        )
        return _decoded(HISTORY_PAGES, body, node_id)

    async def renew(self, node_id: str, signing_request: str) -> str:
        data = signing_request.encode()
        return (await self._ask(node_id, "POST", protocol.RENEW, data=data, timeout_s=10.0)).decode()

    async def act(
        self, node_id: str, container: str, action: ContainerAction, *, caller: Caller, force: bool
    ) -> None:
        path = protocol.CONTAINER.format(container=container) + f"/{action.value}"
        query = {"force": "1" if force else "0"}
        await self._ask(node_id, "POST", path, query=query, caller=caller, timeout_s=ACT_TIMEOUT_S)

    async def inspect(self, node_id: str, container: str, *, caller: Caller) -> Mapping[str, object]:
        path = protocol.CONTAINER.format(container=container) + "/inspect"
        body = await self._ask(node_id, "GET", path, caller=caller, timeout_s=ACT_TIMEOUT_S)
        detail = json.loads(body)
        assert isinstance(detail, dict)
        return detail

    @asynccontextmanager
    async def logs(
        self, node_id: str, container: str, query: LogQuery, *, caller: Caller
    ) -> AsyncIterator[AsyncIterator[LogLine]]:
        path = protocol.CONTAINER.format(container=container) + "/logs"
        parameters = {
            "tail": "" if query.tail is None else str(query.tail),
            "since_ms": str(query.since_ms),
            "follow": "1" if query.is_following else "0",
        }
        limits = aiohttp.ClientTimeout(total=None, connect=VIEW_TIMEOUT_S, sock_read=LOG_IDLE_S)
        async with self._open(
            node_id, "GET", path, limits=limits, query=parameters, caller=caller, is_stream=True
        ) as response:
            yield _frames(response, node_id)

    async def log_standing(self, node_id: str) -> LogStanding:
        body = await self._ask(node_id, "GET", protocol.LOG_STANDING, timeout_s=READINESS_TIMEOUT_S)
        return _decoded(LOG_STANDINGS, body, node_id)

    async def search_logs(self, node_id: str, query: LogSearch) -> LogPage:
        data = LOG_SEARCHES.encode(query)
        body = await self._ask(
            node_id, "POST", protocol.LOG_SEARCH, data=data, timeout_s=LOG_SEARCH_TIMEOUT_S
        )
        return _decoded(LOG_PAGES, body, node_id)

    async def count_logs(self, node_id: str, query: LogCountQuery) -> LogCounts:
        data = LOG_COUNT_QUERIES.encode(query)
        body = await self._ask(node_id, "POST", protocol.LOG_COUNT, data=data, timeout_s=LOG_SEARCH_TIMEOUT_S)
        return _decoded(LOG_COUNTS, body, node_id)

    @asynccontextmanager
    async def follow_logs(
        self, node_id: str, wanted: LogFollow
    ) -> AsyncIterator[AsyncIterator[FollowedLines]]:
        limits = aiohttp.ClientTimeout(total=None, connect=VIEW_TIMEOUT_S, sock_read=LOG_IDLE_S)
        data = LOG_FOLLOWS.encode(wanted)
        async with self._open(
            node_id, "POST", protocol.LOG_FOLLOW, limits=limits, data=data, is_stream=True
        ) as response:
            yield _followed(response, node_id)

    async def _ask(
        self,
        node_id: str,
        method: str,
        path: str,
        *,
        timeout_s: float,
        data: bytes | None = None,
        query: Mapping[str, str] | None = None,
        caller: Caller | None = None,
    ) -> bytes:
        limits = aiohttp.ClientTimeout(total=timeout_s)
        opening = self._open(node_id, method, path, limits=limits, data=data, query=query, caller=caller)
        try:
            async with opening as response:
                return await response.content.read()
        except (aiohttp.ClientError, TimeoutError, EncodingError) as error:
            raise HostUnavailable(f"{node_id} did not answer: {_words(error)}") from error

    @asynccontextmanager
    async def connect(
        self, node_id: str, path: str, *, caller: Caller
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket to a host, for what goes both ways. Raises HostUnavailable."""
        assert self._streams is not None, "the client is used inside `async with`"
        address = self._address_of(node_id)
        if address is None:
            raise HostUnavailable(f"no address of {node_id} is known")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await self._streams.ws_connect(
                    f"https://{address}{path}",
                    headers={protocol.CALLER_HEADER: protocol.encode_caller(caller)},
                    ssl=self._contexts(),
                    max_msg_size=protocol.MESSAGE_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HostUnavailable(f"{node_id} at {address} cannot be reached: {_words(error)}") from error
        async with socket:
            self._check_certificate(node_id, socket.get_extra_info("ssl_object"))
            watch_peer(socket.get_extra_info("socket"))
            yield socket

    @asynccontextmanager
    async def open(
        self,
        node_id: str,
        method: str,
        path: str,
        *,
        caller: Caller,
        query: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        idle_s: float | None = None,
        total_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask a host, and read its answer as it comes. Raises HostUnavailable or HostRefused on entering."""
        limits = aiohttp.ClientTimeout(total=total_s, connect=CONNECT_TIMEOUT_S, sock_read=idle_s)
        async with self._open(
            node_id, method, path, limits=limits, data=data, query=query, caller=caller, is_stream=True
        ) as response:
            yield response

    @asynccontextmanager
    async def _open(
        self,
        node_id: str,
        method: str,
        path: str,
        *,
        limits: aiohttp.ClientTimeout,
        data: bytes | AsyncIterator[bytes] | None = None,
        query: Mapping[str, str] | None = None,
        caller: Caller | None = None,
        is_stream: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        session = self._streams if is_stream else self._session
        assert session is not None, "the client is used inside `async with`"
        address = self._address_of(node_id)
        if address is None:
            raise HostUnavailable(f"no address of {node_id} is known")
        headers = {} if caller is None else {protocol.CALLER_HEADER: protocol.encode_caller(caller)}
        try:
            response = await session.request(
                method,
                f"https://{address}{path}",
                params=query,
                data=data,
                headers=headers,
                ssl=self._contexts(),
                timeout=limits,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HostUnavailable(f"{node_id} at {address} cannot be reached: {_words(error)}") from error
        async with response:
            self._check_identity(node_id, response)
            if response.status >= 400:
                await _raise_refusal(node_id, response)
            yield response

    def _check_identity(self, node_id: str, response: aiohttp.ClientResponse) -> None:
        """The certificate says who answers; the address does not."""
        connection = response.connection
        transport = connection.transport if connection is not None else None
        ssl_object: Any = transport.get_extra_info("ssl_object") if transport is not None else None
        if ssl_object is None:
            # The connection went back to the pool with the whole answer; it was checked when it was opened.
            return
        self._check_certificate(node_id, ssl_object)

    def _check_certificate(self, node_id: str, ssl_object: Any) -> None:
        try:
            identity = peer_identity(ssl_object.getpeercert() or {})
        except IdentityError as error:
            raise HostUnavailable(f"{node_id}: {error}") from error
        if (identity.node_id, identity.cluster_id) != (node_id, self._cluster_id):
            raise HostUnavailable(f"{identity.node_id} answers at the address of {node_id}")


async def _raise_refusal(node_id: str, response: aiohttp.ClientResponse) -> None:
    body = await response.read()
    try:
        refusal = REFUSALS.decode(body)
    except EncodingError as error:
        raise HostUnavailable(f"{node_id} answered with status {response.status}") from error
    if refusal.code == "unavailable":
        raise HostUnavailable(refusal.reason)
    raise HostRefused(refusal.reason, code=refusal.code)


async def _frames(response: aiohttp.ClientResponse, node_id: str) -> AsyncIterator[LogLine]:
    async for body in _bodies(response, node_id, LOG_FRAME_BYTES_MAX):
        yield LOG_LINES.decode(body)


async def _followed(response: aiohttp.ClientResponse, node_id: str) -> AsyncIterator[FollowedLines]:
    async for body in _bodies(response, node_id, protocol.BODY_BYTES_MAX):
        yield _decoded(FOLLOWED, body, node_id)


async def _bodies(response: aiohttp.ClientResponse, node_id: str, bytes_max: int) -> AsyncIterator[bytes]:
    try:
        while True:
            header = await response.content.readexactly(4)
            (length,) = struct.unpack(">I", header)
            if length > bytes_max:
                raise HostUnavailable(f"{node_id} sent a log frame of {length} bytes")
            yield await response.content.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise HostUnavailable(f"{node_id} stopped in the middle of a log line") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise HostUnavailable(f"{node_id} stopped sending its log: {_words(error)}") from error


def _decoded(codec: Codec[_Answer], body: bytes, node_id: str) -> _Answer:
    """Return what a host answered. One of a newer version is as good as silent, and no reason to fail."""
    try:
        return codec.decode(body)
    except EncodingError as error:
        raise HostUnavailable(f"{node_id} answers in words of another version: {error}") from error


def _words(error: Exception) -> str:
    """Return why, for people: aiohttp's own text names objects in memory."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        return _cause(error.os_error)
    return str(error) or type(error).__name__


def _cause(error: OSError) -> str:
    # asyncio words it as "Connect call failed (address, port)", which was said already.
    return os.strerror(error.errno).lower() if error.errno else str(error) or type(error).__name__
