"""The newest numbers of hosts and containers, without their past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.model.inventory import HostLive
from web.auth.call import Call
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.live_numbers import HOST
from web.tools.nodes import find_node, node_names
from web.tools.views import ContainerView
from web.tools.visibility import sight_of

Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNumbers:
    """A container's newest numbers by metric, whose names end in the unit."""

    id: str
    name: str
    project: str
    service: str
    numbers: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNumbers:
    """The newest numbers of one host and its containers, measured at `at_ms`; null: nothing is known yet."""

    node_id: str
    node_name: str
    at_ms: int | None
    numbers: Numbers
    containers: tuple[ContainerNumbers, ...]


async def get_current(context: Context, call: Call, *, node: str = "") -> list[HostNumbers]:
    """Return them by host name, of hosts that answer. Raises Problem when there is no host `node`."""
    await context.authority.admit(call, "metrics.read", "metrics")
    only = find_node(context.surroundings, node).id if node else None
    names = node_names(context.surroundings)
    found, _ = await read_containers(context)
    sight = sight_of(context, call)
    measures, host_numbers = sight.measures, sight.host_numbers
    containers = {(view.node_id, view.id): view for view in found if measures is None or measures(view)}
    hosts = [
        _numbers_of(
            host,
            names.get(host.node_id, host.node_id),
            containers,
            has_own=host_numbers is None or host_numbers(host.node_id),
        )
        for host in await context.live.read(patience_s=context.pace.list_patience_s)
        if only in (None, host.node_id)
    ]
    return sorted(hosts, key=lambda host: (host.node_name, host.node_id))


def _numbers_of(
    host: HostLive, name: str, known: Mapping[tuple[str, str], ContainerView], *, has_own: bool
) -> HostNumbers:
    by_subject: dict[str, dict[str, float]] = {}
    for series in host.series:
        # The last slot may still be filling.
        newest = next((value for value in reversed(series.values[-2:]) if value is not None), None)
        if newest is not None:
            by_subject.setdefault(series.subject, {})[series.metric] = newest
    numbers = by_subject.pop(HOST, {})
    return HostNumbers(
        node_id=host.node_id,
        node_name=name,
        at_ms=host.times_ms[-1] if host.times_ms else None,
        numbers=numbers if has_own else {},
        containers=tuple(
            ContainerNumbers(
                id=view.id, name=view.name, project=view.project, service=view.service, numbers=measured
            )
            for container_id, measured in by_subject.items()
            if (view := known.get((host.node_id, container_id))) is not None
        ),
    )
