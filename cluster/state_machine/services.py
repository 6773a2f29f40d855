"""Handlers of the commands on services, their replicas and their rollouts.

They keep what must hold whoever decided: references lead somewhere, versions match, finished rollouts stay
finished, a service has one rollout under way. Whether a decision is wise is not asked here.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentRef,
    AttemptRevision,
    CommitTransition,
    MoveReplicas,
    PutService,
    RemoveService,
    ReportAssignments,
    RouterReport,
    ScaleService,
    SetSplit,
    StartExperiment,
    SteerRollout,
)
from cluster.encoding import pack, unpack
from cluster.model.autoscaling import SCALINGS_KEPT, Scaling, replicas_put
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase, Steering, why_not
from cluster.model.service import (
    Aim,
    Assignment,
    Attempt,
    DesiredState,
    Revision,
    RouterState,
    Service,
    Split,
)
from cluster.model.strategy import Colour
from cluster.state_machine.container_events import note_observed
from cluster.state_machine.entry import Entry
from cluster.state_machine.experiments import refuse_during_experiment, refuse_experiment
from cluster.state_machine.fencing import refuse_forgetting, refuse_second_copy
from cluster.state_machine.revisions import is_in_use
from cluster.state_machine.rollout_events import note_rollout
from cluster.state_machine.secrets import check_references, forget_uses, note_uses
from cluster.store.records import (
    ASSIGNMENTS,
    ASSIGNMENTS_BY_NODE,
    NODES,
    REVISIONS,
    ROLLOUTS,
    ROLLOUTS_BY_SERVICE,
    ROUTERS,
    SERVICES,
    WATCHES,
    find_environment,
    key_of,
)
from cluster.store.tables import RETIRED_SERVICES

REVISIONS_KEPT = 20
ROLLOUTS_KEPT = 20


def put_service(entry: Entry, command: PutService) -> Outcome:
    present = SERVICES.get(entry.txn, command.service_id)
    version = 0 if present is None else present.version
    if command.expected_version is not None and command.expected_version != version:
        return _version_conflict(command.service_id, version, command.expected_version)
    if present is not None and present.is_removed:
        return Rejected(
            f"service {command.service_id} is being removed: wait until it is gone, then deploy again",
            Code.IN_USE,
        )
    if present is not None:
        refused = refuse_during_experiment(entry, present)
        if refused is not None:
            return refused
    if command.environment and find_environment(entry.txn, command.environment) is None:
        return Rejected(
            f"there is no environment {command.environment}: `tower environment put` makes it", Code.NOT_FOUND
        )
    # Fencing is a matter of the container (its restart policy, its keeper), so another one makes a revision.
    spec = replace(command.spec, fencing=command.fencing)
    if present is None:
        newest, attempts = retired(entry, command.service_id)
        number, is_new_spec, attempt = newest + 1, True, Attempt(number=attempts)
    else:
        newest = newest_revision(present)
        revision = REVISIONS.get(entry.txn, command.service_id, present.revision)
        is_new_spec = revision is None or revision.spec != spec
        number = newest + 1 if is_new_spec else present.revision
        attempt = present.attempt
    if is_new_spec:
        attempt = Attempt(
            number=attempt.number + 1,
            aim=command.aim,
            is_unjudged=command.is_unjudged,
            by=command.created_by,
            at_ms=entry.now_ms,
        )
    service = Service(
        id=command.service_id,
        project=command.project,
        name=command.name,
        replicas=replicas_put(
            command.autoscale, command.replicas, 0 if present is None else present.replicas
        ),
        policy=command.policy,
        revision=number,
        stable_revision=0 if present is None else present.stable_revision,
        rollout_id=None if present is None else present.rollout_id,
        version=version + 1,
        created_at_ms=entry.now_ms if present is None else present.created_at_ms,
        changed_at_ms=entry.now_ms,
        newest_revision=max(newest, number),
        attempt=attempt,
        split=Split() if present is None else present.split,
        kept=None if present is None else present.kept,
        fencing=command.fencing,
        placement=command.placement,
        environment=command.environment,
        labels=command.labels,
        autoscale=command.autoscale,
        scalings=() if present is None else present.scalings,
    )
    SERVICES.put(entry.txn, service)
    if is_new_spec:
        refused = check_references(entry, spec)
        if refused is not None:
            return refused
        made = Revision(
            service_id=service.id,
            number=number,
            spec=spec,
            created_at_ms=entry.now_ms,
            created_by=command.created_by,
            bound=command.bound,
            promoted_from=command.promoted_from,
        )
        REVISIONS.put(entry.txn, made)
        note_uses(entry, made)
        _forget_old_revisions(entry, service)
    return Applied([service.revision, service.version])


def remove_service(entry: Entry, command: RemoveService) -> Outcome:
    service = SERVICES.get(entry.txn, command.service_id)
    if service is None:
        return Rejected(f"service {command.service_id} is not known", Code.NOT_FOUND)
    if command.expected_version not in (None, service.version):
        return _version_conflict(service.id, service.version, command.expected_version)
    if not service.is_removed:
        service = replace(service, is_removed=True, version=service.version + 1, changed_at_ms=entry.now_ms)
        SERVICES.put(entry.txn, service)
    return Applied(service.version)


def attempt_revision(entry: Entry, command: AttemptRevision) -> Outcome:
    service = changeable(entry, command.service_id, command.expected_version)
    if isinstance(service, Rejected):
        return service
    refused = refuse_during_experiment(entry, service)
    if refused is not None:
        return refused
    revision = REVISIONS.get(entry.txn, service.id, command.revision)
    if revision is None:
        return _no_revision(service.id, command.revision)
    refused = check_references(entry, revision.spec)
    if refused is not None:
        return refused
    if command.revision == service.stable_revision:
        back = "" if service.rollout_id is None else f"; abort rollout {service.rollout_id} to go back to it"
        return Rejected(f"revision {command.revision} of {service.id} is what runs{back}", Code.INVALID)
    if service.rollout_id is not None and command.revision == service.revision:
        return Rejected(
            f"rollout {service.rollout_id} of {service.id} to revision {command.revision} is under way",
            Code.IN_USE,
        )
    changed = replace(
        service,
        revision=command.revision,
        newest_revision=newest_revision(service),
        attempt=Attempt(
            number=service.attempt.number + 1,
            aim=command.aim,
            is_unjudged=command.is_unjudged,
            by=command.by,
            at_ms=entry.now_ms,
        ),
    )
    return Applied([changed.revision, touch(entry, changed)])


def start_experiment(entry: Entry, command: StartExperiment) -> Outcome:
    service = changeable(entry, command.service_id, command.expected_version)
    if isinstance(service, Rejected):
        return service
    spec = replace(command.spec, fencing=service.fencing)
    refused = refuse_experiment(entry, service, spec, command.experiment)
    if refused is not None:
        return refused
    newest = REVISIONS.get(entry.txn, service.id, newest_revision(service))
    is_new_spec = newest is None or newest.spec != spec
    number = newest_revision(service) + is_new_spec
    changed = replace(
        service,
        revision=number,
        newest_revision=number,
        attempt=Attempt(
            number=service.attempt.number + 1,
            aim=Aim.EXPERIMENT,
            by=command.by,
            at_ms=entry.now_ms,
            experiment=command.experiment,
        ),
    )
    version = touch(entry, changed)
    refused = check_references(entry, spec)
    if refused is not None:
        return refused
    if is_new_spec:
        made = Revision(
            service_id=service.id,
            number=number,
            spec=spec,
            created_at_ms=entry.now_ms,
            created_by=command.by,
            bound=command.bound,
        )
        REVISIONS.put(entry.txn, made)
        note_uses(entry, made)
        _forget_old_revisions(entry, changed)
    return Applied([number, version])


def scale_service(entry: Entry, command: ScaleService) -> Outcome:
    service = changeable(entry, command.service_id, command.expected_version)
    if isinstance(service, Rejected):
        return service
    refused = refuse_during_experiment(entry, service)
    if refused is not None:
        return refused
    held_by = service.scale_held_by
    if command.is_held and service.autoscale is not None:
        held_by = command.by
    if (service.replicas, service.scale_held_by) == (command.replicas, held_by):
        return Applied(service.version)
    scaling = Scaling(
        at_ms=entry.now_ms,
        replicas_before=service.replicas,
        replicas=command.replicas,
        by=command.by,
        reason=command.reason,
    )
    changed = replace(
        service,
        replicas=command.replicas,
        scale_held_by=held_by,
        scalings=(*service.scalings, scaling)[-SCALINGS_KEPT:],
    )
    return Applied(touch(entry, changed))


def steer_rollout(entry: Entry, command: SteerRollout) -> Outcome:
    rollout = ROLLOUTS.get(entry.txn, command.rollout_id)
    service = None if rollout is None else SERVICES.get(entry.txn, rollout.service_id)
    if rollout is None or service is None:
        return Rejected(f"rollout {command.rollout_id} is not known", Code.NOT_FOUND)
    if rollout.phase.is_terminal or service.rollout_id != rollout.id:
        return Rejected(
            f"rollout {rollout.id} has ended ({rollout.phase}): it cannot be changed any more", Code.INVALID
        )
    refused = why_not(rollout, command.steer)
    if refused:
        return Rejected(f"rollout {rollout.id}: {refused}", Code.INVALID)
    steering = Steering(steer=command.steer, by=command.by, at_ms=entry.now_ms, reason=command.reason)
    ROLLOUTS.put(entry.txn, replace(rollout, steering=steering))
    return Applied(touch(entry, service))


def set_split(entry: Entry, command: SetSplit) -> Outcome:
    service = changeable(entry, command.service_id, command.expected_version)
    if isinstance(service, Rejected):
        return service
    refused = refuse_during_experiment(entry, service)
    if refused is not None:
        return refused
    wanted = Split(green_permille=command.green_permille)
    serving = {
        copy.colour
        for copy in ASSIGNMENTS.scan(entry.txn, service.id)
        if copy.desired is DesiredState.SERVING
    }
    for colour in Colour:
        if wanted.permille_of(colour) and colour not in serving:
            return Rejected(
                f"{service.id} has no {colour} replica in service: requests for it would find nobody",
                Code.INVALID,
            )
    if service.rollout_id is not None:
        rollout = ROLLOUTS.get(entry.txn, service.rollout_id)
        assert rollout is not None
        if rollout.phase is RolloutPhase.ROLLING_BACK:
            return Rejected(f"rollout {rollout.id} is going back: wait for its end", Code.IN_USE)
        if rollout.stage is not None and rollout.stage.phase is StagePhase.RETIRING:
            return Rejected(
                f"rollout {rollout.id} takes the old replicas down already: to go back, abort it", Code.IN_USE
            )
        reason = f"{command.by} shared the requests by hand: resume to go on, or abort"
        paused = replace(
            rollout,
            phase=RolloutPhase.PAUSED,
            reason=reason,
            changed_at_ms=entry.now_ms,
            paused_ms=rollout.paused_ms or entry.now_ms,
        )
        ROLLOUTS.put(entry.txn, paused)
        note_rollout(entry, rollout, paused)
    split = Split(
        green_permille=command.green_permille,
        token=entry.index,
        changed_at_ms=entry.now_ms,
        by=command.by,
    )
    touch(entry, replace(service, split=split))
    return Applied(split.token)


def move_replicas(entry: Entry, command: MoveReplicas) -> Outcome:
    service = changeable(entry, command.service_id, command.expected_version)
    if isinstance(service, Rejected):
        return service
    if service.rollout_id is not None:
        return Rejected(
            f"service {service.id} has rollout {service.rollout_id} under way: wait until it has ended",
            Code.IN_USE,
        )
    for ref in command.copies:
        present = ASSIGNMENTS.get(entry.txn, service.id, ref.revision, ref.ordinal, ref.node_id)
        if present is None or present.desired is DesiredState.REMOVED:
            return Rejected(
                f"service {service.id} has no replica {ref.ordinal} of revision {ref.revision} on node"
                f" {ref.node_id}: it changed meanwhile; look again",
                Code.NOT_FOUND,
            )
        ASSIGNMENTS.put(entry.txn, replace(present, leave_by_ms=entry.now_ms + command.within_ms))
    return Applied(touch(entry, service))


def commit_transition(entry: Entry, command: CommitTransition) -> Outcome:
    service = SERVICES.get(entry.txn, command.service_id)
    if service is None:
        return Rejected(f"service {command.service_id} is not known", Code.NOT_FOUND)
    if command.expected_version != service.version:
        return _version_conflict(service.id, service.version, command.expected_version)
    rollout_id = service.rollout_id
    if command.rollout is not None:
        refused = _put_rollout(entry, service, command.rollout)
        if refused is not None:
            return refused
        rollout_id = None if command.rollout.phase.is_terminal else command.rollout.id
    for order in command.orders:
        refused = _put_order(entry, service, order)
        if refused is not None:
            return refused
    for ref in command.forget:
        refused = _forget_assignment(entry, service, ref)
        if refused is not None:
            return refused
    stable_revision = service.stable_revision
    if command.stable_revision is not None:
        if REVISIONS.get(entry.txn, service.id, command.stable_revision) is None:
            return _no_revision(service.id, command.stable_revision)
        stable_revision = command.stable_revision
    if command.is_service_forgotten:
        return _forget_service(entry, service)
    split = service.split
    if command.green_permille is not None:
        shared = (command.green_permille, command.targeting)
        if shared != (split.green_permille, split.targeting):
            split = Split(
                green_permille=command.green_permille,
                token=entry.index,
                changed_at_ms=entry.now_ms,
                targeting=command.targeting,
            )
    kept = None if command.is_kept_ended else service.kept
    if command.kept is not None:
        if REVISIONS.get(entry.txn, service.id, command.kept.revision) is None:
            return _no_revision(service.id, command.kept.revision)
        kept = command.kept
    changed = replace(
        service,
        revision=service.revision if not _is_given_up(service, command) else stable_revision,
        newest_revision=newest_revision(service),
        rollout_id=rollout_id,
        stable_revision=stable_revision,
        split=split,
        kept=kept,
    )
    return Applied(touch(entry, changed))


def _is_given_up(service: Service, command: CommitTransition) -> bool:
    """Whether what was only tried is nobody's wish any more: its experiment ended without it."""
    rollout = command.rollout
    return (
        rollout is not None
        and rollout.experiment is not None
        and rollout.phase.is_terminal
        and rollout.attempt == service.attempt.number
        and command.stable_revision is None
    )


