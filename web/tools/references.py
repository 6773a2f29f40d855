"""Services and rollouts by what people call them."""

from __future__ import annotations

from cluster.model.rollout import Rollout
from cluster.model.service import Service
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.problems import Problem


def find_service(txn: ReadTxn, reference: str) -> Service:
    """Return the service of that id, or the one service of that name.

    Raises Problem: 404 when there is none, 409 when services of several projects have the name.
    """
    service = records.SERVICES.get(txn, reference) if is_key(reference) else None
    if service is not None:
        return service
    named = [each for each in records.SERVICES.scan(txn) if each.name == reference]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(each.id for each in named)
        raise Problem(
            "ambiguous", f"{len(named)} services are called {reference[:80]!r}: {ids}", hint="give the id"
        )
    raise Problem(
        "not-found",
        f"there is no service {reference[:80]!r}",
        hint="`tower services` lists them; an id is <project>.<service>",
    )


def find_rollout(txn: ReadTxn, reference: str) -> Rollout:
    """Return the rollout of that id, or the newest one of the service that is called so. Raises Problem."""
    rollout = records.ROLLOUTS.get(txn, reference) if is_key(reference) else None
    if rollout is not None:
        return rollout
    try:
        service = find_service(txn, reference)
    except Problem as problem:
        if problem.kind == "ambiguous":
            raise
        raise Problem(
            "not-found",
            f"there is no rollout {reference[:80]!r}, and no service of that name",
            hint="`tower rollout list` shows those that are remembered: the last 20 of each service",
        ) from problem
    newest = rollouts_of_service(txn, service.id, limit=1)
    if not newest:
        raise Problem(
            "not-found",
            f"{service.id} has had no rollout yet",
            hint="`tower status` says whether there is a leader to begin it",
        )
    return newest[0]


def is_key(text: str) -> bool:
    """Whether text of a stranger can be looked up at all."""
    return 0 < len(text) <= 128 and text.isascii() and text.isprintable()
