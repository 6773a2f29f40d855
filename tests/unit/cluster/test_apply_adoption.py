"""Running containers as a service, in the state."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands.adoption import AdoptContainers, AdoptedContainer
from cluster.commands.outcome import Code
from cluster.commands.secrets import PutFile, RemoveFile
from cluster.model.ids import NodeId, ServiceId
from cluster.model.secrets import FileKind
from cluster.model.service import DesiredState, Fencing, FileReference
from cluster.store.records import ASSIGNMENTS, REVISIONS, SERVICES, assignments_of_node
from tests.support.state_builders import Replica, a_node, a_service, a_spec

WEB = ServiceId("shop.web")
IDS = ("a" * 64, "b" * 64)


def an_adoption(*ids: str, service: str = "shop.web", node: str = "n1", **fields: Any) -> AdoptContainers:
    project, _, name = service.partition(".")
    return AdoptContainers(
        service_id=ServiceId(service),
        project=project,
        name=name,
        containers=tuple(AdoptedContainer(node_id=NodeId(node), container_id=each) for each in ids),
        **{"spec": a_spec(), **fields},
    )


@pytest.fixture
def state() -> Replica:
    made = Replica()
    made.lead()
    made.must(a_node("n1"))
    return made


def test_it_makes_a_service_whose_first_revision_is_stable_and_starts_no_rollout(state: Replica) -> None:
    assert state.must(an_adoption(*IDS, created_by="ann")) == (1, 1)
    service = SERVICES.get(state.txn, WEB)
    assert service is not None
    assert (service.revision, service.stable_revision, service.rollout_id) == (1, 1, None)
    assert (service.replicas, service.attempt.by) == (2, "ann")
    assert REVISIONS.get(state.txn, WEB, 1) is not None


def test_each_container_is_a_replica_by_its_place_outside_the_router_at_first(state: Replica) -> None:
    state.must(an_adoption(*IDS))
    copies = ASSIGNMENTS.scan(state.txn, WEB)
    assert [(copy.ordinal, copy.adopted_id) for copy in copies] == list(enumerate(IDS))
    assert {copy.desired for copy in copies} == {DesiredState.STARTED}
    assert [copy.key for copy in assignments_of_node(state.txn, "n1")] == [copy.key for copy in copies]


def test_a_service_that_is_there_is_not_taken_over(state: Replica) -> None:
    state.must(a_service())
    assert state.refusal(an_adoption(*IDS)).code is Code.ALREADY_EXISTS


def test_a_container_is_one_replica_only(state: Replica) -> None:
    state.must(an_adoption(IDS[0]))
    refused = state.refusal(an_adoption(*IDS, service="blog.web"))
    assert refused.code is Code.IN_USE
    assert "is replica 0 of shop.web already" in refused.reason
    assert SERVICES.get(state.txn, ServiceId("blog.web")) is None


def test_a_host_that_is_no_member_has_nothing_to_adopt(state: Replica) -> None:
    assert state.refusal(an_adoption(IDS[0], node="n9")).code is Code.NOT_FOUND


@pytest.mark.parametrize("ids", [(), (IDS[0], IDS[0]), ("short",)])
def test_ill_formed_lists_are_refused(ids: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="container"):
        an_adoption(*ids)


def test_a_config_that_adopted_containers_have_is_there_and_stays_while_they_have_it(state: Replica) -> None:
    spec = a_spec(configs=(FileReference(source="page", target="/page", version=1),))
    assert state.refusal(an_adoption(*IDS, spec=spec)).code is Code.NOT_FOUND
    state.must(PutFile(kind=FileKind.CONFIG, name="page", version=1, content=b"", created_by="ann"))
    state.must(an_adoption(*IDS, spec=spec))
    assert state.refusal(RemoveFile(kind=FileKind.CONFIG, name="page")).code is Code.IN_USE


def test_nobody_adopts_with_fencing_what_no_host_fences() -> None:
    with pytest.raises(ValueError, match="fencing strict"):
        an_adoption(*IDS, spec=a_spec(fencing=Fencing.STRICT))
