"""Which services have a limit or a reservation of memory that does not fit what they use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cluster.analytics.capacity import worst_use
from cluster.analytics.series import DAY_MS
from cluster.analytics.sizing import Advice, Sizing, size_memory
from cluster.metrics.query import Selector
from cluster.model.ids import ServiceId
from cluster.model.metrics import SubjectKind
from cluster.placement import Household
from cluster.rbac import Resource
from web.auth.call import Call
from web.tools.analytics_data import Scope, make_scope, read_hours
from web.tools.analytics_trend import READ
from web.tools.analytics_views import rounded
from web.tools.context import Context
from web.tools.nodes import node_names
from web.tools.placement import read_census
from web.tools.visibility import about, sight_of

_DAYS = 7
_ORDER = tuple(Advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingView:
    """The memory of a service's replicas, in bytes for each. `worst` is what the one that needs most needs in
    its worst hours; `limit` and `reserved` are what the service has, null without; the `good` ones what it
    should have instead, null to leave it. `advice` is raise, reserve, lower, fine or unknown."""

    service_id: str
    replicas: int
    worst: float | None
    limit: float | None
    reserved: float | None
    advice: Advice
    good_limit: float | None
    good_reserved: float | None
    idle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingsView:
    """Every service, those first that want something done. `idle` bytes are reserved by all of them and used
    by none; `notes` say what could not be concluded."""

    services: tuple[SizingView, ...]
    idle: float
    notes: tuple[str, ...]


async def advise_sizes(context: Context, call: Call) -> SizingsView:
    """Return advice on the memory of every service."""
    for action, resource in ((READ, "metrics"), ("service.read", "service")):
        await context.authority.admit(call, action, resource)
    census = await read_census(context)
    seen = _seen(context, call, census.households)
    names = node_names(context.surroundings)
    now_ms = context.surroundings.clock.now_ms()
    subjects = await context.surroundings.history.subjects(Selector(kinds=(SubjectKind.CONTAINER,)))
    replicas: dict[str, list[Scope]] = defaultdict(list)
    for subject in subjects:
        service = subject.definition.label("service")
        # What ended last week needs nothing any more; it is known to within a day when that was.
        if service in seen and subject.seen_ms >= now_ms - 2 * DAY_MS:
            replicas[service].append(make_scope([subject], names))
    hours = await read_hours(
        context, [scope for some in replicas.values() for scope in some], ("memory_bytes",), days=_DAYS
    )
    views = []
    for service_id, household in sorted(seen.items()):
        known = [hours.of(scope, "memory_bytes") for scope in replicas[service_id]]
        worst = max((use for each in known if (use := worst_use(each)) is not None), default=None)
        resources = household.spec.resources
        limit = _float(resources.memory_limit_bytes)
        reserved = _float(resources.memory_reservation_bytes)
        found = size_memory(
            worst,
            limit=limit,
            reserved=reserved,
            hours_known=max((each.hours_known for each in known), default=0),
        )
        views.append(_view(service_id, len(household.occupants), worst, limit, reserved, found))
    views.sort(key=lambda view: (_ORDER.index(view.advice), -view.idle, view.service_id))
    return SizingsView(
        services=tuple(views),
        idle=float(np.sum([view.idle * view.replicas for view in views])),
        notes=hours.notes,
    )


def _seen(context: Context, call: Call, households: Mapping[ServiceId, Household]) -> dict[str, Household]:
    """The services that the caller sees, numbers and all."""
    sight = sight_of(context, call)
    measuring = context.authority.sight(call, READ)
    return {
        service_id: household
        for service_id, household in households.items()
        if (sight.service is None or sight.service(service_id))
        and measuring.sees(about(context, Resource.METRICS, "", service_id, ""))
    }


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


def _view(
    service_id: str,
    replicas: int,
    worst: float | None,
    limit: float | None,
    reserved: float | None,
    found: Sizing,
) -> SizingView:
    return SizingView(
        service_id=service_id,
        replicas=replicas,
        worst=rounded(worst),
        limit=limit,
        reserved=reserved,
        advice=found.advice,
        good_limit=found.limit,
        good_reserved=found.reservation,
        idle=found.idle,
    )
