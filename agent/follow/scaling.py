"""How the leader sees services that are scaled by themselves, for who asks on this host."""

from __future__ import annotations

from collections.abc import Callable

from agent.peers.client import PeerClient
from cluster.model.autoscaling import ScalingStanding
from cluster.model.ids import NodeId
from cluster.model.inventory import HostRefused, HostUnavailable


class LeaderScaling:
    """The `ScalingDesk` of the surfaces: what is only known where the leader is."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        leader_id: Callable[[], str | None],
        own: Callable[[str], ScalingStanding | None],
        client: PeerClient,
    ) -> None:
        self._node_id = node_id
        self._leader_id = leader_id
        self._own = own
        self._client = client

    async def standing(self, service_id: str) -> ScalingStanding | None:
        """Return how the leader saw it last, None where nobody can say now."""
        leader = self._leader_id()
        if leader == self._node_id:
            return self._own(service_id)
        if leader is None:
            return None
        try:
            return await self._client.scaling(leader, service_id)
        except (HostUnavailable, HostRefused):
            return None
