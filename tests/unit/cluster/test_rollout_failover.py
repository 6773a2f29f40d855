"""What becomes of a replica whose host is lost, as its service asks: wait, move, or leave its volume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.commands.services import AssignmentOrder
from cluster.model.container import ContainerOptions, RestartCondition, RestartRule
from cluster.model.ids import NodeId, RolloutId
from cluster.model.node import NodeStatus
from cluster.model.placing import Failover, PlacementRules
from cluster.model.service import Assignment, DesiredState, Fencing, ReplicaPhase, VolumeKind, VolumeMount
from cluster.rollout import NoHost, ServiceView, WantedReplica, decide
from tests.unit.cluster.test_rollout_fencing import DOWN, H1, H2, H3, LEFT, NOW_MS, UP, a_copy, a_view

VOLUME = VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="data")


def a_lost_one(
    failover: Failover,
    *copies: Assignment,
    has_volume: bool,
    h1: NodeStatus = DOWN,
    is_lease_over: bool = True,
) -> ServiceView:
    """A service with a replica on h1, which is lost."""
    fencing = Fencing.STRICT if failover is Failover.RESTART else Fencing.NONE
    over = frozenset({H1}) if is_lease_over else frozenset[NodeId]()
    view = a_view(*(copies or (a_copy(H1),)), h1=h1, fencing=fencing, over=over)
    revision = view.revisions[1]
    spec = replace(revision.spec, volumes=(VOLUME,) if has_volume else ())
    return replace(
        view,
        service=replace(view.service, placement=PlacementRules(failover=failover)),
        revisions={1: replace(revision, spec=spec)},
    )


def started_on(view: ServiceView) -> list[NodeId]:
    return [order.key.node_id for order in orders(view) if order.desired is DesiredState.STARTED]


def orders(view: ServiceView) -> tuple[AssignmentOrder, ...]:
    def choose(wanted: WantedReplica) -> NodeId | NoHost:
        if wanted.pinned_to is not None:
            return wanted.pinned_to if view.is_alive(wanted.pinned_to) else NoHost("its volume is there")
        return next(host for host in (H2, H3) if host not in wanted.avoid)

    decision = decide(view, NOW_MS, rollout_id=RolloutId("ro_new"), choose=choose)
    return () if decision.transition is None else decision.transition.orders


@pytest.mark.parametrize(
    ("failover", "has_volume", "starts"),
    [
        (Failover.AUTO, False, [H2]),
        (Failover.AUTO, True, []),
        (Failover.RESTART, False, [H2]),
        (Failover.RESTART, True, [H2]),
        (Failover.NONE, False, []),
        (Failover.NONE, True, []),
    ],
)
def test_a_lost_replica_starts_elsewhere_only_where_its_service_asks_for_that(
    failover: Failover, has_volume: bool, starts: list[NodeId]
) -> None:
    assert started_on(a_lost_one(failover, has_volume=has_volume)) == starts


def test_a_volume_is_left_behind_only_when_nothing_writes_to_it_any_more() -> None:
    view = a_lost_one(Failover.RESTART, has_volume=True, is_lease_over=False)
    assert started_on(view) == []


@pytest.mark.parametrize("failover", list(Failover))
def test_a_host_that_has_left_for_good_is_not_waited_for(failover: Failover) -> None:
    assert started_on(a_lost_one(failover, has_volume=False, h1=LEFT)) == [H2]


@pytest.mark.parametrize("failover", list(Failover))
def test_a_host_that_returns_keeps_the_replica_that_waited_for_it(failover: Failover) -> None:
    assert started_on(a_lost_one(failover, has_volume=True, h1=UP)) == []


def test_the_host_that_returns_does_not_get_back_what_was_begun_anew_elsewhere() -> None:
    old = a_copy(H1, DesiredState.REMOVED, ReplicaPhase.REMOVED)
    new = replace(a_copy(H2), token=11)
    assert started_on(a_lost_one(Failover.RESTART, old, new, has_volume=True, h1=UP)) == []


# ---- restart policies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "age_ms", "is_given_up"),
    [
        (RestartRule(), 9_000, False),
        (RestartRule(), 11_000, True),
        (RestartRule(delay_ms=60_000), 60_000, False),
        (RestartRule(delay_ms=60_000), 71_000, True),
        (RestartRule(condition=RestartCondition.NONE), 10**9, False),
        (RestartRule(condition=RestartCondition.ON_FAILURE), 10**9, False),
        (RestartRule(attempts_max=3), 10**9, False),
    ],
)
def test_one_that_ended_is_replaced_elsewhere_unless_its_own_rule_limits_its_starts(
    rule: RestartRule, age_ms: int, is_given_up: bool
) -> None:
    ended = a_copy(H1, DesiredState.STARTED, ReplicaPhase.EXITED, age_ms=age_ms)
    view = a_view(ended, fencing=Fencing.NONE)
    spec = replace(view.revisions[1].spec, options=ContainerOptions(restart=rule))
    view = replace(view, revisions={1: replace(view.revisions[1], spec=spec)})
    assert [order.desired for order in orders(view)] == ([DesiredState.REMOVED] if is_given_up else [])
