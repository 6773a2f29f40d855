"""What must hold while an experiment goes on, and before one starts."""

from __future__ import annotations

from cluster.commands.outcome import Code, Rejected
from cluster.model.experiment import Experiment
from cluster.model.service import Fencing, Service, ServiceSpec
from cluster.state_machine.entry import Entry
from cluster.store.records import REVISIONS, ROLLOUTS, rollouts_of_service


def refuse_during_experiment(entry: Entry, service: Service) -> Rejected | None:
    """Refuse what would change one of the two variants, or who gets which, under the hands of who compares
    them."""
    if service.is_removed or not _has_experiment(entry, service):
        return None
    by = service.attempt.by or "somebody"
    return Rejected(
        f"an experiment of {by} with revision {service.revision} of {service.id} goes on: end it first, with"
        f" `tower experiment end {service.id} --keep a` (the stable revision) or `--keep b`",
        Code.IN_USE,
    )


def refuse_experiment(
    entry: Entry, service: Service, spec: ServiceSpec, experiment: Experiment
) -> Rejected | None:
    """Say why `spec` cannot be tried beside what runs, None when it can."""
    if _has_experiment(entry, service):
        return refuse_during_experiment(entry, service)
    if service.rollout_id is not None:
        return Rejected(
            f"rollout {service.rollout_id} of {service.id} is under way: wait until it has ended", Code.IN_USE
        )
    stable = REVISIONS.get(entry.txn, service.id, service.stable_revision)
    if stable is None:
        return Rejected(
            f"no revision of {service.id} has run whole yet: there is nothing to compare with", Code.INVALID
        )
    if service.fencing is not Fencing.NONE:
        return Rejected(
            f"{service.id} never runs twice, so no second revision can run beside it", Code.INVALID
        )
    if stable.spec == spec:
        return Rejected(
            f"revision {stable.number} of {service.id} is what runs: b must differ from it", Code.INVALID
        )
    if experiment.replicas > service.replicas:
        return Rejected(
            f"replicas {experiment.replicas}: b has at most as many as a, which has {service.replicas}",
            Code.INVALID,
        )
    return None


def _has_experiment(entry: Entry, service: Service) -> bool:
    if service.attempt.experiment is None:
        return False
    if service.rollout_id is not None:
        rollout = ROLLOUTS.get(entry.txn, service.rollout_id)
        return rollout is not None and rollout.is_experiment
    newest = rollouts_of_service(entry.txn, service.id, limit=1)
    # The leader has not begun it yet.
    return not newest or newest[0].attempt != service.attempt.number
