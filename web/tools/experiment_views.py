"""An experiment as it is shown: who gets what, since when, and how the two variants compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cluster.model.experiment import Experiment, Match, MatchKind, Variant
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase
from cluster.model.service import Assignment, Service
from cluster.rollout.judge import VariantComparison, compare
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.tools.attempts import rollout_of_attempt
from web.tools.nodes import lost_in
from web.tools.rollouts import on_live_hosts, ready_replicas
from web.tools.splits import split_in
from web.tools.stages import percent


class ExperimentState(StrEnum):
    """STARTING: b is brought up. SWITCHING: not every router follows it. RUNNING: it is counted.

    INTERRUPTED: one of the two has no healthy replica, and the other has all requests meanwhile. ENDING: it
    is decided which one is kept. FAILED: b never got a request.
    """

    STARTING = "starting"
    SWITCHING = "switching"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchView:
    """Requests whose header or cookie `name` is `value` go to b."""

    kind: MatchKind
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantView:
    """One of the two. `replicas` are those that are ready now."""

    revision: int
    image: str
    digest: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentView:
    """An experiment: variant a is the stable revision, b the one that is tried.

    Of the requests that no match leads to b, b gets `permille`. `began_at_ms` is when every router followed
    it for the first time, `ends_at_ms` when it ends by itself, in favour of `keep_at_end`; null: not known
    yet, or never. `kept` is what was kept once it is decided, `ended_by` the person who did, "" for its date.
    `comparison` is null before anything was counted; its intervals hold at all looks together. `notes` say
    what the comparison cannot tell. `waiting_for` are hosts whose routers do not follow it yet.
    """

    service_id: str
    rollout_id: str | None
    state: ExperimentState
    progress: str
    a: VariantView
    b: VariantView
    matches: tuple[MatchView, ...]
    permille: int
    is_sticky: bool
    asked_by: str
    started_at_ms: int
    began_at_ms: int | None
    ends_at_ms: int | None
    keep_at_end: Variant
    kept: Variant | None
    ended_at_ms: int | None
    ended_by: str
    reason: str
    waiting_for: tuple[str, ...]
    comparison: VariantComparison | None
    notes: tuple[str, ...]


def view_of_newest(txn: ReadTxn, service: Service) -> ExperimentView | None:
    """Return a service's newest experiment, also one that the leader has not begun."""
    attempt = service.attempt
    if attempt.experiment is not None and rollout_of_attempt(txn, service) is None:
        return _not_begun(txn, service, attempt.experiment)
    for rollout in rollouts_of_service(txn, service.id):
        if rollout.experiment is not None:
            return view_of(txn, service, rollout)
    return None


def views_of(txn: ReadTxn, service: Service) -> list[ExperimentView]:
    """Return the experiments of a service that are remembered, newest first."""
    views = [
        view_of(txn, service, rollout)
        for rollout in rollouts_of_service(txn, service.id)
        if rollout.experiment is not None
    ]
    attempt = service.attempt
    if attempt.experiment is not None and rollout_of_attempt(txn, service) is None:
        views.insert(0, _not_begun(txn, service, attempt.experiment))
    return views


def view_of(txn: ReadTxn, service: Service, rollout: Rollout) -> ExperimentView:
    run = rollout.experiment
    assert run is not None
    live = [] if rollout.phase.is_terminal else _live(txn, service)
    state = _state(rollout)
    split = None if rollout.phase.is_terminal else split_in(txn, service, live)
    comparison = None
    if rollout.judge is not None and run.began_at_ms:
        comparison = compare(rollout.judge)
    return ExperimentView(
        service_id=service.id,
        rollout_id=rollout.id,
        state=state,
        progress=_progress(rollout, state),
        a=_variant(txn, service, rollout.from_revision, live),
        b=_variant(txn, service, rollout.to_revision, live),
        matches=_matches(run.plan.matches),
        permille=run.plan.permille,
        is_sticky=run.plan.is_sticky,
        asked_by=rollout.by,
        started_at_ms=rollout.started_at_ms,
        began_at_ms=run.began_at_ms or None,
        ends_at_ms=None if run.is_over else run.plan.ends_at_ms(run.began_at_ms),
        keep_at_end=run.plan.keep,
        kept=run.keep,
        ended_at_ms=run.ended_at_ms or None,
        ended_by=run.ended_by,
        reason=rollout.reason,
        waiting_for=() if split is None else split.waiting_for,
        comparison=comparison,
        notes=() if comparison is None else (*_waiting(service, comparison), *notes_on(run.plan)),
    )