def touch(entry: Entry, service: Service) -> int:
    """Store the service as its next version, and return that."""
    version = service.version + 1
    SERVICES.put(entry.txn, replace(service, version=version, changed_at_ms=entry.now_ms))
    return version


def changeable(entry: Entry, service_id: ServiceId, expected_version: int | None) -> Service | Rejected:
    service = SERVICES.get(entry.txn, service_id)
    if service is None:
        return Rejected(f"service {service_id} is not known", Code.NOT_FOUND)
    if expected_version not in (None, service.version):
        return _version_conflict(service.id, service.version, expected_version)
    if service.is_removed:
        return Rejected(f"service {service_id} is being removed", Code.IN_USE)
    return service


def newest_revision(service: Service) -> int:
    return max(service.newest_revision, service.revision)


def report_assignments(entry: Entry, command: ReportAssignments) -> Outcome:
    counted = 0
    for report in command.reports:
        assignment = ASSIGNMENTS.get(
            entry.txn, report.service_id, report.revision, report.ordinal, command.node_id
        )
        if assignment is None or assignment.token != report.token:
            continue
        counted += 1
        if assignment.observed != report.observed:
            ASSIGNMENTS.put(entry.txn, note_observed(entry, assignment, report.observed))
    if command.router is not None:
        node = NODES.get(entry.txn, command.node_id)
        if node is None or not node.is_member:
            return Rejected(f"node {command.node_id} is not a member", Code.NOT_FOUND)
        present = ROUTERS.get(entry.txn, command.node_id)
        ROUTERS.put(
            entry.txn, _router_after(present, command.node_id, command.router, command.reported_at_ms)
        )
    return Applied(counted)


