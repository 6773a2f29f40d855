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
from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from cluster.store.records import ASSIGNMENTS
from tests.support.state_builders import a_service
from tests.support.web_fakes import WebWorld


def deployed(world: WebWorld, *nodes: str, service: str = "shop.web", **fields: Any) -> None:
    """A service whose replicas serve on these hosts."""
    state = world.state
    state.must(a_service(service, replicas=fields.pop("replicas", len(nodes)), **fields))
    if state.leader_term == 0:
        state.leader_term = 1
        state.must(TakeLeadership(term=1, node_id=NodeId("nd_1")))
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
