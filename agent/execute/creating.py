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
_BUILT_IN = frozenset({"bridge", "host", "none"})
"""In these nobody has a name."""


class NameTaken(EngineRefused):
    """A container that is not ours has the replica's name."""


async def find_container(engine: ContainerEngine, replica: Replica, permit: Permit) -> ContainerDetail | None:
    """Return the container of this very replica, None when it is to be made (anew).

    Raises:
        NameTaken: somebody else's container, or another cluster's, has the name.
        Superseded: it was made for a newer order than the permit's.
    """
    if replica.adopted_id and (adopted := await find_adopted(engine, replica.adopted_id)) is not None:
        permit.check()
        return adopted
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


async def find_adopted(engine: ContainerEngine, container_id: str) -> ContainerDetail | None:
    """Return a container that was adopted, None once it is gone. It has no labels of ours."""
    try:
        found = await engine.inspect(container_id)
    except ContainerNotFound:
        return None
    # A name could be another container's by now; an id is nobody else's.
    is_it = found.id == container_id
    return found if is_it and found.state not in (ContainerState.REMOVING, ContainerState.DEAD) else None


async def _networks_beside(engine: ContainerEngine, replica: Replica) -> tuple[str, ...]:
    """The networks in which the project's adopted containers find each other."""
    names = set()
    for container_id in replica.beside:
        adopted = await find_adopted(engine, container_id)
        if adopted is not None:
            names |= {network.name for network in adopted.networks}
    return tuple(sorted(names - _BUILT_IN - {replica.network}))


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
        others = await _networks_beside(engine, replica)
        permit.check()
        try:
            return await engine.create(
                container_spec(
                    replica, token=permit.token, address=address, files=files, other_networks=others
                )
            )
        except NameConflict as error:
            conflict = error
    raise EngineRefused(
        f"the name {replica.container_name} is taken again and again", status=409
    ) from conflict
