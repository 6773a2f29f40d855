"""Images, volumes and networks of every host: this one's directly, the others' through their agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.follow.ask_each import ask_each
from agent.follow.local_resources import LocalResources
from agent.peers.client import PeerClient
from cluster.model.inventory import Caller, HostUnavailable
from cluster.model.resources import DiskUsage, HostResources, PulledImage, Removal, ResourceKind


class EveryResources:
    """The `Resources` of the surfaces."""

    def __init__(self, *, local: LocalResources, client: PeerClient) -> None:
        self._local = local
        self._client = client

    async def of_hosts(
        self, kind: ResourceKind, node_ids: Sequence[str], *, with_sizes: bool = False
    ) -> Mapping[str, HostResources | HostUnavailable]:
        async def ask(node_id: str) -> HostResources:
            if node_id == self._local.node_id:
                return await self._local.of_kind(kind, with_sizes=with_sizes)
            return await self._client.resources(node_id, kind, with_sizes=with_sizes)

        return await ask_each(node_ids, ask)

    async def disk_usage(self, node_id: str) -> DiskUsage:
        if node_id == self._local.node_id:
            return await self._local.disk_usage()
        return await self._client.disk_usage(node_id)

    async def remove(self, node_id: str, removal: Removal, *, caller: Caller) -> None:
        if node_id == self._local.node_id:
            await self._local.remove(removal, caller=caller)
        else:
            await self._client.remove_resource(node_id, removal, caller=caller)

    async def pull(self, node_id: str, image: str, *, caller: Caller) -> PulledImage:
        if node_id == self._local.node_id:
            return await self._local.pull(image, caller=caller)
        return await self._client.pull_image(node_id, image, caller=caller)
