"""How a service is said to stand: by what serves on hosts that are there, with what is in the way."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostInventory, HostView
from cluster.model.service import Assignment, DesiredState, Observation, ReplicaPhase, RolloutPolicy, Service
from web.tools.nodes import problem_of
from web.tools.rollouts import on_live_hosts, ready_replicas
from web.tools.services import TROUBLES_MAX, troubles_of

NAMES = {"nd_1": "h1", "nd_2": "h2"}


def a_service(replicas: int, *, is_removed: bool = False) -> Service:
    return Service(
        id=ServiceId("shop.web"),
        project="shop",
        name="web",
        replicas=replicas,
        policy=RolloutPolicy(),
        revision=1,
        stable_revision=1,
        rollout_id=None,
        version=1,
        created_at_ms=0,
        changed_at_ms=0,
        is_removed=is_removed,
    )


def a_copy(
    ordinal: int,
    node_id: str = "nd_1",
    phase: ReplicaPhase = ReplicaPhase.HEALTHY,
    *,
    reason: str = "",
    token: int = 1,
) -> Assignment:
    return Assignment(
        service_id=ServiceId("shop.web"),
        revision=1,
        ordinal=ordinal,
        node_id=NodeId(node_id),
        desired=DesiredState.SERVING,
        token=token,
        leader_term=1,
        changed_at_ms=0,
        observed=Observation(phase=phase, reason=reason),
    )


def test_a_replica_that_does_not_serve_is_named_with_what_its_newest_copy_says() -> None:
    copies = [
        a_copy(0),
        a_copy(1, "nd_1", ReplicaPhase.EXITED, reason="status 1"),
        a_copy(1, "nd_2", ReplicaPhase.PULLING, reason="40 %", token=2),
    ]
    troubles = troubles_of(a_service(3), copies, NAMES)
    assert [(each.ordinal, each.node_name, each.phase, each.reason) for each in troubles] == [
        (1, "h2", ReplicaPhase.PULLING, "40 %"),
        (2, "", ReplicaPhase.PENDING, ""),
    ]


def test_a_replica_on_a_lost_host_serves_no_more_whatever_was_said_of_it_last() -> None:
    copies, lost = [a_copy(0, "nd_1"), a_copy(1, "nd_2")], frozenset({NodeId("nd_2")})
    assert ready_replicas(on_live_hosts(copies, lost)) == 1
    (trouble,) = troubles_of(a_service(2), copies, NAMES, lost)
    assert (trouble.ordinal, trouble.node_name, trouble.is_host_down) == (1, "h2", True)


def test_what_is_being_removed_has_no_trouble_and_a_large_service_not_too_much() -> None:
    assert troubles_of(a_service(3, is_removed=True), [], NAMES) == ()
    assert len(troubles_of(a_service(500), [], NAMES)) == TROUBLES_MAX


def test_a_hosts_problem_is_told_with_its_name() -> None:
    host = HostView(node_id=NodeId("nd_2"), inventory=None, age_ms=None, problem="nd_2 cannot be reached")
    assert problem_of(host, "h2") == "h2 cannot be reached"


def test_a_host_that_serves_no_requests_says_why_where_docker_answers() -> None:
    port_taken = "HAProxy cannot use port 80: something else does"
    inventory = HostInventory(node_id=NodeId("nd_1"), router_problem=port_taken)
    host = HostView(node_id=NodeId("nd_1"), inventory=inventory, age_ms=0, problem="")
    assert problem_of(host, "h1") == f"it serves no requests for services: {port_taken}"
    assert problem_of(replace(host, problem="nd_1 does not answer"), "h1") == "h1 does not answer"
