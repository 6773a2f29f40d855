"""From what the log answered to a wish, to the rollout that the leader makes of it."""

from __future__ import annotations

from cluster.model.ids import ServiceId
from cluster.model.rollout import Rollout
from cluster.model.service import Service
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.tools.context import Context
from web.tools.soon import soon
from web.tools.views import ServiceChanged


def revision_and_version(result: object) -> tuple[int, int]:
    """Return what PutService and AttemptRevision answer."""
    match result:
        case (int(revision), int(version)) | [int(revision), int(version)]:
            return revision, version
        case _:
            raise AssertionError(f"a command on a service answered {result!r}")


def rollout_of_attempt(txn: ReadTxn, service: Service) -> Rollout | None:
    """Return the rollout of the newest attempt, None while the leader has not begun it."""
    newest = rollouts_of_service(txn, service.id, limit=1)
    return newest[0] if newest and newest[0].attempt == service.attempt.number else None


async def begun(
    context: Context, service_id: ServiceId, result: object, *, done: str, note: str = ""
) -> ServiceChanged:
    """Wait a moment for the leader to begin the rollout, and return what the caller is told."""
    revision, version = revision_and_version(result)

    def look(txn: ReadTxn) -> Rollout | None:
        service = records.SERVICES.get(txn, service_id)
        return None if service is None else rollout_of_attempt(txn, service)

    rollout = await soon(context.surroundings, look, patience_s=context.pace.rollout_wait_s)
    following = f"follow it: tower rollout status {service_id} --wait"
    if rollout is None:
        following = "the leader has not begun it yet; `tower status` says whether there is one"
    return ServiceChanged(
        service_id=service_id,
        revision=revision,
        version=version,
        rollout_id=None if rollout is None else rollout.id,
        done=done,
        next="; ".join(each for each in (note, following) if each),
    )