def _router_after(
    present: RouterState | None, node_id: NodeId, report: RouterReport, reported_at_ms: int
) -> RouterState:
    if present is None:
        present = RouterState(node_id=node_id, routed_index=0, drained_index=0, reported_at_ms=0)
    routed_index, unrouted = _furthest(
        present.routed_index, present.unrouted, report.routed_index, report.unrouted
    )
    drained_index, undrained = _furthest(
        present.drained_index, present.undrained, report.drained_index, report.undrained
    )
    return RouterState(
        node_id=node_id,
        routed_index=routed_index,
        drained_index=drained_index,
        reported_at_ms=reported_at_ms,
        unrouted=unrouted,
        undrained=undrained,
    )


def _furthest(
    index: int, exceptions: tuple[int, ...], told_index: int, told_exceptions: tuple[int, ...]
) -> tuple[int, tuple[int, ...]]:
    """What was in force once stays so: no report takes anything back, whether it is late or not."""
    if told_index < index:
        return index, exceptions
    return told_index, tuple(token for token in told_exceptions if token > index or token in exceptions)


def _put_rollout(entry: Entry, service: Service, rollout: Rollout) -> Rejected | None:
    if rollout.service_id != service.id:
        return Rejected(f"rollout {rollout.id} is of service {rollout.service_id}", Code.INVALID)
    for number in (rollout.from_revision, rollout.to_revision):
        if number and REVISIONS.get(entry.txn, service.id, number) is None:
            return _no_revision(service.id, number)
    present = ROLLOUTS.get(entry.txn, rollout.id)
    if present is None:
        if service.rollout_id is not None:
            return Rejected(
                f"service {service.id} has rollout {service.rollout_id} under way: end that first",
                Code.IN_USE,
            )
        ROLLOUTS_BY_SERVICE.add(entry.txn, service.id, entry.index, rollout.id)
        _forget_old_rollouts(entry, service.id)
    elif present.service_id != service.id:
        return Rejected(f"rollout {rollout.id} is of service {present.service_id}", Code.INVALID)
    elif present.phase.is_terminal:
        return Rejected(f"rollout {rollout.id} has ended ({present.phase}): start another", Code.INVALID)
    ROLLOUTS.put(entry.txn, rollout)
    note_rollout(entry, present, rollout)
    return None


