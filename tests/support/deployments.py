"""Services that run, in the state of a web world."""

from __future__ import annotations

from typing import Any

from cluster.commands.leadership import TakeLeadership
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentReport,
    CommitTransition,
    ReportAssignments,
)
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import DesiredState, Observation, ReplicaPhase, Service
from cluster.store.records import ASSIGNMENTS, SERVICES
from tests.support.identity_builders import NOW_MS
from tests.support.state_builders import a_service
from tests.support.web_fakes import WebWorld


def lead(world: WebWorld) -> None:
    """Have host 1 be the leader, so that what a leader commits is taken."""
    if world.state.leader_term == 0:
        world.state.leader_term = 1
        world.state.must(TakeLeadership(term=1, node_id=NodeId("nd_1")))


def service_of(world: WebWorld, service_id: str = "shop.web") -> Service:
    with world.state.read() as txn:
        service = SERVICES.get(txn, ServiceId(service_id))
    assert service is not None
    return service


def transition(world: WebWorld, **fields: Any) -> None:
    """Commit what the leader decided about `shop.web`."""
    service = service_of(world)
    world.state.must(CommitTransition(service_id=service.id, expected_version=service.version, **fields))


def a_rollout(world: WebWorld, **fields: Any) -> Rollout:
    """The rollout of the newest attempt at `shop.web`, as the leader begins it."""
    service = service_of(world)
    attempt = service.attempt
    defaults: dict[str, Any] = {
        "id": RolloutId(f"ro_{attempt.number}"),
        "service_id": service.id,
        "from_revision": service.stable_revision,
        "to_revision": service.revision,
        "phase": RolloutPhase.RUNNING,
        "step": 1,
        "started_at_ms": NOW_MS + attempt.number,
        "changed_at_ms": NOW_MS + attempt.number,
        "deadline_ms": NOW_MS + 60_000,
        "aim": attempt.aim,
        "attempt": attempt.number,
        "is_unjudged": attempt.is_unjudged,
        "by": attempt.by,
    }
    return Rollout(**{**defaults, **fields})


def deployed(world: WebWorld, *nodes: str, service: str = "shop.web", **fields: Any) -> None:
    """A service whose replicas serve on these hosts."""
    state = world.state
    state.must(a_service(service, replicas=fields.pop("replicas", len(nodes)), **fields))
    lead(world)
    orders = tuple(
        AssignmentOrder(revision=1, ordinal=ordinal, node_id=NodeId(node), desired=DesiredState.SERVING)
        for ordinal, node in enumerate(nodes)
    )
    command = CommitTransition(
        service_id=ServiceId(service), expected_version=1, orders=orders, stable_revision=1
    )
    state.must(command)
    with state.read() as txn:
        copies = ASSIGNMENTS.scan(txn, service)
    for copy in copies:
        report = AssignmentReport(
            service_id=copy.service_id,
            revision=1,
            ordinal=copy.ordinal,
            token=copy.token,
            observed=Observation(phase=ReplicaPhase.HEALTHY),
        )
        state.must(ReportAssignments(node_id=copy.node_id, reports=(report,)))
