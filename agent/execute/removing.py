"""A container from whatever it does to gone."""

from __future__ import annotations

from agent.execute.fence import Permit
from agent.execute.replica import parse_labels
from agent.ports import ContainerEngine, ContainerNotFound


async def remove_container(engine: ContainerEngine, name: str, permit: Permit, *, cluster_id: str) -> None:
    """Ask it to end, kill it after its own grace period, remove it; nothing happens when there is none.

    A container that is not ours is never touched. Raises Superseded when it was made for a newer order.
    """
    try:
        found = await engine.inspect(name)
    except ContainerNotFound:
        return
    labels = parse_labels(found.labels)
    if labels is None or labels.cluster_id != cluster_id or labels.container_name != found.name:
        return
    permit.check(labels.token)
    try:
        # By id from here on: the name may be another container's by then.
        await engine.stop(found.id)
        permit.check(labels.token)
        await engine.remove(found.id, force=True, volumes=True)
    except ContainerNotFound:
        return


async def remove_adopted(engine: ContainerEngine, container_id: str, permit: Permit) -> None:
    """The same for a container that somebody else made, by its id. Its volumes without a name stay: nobody
    has said that what is in them may go. Raises Superseded.
    """
    permit.check()
    try:
        await engine.stop(container_id)
        permit.check()
        await engine.remove(container_id, force=True)
    except ContainerNotFound:
        return
