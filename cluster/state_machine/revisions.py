"""Which revisions of a service something runs with, or may soon."""

from __future__ import annotations

from cluster.model.service import Service
from cluster.store import ReadTxn
from cluster.store.records import ASSIGNMENTS, ROLLOUTS


def is_in_use(txn: ReadTxn, service: Service, revision: int) -> bool:
    """Whether a revision may not be forgotten, nor what it is made from."""
    return revision in _named(txn, service) or bool(ASSIGNMENTS.scan(txn, service.id, revision, limit=1))


def _named(txn: ReadTxn, service: Service) -> set[int]:
    named = {service.revision, service.stable_revision}
    if service.kept is not None:
        named.add(service.kept.revision)
    if service.rollout_id is not None:
        rollout = ROLLOUTS.get(txn, service.rollout_id)
        if rollout is not None:
            named |= {rollout.from_revision, rollout.to_revision}
    return named
