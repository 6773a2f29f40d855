"""Container output of every host: this one's directly, the others' through their agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from agent.follow.ask_each import ask_each
from agent.follow.local_logs import LocalLogs
from agent.peers.client import PeerClient
from cluster.model.ids import NodeId
from cluster.model.inventory import HostUnavailable
from cluster.model.log_history import (
    FollowedLines,
    LogCountQuery,
    LogCounts,
    LogFollow,
    LogPage,
    LogSearch,
    LogStanding,
)


class EveryLog:
    """The `LogHistory` of the surfaces. `node_ids` lists the members of the cluster now."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        local: LocalLogs,
        client: PeerClient,
        node_ids: Callable[[], Sequence[NodeId]],
    ) -> None:
        self._node_id = node_id
        self._local = local
        self._client = client
        self._node_ids = node_ids

    async def standings(self) -> Mapping[str, LogStanding | HostUnavailable]:
        async def ask(node_id: str) -> LogStanding:
            if node_id == self._node_id:
                return await self._local.standing()
            return await self._client.log_standing(node_id)

        return await ask_each(self._node_ids(), ask)

    async def search(self, queries: Mapping[str, LogSearch]) -> Mapping[str, LogPage | HostUnavailable]:
        async def ask(node_id: str) -> LogPage:
            if node_id == self._node_id:
                return await self._local.search(queries[node_id])
            return await self._client.search_logs(node_id, queries[node_id])

        return await ask_each(queries, ask)

    async def count(self, queries: Mapping[str, LogCountQuery]) -> Mapping[str, LogCounts | HostUnavailable]:
        async def ask(node_id: str) -> LogCounts:
            if node_id == self._node_id:
                return await self._local.count(queries[node_id])
            return await self._client.count_logs(node_id, queries[node_id])

        return await ask_each(queries, ask)

    def follow(
        self, node_id: str, wanted: LogFollow
    ) -> AbstractAsyncContextManager[AsyncIterator[FollowedLines]]:
        if node_id == self._node_id:
            return self._local.follow(wanted)
        return self._client.follow_logs(node_id, wanted)
