"""From HAProxy's counters to the traffic of revisions. Pure.

HAProxy says of a server how many requests it answered. What became of the others it says only of the whole
backend:

- errors it answered itself: the backend's 5xx less those of its servers.
- upgrades to a websocket, which look like any other informational answer of a server.
- requests it lost: begun - answered - in flight. One lost on a reused connection leaves no error, no response
  and no log line (`abort_keep_alive` in HAProxy's src/http_ana.c, 2.6 to 3.5); one that its client gave up
  does leave an answer (400, or of no class).

They are shared out among the revisions of the backend, failures by the attempts that came to nothing. An
error for which no server was tried (none is usable) is nobody's. Attempts themselves are no measure of
requests: one that is sent again may count as one retry or as two.

A worker's counters are read one after the other while it works, so that a request may be seen begun and not
yet in flight: an error or a loss counts once two readings in a row saw it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from agent.router.haproxy.render import split_backend_name
from agent.router.haproxy.stats import BackendCounters, PreviewCounters, Reading, ServerCounters
from agent.router.protocol import RevisionTraffic


@dataclass(slots=True)
class _Confirmed:
    """A rising figure that may be too high for one reading."""

    value: int = 0
    newest: int = 0

    def see(self, now: int) -> int:
        """Return by how much it certainly rose."""
        before, self.value = self.value, max(self.value, min(self.newest, now))
        self.newest = now
        return self.value - before

    @property
    def is_open(self) -> bool:
        return self.newest > self.value


@dataclass(slots=True)
class _Backend:
    """One backend of one worker between two readings.

    `unanswered` are attempts that are over without an answer of a server, by revision, and not shared out
    yet; `troubles` those that HAProxy noticed. `previews_due` and `preview_errors_due` are answered previews
    that are still to be left out.
    """

    counters: BackendCounters = field(default_factory=BackendCounters)
    previews: PreviewCounters = field(default_factory=PreviewCounters)
    own_errors: _Confirmed = field(default_factory=_Confirmed)
    lost: _Confirmed = field(default_factory=_Confirmed)
    unanswered: Counter[int] = field(default_factory=Counter)
    troubles: Counter[int] = field(default_factory=Counter)
    informational: Counter[int] = field(default_factory=Counter)
    previews_due: int = 0
    preview_errors_due: int = 0


@dataclass(slots=True)
class _Counts:
    requests: int = 0
    failures: int = 0
    lost: int = 0
    retried: int = 0


class TrafficLedger:
    """Adds up what workers counted that come and go; the counters of each begin at 0."""

    def __init__(self) -> None:
        self._backends: dict[tuple[int, str], _Backend] = {}
        self._counts: dict[tuple[str, int], _Counts] = {}

    def begin(self, pid: int, reading: Reading) -> None:
        """Count nothing of what a worker counted up to now."""
        for name, counters in reading.backends.items():
            previews = reading.previews.get(name, PreviewCounters())
            own_errors, lost = _without_answer(counters, previews)
            self._backends[pid, name] = _Backend(
                counters=counters,
                previews=previews,
                own_errors=_Confirmed(own_errors, own_errors),
                lost=_Confirmed(lost, lost),
            )

    def record(self, readings: Mapping[int, Reading], *, revision_of: Callable[[str, str], int]) -> bool:
        """Take in what workers said, by pid; true when another reading would confirm something.

        `revision_of` gives the revision of a backend's server. It counts for all requests since the reading
        before, so a server is read whenever it is about to get another one.
        """
        is_open = False
        for pid, reading in readings.items():
            for name, counters in reading.backends.items():
                names = split_backend_name(name)
                if names is None:
                    continue
                backend = self._backends.setdefault((pid, name), _Backend())
                revisions = {server: revision_of(name, server) for server in counters.servers}
                _leave_out(backend, reading.previews.get(name, backend.previews))
                self._add_servers(names[0], backend, counters, revisions)
                self._add_rest(names[0], backend, counters)
                is_open = is_open or backend.own_errors.is_open or backend.lost.is_open
        return is_open

    def forget(self, present: Iterable[int]) -> None:
        """Drop the workers that are not `present`. What one counted after its last reading is not known."""
        pids = set(present)
        for key in [key for key in self._backends if key[0] not in pids]:
            del self._backends[key]

    def retain(self, services: Collection[str], *, revisions_max: int) -> None:
        """Drop other services, and of each the oldest revisions beyond the newest `revisions_max`."""
        newest: dict[str, list[int]] = {}
        for service, revision in sorted(self._counts, reverse=True):
            newest.setdefault(service, []).append(revision)
        for service, revision in list(self._counts):
            if service not in services or revision not in newest[service][:revisions_max]:
                del self._counts[service, revision]

    def totals(self) -> tuple[RevisionTraffic, ...]:
        """Return the counts of every revision, without latencies."""
        return tuple(
            RevisionTraffic(
                service=service,
                revision=revision,
                requests=counts.requests,
                failures=counts.failures,
                lost=counts.lost,
                retried=counts.retried,
            )
            for (service, revision), counts in sorted(self._counts.items(), key=lambda item: item[0])
            if revision
        )

    def _add_servers(
        self, service: str, backend: _Backend, now: BackendCounters, revisions: Mapping[str, int]
    ) -> None:
        answers: Counter[int] = Counter()
        errors: Counter[int] = Counter()
        for server, counters in now.servers.items():
            before = backend.counters.servers.get(server, ServerCounters())
            revision = revisions[server]
            attempts = counters.attempts - before.attempts
            retried = min(attempts, counters.retries - before.retries)
            answered = counters.answers - before.answers
            answers[revision] += answered
            errors[revision] += counters.server_errors - before.server_errors
            in_flight = counters.in_flight - before.in_flight
            backend.unanswered[revision] += attempts - retried - answered - in_flight
            backend.informational[revision] += counters.informational - before.informational
            backend.troubles[revision] += retried + counters.failed_attempts - before.failed_attempts
            self._of(service, revision).retried += retried
        backend.previews_due -= _take(answers, backend.previews_due)
        backend.preview_errors_due -= _take(errors, backend.preview_errors_due)
        for revision in answers:
            self._of(service, revision).requests += answers[revision]
            self._of(service, revision).failures += errors[revision]

    def _add_rest(self, service: str, backend: _Backend, now: BackendCounters) -> None:
        upgrades = now.upgrades - backend.counters.upgrades
        for revision, part in apportion(upgrades, +backend.informational).items():
            self._of(service, revision).requests += part
            backend.unanswered[revision] -= part
        own_errors, lost = _without_answer(now, backend.previews)
        self._share_out(service, backend, backend.own_errors.see(own_errors), is_lost=False)
        self._share_out(service, backend, backend.lost.see(lost), is_lost=True)
        backend.counters = now
        if not now.in_flight and not backend.own_errors.is_open:
            # Nothing is under way any more that could still fail of them.
            backend.troubles.clear()

    def _share_out(self, service: str, backend: _Backend, number: int, *, is_lost: bool) -> None:
        weights = +backend.troubles
        if is_lost:
            weights = +backend.unanswered or weights or Counter(dict.fromkeys(backend.unanswered, 1))
        for revision, part in apportion(number, weights).items():
            counts = self._of(service, revision)
            counts.requests += part
            counts.failures += part
            counts.lost += part if is_lost else 0
            backend.unanswered[revision] -= part
            if not is_lost:
                backend.troubles[revision] -= min(part, backend.troubles[revision])

    def _of(self, service: str, revision: int) -> _Counts:
        return self._counts.setdefault((service, revision), _Counts())


def _leave_out(backend: _Backend, now: PreviewCounters) -> None:
    before, backend.previews = backend.previews, now
    backend.previews_due += now.answers - before.answers
    backend.preview_errors_due += now.server_errors - before.server_errors


def _without_answer(counters: BackendCounters, previews: PreviewCounters) -> tuple[int, int]:
    """Return (errors that HAProxy answered itself, requests it lost) since the worker began, no previews."""
    own_errors = counters.server_errors - sum(each.server_errors for each in counters.servers.values())
    lost = counters.requests - counters.answers - counters.in_flight
    previewed = max(0, previews.requests - previews.in_flight - previews.answers)
    lost_previews = min(previewed, max(0, lost))
    return own_errors - (previewed - lost_previews), lost - lost_previews


def _take(counts: Counter[int], number: int) -> int:
    """Take away at most `number` in all, in proportion; return how many that were."""
    present = +counts
    taken = min(number, present.total())
    for revision, part in apportion(taken, present).items():
        counts[revision] -= part
    return taken


def apportion(number: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Share `number` out by largest remainder; {} where nothing has any weight."""
    total = sum(weights.values())
    if total <= 0 or number <= 0:
        return {}
    shares = {key: divmod(number * weight, total) for key, weight in weights.items()}
    parts = {key: whole for key, (whole, _) in shares.items()}
    rest = number - sum(parts.values())
    for key in sorted(shares, key=lambda key: (-shares[key][1], key))[:rest]:
        parts[key] += 1
    return parts
