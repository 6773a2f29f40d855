"""What is told of placement: where replicas are, why, and where they would go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model.placing import PlacementRules
from cluster.placement import DrainForecast, Explanation, RebalancePlan, Stays


class HostVerdict(StrEnum):
    """What a host is for one more replica of the service."""

    CHOSEN = "chosen"
    POSSIBLE = "possible"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlacement:
    """One host: which replicas are there, and what it is for one more.

    `reasons` are everything against it where it is refused, else how it compares with the others.
    """

    node_id: str
    node_name: str
    verdict: HostVerdict
    ordinals: tuple[int, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPlacement:
    """One replica: why it is where it is, and what would keep it from being placed there today."""

    ordinal: int
    node_id: str
    node_name: str
    reasons: tuple[str, ...]
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementView:
    """The placement of a service. `refusal`: why no host would take one more replica, "" where one would."""

    service_id: str
    rules: tuple[str, ...]
    refusal: str
    hosts: tuple[HostPlacement, ...]
    replicas: tuple[ReplicaPlacement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaMove:
    """A replica that finds another host."""

    service_id: str
    ordinal: int
    to_node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStay:
    """A replica that does not: `kind` in two words, `reason` in full."""

    service_id: str
    ordinal: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainForecastView:
    """What emptying a host would do, or goes on doing, as things are now.

    `unmanaged` are running containers that nobody moves, None while the host cannot be asked.
    """

    node_id: str
    node_name: str
    summary: str
    moves: tuple[ReplicaMove, ...]
    stays: tuple[ReplicaStay, ...]
    unmanaged: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHost:
    """Where a deployment would have one replica. `node_name` null: nowhere, for `reason`. `is_new`: a
    container is started for it."""

    service_id: str
    ordinal: int
    node_name: str | None
    is_new: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveView:
    """One replica to another host, and what that makes better."""

    ordinal: int
    from_node: str
    to_node: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMoves:
    """The moves of one service in their order, or why there are none."""

    service_id: str
    moves: tuple[MoveView, ...]
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceView:
    """What a rebalance moves. `started`: the service whose moves were asked for, None when nothing was."""

    dry_run: bool
    services: tuple[ServiceMoves, ...]
    started: str | None


def placement_view(explanation: Explanation, rules: PlacementRules, names: dict[str, str]) -> PlacementView:
    return PlacementView(
        service_id=explanation.service_id,
        rules=rules_in_words(rules),
        refusal=explanation.refusal,
        hosts=tuple(
            HostPlacement(
                node_id=host.node_id,
                node_name=host.name,
                verdict=(
                    HostVerdict.REFUSED
                    if host.objections
                    else HostVerdict.CHOSEN
                    if host.is_chosen
                    else HostVerdict.POSSIBLE
                ),
                ordinals=host.ordinals,
                reasons=host.objections or host.standing,
            )
            for host in explanation.hosts
        ),
        replicas=tuple(
            ReplicaPlacement(
                ordinal=replica.ordinal,
                node_id=replica.node_id,
                node_name=names.get(replica.node_id, replica.node_id),
                reasons=replica.reasons,
                objections=replica.objections,
            )
            for replica in explanation.replicas
        ),
    )


def drain_forecast_view(
    forecast: DrainForecast, names: dict[str, str], unmanaged: int | None
) -> DrainForecastView:
    return DrainForecastView(
        node_id=forecast.node_id,
        node_name=names.get(forecast.node_id, forecast.node_id),
        summary=forecast.summary,
        moves=tuple(
            ReplicaMove(service_id=move.service_id, ordinal=move.ordinal, to_node=names.get(move.to, move.to))
            for move in forecast.moving
        ),
        stays=tuple(_stay(stay) for stay in forecast.staying),
        unmanaged=unmanaged,
    )


def service_moves(plan: RebalancePlan, names: dict[str, str]) -> ServiceMoves:
    return ServiceMoves(
        service_id=plan.service_id,
        moves=tuple(
            MoveView(
                ordinal=move.ordinal,
                from_node=names.get(move.from_node, move.from_node),
                to_node=names.get(move.to_node, move.to_node),
                reason=move.reason,
            )
            for move in plan.moves
        ),
        refusal=plan.refusal,
    )


def rules_in_words(rules: PlacementRules) -> tuple[str, ...]:
    """Return the rules of a service and its environment, for people; none: any host will do."""
    words = [f"its environment is only where {constraint}" for constraint in rules.within.constraints]
    if rules.within.names:
        words.append(f"its environment is only on {', '.join(rules.within.names)}")
    words += [f"only where {constraint}" for constraint in rules.constraints]
    if rules.pin_host:
        words.append(f"only on {rules.pin_host}")
    if rules.replicas_per_host_max:
        words.append(f"at most {rules.replicas_per_host_max} on one host")
    words += [f"apart from {service}" for service in rules.apart_from]
    words += [f"spread over {attribute}" for attribute in rules.spread]
    return tuple(words)


def _stay(stay: Stays) -> ReplicaStay:
    return ReplicaStay(service_id=stay.service_id, ordinal=stay.ordinal, kind=stay.kind, reason=stay.reason)
