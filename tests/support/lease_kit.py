"""A host's lease without heartbeats or a keeper's process."""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.follow.lease import HostLease
from agent.keeper.lease_file import Lease
from agent.peers.protocol import BeatAnswer
from cluster.failover import LEASE_MS
from cluster.model.node import Maintenance
from cluster.model.service import AssignmentKey

BOOT = "0f0f"


class MemoryKeeper:
    """An `agent.follow.lease.KeeperLink`: `handed` is the newest lease, `problem` why it is not awake.

    While `failure` is set, nothing is written.
    """

    def __init__(self, handed: Lease | None = None) -> None:
        self.handed = handed
        self.problem = ""
        self.failure: OSError | None = None

    def read(self) -> Lease | None:
        return self.handed

    def write(self, lease: Lease) -> None:
        if self.failure is not None:
            raise self.failure
        self.handed = lease

    def why_not_awake(self) -> str:
        return self.problem


def a_lease(
    keeper: MemoryKeeper,
    clock: Clock,
    *,
    cluster_id: str = "c1",
    leave: Callable[[], Maintenance | None] = lambda: None,
    has_fenced: Callable[[], bool] = lambda: False,
    is_ordered: Callable[[AssignmentKey, int], bool] = lambda _key, _token: True,
) -> HostLease:
    return HostLease(
        keeper=keeper,
        clock=clock,
        boot_id=BOOT,
        cluster_id=cluster_id,
        docker_socket="/run/docker.sock",
        leave=leave,
        has_fenced=has_fenced,
        is_ordered=is_ordered,
    )


def an_answer(lease_ms: int = LEASE_MS, *, term: int = 1) -> BeatAnswer:
    return BeatAnswer(leader_id="n2", term=term, lease_ms=lease_ms)