def _waiting(service: Service, comparison: VariantComparison) -> tuple[str, ...]:
    warmup_s = service.policy.shift.analysis.warmup_ms // 1000
    if comparison.a_requests or comparison.b_requests or not warmup_s:
        return ()
    return (f"requests count from {warmup_s} s after b's newest replica began to serve (analysis.warmup)",)


def notes_on(plan: Experiment) -> tuple[str, ...]:
    """Return what the comparison of such an experiment cannot tell."""
    notes = []
    if plan.matches:
        what = " or ".join(sorted({match.kind.value for match in plan.matches}))
        notes.append(
            f"whoever sends the {what} is not anybody: a difference may be one of the visitors and not of the"
            " revisions"
        )
    if plan.is_sticky:
        notes.append(
            "a visitor's requests are alike, and the intervals count requests: with few visitors they are too"
            " narrow"
        )
    return tuple(notes)


def whose(matches: Sequence[MatchView], permille: int) -> str:
    """Return which requests are b's, in words."""
    words = [f"{match.kind} {match.name}={match.value}" for match in matches]
    if permille:
        words.append(f"{percent(permille)} of all others" if words else f"{percent(permille)} of all")
    return ", ".join(words)


def _not_begun(txn: ReadTxn, service: Service, plan: Experiment) -> ExperimentView:
    live = _live(txn, service)
    return ExperimentView(
        service_id=service.id,
        rollout_id=None,
        state=ExperimentState.STARTING,
        progress="the leader has not begun it yet",
        a=_variant(txn, service, service.stable_revision, live),
        b=_variant(txn, service, service.revision, live),
        matches=_matches(plan.matches),
        permille=plan.permille,
        is_sticky=plan.is_sticky,
        asked_by=service.attempt.by,
        started_at_ms=service.attempt.at_ms,
        began_at_ms=None,
        ends_at_ms=plan.ends_at_ms(0),
        keep_at_end=plan.keep,
        kept=None,
        ended_at_ms=None,
        ended_by="",
        reason="",
        waiting_for=(),
        comparison=None,
        notes=(),
    )


def _state(rollout: Rollout) -> ExperimentState:
    run = rollout.experiment
    assert run is not None
    if rollout.phase.is_terminal:
        is_failed = rollout.phase is not RolloutPhase.SUCCEEDED and not run.began_at_ms and not run.ended_by
        return ExperimentState.FAILED if is_failed else ExperimentState.ENDED
    if run.is_over or rollout.phase is RolloutPhase.ROLLING_BACK:
        return ExperimentState.ENDING
    if not run.began_at_ms:
        return ExperimentState.STARTING
    match None if rollout.stage is None else rollout.stage.phase:
        case StagePhase.WATCHING:
            return ExperimentState.RUNNING
        case StagePhase.SWITCHING:
            return ExperimentState.SWITCHING
        case _:
            return ExperimentState.INTERRUPTED


def _progress(rollout: Rollout, state: ExperimentState) -> str:
    run = rollout.experiment
    assert run is not None
    kept = "" if run.keep is None else f"{run.keep} is kept: {revision_words(rollout, run.keep)}"
    match state:
        case ExperimentState.STARTING:
            return f"b (revision {rollout.to_revision}) is brought up"
        case ExperimentState.SWITCHING:
            return "not every router follows it yet"
        case ExperimentState.RUNNING:
            return f"b gets {whose(_matches(run.plan.matches), run.plan.permille)}"
        case ExperimentState.INTERRUPTED:
            return rollout.reason or "one of the two has no healthy replica"
        case ExperimentState.ENDING:
            return kept or f"back to a (revision {rollout.from_revision})"
        case ExperimentState.ENDED:
            return kept or f"ended: {rollout.phase}"
        case ExperimentState.FAILED:
            return f"b never got a request, and a (revision {rollout.from_revision}) goes on alone"


def revision_words(rollout: Rollout, variant: Variant) -> str:
    number = rollout.from_revision if variant is Variant.A else rollout.to_revision
    return f"revision {number}"


def _live(txn: ReadTxn, service: Service) -> list[Assignment]:
    return on_live_hosts(records.ASSIGNMENTS.scan(txn, service.id), lost_in(txn))


def _variant(txn: ReadTxn, service: Service, number: int, live: Sequence[Assignment]) -> VariantView:
    revision = records.REVISIONS.get(txn, service.id, number)
    return VariantView(
        revision=number,
        image="" if revision is None else revision.spec.image,
        digest="" if revision is None else revision.spec.digest,
        replicas=ready_replicas(live, number),
    )


def _matches(matches: Sequence[Match]) -> tuple[MatchView, ...]:
    return tuple(MatchView(kind=each.kind, name=each.name, value=each.value) for each in matches)
