"""Containers of every host from near: this one's directly, the others' through their agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager

from agent.follow.container_desk import LocalDesk
from agent.peers.container_client import ContainerPeers
from cluster.model.container_access import (
    ContainerSettings,
    ExecRequest,
    ExecSession,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStep,
)
from cluster.model.ids import NodeId
from cluster.model.inventory import Caller


class EveryDesk:
    """The `ContainerDesk` of the surfaces."""

    def __init__(self, *, node_id: NodeId, local: LocalDesk, peers: ContainerPeers) -> None:
        self._node_id = node_id
        self._local = local
        self._peers = peers

    def exec(
        self, node_id: str, container: str, request: ExecRequest, *, caller: Caller
    ) -> AbstractAsyncContextManager[ExecSession]:
        if node_id == self._node_id:
            return self._local.exec(container, request, caller=caller)
        return self._peers.exec(node_id, container, request, caller=caller)

    async def top(self, node_id: str, container: str, *, caller: Caller) -> ProcessTable:
        if node_id == self._node_id:
            return await self._local.top(container)
        return await self._peers.top(node_id, container, caller=caller)

    async def document(
        self, node_id: str, container: str, *, reveal: bool, caller: Caller
    ) -> Mapping[str, object]:
        if node_id == self._node_id:
            return await self._local.document(container, reveal=reveal)
        return await self._peers.document(node_id, container, reveal=reveal, caller=caller)

    async def files(self, node_id: str, container: str, path: str, *, caller: Caller) -> FileListing:
        if node_id == self._node_id:
            return await self._local.files(container, path)
        return await self._peers.files(node_id, container, path, caller=caller)

    def read_file(
        self, node_id: str, container: str, path: str, *, caller: Caller
    ) -> AbstractAsyncContextManager[FileReading]:
        if node_id == self._node_id:
            return self._local.read_file(container, path, caller=caller)
        return self._peers.read_file(node_id, container, path, caller=caller)

    async def write_file(
        self,
        node_id: str,
        container: str,
        write: FileWrite,
        chunks: AsyncIterator[bytes],
        *,
        caller: Caller,
    ) -> None:
        if node_id == self._node_id:
            await self._local.write_file(container, write, chunks, caller=caller)
        else:
            await self._peers.write_file(node_id, container, write, chunks, caller=caller)

    async def settings(self, node_id: str, container: str, *, caller: Caller) -> ContainerSettings:
        if node_id == self._node_id:
            return await self._local.settings(container)
        return await self._peers.settings(node_id, container, caller=caller)

    async def update(
        self, node_id: str, container: str, changes: LimitChanges, *, caller: Caller
    ) -> tuple[str, ...]:
        if node_id == self._node_id:
            return await self._local.update(container, changes, caller=caller)
        return await self._peers.update(node_id, container, changes, caller=caller)

    async def plan(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> ReplacementPlan:
        if node_id == self._node_id:
            return await self._local.plan(container, changes)
        return await self._peers.plan(node_id, container, changes, caller=caller)

    def replace(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[ReplacementStep]]:
        if node_id == self._node_id:
            return self._local.replace(container, changes, caller=caller)
        return self._peers.replace(node_id, container, changes, caller=caller)
