"""The port other hosts ask on: heartbeats to the leader, and requests about this host's containers.

Every connection proves a certificate of the cluster; what it may ask is decided where the person logged in.
The caller comes along and is written to this host's log.
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from agent.follow.local_host import LocalHost
from agent.follow.local_logs import LocalLogs
from agent.follow.local_resources import LocalResources
from agent.follow.peer_resources import add_resource_routes
from agent.peers import protocol
from agent.peers.protocol import (
    ADOPTABLES,
    ADOPTION_QUESTIONS,
    BEAT_ANSWERS,
    BEATS,
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
    QUESTIONS,
    READINESSES,
    REFUSALS,
    STANDINGS,
    TRAFFIC_REPORTS,
    Beat,
    BeatAnswer,
    HistoryPage,
    HistoryQuestion,
    Refusal,
    TrafficReport,
)
from cluster.encoding import EncodingError
from cluster.history.errors import HistoryError
from cluster.model.autoscaling import ScalingStanding
from cluster.model.inventory import Caller, ContainerAction, HostRefused, HostUnavailable
from cluster.raft.tls import IdentityError, peer_identity

log = logging.getLogger(__name__)

_STATUS = {"not-found": 404, "conflict": 409, "refused": 422, "unavailable": 503}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDuties:
    """What the rest of the agent answers to peers."""

    on_beat: Callable[[Beat], BeatAnswer | None]
    """The leader's answer; None while this node does not surely lead."""
    on_traffic: Callable[[TrafficReport], bool]
    """Whether this node leads, and took it."""
    is_removed: Callable[[str], bool]
    """Whether a node id has left the cluster: its certificate may still be valid."""
    renew: Callable[[str, str], Awaitable[str]]
    """Given node id and signing request, the new certificate. Raises HostRefused."""
    scaling: Callable[[str], ScalingStanding | None] = lambda _: None
    """How the leader sees an autoscaled service; None where this node does not lead, or has not looked."""
    history: Callable[[HistoryQuestion], Awaitable[HistoryPage]] | None = None
    """The next piece of this node's metric history. Raises HistoryError, or ValueError for a wrong cursor."""
    reset: Callable[[str], Awaitable[str]] | None = None
    """Given an account's name, its new password. Raises HostRefused or HostUnavailable."""
    logs: LocalLogs | None = None
    """What this host keeps of its containers' output."""


def build_peer_app(
    host: LocalHost, cluster_id: str, duties: PeerDuties, *, resources: LocalResources | None = None
) -> web.Application:
    """The application of the peer port."""
    requests = _Requests(host, duties)
    app = web.Application(
        middlewares=[_members_only(cluster_id, duties)], client_max_size=protocol.BODY_BYTES_MAX
    )
    container = protocol.CONTAINER
    app.router.add_post(protocol.BEAT, requests.beat)
    app.router.add_post(protocol.TRAFFIC, requests.traffic)
    app.router.add_get(protocol.INVENTORY, requests.inventory)
    app.router.add_get(protocol.LIVE, requests.live)
    app.router.add_get(protocol.WATCH, requests.watch)
    app.router.add_get(protocol.DIGEST, requests.digest)
    app.router.add_post(protocol.READINESS, requests.readiness)
    app.router.add_post(protocol.ADOPTABLE, requests.adoptable)
    app.router.add_post(protocol.RENEW, requests.renew)
    app.router.add_post(protocol.RESET, requests.reset)
    app.router.add_get(protocol.SCALING, requests.scaling)
    app.router.add_post(protocol.HISTORY, requests.history)
    app.router.add_get(protocol.LOG_STANDING, requests.log_standing)
    app.router.add_post(protocol.LOG_SEARCH, requests.search_logs)
    app.router.add_post(protocol.LOG_COUNT, requests.count_logs)
    app.router.add_post(protocol.LOG_FOLLOW, requests.follow_logs)
    app.router.add_get(container + "/inspect", requests.inspect)
    app.router.add_get(container + "/logs", requests.logs)
    app.router.add_post(container + "/{action}", requests.act)
    if resources is not None:
        add_resource_routes(app, resources)
    return app


PEER_KEY: web.RequestKey[str] = web.RequestKey("peer", str)


def _members_only(cluster_id: str, duties: PeerDuties) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        transport = request.transport
        connection = transport.get_extra_info("ssl_object") if transport is not None else None
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLObject) else None
        try:
            identity = peer_identity(certificate or {})
        except IdentityError as error:
            return _refuse(Refusal(code="refused", reason=str(error)))
        if identity.cluster_id != cluster_id or duties.is_removed(identity.node_id):
            return _refuse(Refusal(code="refused", reason="this node is not a member of the cluster"))
        request[PEER_KEY] = identity.node_id
        try:
            return await handler(request)
        except HostRefused as error:
            return _refuse(Refusal(code=error.code, reason=str(error)))
        except HostUnavailable as error:
            return _refuse(Refusal(code="unavailable", reason=str(error)))
        except EncodingError as error:
            return _refuse(Refusal(code="refused", reason=f"malformed request: {error}"))

    return check


def _refuse(refusal: Refusal) -> web.Response:
    return web.Response(body=REFUSALS.encode(refusal), status=_STATUS.get(refusal.code, 422))