def _put_order(entry: Entry, service: Service, order: AssignmentOrder) -> Rejected | None:
    service_id = service.id
    present = ASSIGNMENTS.get(entry.txn, service_id, order.revision, order.ordinal, order.node_id)
    what = f"replica {order.ordinal} of {service_id} revision {order.revision} on node {order.node_id}"
    if present is None:
        if order.desired in (DesiredState.DRAINING, DesiredState.REMOVED):
            return Rejected(f"{what} is not assigned: it cannot be {order.desired}", Code.NOT_FOUND)
        if REVISIONS.get(entry.txn, service_id, order.revision) is None:
            return _no_revision(service_id, order.revision)
        node = NODES.get(entry.txn, order.node_id)
        if node is None or not node.is_member:
            return Rejected(f"{what}: node {order.node_id} is not a member", Code.NOT_FOUND)
        refused = refuse_second_copy(entry, service, order)
        if refused is not None:
            return refused
        ASSIGNMENTS_BY_NODE.add(entry.txn, order.node_id, service_id, order.revision, order.ordinal)
        assignment = Assignment(
            service_id=service_id,
            revision=order.revision,
            ordinal=order.ordinal,
            node_id=order.node_id,
            desired=order.desired,
            token=entry.index,
            leader_term=entry.leader_term,
            changed_at_ms=entry.now_ms,
            colour=order.colour,
        )
    elif present.desired is order.desired:
        return None
    elif present.desired is DesiredState.REMOVED:
        return Rejected(f"{what} is being removed: forget it before assigning it again", Code.INVALID)
    else:
        assignment = replace(
            present,
            desired=order.desired,
            token=entry.index,
            leader_term=entry.leader_term,
            changed_at_ms=entry.now_ms,
        )
    ASSIGNMENTS.put(entry.txn, assignment)
    return None


