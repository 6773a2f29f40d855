"""Running containers become a service."""

from __future__ import annotations

from cluster.commands.adoption import AdoptContainers
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.service import Assignment, Attempt, DesiredState, Revision, Service
from cluster.state_machine.entry import Entry
from cluster.state_machine.secrets import check_references, note_uses
from cluster.state_machine.services import retired
from cluster.store.records import ASSIGNMENTS, ASSIGNMENTS_BY_NODE, NODES, REVISIONS, SERVICES


def adopt_containers(entry: Entry, command: AdoptContainers) -> Outcome:
    """They begin outside the router: the leader puts each into service once its host says that it is well."""
    if SERVICES.get(entry.txn, command.service_id) is not None:
        return Rejected(
            f"service {command.service_id} is there already: deploy its Compose file, or adopt under another"
            " project",
            Code.ALREADY_EXISTS,
        )
    for container in command.containers:
        node = NODES.get(entry.txn, container.node_id)
        if node is None or not node.is_member:
            return Rejected(f"node {container.node_id} is not a member", Code.NOT_FOUND)
    wanted = {container.container_id for container in command.containers}
    for copy in ASSIGNMENTS.scan(entry.txn):
        if {copy.adopted_id, copy.observed.container_id} & wanted:
            return Rejected(
                f"container {(copy.adopted_id or copy.observed.container_id)[:12]} is replica {copy.ordinal}"
                f" of {copy.service_id} already",
                Code.IN_USE,
            )
    refused = check_references(entry, command.spec)
    if refused is not None:
        return refused
    newest, attempts = retired(entry, command.service_id)
    number = newest + 1
    attempt = Attempt(number=attempts + 1, by=command.created_by, at_ms=entry.now_ms)
    service = Service(
        id=command.service_id,
        project=command.project,
        name=command.name,
        replicas=len(command.containers),
        policy=command.policy,
        revision=number,
        stable_revision=number,
        rollout_id=None,
        version=1,
        created_at_ms=entry.now_ms,
        changed_at_ms=entry.now_ms,
        newest_revision=number,
        attempt=attempt,
    )
    SERVICES.put(entry.txn, service)
    revision = Revision(
        service_id=service.id,
        number=number,
        spec=command.spec,
        created_at_ms=entry.now_ms,
        created_by=command.created_by,
    )
    REVISIONS.put(entry.txn, revision)
    note_uses(entry, revision)
    for ordinal, container in enumerate(command.containers):
        ASSIGNMENTS_BY_NODE.add(entry.txn, container.node_id, service.id, number, ordinal)
        ASSIGNMENTS.put(
            entry.txn,
            Assignment(
                service_id=service.id,
                revision=number,
                ordinal=ordinal,
                node_id=container.node_id,
                desired=DesiredState.STARTED,
                token=entry.index,
                leader_term=entry.leader_term,
                changed_at_ms=entry.now_ms,
                adopted_id=container.container_id,
            ),
        )
    return Applied([number, service.version])
