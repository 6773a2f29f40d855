"""What happened in a time, to be marked on charts: deployments, alerts, restarts, hosts that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cluster.analytics.sentences import Language, Phrasebook, Text
from cluster.metrics.query import RangeQuery, Selector, Statistic
from cluster.model.alerts import Alert
from cluster.model.events import Event, EventKind, Severity
from cluster.model.metrics import Subject, SubjectKind
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.store import ReadTxn
from cluster.store.records import ALERTS, EVENTS, ROLLOUTS
from web.auth.call import Call
from web.tools.context import Context
from web.tools.measured import measured_by
from web.tools.nodes import node_names
from web.tools.times import parse_since
from web.tools.visibility import Sight, sight_of

MARKERS_MAX = 500
"""The newest of each kind; what is older is not drawn."""
_POINTS = 400
_SERIES = 200
_CHUNK = 200
_SCANNED_MAX = 5_000

BOOK = Phrasebook(
    {
        "deployed": Text(
            "revision {revision} of {service} was deployed", "rilasciata la revisione {revision} di {service}"
        ),
        "deploying": Text(
            "revision {revision} of {service} is being deployed",
            "in rilascio la revisione {revision} di {service}",
        ),
        "taken-back": Text(
            "revision {revision} of {service} was taken back", "ritirata la revisione {revision} di {service}"
        ),
        "failed": Text(
            "the rollout of revision {revision} of {service} failed",
            "fallito il rilascio della revisione {revision} di {service}",
        ),
        "restarted": Text("{name} on {node} was restarted", "{name} su {node} riavviato"),
        "restarted-often": Text(
            "{name} on {node} was restarted {count} times", "{name} su {node} riavviato {count} volte"
        ),
        "killed": Text(
            "{name} on {node} ran out of memory, and was killed",
            "{name} su {node} ha esaurito la memoria ed è stato terminato",
        ),
        "down": Text("host {node} did not answer any more", "l'host {node} non rispondeva più"),
        "up": Text("host {node} answered again", "l'host {node} rispondeva di nuovo"),
        "left": Text("host {node} left the cluster", "l'host {node} ha lasciato il cluster"),
        "joined": Text("host {node} joined the cluster", "l'host {node} è entrato nel cluster"),
        "maintenance": Text("host {node} went into maintenance", "l'host {node} è in manutenzione"),
    }
)

_HOST_EVENTS = {
    EventKind.NODE_DOWN: "down",
    EventKind.NODE_UP: "up",
    EventKind.NODE_REMOVED: "left",
    EventKind.NODE_JOINED: "joined",
    EventKind.NODE_MAINTENANCE: "maintenance",
}


class MarkerKind(StrEnum):
    DEPLOY = "deploy"
    ALERT = "alert"
    RESTART = "restart"
    OUT_OF_MEMORY = "oom"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerView:
    """One thing that happened. `said` is a sentence; `until_ms` null: it was a moment, or is not over.

    `rollout_id` and `alert` name what there is more to read of; `node_id`, `service` and `name` (of a
    container) say what it is about, "" where that has none.
    """

    kind: MarkerKind
    at_ms: int
    until_ms: int | None
    is_bad: bool
    said: str
    node_id: str = ""
    service: str = ""
    name: str = ""
    rollout_id: str = ""
    alert: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkersView:
    """What happened between two moments, oldest first. `left_out` says how many more there were."""

    start_ms: int
    end_ms: int
    markers: tuple[MarkerView, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """Of what the marks are: what is not "" must fit."""

    node_id: str
    service: str
    name: str

    def fits(self, marker: MarkerView) -> bool:
        """A deployment concerns whatever chart is not of another service."""
        if self.service and marker.service != self.service:
            return False
        if self.name and marker.kind is not MarkerKind.DEPLOY and marker.name != self.name:
            return False
        return not self.node_id or marker.node_id in ("", self.node_id)


async def list_markers(
    context: Context,
    call: Call,
    *,
    since: str,
    until: str,
    node: str = "",
    service: str = "",
    name: str = "",
    language: Language = Language.EN,
) -> MarkersView:
    """Return what happened from `since` until `until`, of a host (id or name), a service, a container's name.

    What the caller may not read is left out. Raises Problem (422).
    """
    await context.authority.admit(call, "metrics.read", "metrics")
    now_ms = context.surroundings.clock.now_ms()
    end_ms = parse_since(until, now_ms=now_ms, field="until") if until else now_ms
    start_ms = parse_since(since, now_ms=end_ms)
    names = node_names(context.surroundings)
    node_id = next((each for each, called in names.items() if node in (each, called)), node)
    about = _About(node_id=node_id, service=service, name=name)

    sight = sight_of(context, call)

    def may(action: str) -> bool:
        return context.authority.could(call, action).allowed

    found: list[MarkerView] = []
    with context.surroundings.state.read() as txn:
        if may("rollout.read"):
            found += _deployments(txn, language, start_ms, end_ms)
        if may("alert.read"):
            found += _alerts(txn, language, start_ms, end_ms)
        if may("event.read"):
            found += _host_events(txn, language, names, start_ms, end_ms)
    found = [marker for marker in found if about.fits(marker) and _is_seen(marker, sight)]
    sees = await measured_by(context, call)
    found += await _restarts(context, language, names, about, start_ms, end_ms, sees)
    found.sort(key=lambda marker: marker.at_ms)
    return MarkersView(
        start_ms=start_ms,
        end_ms=end_ms,
        markers=tuple(found[-MARKERS_MAX:]),
        left_out=max(0, len(found) - MARKERS_MAX),
    )


def _is_seen(marker: MarkerView, sight: Sight) -> bool:
    match marker.kind:
        case MarkerKind.DEPLOY:
            return sight.rollout is None or sight.rollout(marker.service)
        case MarkerKind.ALERT:
            return sight.alert is None or sight.alert(marker.node_id, marker.service, marker.name)
        case MarkerKind.HOST:
            return sight.event is None or sight.event(marker.node_id, "", "")
        case MarkerKind.RESTART | MarkerKind.OUT_OF_MEMORY:
            return True


def _deployments(txn: ReadTxn, language: Language, start_ms: int, end_ms: int) -> Iterator[MarkerView]:
    for rollout in ROLLOUTS.scan(txn):
        if start_ms <= rollout.started_at_ms <= end_ms:
            yield _deployment(rollout, language)


def _deployment(rollout: Rollout, language: Language) -> MarkerView:
    phases = {
        RolloutPhase.SUCCEEDED: "deployed",
        RolloutPhase.ROLLING_BACK: "taken-back",
        RolloutPhase.ROLLED_BACK: "taken-back",
        RolloutPhase.FAILED: "failed",
        RolloutPhase.CANCELLED: "taken-back",
    }
    key = phases.get(rollout.phase, "deploying")
    return MarkerView(
        kind=MarkerKind.DEPLOY,
        at_ms=rollout.started_at_ms,
        until_ms=rollout.changed_at_ms if rollout.phase.is_terminal else None,
        is_bad=key in ("taken-back", "failed"),
        said=BOOK.say(language, key, service=rollout.service_id, revision=str(rollout.to_revision)),
        service=rollout.service_id,
        rollout_id=rollout.id,
    )


def _alerts(txn: ReadTxn, language: Language, start_ms: int, end_ms: int) -> Iterator[MarkerView]:
    for alert in ALERTS.scan(txn):
        if alert.fired_at_ms and start_ms <= alert.fired_at_ms <= end_ms:
            yield _alert(alert, language)


def _alert(alert: Alert, language: Language) -> MarkerView:
    return MarkerView(
        kind=MarkerKind.ALERT,
        at_ms=alert.fired_at_ms,
        until_ms=alert.resolved_at_ms or None,
        is_bad=alert.severity is Severity.CRITICAL,
        said=alert.said("text", language.value),
        node_id=alert.subject.node_id,
        service=alert.subject.service_id,
        name=alert.subject.name,
        alert=alert.number,
    )


def _host_events(
    txn: ReadTxn, language: Language, names: dict[str, str], start_ms: int, end_ms: int
) -> Iterator[MarkerView]:
    before: int | None = None
    for _ in range(_SCANNED_MAX // _CHUNK):
        events = EVENTS.scan(txn, after=None if before is None else (before,), limit=_CHUNK, reverse=True)
        for event in events:
            before = event.sequence
            if event.at_ms < start_ms:
                return
            if event.kind in _HOST_EVENTS and event.at_ms <= end_ms:
                yield _host_event(event, language, names)
        if len(events) < _CHUNK:
            return


def _host_event(event: Event, language: Language, names: dict[str, str]) -> MarkerView:
    node_id = event.subject.node_id
    return MarkerView(
        kind=MarkerKind.HOST,
        at_ms=event.at_ms,
        until_ms=None,
        is_bad=event.kind is EventKind.NODE_DOWN,
        said=BOOK.say(language, _HOST_EVENTS[event.kind], node=names.get(node_id, node_id)),
        node_id=node_id,
    )


async def _restarts(
    context: Context,
    language: Language,
    names: dict[str, str],
    about: _About,
    start_ms: int,
    end_ms: int,
    sees: Callable[[Subject], bool] | None,
) -> list[MarkerView]:
    """Restarts and kills of containers, as the history counted them: it knows them for longer than events."""
    answer = await context.surroundings.history.query(
        RangeQuery(
            selector=Selector(
                metrics=("restarts", "oom_kills"),
                kinds=(SubjectKind.CONTAINER,),
                node_ids=(about.node_id,) if about.node_id else (),
                names=(about.name,) if about.name else (),
                labels=(("service", about.service),) if about.service else (),
            ),
            start_ms=start_ms,
            end_ms=end_ms,
            points_max=_POINTS,
            statistic=Statistic.SUM,
            top=_SERIES,
        )
    )
    series_seen = answer.series
    if sees is not None:
        numbers = tuple(each.subject for each in answer.series if each.subject is not None)
        subjects = await context.surroundings.history.subjects(Selector(subjects=numbers)) if numbers else ()
        seen = {each.number for each in subjects if sees(each)}
        series_seen = tuple(each for each in answer.series if each.subject in seen)
    found = []
    for series in series_seen:
        kind = MarkerKind.RESTART if series.metric == "restarts" else MarkerKind.OUT_OF_MEMORY
        node_id = series.label("node")
        for place in np.flatnonzero(np.nan_to_num(series.values) > 0):
            count = round(float(series.values[place]))
            key = "killed" if kind is MarkerKind.OUT_OF_MEMORY else "restarted"
            if key == "restarted" and count > 1:
                key = "restarted-often"
            found.append(
                MarkerView(
                    kind=kind,
                    at_ms=int(answer.times_ms[place]),
                    until_ms=None,
                    is_bad=kind is MarkerKind.OUT_OF_MEMORY or count > 2,
                    said=BOOK.say(
                        language,
                        key,
                        name=series.label("subject"),
                        node=names.get(node_id, node_id),
                        **({"count": str(count)} if key == "restarted-often" else {}),
                    ),
                    node_id=node_id,
                    service=series.label("service"),
                    name=series.label("subject"),
                )
            )
    return found