def _forget_assignment(entry: Entry, service: Service, ref: AssignmentRef) -> Rejected | None:
    service_id = service.id
    present = ASSIGNMENTS.get(entry.txn, service_id, ref.revision, ref.ordinal, ref.node_id)
    if present is None:
        return None
    if present.desired is not DesiredState.REMOVED:
        return Rejected(
            f"replica {ref.ordinal} of {service_id} revision {ref.revision} on node {ref.node_id} is wanted"
            f" {present.desired}: it must be removed before it is forgotten",
            Code.IN_USE,
        )
    refused = refuse_forgetting(entry, service, present)
    if refused is not None:
        return refused
    ASSIGNMENTS.delete(entry.txn, service_id, ref.revision, ref.ordinal, ref.node_id)
    ASSIGNMENTS_BY_NODE.remove(entry.txn, ref.node_id, service_id, ref.revision, ref.ordinal)
    return None


def _forget_service(entry: Entry, service: Service) -> Outcome:
    if not service.is_removed:
        return Rejected(f"service {service.id} is not being removed", Code.INVALID)
    if ASSIGNMENTS.scan(entry.txn, service.id, limit=1):
        return Rejected(f"service {service.id} still has replicas assigned", Code.IN_USE)
    # A host that was away may hold containers of this service. Should the service return, its numbers go on,
    # so that those are never taken for the new ones. Nor is a later attempt for one that a schedule has seen.
    entry.txn.put(
        RETIRED_SERVICES, key_of(service.id), pack([newest_revision(service), service.attempt.number])
    )
    for revision in REVISIONS.scan(entry.txn, service.id):
        _forget_revision(entry, revision)
    for _, index, rollout_id in ROLLOUTS_BY_SERVICE.scan(entry.txn, service.id):
        ROLLOUTS.delete(entry.txn, rollout_id)
        ROLLOUTS_BY_SERVICE.remove(entry.txn, service.id, index, rollout_id)
    SERVICES.delete(entry.txn, service.id)
    WATCHES.delete(entry.txn, service.id)
    return Applied(service.version + 1)


