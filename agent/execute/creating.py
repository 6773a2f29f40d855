"""The container of a replica: found, taken over, replaced or made."""

from __future__ import annotations

from agent.execute.fence import Permit
from agent.execute.removing import remove_container
from agent.execute.replica import LABEL_PROJECT, Replica, config_hash, container_spec, parse_labels
from agent.ports import (
    ContainerDetail,
    ContainerEngine,
    ContainerNotFound,
    ContainerState,
    EngineRefused,
    Mount,
    NameConflict,
)

_ATTEMPTS = 3


class NameTaken(EngineRefused):
    """A container that is not ours has the replica's name."""


async def find_container(engine: ContainerEngine, replica: Replica, permit: Permit) -> ContainerDetail | None:
    """Return the container of this very replica, None when it is to be made (anew).

    Raises:
        NameTaken: somebody else's container, or another cluster's, has the name.
        Superseded: it was made for a newer order than the permit's.
    """
    try:
        found = await engine.inspect(replica.container_name)
    except ContainerNotFound:
        return None
    labels = parse_labels(found.labels)
    if labels is None:
        raise NameTaken(
            f"a container named {found.name} exists that Control Tower did not make: rename or remove it",
            status=409,
        )
    if labels.cluster_id != replica.cluster_id:
        raise NameTaken(
            f"{found.name} is a container of another cluster ({labels.cluster_id or 'unknown'}): remove it if"
            " that cluster is gone",
            status=409,
        )
    permit.check(labels.token)
    is_same = labels.container_name == found.name and labels.config == config_hash(replica.spec)
    is_broken = found.state in (ContainerState.REMOVING, ContainerState.DEAD)
    return found if is_same and not is_broken else None


async def ensure_created(
    engine: ContainerEngine,
    replica: Replica,
    permit: Permit,
    *,
    address: str,
    files: tuple[Mount, ...] = (),
) -> str:
    """Return the id of the replica's container, which need not run; `files` are there. Raises as
    `find_container` does.
    """
    conflict: NameConflict | None = None
    for _ in range(_ATTEMPTS):
        found = await find_container(engine, replica, permit)
        if found is not None:
            return found.id
        await remove_container(engine, replica.container_name, permit, cluster_id=replica.cluster_id)
        permit.check()
        await engine.ensure_network(replica.network, labels={LABEL_PROJECT: replica.project})
        permit.check()
        try:
            return await engine.create(
                container_spec(replica, token=permit.token, address=address, files=files)
            )
        except NameConflict as error:
            conflict = error
    raise EngineRefused(
        f"the name {replica.container_name} is taken again and again", status=409
    ) from conflict