class _Requests:
    def __init__(self, host: LocalHost, duties: PeerDuties) -> None:
        self._host = host
        self._duties = duties

    async def beat(self, request: web.Request) -> web.Response:
        beat = BEATS.decode(await request.read())
        if beat.node_id != request[PEER_KEY]:
            raise HostRefused(f"{request[PEER_KEY]} sent a heartbeat of {beat.node_id}", code="refused")
        answer = self._duties.on_beat(beat)
        if answer is None:
            raise HostUnavailable("this node does not lead, or cannot be sure that it does")
        return web.Response(body=BEAT_ANSWERS.encode(answer))

    async def traffic(self, request: web.Request) -> web.Response:
        report = TRAFFIC_REPORTS.decode(await request.read())
        if report.node_id != request[PEER_KEY]:
            raise HostRefused(f"{request[PEER_KEY]} sent the traffic of {report.node_id}", code="refused")
        if not self._duties.on_traffic(report):
            raise HostUnavailable("this node does not lead")
        return web.Response(status=204)

    async def inventory(self, _request: web.Request) -> web.Response:
        return web.Response(body=INVENTORIES.encode(self._host.inventory()))

    async def live(self, _request: web.Request) -> web.Response:
        return web.Response(body=LIVES.encode(self._host.live()))

    async def watch(self, request: web.Request) -> web.Response:
        moments = request.query.get("moments", "")
        if not re.fullmatch(r"[1-9]\d{0,3}", moments):
            raise HostRefused(f"moments = {moments!r} is not from 1 to 9999", code="refused")
        return web.Response(body=LIVES.encode(self._host.watch(int(moments))))

    async def digest(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._host.image_digest(request.query.get("image", "")))

    async def readiness(self, request: web.Request) -> web.Response:
        answer = await self._host.readiness(QUESTIONS.decode(await request.read()))
        return web.Response(body=READINESSES.encode(answer))

    async def adoptable(self, request: web.Request) -> web.Response:
        question = ADOPTION_QUESTIONS.decode(await request.read())
        return web.Response(body=ADOPTABLES.encode(await self._host.adoptable(question)))

    async def renew(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._duties.renew(request[PEER_KEY], await request.text()))

    async def reset(self, request: web.Request) -> web.Response:
        own = self._host.node_id
        if request[PEER_KEY] != own:
            log.warning("peers.reset_refused", extra={"peer": request[PEER_KEY]})
            raise HostRefused("an account is reset on the host where one is, and on no other", code="refused")
        if self._duties.reset is None:
            raise HostUnavailable("this node resets no accounts")
        return web.Response(text=await self._duties.reset(await request.text()))

    async def scaling(self, request: web.Request) -> web.Response:
        standing = self._duties.scaling(request.match_info["service"])
        if standing is None:
            raise HostUnavailable("this node does not lead, or has not looked at the service yet")
        return web.Response(body=STANDINGS.encode(standing))

    async def history(self, request: web.Request) -> web.Response:
        question = HISTORY_QUESTIONS.decode(await request.read())
        if self._duties.history is None:
            raise HostUnavailable("this node keeps no metric history")
        try:
            page = await self._duties.history(question)
        except HistoryError as error:
            raise HostUnavailable(str(error)) from error
        except ValueError as error:
            raise HostRefused(str(error), code="refused") from error
        return web.Response(body=HISTORY_PAGES.encode(page))

    async def inspect(self, request: web.Request) -> web.Response:
        detail = await self._host.inspect(request.match_info["container"])
        return web.Response(text=json.dumps(detail), content_type="application/json")

    async def act(self, request: web.Request) -> web.Response:
        name = request.match_info["action"]
        if name not in [action.value for action in ContainerAction]:
            raise HostRefused(f"{name!r} is nothing that can be done to a container", code="refused")
        await self._host.act(
            request.match_info["container"],
            ContainerAction(name),
            caller=_caller(request),
            force=request.query.get("force") == "1",
        )
        return web.Response(status=204)

    async def log_standing(self, _request: web.Request) -> web.Response:
        return web.Response(body=LOG_STANDINGS.encode(await self._logs().standing()))

    async def search_logs(self, request: web.Request) -> web.Response:
        page = await self._logs().search(LOG_SEARCHES.decode(await request.read()))
        return web.Response(body=LOG_PAGES.encode(page))

    async def count_logs(self, request: web.Request) -> web.Response:
        counts = await self._logs().count(LOG_COUNT_QUERIES.decode(await request.read()))
        return web.Response(body=LOG_COUNTS.encode(counts))

    async def follow_logs(self, request: web.Request) -> web.StreamResponse:
        wanted = LOG_FOLLOWS.decode(await request.read())
        async with self._logs().follow(wanted) as batches:
            response = web.StreamResponse()
            await response.prepare(request)
            async for batch in batches:
                body = FOLLOWED.encode(batch)
                await response.write(struct.pack(">I", len(body)) + body)
            await response.write_eof()
            return response

    def _logs(self) -> LocalLogs:
        if self._duties.logs is None:
            raise HostUnavailable("this node keeps no container output")
        return self._duties.logs

    async def logs(self, request: web.Request) -> web.StreamResponse:
        query = protocol.read_log_query(request.query)
        async with self._host.logs(request.match_info["container"], query) as lines:
            response = web.StreamResponse()
            await response.prepare(request)
            async for line in lines:
                body = LOG_LINES.encode(line)
                await response.write(struct.pack(">I", len(body)) + body)
            await response.write_eof()
            return response


def _caller(request: web.Request) -> Caller:
    header = request.headers.get(protocol.CALLER_HEADER)
    if header is None:
        raise HostRefused("a request for a container names the person behind it", code="refused")
    return protocol.decode_caller(header)
