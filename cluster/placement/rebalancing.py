"""Which replicas to move so that a service is spread as it would be if it were placed anew."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.ids import NodeId, ServiceId
from cluster.placement.draining import moved
from cluster.placement.landscape import Landscape
from cluster.placement.request import ObjectionKind, Verdict
from cluster.placement.residents import Household, Resident

MOVES_MAX = 16
"""Most moves of one plan. Each is a container stopped that served well: more is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One replica to another host, and what that makes better."""

    ordinal: int
    revision: int
    from_node: NodeId
    to_node: NodeId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalancePlan:
    """The moves of one service, in order, or why there is none."""

    service_id: ServiceId
    moves: tuple[Move, ...] = ()
    refusal: str = ""


def plan_rebalance(
    landscape: Landscape, household: Household, *, moves_max: int = MOVES_MAX
) -> RebalancePlan:
    """Return the moves that bring a service's replicas where its rules and an even spread want them.

    Only services with a route, whose requests are drained, and without volumes, which do not move. Every
    move leaves a host that breaks a rule, or makes the spread more even: it goes to a host with fewer
    replicas than would be left behind. So no plan undoes another, and they end.
    """
    refusal = _refuse(household)
    if refusal:
        return RebalancePlan(service_id=household.service_id, refusal=refusal)
    moves: list[Move] = []
    done: set[int] = set()
    while len(moves) < moves_max:
        found = _best_move(landscape, household, done)
        if found is None:
            break
        resident, move = found
        done.add(resident.ordinal)
        moves.append(move)
        household = moved(household, resident, move.to_node)
        landscape = landscape.changed(occupants={household.service_id: household.occupants})
    if not moves:
        return RebalancePlan(
            service_id=household.service_id, refusal="its replicas are spread as evenly as its rules allow"
        )
    return RebalancePlan(service_id=household.service_id, moves=tuple(moves))


def _refuse(household: Household) -> str:
    if household.busy:
        return household.busy
    if household.spec.route is None:
        return "it has no route: its requests cannot be drained, and stopping it is for a person to decide"
    if any(resident.pinned_to is not None for resident in household.residents):
        return "its volumes are where its replicas are, and nothing copies them"
    return ""


def _best_move(landscape: Landscape, household: Household, done: set[int]) -> tuple[Resident, Move] | None:
    """Rules that are broken come first, then what is crowded most; of equal ones the last replica."""
    found: list[tuple[tuple[bool, tuple[int, ...], int], Resident, Move]] = []
    for resident in household.residents:
        if resident.ordinal in done:
            # Moved once already: the hosts are not the same any more as when this plan began.
            continue
        move = _improve(landscape, household, resident)
        if move is not None:
            here, change = move
            urgency = (not here.breaks_rules, tuple(-count for count in here.rank.spread), -resident.ordinal)
            found.append((urgency, resident, change))
    if not found:
        return None
    _, resident, move_found = min(found, key=lambda item: item[0])
    return resident, move_found


def _improve(landscape: Landscape, household: Household, resident: Resident) -> tuple[Verdict, Move] | None:
    verdicts = {each.node_id: each for each in landscape.judge(household.instead_of(resident))}
    here = verdicts.get(resident.node_id)
    others = [each.rank for each in verdicts.values() if not each.objections and each is not here]
    if here is None or not others:
        # A host that has left or is down is the business of failover.
        return None
    best = min(others)
    if here.breaks_rules:
        reason = next(
            f"{here.name} {each.text}" for each in here.objections if each.kind is ObjectionKind.RULE
        )
    elif best.together < here.rank.together:
        over = " and ".join(str(attribute) for attribute in household.rules.spread)
        reason = f"its replicas are then spread more evenly over {over}"
    elif best.spread < here.rank.spread:
        there = verdicts[best.node_id].name
        reason = f"{there} has {best.beside} of its replicas, {here.name} {here.rank.beside + 1}"
    else:
        return None
    return here, Move(
        ordinal=resident.ordinal,
        revision=resident.revision,
        from_node=resident.node_id,
        to_node=best.node_id,
        reason=reason,
    )
