"""The end of this host's membership: what it ran for the cluster is taken down.

Members tell a removed host for as long as it asks (cluster.raft); nothing else ends a membership.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.clock import Clock
from agent.execute.fence import Fence, Superseded
from agent.execute.hooks import is_hook_of, remove_hook
from agent.execute.removing import remove_container
from agent.execute.replica import parse_labels
from agent.ports import ContainerEngine, EngineError

log = logging.getLogger(__name__)

LOOK_S = 0.5


async def wait_until_removed(is_removed: Callable[[], bool], clock: Clock) -> None:
    """Return once this host's removal is committed and a member has said so."""
    # Raft's status is in no feed of changes, so it is looked at.
    while not is_removed():
        await clock.sleep(LOOK_S)


async def take_down_replicas(engine: ContainerEngine, *, cluster_id: str) -> None:
    """Remove the cluster's containers from this host. Others are not touched.

    Nobody will order them away any more. What the engine refuses is left, and said.
    """
    try:
        found = await engine.containers()
    except EngineError as error:
        log.warning("removal.replicas_left", extra={"reason": str(error)})
        return
    fence = Fence()
    for container in found:
        labels = parse_labels(container.labels)
        is_hook = is_hook_of(container.labels, cluster_id)
        if not is_hook and (labels is None or labels.cluster_id != cluster_id):
            continue
        try:
            if is_hook or labels is None:
                await remove_hook(engine, container.name, cluster_id)
                continue
            permit = fence.permit(container.name, labels.token)
            await remove_container(engine, container.name, permit, cluster_id=cluster_id)
        except (EngineError, Superseded) as error:
            log.warning("removal.replica_left", extra={"container": container.name, "reason": str(error)})
        else:
            log.info("removal.replica_removed", extra={"container": container.name})