def retired(entry: Entry, service_id: ServiceId) -> tuple[int, int]:
    """The newest revision and attempt of a service that was forgotten."""
    data = entry.txn.get(RETIRED_SERVICES, key_of(service_id))
    if data is None:
        return 0, 0
    revision, attempt = unpack(data)
    return int(revision), int(attempt)


def _forget_old_revisions(entry: Entry, service: Service) -> None:
    revisions = REVISIONS.scan(entry.txn, service.id)
    for revision in revisions[:-REVISIONS_KEPT]:
        if not is_in_use(entry.txn, service, revision.number):
            _forget_revision(entry, revision)


def _forget_revision(entry: Entry, revision: Revision) -> None:
    REVISIONS.delete(entry.txn, revision.service_id, revision.number)
    forget_uses(entry, revision)


def _forget_old_rollouts(entry: Entry, service_id: ServiceId) -> None:
    for _, index, rollout_id in ROLLOUTS_BY_SERVICE.scan(entry.txn, service_id)[:-ROLLOUTS_KEPT]:
        rollout = ROLLOUTS.get(entry.txn, RolloutId(str(rollout_id)))
        if rollout is None or rollout.phase.is_terminal:
            ROLLOUTS.delete(entry.txn, rollout_id)
            ROLLOUTS_BY_SERVICE.remove(entry.txn, service_id, index, rollout_id)


def _no_revision(service_id: ServiceId, number: int) -> Rejected:
    return Rejected(f"service {service_id} has no revision {number}", Code.NOT_FOUND)


def _version_conflict(service_id: ServiceId, version: int, expected: int | None) -> Rejected:
    return Rejected(
        f"service {service_id} is at version {version}, not {expected}: it changed meanwhile; look again",
        Code.VERSION_CONFLICT,
    )
