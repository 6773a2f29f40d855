"""What people name, found among all that is measured, and its series by the hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

import numpy as np

from cluster.analytics.sentences import noun
from cluster.analytics.series import DAY_MS, HOUR_MS, Hourly, Values, to_hourly
from cluster.metrics.query import SERIES_MAX, RangeQuery, Resolution, Selector, Statistic
from cluster.model.metrics import BY_NAME, MetricType, Subject, SubjectKind
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.exact_names import exact_name
from web.tools.measured import find_metrics, find_seen_series, find_series
from web.tools.metric_history import adds_up
from web.tools.nodes import node_names

DAYS = 30
"""How far back analyses look."""
_NAMED_MAX = 8
_TOTALS = frozenset({"oom_kills", "restarts"})
"""Events so rare that people count them; of other counts they want the rate."""
_DEFAULT_METRICS = {
    SubjectKind.HOST: "memory_bytes",
    SubjectKind.CONTAINER: "memory_bytes",
    SubjectKind.DISK: "disk_used_bytes",
    SubjectKind.SENSOR: "temperature_celsius",
    SubjectKind.ROUTE: "requests",
    SubjectKind.AGENT: "memory_bytes",
    SubjectKind.EXTERNAL: "value",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an analysis is of: one thing, or all replicas of a service, with those that were there before.

    `name` is what people call it. `node_id` is "" where it is on several hosts, `service` its label.
    """

    name: str
    kind: SubjectKind
    subjects: tuple[Subject, ...]
    node_id: str = ""
    service: str = ""

    @property
    def default_metric(self) -> str:
        return _DEFAULT_METRICS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """Series by the hour of many subjects. `notes` say what the history could not show."""

    now_ms: int
    times_ms: np.ndarray[tuple[int], np.dtype[np.int64]]
    values: Mapping[tuple[int, str], Values]
    notes: tuple[str, ...] = ()
    _made: dict[tuple[tuple[int, ...], str], Hourly] = field(default_factory=dict)

    def of(self, scope: Scope, metric: str) -> Hourly:
        """Return one series of what is named: replicas added up, or the worst of them for what does not add
        up (waiting, latency). Of containers that took over a name the newer one counts."""
        key = (tuple(subject.number for subject in scope.subjects), metric)
        if key not in self._made:
            times = self.times_ms.astype(np.int64)
            self._made[key] = to_hourly(times, self._combined(scope, metric), now_ms=self.now_ms)
        return self._made[key]

    def _combined(self, scope: Scope, metric: str) -> Values:
        def name_of(subject: Subject) -> tuple[str, str]:
            return subject.definition.node_id, subject.definition.name

        rows = []
        ordered = sorted(scope.subjects, key=lambda subject: (name_of(subject), subject.number))
        for _, successors in groupby(ordered, key=name_of):
            row = np.full(len(self.times_ms), np.nan)
            for subject in successors:
                values = self.values.get((subject.number, metric))
                if values is not None:
                    row = np.where(np.isfinite(values), values, row)
            rows.append(row)
        if not rows:
            return np.empty(0)
        together = np.stack(rows)
        known = np.isfinite(together).any(axis=0)
        if adds_up(metric):
            found = np.nansum(together, axis=0)
        else:
            found = np.where(np.isfinite(together), together, -np.inf).max(axis=0)
        return np.where(known, found, np.nan)


def unit_of(metric: str) -> str:
    """Return the unit its hours have."""
    found = BY_NAME[metric]
    return f"{found.unit}/s" if found.type is MetricType.COUNT and metric not in _TOTALS else found.unit


def bounds_of(scope: Scope, metric: str) -> tuple[float | None, float | None]:
    """Return the least and the most a metric can be, None where it has no such bound.

    Processor time of a container is of one processor, and it may have several.
    """
    unit = BY_NAME[metric].unit
    is_share = unit == "percent" and not (metric == "cpu_percent" and scope.kind is not SubjectKind.HOST)
    return None if unit == "celsius" else 0.0, 100.0 if is_share else None


def find_metric(text: str) -> str:
    """Return the name of one metric, "" for "". Raises Problem (422)."""
    names = find_metrics(text)
    if len(names) > 1:
        raise invalid("metric", "one metric at a time", value=text[:80], hint=f"such as {names[0]}")
    return names[0] if names else ""


