"""What of a service really runs, beside what was asked for."""

from __future__ import annotations

from typing import Any

from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import ContainerSummary, HostInventory, HostView
from cluster.model.service import Assignment, DesiredState, Observation, ReplicaPhase, ServiceSpec
from tests.support.web_fakes import a_container
from web.tools.drift import DriftKind, Reality, as_it_runs, reality_of

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
SERVICE = ServiceId("shop.web")
NAME = "tower-shop.web-2-0"


def an_assignment(phase: ReplicaPhase = ReplicaPhase.HEALTHY, **fields: Any) -> Assignment:
    defaults: dict[str, Any] = {
        "service_id": SERVICE,
        "revision": 2,
        "ordinal": 0,
        "node_id": NodeId("nd_1"),
        "desired": DesiredState.SERVING,
        "token": 5,
        "leader_term": 1,
        "changed_at_ms": 0,
        "observed": Observation(phase=phase),
    }
    return Assignment(**{**defaults, **fields})


def a_replica(name: str = NAME, **fields: Any) -> ContainerSummary:
    defaults = {"image": f"shop@{DIGEST}", "service": SERVICE, "revision": 2, "is_managed": True}
    return a_container(name, **{**defaults, **fields})


def a_host(*containers: ContainerSummary, problem: str = "") -> HostView:
    node_id = NodeId("nd_1")
    inventory = HostInventory(node_id=node_id, containers=containers)
    return HostView(node_id=node_id, inventory=inventory, age_ms=0, problem=problem)


def seen(*assignments: Assignment, hosts: list[HostView]) -> Reality:
    specs = {2: ServiceSpec(image="shop:2", digest=DIGEST)}
    return reality_of(SERVICE, assignments, specs, hosts, {"nd_1": "h1"})


def test_what_runs_as_it_should_is_listed_with_its_digest() -> None:
    reality = seen(an_assignment(), hosts=[a_host(a_replica(), a_container("postgres"))])
    assert reality.drift == reality.unseen == ()
    assert [(each.node_name, each.container_name, each.digest) for each in reality.running] == [
        ("h1", NAME, DIGEST)
    ]


def test_a_container_that_was_removed_by_hand_is_missing() -> None:
    (found,) = seen(an_assignment(), hosts=[a_host()]).drift
    assert (found.kind, found.node_name) == (DriftKind.MISSING, "h1")
    assert "removed by hand" in found.words


def test_a_container_that_was_stopped_by_hand_is_told() -> None:
    (found,) = seen(an_assignment(), hosts=[a_host(a_replica(state="exited"))]).drift
    assert found.kind is DriftKind.STOPPED
    assert "is exited" in found.words


def test_another_digest_than_the_revisions_is_told() -> None:
    (found,) = seen(an_assignment(), hosts=[a_host(a_replica(image=f"shop@{OTHER}"))]).drift
    assert found.kind is DriftKind.OTHER_IMAGE


def test_an_image_that_names_no_digest_proves_nothing() -> None:
    assert seen(an_assignment(), hosts=[a_host(a_replica(image="shop:2"))]).drift == ()


def test_what_nothing_asks_for_is_left_over_only_while_it_runs() -> None:
    (found,) = seen(hosts=[a_host(a_replica("tower-shop.web-1-0"))]).drift
    assert found.kind is DriftKind.LEFT_OVER
    assert seen(hosts=[a_host(a_replica("tower-shop.web-1-0", state="exited"))]).drift == ()


def test_what_is_on_its_way_is_no_drift() -> None:
    for phase in (ReplicaPhase.PENDING, ReplicaPhase.PULLING, ReplicaPhase.EXITED, ReplicaPhase.FAILED):
        assert seen(an_assignment(phase), hosts=[a_host()]).drift == ()
    leaving = an_assignment(desired=DesiredState.REMOVED)
    assert seen(leaving, hosts=[a_host(a_replica())]).drift == ()


def test_a_host_that_cannot_be_asked_is_named_and_proves_nothing() -> None:
    old_list = a_host(problem="it does not answer")
    assert seen(an_assignment(), hosts=[old_list]).unseen == ("h1",)
    assert seen(an_assignment(), hosts=[old_list]).drift == ()
    assert seen(an_assignment(), hosts=[]).unseen == ("h1",)


def test_another_services_containers_are_nobodys_business() -> None:
    foreign = a_replica("tower-shop.api-2-0", service="shop.api")
    unmanaged = a_container(NAME, service=SERVICE)
    reality = seen(an_assignment(), hosts=[a_host(foreign, unmanaged)])
    assert reality.running == ()
    assert [each.kind for each in reality.drift] == [DriftKind.MISSING]


def test_a_container_that_is_gone_does_not_count_as_ready_until_its_host_says_so() -> None:
    replica, names = an_assignment(), {"nd_1": "h1"}
    for host in (a_host(), a_host(a_replica(state="paused"))):
        (found,) = as_it_runs([replica], seen(replica, hosts=[host]), names)
        assert found.observed.phase is ReplicaPhase.EXITED
    for host in (a_host(a_replica()), a_host(problem="it cannot be reached")):
        assert as_it_runs([replica], seen(replica, hosts=[host]), names) == [replica]
