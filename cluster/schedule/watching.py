"""Whether a service is to be given the image that its tag means now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from cluster.model.rollout import Rollout
from cluster.model.service import Revision, Service
from cluster.model.watching import ImageWatch
from cluster.schedule.windows import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Nothing is done, and why. `until_ms` is when that may change by time alone."""

    reason: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The revision `base` is made again with `digest`."""

    base: Revision
    digest: str


Verdict: TypeAlias = Hold | Update


def decide_watch(
    watch: ImageWatch,
    service: Service,
    revisions: Iterable[Revision],
    newest: Rollout | None,
    standing: Standing,
    now_ms: int,
) -> Verdict:
    """Return what to do about a digest that was seen. `newest` is the service's newest rollout.

    The new revision is made from the one that runs whole: one that did not last may have failed for something
    else than its image. A digest that this watch has tried, or that the service had before and has left, is
    not tried: somebody, or the judge, went back from it.
    """
    known = {revision.number: revision for revision in revisions}
    base = known.get(service.stable_revision)
    if service.is_removed or base is None:
        return Hold(reason="no revision has run whole yet")
    if not watch.digest or watch.image != base.spec.image:
        return Hold(reason=watch.problem or "the registry was not asked yet")
    if watch.digest == base.spec.digest:
        return Hold(reason="it runs what the tag means")
    if watch.digest in watch.tried or any(
        revision.spec.digest == watch.digest for revision in known.values()
    ):
        return Hold(reason=f"{watch.digest} was here before and did not stay; it is not tried again")
    if service.rollout_id is not None or not _has_ended(service, newest):
        return Hold(reason="a rollout is under way")
    ripe_ms = watch.first_seen_ms + watch.rules.min_age_ms
    if now_ms < ripe_ms:
        return Hold(reason=f"{watch.digest} is too young", until_ms=ripe_ms)
    if not standing.is_open:
        return Hold(reason=standing.reason, until_ms=standing.opens_at_ms)
    return Update(base=base, digest=watch.digest)


def _has_ended(service: Service, newest: Rollout | None) -> bool:
    """Whether what people asked for last was carried out, or given up."""
    if service.revision == service.stable_revision:
        return True
    return newest is not None and newest.attempt == service.attempt.number and newest.phase.is_terminal
