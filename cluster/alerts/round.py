"""One look of a leader at everything: what was seen of each subject, and what becomes of the alerts by it.

A leader may die after any round and before any of it is committed. The next one begins from the log: what an
alert has gone through is not gone through again, since nothing before its last judgement counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.alerts.machine import (
    FLAP_SPAN_MS,
    Finding,
    Memory,
    Observation,
    advance,
    attend,
    close,
)
from cluster.alerts.muting import Circumstances, muted_by
from cluster.alerts.overriding import overridden_by
from cluster.alerts.wording import Said
from cluster.model.alerts import Alert, AlertPhase, AlertRule, AlertSubject, Told

_NO_RULE = Said(
    "its rule is switched off, removed, or not about it any more",
    "la sua regola è disattivata, tolta, o non lo riguarda più",
)

Key = tuple[str, str]
"""Rule id and the subject's key: of both there is at most one alert that is not resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a rule saw of one subject since the last look, in order of time."""

    subject: AlertSubject
    observations: Sequence[Observation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one rule saw. `missing` says how a subject stands that was not seen, though an alert is open for
    it; None: it was not looked for this time."""

    rule: AlertRule
    sights: Sequence[Sight] = ()
    missing: Callable[[AlertSubject], Finding | None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the log: fields as `cluster.commands.alerts.AlertChange` has them."""

    alert: Alert
    expected_version: int
    told: Told | None = None
    is_dropped: bool = False

    @property
    def key(self) -> Key:
        return self.alert.rule_id, self.alert.subject.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The changes a look leads to, ends first; and what to remember once they are committed.

    `left_out` is how many alerts could not begin because too many are open.
    """

    steps: tuple[Step, ...]
    memories: Mapping[Key, Memory]
    left_out: int = 0


@dataclass(slots=True)
class Book:
    """What a leader knows besides the open alerts: memories, which go with it, and when alerts fired and
    ended of late, which the log knows too."""

    memories: MutableMapping[Key, Memory] = field(default_factory=dict)
    fired: MutableMapping[Key, tuple[int, ...]] = field(default_factory=dict)
    ended: MutableMapping[Key, int] = field(default_factory=dict)

    @classmethod
    def of_log(cls, alerts: Iterable[Alert]) -> Book:
        """Return what the newest alerts of the log, open or resolved, tell."""
        book = cls()
        for alert in alerts:
            key = alert.rule_id, alert.subject.key
            seen_ms = max(alert.judged_ms, alert.resolved_at_ms)
            if seen_ms > book.memories.get(key, Memory()).seen_ms:
                book.memories[key] = Memory(seen_ms=seen_ms)
            book.note(alert)
        return book

    def note(self, alert: Alert) -> None:
        """Remember when an alert fired and ended."""
        key = alert.rule_id, alert.subject.key
        moments = self.fired.get(key, ())
        if alert.fired_at_ms and alert.fired_at_ms not in moments:
            self.fired[key] = (*moments, alert.fired_at_ms)[-8:]
        if alert.resolved_at_ms > self.ended.get(key, 0):
            self.ended[key] = alert.resolved_at_ms

    def flaps(self, key: Key, now_ms: int) -> int:
        """How often the alert fired within the last hour."""
        return sum(1 for at_ms in self.fired.get(key, ()) if now_ms - at_ms <= FLAP_SPAN_MS)

    def seen_ms(self, rule_id: str, subject_key: str) -> int:
        """Up to when a subject was judged by a rule; 0: never."""
        return self.memories.get((rule_id, subject_key), Memory()).seen_ms

    def take(self, round_: Round, *, is_committed: bool) -> None:
        """Remember a round; without its commit only what did not need one."""
        changed = {step.key for step in round_.steps}
        for key, memory in round_.memories.items():
            if is_committed or key not in changed:
                self.memories[key] = memory
        if is_committed:
            for step in round_.steps:
                self.note(step.alert)

    def forget_before(self, moment_ms: int, open_keys: Iterable[Key]) -> None:
        """Drop what was not seen since: its subjects are gone."""
        kept = set(open_keys)
        for key in [k for k, m in self.memories.items() if m.seen_ms < moment_ms and k not in kept]:
            del self.memories[key]
        for key in [k for k, moments in self.fired.items() if max(moments) < moment_ms - FLAP_SPAN_MS]:
            del self.fired[key]
        for key in [k for k, ended_ms in self.ended.items() if ended_ms < moment_ms]:
            del self.ended[key]


def take_round(
    rules: Mapping[str, AlertRule],
    looks: Iterable[Look],
    open_alerts: Iterable[Alert],
    book: Book,
    around: Circumstances,
    *,
    now_ms: int,
    open_max: int,
) -> Round:
    """Return what a look leads to. `rules` are all that are in force, also those not looked at this time."""
    alerts = {(alert.rule_id, alert.subject.key): alert for alert in open_alerts}
    moves: list[_Move] = []
    steps: list[Step] = []
    seen: set[Key] = set()
    missing: dict[str, Callable[[AlertSubject], Finding | None]] = {}
    for look in looks:
        missing[look.rule.id] = look.missing
        for sight in look.sights:
            if not look.rule.scope.covers(sight.subject):
                continue
            key = look.rule.id, sight.subject.key
            if key in seen:
                continue
            seen.add(key)
            moves.append(_move(look.rule, sight, alerts.get(key), book))
    for key, alert in alerts.items():
        if key in seen:
            continue
        rule = rules.get(alert.rule_id)
        if rule is None or not rule.is_enabled or not rule.scope.covers(alert.subject):
            steps += _end(alert, now_ms)
            continue
        finding = missing[rule.id](alert.subject) if rule.id in missing else None
        observations = () if finding is None else (Observation(at_ms=now_ms, finding=finding),)
        sight = Sight(subject=alert.subject, observations=observations)
        moves.append(_move(rule, sight, alert, book))
    memories = {move.key: move.memory for move in moves if move.is_seen}
    # Who is told of an alert depends on the others, as they are after this look.
    open_keys = {move.key for move in moves if move.alert is not None and move.alert.is_open}
    ended_ms = dict(book.ended)
    for move in moves:
        if move.alert is not None and not move.alert.is_open:
            ended_ms[move.key] = move.alert.resolved_at_ms
    for move in moves:
        if move.alert is None:
            steps += _drop(move)
            continue
        quiet = muted_by(move.alert, around, now_ms) or overridden_by(
            move.rule, move.alert.subject, rules, open_keys, ended_ms, now_ms=now_ms
        )
        steps += _tell(move, move.alert, quiet, now_ms)
    return _within(steps, memories, room=open_max - len(alerts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """Where an alert is after a look, and where it was in the log. `is_seen`: there was something to see."""

    rule: AlertRule
    key: Key
    logged: Alert | None
    alert: Alert | None
    memory: Memory
    is_seen: bool


def _move(rule: AlertRule, sight: Sight, logged: Alert | None, book: Book) -> _Move:
    key = rule.id, sight.subject.key
    memory = book.memories.get(key)
    if memory is None:
        memory = Memory(seen_ms=logged.judged_ms if logged is not None else 0)
    alert = logged
    for observation in sight.observations:
        flaps = book.flaps(key, observation.at_ms)
        moved = advance(rule, sight.subject, alert, memory, observation, flaps=flaps)
        alert, memory = moved.alert, moved.memory
        if alert is not None and not alert.is_open:
            # What comes after its end is another alert, and begins with the next look.
            break
    return _Move(
        rule=rule, key=key, logged=logged, alert=alert, memory=memory, is_seen=bool(sight.observations)
    )


def _drop(move: _Move) -> list[Step]:
    logged = move.logged
    if logged is None or logged.phase is not AlertPhase.PENDING:
        return []
    return [_step(logged, logged, is_dropped=True)]


def _tell(move: _Move, alert: Alert, quiet: Said, now_ms: int) -> list[Step]:
    is_ending = move.memory.clear_since_ms is not None
    alert, told = attend(move.rule, alert, muted_by=quiet, now_ms=now_ms, is_ending=is_ending)
    if alert == move.logged and told is None:
        return []
    return [_step(alert, move.logged, told=told)]


def _step(alert: Alert, logged: Alert | None, *, told: Told | None = None, is_dropped: bool = False) -> Step:
    version = 0 if logged is None else logged.version
    if logged is not None:
        # One that was dropped and began anew within a look goes on under its number.
        alert = replace(alert, number=logged.number, version=logged.version)
    return Step(alert=alert, expected_version=version, told=told, is_dropped=is_dropped)


def _end(alert: Alert, now_ms: int) -> list[Step]:
    if alert.phase is AlertPhase.PENDING:
        return [_step(alert, alert, is_dropped=True)]
    told = Told.RESOLVED if alert.notified_at_ms else None
    return [_step(close(alert, at_ms=now_ms, resolution=_NO_RULE), alert, told=told)]


def _within(steps: Sequence[Step], memories: dict[Key, Memory], *, room: int) -> Round:
    """Ends and changes first: they make room. Of new alerts as many as there is room for, the gravest."""
    known = [step for step in steps if step.expected_version]
    room += sum(1 for step in known if step.is_dropped or not step.alert.is_open)
    new = sorted(
        (step for step in steps if not step.expected_version),
        key=lambda step: (-step.alert.severity.rank, step.alert.phase is AlertPhase.PENDING),
    )
    kept, out = new[: max(0, room)], new[max(0, room) :]
    for step in out:
        memories.pop(step.key, None)
    known.sort(key=lambda step: step.alert.is_open and not step.is_dropped)
    return Round(steps=(*known, *kept), memories=memories, left_out=len(out))
