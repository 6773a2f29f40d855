"""Why the replicas of a service are where they are, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.model.ids import NodeId, ServiceId
from cluster.model.placing import PlacementRules
from cluster.placement.landscape import Landscape
from cluster.placement.request import Placed, Rank, Verdict
from cluster.placement.residents import Household, Resident


@dataclass(frozen=True, slots=True, kw_only=True)
class HostExplained:
    """One host, for one more replica: chosen, possible, or why not. `standing` is its rank in words."""

    node_id: NodeId
    name: str
    is_chosen: bool
    objections: tuple[str, ...]
    standing: tuple[str, ...]
    ordinals: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaExplained:
    """Why one replica is on its host. `objections`: what would keep it from being placed there today."""

    ordinal: int
    node_id: NodeId
    reasons: tuple[str, ...]
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A service's placement. `refusal`: why there is no host for one more replica; "" where there is."""

    service_id: ServiceId
    refusal: str
    hosts: tuple[HostExplained, ...]
    replicas: tuple[ReplicaExplained, ...]


def explain(landscape: Landscape, household: Household) -> Explanation:
    """Return what speaks for and against every host, as things are now."""
    request = household.one_more()
    choice = landscape.choose(request)
    chosen = choice.node_id if isinstance(choice, Placed) else None
    hosts = tuple(
        HostExplained(
            node_id=verdict.node_id,
            name=verdict.name,
            is_chosen=verdict.node_id == chosen,
            objections=tuple(each.text for each in verdict.objections),
            standing=_in_words(verdict.rank, household.rules),
            ordinals=tuple(
                resident.ordinal for resident in household.residents if resident.node_id == verdict.node_id
            ),
        )
        for verdict in landscape.judge(request)
    )
    return Explanation(
        service_id=household.service_id,
        refusal="" if isinstance(choice, Placed) else choice.reason,
        hosts=hosts,
        replicas=tuple(_explain_replica(landscape, household, each) for each in household.residents),
    )


def _explain_replica(landscape: Landscape, household: Household, resident: Resident) -> ReplicaExplained:
    verdicts = landscape.judge(household.instead_of(resident))
    here = next((verdict for verdict in verdicts if verdict.node_id == resident.node_id), None)
    objections = ("has left the cluster",) if here is None else tuple(each.text for each in here.objections)
    return ReplicaExplained(
        ordinal=resident.ordinal,
        node_id=resident.node_id,
        reasons=tuple(_reasons(landscape, household, resident, verdicts, here)),
        objections=objections,
    )


def _reasons(
    landscape: Landscape,
    household: Household,
    resident: Resident,
    verdicts: Sequence[Verdict],
    here: Verdict | None,
) -> list[str]:
    reasons: list[str] = []
    if resident.pinned_to == resident.node_id:
        reasons.append("its volume is here")
    node = landscape.nodes.get(resident.node_id)
    if node is not None and household.rules.pin_host in (node.name, node.id):
        reasons.append("it is pinned to this host")
    home = landscape.home(household.service_id, household.project, household.instead_of(resident).own)
    if home == resident.node_id:
        reasons.append("the services it talks to are here")
    if reasons or here is None:
        return reasons
    possible = [verdict for verdict in verdicts if not verdict.objections]
    best = min(possible, key=lambda verdict: verdict.rank, default=None)
    if best is None:
        return ["no host would take it now; it runs on where it is"]
    if best.node_id == here.node_id:
        if len(possible) == 1:
            return ["it is the only host that will do"]
        words = ", ".join(_in_words(here.rank, household.rules))
        return [f"it is the best of {len(possible)} hosts that will do: {words}"]
    if here.objections:
        return [f"it was placed here before; {best.name} would be chosen now"]
    what = _difference(best.rank, here.rank)
    return [f"it was placed here before; {best.name} would be chosen now: {what}"]


def _in_words(rank: Rank, rules: PlacementRules) -> tuple[str, ...]:
    levels = [
        f"{_count(count, 'replica')} of it where {attribute} is the same"
        for attribute, count in zip(rules.spread, rank.together, strict=True)
    ]
    cramped = ["not everything it talks to would fit beside it"] if rank.is_cramped else []
    mates = [f"{_count(-rank.mates, 'replica')} it talks to"] if rank.mates else []
    return (
        *cramped,
        *levels,
        f"{_count(rank.beside, 'replica')} of it",
        *mates,
        f"{_count(rank.crowd, 'replica')} in all",
    )


def _difference(better: Rank, worse: Rank) -> str:
    if better.is_cramped != worse.is_cramped:
        return "everything it talks to would fit beside it"
    if better.spread != worse.spread:
        return "its replicas are spread more evenly"
    if better.mates != worse.mates:
        return "more of what it talks to is there"
    if better.crowd != worse.crowd:
        return "fewer replicas are there"
    return "equal hosts are taken in the order of their ids"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
