"""Containers of every host: this one's directly, the others' through their agents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from agent.clock import Clock
from agent.follow.ask_each import ask_each
from agent.follow.local_host import LocalHost
from agent.peers.client import PeerClient
from cluster.model.adoption import AdoptionQuestion, HostFound
from cluster.model.ids import NodeId
from cluster.model.inventory import (
    Caller,
    ContainerAction,
    HostInventory,
    HostLive,
    HostRefused,
    HostUnavailable,
    HostView,
    LogLine,
    LogQuery,
)
from cluster.model.readiness import HostQuestion, HostReadiness

log = logging.getLogger(__name__)

FRESH_S = 2.0


@dataclass(slots=True)
class _Known:
    inventory: HostInventory | None = None
    answered_at_s: float = 0.0
    lag: int = 0
    read_at_s: float = 0.0
    problem: str = ""


class EveryHost:
    """The `Hosts` of the surfaces.

    `node_ids` lists the members of the cluster now, `commit_index` is the newest committed entry known here.
    """

    def __init__(
        self,
        *,
        local: LocalHost,
        client: PeerClient,
        node_ids: Callable[[], Sequence[NodeId]],
        commit_index: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._local = local
        self._client = client
        self._node_ids = node_ids
        self._commit_index = commit_index
        self._clock = clock
        self._known: dict[NodeId, _Known] = {}
        self._refreshing = asyncio.Lock()

    async def views(self) -> Sequence[HostView]:
        node_ids = sorted(self._node_ids())
        # One reader asks the hosts; the others wait and share what it got.
        async with self._refreshing:
            now_s = self._clock.monotonic_s()
            stale = [
                node_id
                for node_id in node_ids
                if node_id != self._local.node_id and now_s - self._entry(node_id).read_at_s > FRESH_S
            ]
            await asyncio.gather(*(self._refresh(node_id) for node_id in stale))
        for node_id in [node_id for node_id in self._known if node_id not in node_ids]:
            del self._known[node_id]
        return [self._view(node_id) for node_id in node_ids]

    async def live(self) -> Sequence[HostLive]:
        node_ids = sorted(self._node_ids())
        answers = await asyncio.gather(*(self._live(node_id) for node_id in node_ids))
        return [answer for answer in answers if answer is not None]

    async def watch(self, moments: int) -> Sequence[HostLive]:
        node_ids = sorted(self._node_ids())
        answers = await asyncio.gather(*(self._watch(node_id, moments) for node_id in node_ids))
        return [answer for answer in answers if answer is not None]

    async def act(
        self, node_id: str, container_id: str, action: ContainerAction, *, caller: Caller, force: bool = False
    ) -> None:
        if node_id == self._local.node_id:
            await self._local.act(container_id, action, caller=caller, force=force)
        else:
            await self._client.act(node_id, container_id, action, caller=caller, force=force)
        self._entry(NodeId(node_id)).read_at_s = float("-inf")

    async def inspect(self, node_id: str, container_id: str, *, caller: Caller) -> Mapping[str, object]:
        if node_id == self._local.node_id:
            return await self._local.inspect(container_id)
        return await self._client.inspect(node_id, container_id, caller=caller)

    def logs(
        self, node_id: str, container_id: str, query: LogQuery, *, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        if node_id == self._local.node_id:
            return self._local.logs(container_id, query)
        return self._client.logs(node_id, container_id, query, caller=caller)

    async def image_digest(self, image: str) -> str:
        """Ask this host's engine; when it cannot, the others' in turn."""
        try:
            return await self._local.image_digest(image)
        except HostUnavailable as error:
            problem = error
        for node_id in sorted(self._node_ids()):
            if node_id == self._local.node_id:
                continue
            try:
                return await self._client.image_digest(node_id, image)
            except HostUnavailable as error:
                problem = error
        raise problem

    async def check_login(self, registry: str, username: str, password: str) -> str:
        """Ask this host's engine only: a password goes to no more places than it must."""
        return await self._local.check_login(registry, username, password)

    async def readiness(
        self, questions: Mapping[str, HostQuestion]
    ) -> Mapping[str, HostReadiness | HostUnavailable]:
        """Ask hosts at the same time; of one that does not answer within its time, why."""

        async def ask(node_id: str) -> HostReadiness:
            question = questions[node_id]
            if node_id == self._local.node_id:
                return await self._local.readiness(question)
            return await self._client.readiness(node_id, question)

        return await ask_each(questions, ask)

    async def adoptable(
        self, question: AdoptionQuestion, node_ids: Sequence[str]
    ) -> Mapping[str, HostFound | HostUnavailable]:
        """Ask hosts at the same time what they have; of one that does not say, why."""

        async def ask(node_id: str) -> HostFound:
            if node_id == self._local.node_id:
                return await self._local.adoptable(question)
            return await self._client.adoptable(node_id, question)

        return await ask_each(node_ids, ask)

    async def _refresh(self, node_id: NodeId) -> None:
        entry = self._entry(node_id)
        try:
            inventory = entry.inventory = await self._client.inventory(node_id)
            entry.answered_at_s = self._clock.monotonic_s()
            entry.lag = max(0, self._commit_index() - inventory.applied_index)
            entry.problem = ""
        except (HostUnavailable, HostRefused) as error:
            entry.problem = str(error)
        entry.read_at_s = self._clock.monotonic_s()

    async def _live(self, node_id: NodeId) -> HostLive | None:
        if node_id == self._local.node_id:
            return self._local.live()
        try:
            return await self._client.live(node_id)
        except (HostUnavailable, HostRefused) as error:
            log.debug("peer.live_unavailable", extra={"peer": node_id, "reason": str(error)})
            return None

    async def _watch(self, node_id: NodeId, moments: int) -> HostLive | None:
        if node_id == self._local.node_id:
            return self._local.watch(moments)
        try:
            return await self._client.watch(node_id, moments)
        except (HostUnavailable, HostRefused):
            # Asked again in a second.
            return None

    def _view(self, node_id: NodeId) -> HostView:
        if node_id == self._local.node_id:
            inventory = self._local.inventory()
            return HostView(
                node_id=node_id, inventory=inventory, age_ms=inventory.age_ms, problem=inventory.problem
            )
        entry = self._entry(node_id)
        if entry.inventory is None:
            return HostView(node_id=node_id, inventory=None, age_ms=None, problem=entry.problem)
        answered_ago_s = self._clock.monotonic_s() - entry.answered_at_s
        return HostView(
            node_id=node_id,
            inventory=entry.inventory,
            age_ms=entry.inventory.age_ms + round(answered_ago_s * 1000),
            problem=entry.problem or entry.inventory.problem,
            lag=None if entry.problem else entry.lag,
        )

    def _entry(self, node_id: NodeId) -> _Known:
        entry = self._known.get(node_id)
        if entry is None:
            entry = self._known[node_id] = _Known(read_at_s=float("-inf"))
        return entry