async def find_scope(
    context: Context, reference: str, metric: str = "", *, seen_by: Call | None = None
) -> Scope:
    """Return the one thing, or the one service, that `reference` names, as `web.tools.measured` finds it;
    with "HOST:" before it on that host.

    With `metric` only what has that is meant, with `seen_by` what that caller may see the numbers of. Raises
    Problem (404, 409, 422).
    """
    nodes = node_names(context.surroundings)
    host, _, rest = reference.partition(":")
    is_on_host = bool(rest) and host in {*nodes, *nodes.values()}
    find = find_series if seen_by is None else partial(find_seen_series, call=seen_by)
    selector = await find(
        context,
        reference=rest if is_on_host else reference,
        metrics=(metric,) if metric else (),
        node=host if is_on_host else "",
    )
    meant = await context.surroundings.history.subjects(replace(selector, metrics=()))
    kinds = BY_NAME[metric].kinds if metric else tuple(SubjectKind)
    fitting = [subject for subject in meant if subject.definition.kind in kinds]
    if not fitting:
        raise _without(meant, reference, metric)
    # A service's name also names its routes: the thing itself first.
    kind = min(subject.definition.kind for subject in fitting)
    chosen = [subject for subject in fitting if subject.definition.kind is kind]
    places = {(each.definition.node_id, each.definition.name) for each in chosen}
    services = {each.definition.label("service") for each in chosen}
    if len(places) == 1 or (len(services) == 1 and services != {""}):
        return make_scope(chosen, nodes)
    ways = sorted(
        services
        if "" not in services and len(services) > 1
        else {f"{nodes.get(node_id, node_id)}:{name}" for node_id, name in places}
    )
    raise Problem(
        "ambiguous",
        f"{len(places)} things are called {reference[:80]!r}",
        hint=f"name one: {', '.join(ways[:_NAMED_MAX])}",
    )


def _without(meant: Sequence[Subject], reference: str, metric: str) -> Problem:
    if not meant:
        return Problem(
            "not-found",
            f"{noun(metric).en if metric else 'anything'} of {reference[:80]!r} was never measured",
            hint="`tower metrics` lists what is measured",
        )
    kind = meant[0].definition.kind
    has = ", ".join(sorted(name for name, each in BY_NAME.items() if kind in each.kinds))
    return invalid("metric", f"{reference[:80]} has no {metric}", value=metric, hint=f"it has {has}")


def make_scope(subjects: Sequence[Subject], nodes: Mapping[str, str]) -> Scope:
    """Return the scope of subjects that are one thing, or one service."""
    first = subjects[-1].definition
    places = {(each.definition.node_id, each.definition.name) for each in subjects}
    node = nodes.get(first.node_id, first.node_id)
    service = first.label("service")
    if first.kind is SubjectKind.HOST:
        name = node
    elif first.kind is SubjectKind.AGENT:
        name = f"agent of {node}"
    elif service and (len(places) > 1 or first.kind is SubjectKind.ROUTE):
        name = service
    elif first.kind is SubjectKind.CONTAINER:
        name = first.name
    else:
        name = f"{node}:{first.name}"
    hosts = {each.definition.node_id for each in subjects}
    return Scope(
        name=name,
        kind=first.kind,
        subjects=tuple(subjects),
        node_id=first.node_id if len(hosts) == 1 else "",
        service=service,
    )


def named_exactly(scope: Scope, nodes: Mapping[str, str]) -> str:
    """Return what it is, as the dashboard's charts are opened by it."""
    name = scope.subjects[-1].definition.name if scope.name != scope.service else scope.service
    node = nodes.get(scope.node_id, scope.node_id)
    return exact_name(kind=scope.kind.word, name=name, service=scope.service, node=node)


async def read_hours(
    context: Context, scopes: Iterable[Scope], metrics: Sequence[str], *, days: int = DAYS
) -> Hours:
    """Return the last `days` days of some metrics of all of these, by the hour.

    Gauges as means, counts as rates per second, and kills and restarts as how many there were.
    """
    now_ms = context.surroundings.clock.now_ms()
    end_ms = now_ms - now_ms % HOUR_MS + HOUR_MS
    start_ms = end_ms - days * DAY_MS
    subjects = sorted({each.number for scope in scopes for each in scope.subjects})
    times = np.arange(start_ms, end_ms, HOUR_MS, dtype=np.int64)
    values: dict[tuple[int, str], Values] = {}
    notes: list[str] = []
    for statistic, names in _by_statistic(metrics):
        size = max(1, SERIES_MAX // len(names))
        for begin in range(0, len(subjects), size):
            answer = await context.surroundings.history.query(
                RangeQuery(
                    selector=Selector(metrics=names, subjects=tuple(subjects[begin : begin + size])),
                    start_ms=start_ms,
                    end_ms=end_ms,
                    step_ms=HOUR_MS,
                    resolution=Resolution.HOURLY,
                    statistic=statistic,
                )
            )
            notes += answer.notes
            for series in answer.series:
                if series.subject is not None:
                    values[series.subject, series.metric] = _on_grid(times, answer.times_ms, series.values)
    return Hours(now_ms=now_ms, times_ms=times, values=values, notes=tuple(dict.fromkeys(notes)))


def _by_statistic(metrics: Sequence[str]) -> list[tuple[Statistic, tuple[str, ...]]]:
    ways: dict[Statistic, list[str]] = {}
    for name in dict.fromkeys(metrics):
        is_count = BY_NAME[name].type is MetricType.COUNT
        way = Statistic.SUM if name in _TOTALS else Statistic.PER_S if is_count else Statistic.MEAN
        ways.setdefault(way, []).append(name)
    return [(way, tuple(names)) for way, names in ways.items()]


def _on_grid(
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    answered: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: Values,
) -> Values:
    if len(answered) == len(times):
        return values
    found = np.full(len(times), np.nan)
    where = (answered - times[0]) // HOUR_MS
    inside = (where >= 0) & (where < len(times))
    found[where[inside]] = values[inside]
    return found
