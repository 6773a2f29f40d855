"""What a host needs to run what must never run twice, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock
from agent.docker.watcher import Inventory
from agent.follow.keeper_link import DirectoryKeeper
from agent.follow.lease import HostLease, is_newest_order
from agent.follow.leave import PlannedLeave
from agent.follow.self_stop import SelfStop
from agent.keeper.lease_file import current_boot_id
from agent.keeper.policy import LABEL_CLUSTER, LABEL_FENCED, STRICT
from agent.node.directory import DirectoryUnusable, NodeDirectory
from agent.node.state import NodeState
from agent.ports import ContainerEngine
from cluster.model.ids import NodeId
from cluster.model.node import Maintenance
from cluster.store.records import NODES


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedHost:
    """The lease, the agent's own end of it, and leave to be away."""

    lease: HostLease
    self_stop: SelfStop
    leave: PlannedLeave


def build_fenced_host(
    *,
    node_id: NodeId,
    cluster_id: str,
    directory: NodeDirectory,
    docker_socket: Path,
    engine: ContainerEngine,
    inventory: Callable[[], Inventory],
    state: NodeState,
    clock: Clock,
    environment: Mapping[str, str],
) -> FencedHost:
    """Return what keeps this host's fenced replicas. Raises DirectoryUnusable."""
    # systemd gives a directory in memory, and runs the keeper.
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    place = Path(given) / "keeper" if given else directory.keeper

    def committed_leave() -> Maintenance | None:
        with state.read() as txn:
            node = NODES.get(txn, node_id)
        return None if node is None else node.maintenance

    def has_fenced() -> bool:
        return any(
            container.labels.get(LABEL_FENCED) == STRICT and container.labels.get(LABEL_CLUSTER) == cluster_id
            for container in inventory().containers
        )

    try:
        keeper = DirectoryKeeper(
            place, is_supervised=bool(given), now_ms=lambda: int(clock.boottime_s() * 1000)
        )
    except OSError as error:
        raise DirectoryUnusable(
            f"{place}: {error.strerror}: the lease of this host is kept there; run as root"
        ) from error
    lease = HostLease(
        keeper=keeper,
        clock=clock,
        boot_id=current_boot_id(),
        cluster_id=cluster_id,
        docker_socket=str(docker_socket),
        leave=committed_leave,
        has_fenced=has_fenced,
        is_ordered=lambda key, token: is_newest_order(state.read, key, token),
    )
    return FencedHost(
        lease=lease,
        self_stop=SelfStop(lease=lease, engine=engine, clock=clock),
        leave=PlannedLeave(node_id=node_id, state=state, committed=committed_leave, lease=lease, clock=clock),
    )
