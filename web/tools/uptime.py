"""How the groups of containers are, and in which share of the time each was up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cluster.analytics.availability import Availability, availability_of, is_up
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution, Selector, Statistic
from cluster.model.metrics import STEP_MS, Subject, SubjectKind
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.context import Context
from web.tools.measured import measured_by
from web.tools.nodes import node_names
from web.tools.times import parse_span

DAY_MS = 86_400_000
SPAN_MIN_MS = 10 * 60_000
SPAN_MAX_MS = 7 * DAY_MS
MOMENTS_MAX = 1_440
"""How often a span is looked at: every minute of a day, every seven minutes of a week."""
GRAIN_MAX_MS = 60_000
"""Spans end at multiples of this: whoever asks within it asks the same."""
_SUBJECTS_PER_QUERY = 200
_METRICS = ("state", "health")


@dataclass(frozen=True, slots=True, kw_only=True)
class UptimeView:
    """A group over the span that was asked for: `kind` "project", or "host" for containers of none.

    `up` is the share of the time something of it ran and was not unhealthy, of the time in which anything was
    measured, which is `known` of all; 0 to 1, null where nothing is known. `course` is `up` in equal
    stretches, the oldest first.
    """

    kind: str
    name: str
    up: float | None
    known: float
    course: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UptimesView:
    """The groups by name, from `start_ms` to `end_ms`."""

    start_ms: int
    end_ms: int
    groups: tuple[UptimeView, ...]


async def get_uptime(context: Context, call: Call, *, span: str, stretches: int) -> UptimesView:
    """Return how available each group was in the last `span`. Raises Problem."""
    await context.authority.admit(call, "metrics.read", "metrics")
    span_ms = parse_span(span, field="span")
    if not SPAN_MIN_MS <= span_ms <= SPAN_MAX_MS:
        raise invalid("span", "from ten minutes to seven days", value=span)
    step_ms = max(STEP_MS, -(-span_ms // MOMENTS_MAX // STEP_MS) * STEP_MS)
    grain_ms = min(step_ms, GRAIN_MAX_MS)
    end_ms = context.surroundings.clock.now_ms() // grain_ms * grain_ms
    start_ms = end_ms - span_ms
    sees = await measured_by(context, call)
    # Whoever sees the same is told the same.
    part = None if sees is None else context.authority.powers(call).key
    return await context.spans.get(
        ("uptime", start_ms, end_ms, stretches, part),
        lambda: _look(context, sees, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms, stretches=stretches),
    )


async def _look(
    context: Context,
    sees: Callable[[Subject], bool] | None,
    *,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    stretches: int,
) -> UptimesView:
    history = context.surroundings.history
    groups: dict[tuple[str, str], list[Subject]] = defaultdict(list)
    names = node_names(context.surroundings)
    for subject in await history.subjects(Selector(kinds=(SubjectKind.CONTAINER,))):
        if sees is None or sees(subject):
            groups[_group_of(subject, names)].append(subject)
    found: list[UptimeView] = []
    for (kind, name), subjects in sorted(groups.items()):
        known = await _availability(
            context, subjects, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms, stretches=stretches
        )
        # What was gone before the span began is no group of it.
        if known is not None and known.known > 0:
            found.append(_view(kind, name, known))
    return UptimesView(start_ms=start_ms, end_ms=end_ms, groups=tuple(found))


def _group_of(subject: Subject, names: dict[str, str]) -> tuple[str, str]:
    definition = subject.definition
    project = definition.label("project")
    return ("project", project) if project else ("host", names.get(definition.node_id, definition.node_id))


async def _availability(
    context: Context,
    subjects: Sequence[Subject],
    *,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    stretches: int,
) -> Availability | None:
    """Return a group's availability; None where none of it was ever measured."""
    up = None
    for begin in range(0, len(subjects), _SUBJECTS_PER_QUERY):
        numbers = tuple(subject.number for subject in subjects[begin : begin + _SUBJECTS_PER_QUERY])
        answer = await context.surroundings.history.query(
            RangeQuery(
                selector=Selector(metrics=_METRICS, subjects=numbers),
                start_ms=start_ms,
                end_ms=end_ms,
                step_ms=step_ms,
                # Moments, not means: half running is nothing that ever was.
                statistic=Statistic.LAST,
                resolution=Resolution.RAW,
                points_max=MOMENTS_MAX + 1,
            )
        )
        part = await asyncio.to_thread(_is_up, answer, numbers)
        # One that is up makes the group up; of the rest, known beats unknown: fmax passes over NaN.
        up = part if up is None else np.fmax(up, part)
    if up is None or len(up) < stretches:
        return None
    return availability_of(up, stretches=stretches)


def _is_up(answer: RangeAnswer, numbers: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    places = {number: place for place, number in enumerate(numbers)}
    shape = (len(numbers), len(answer.times_ms))
    columns = {metric: np.full(shape, np.nan) for metric in _METRICS}
    for series in answer.series:
        if series.subject is not None:
            columns[series.metric][places[series.subject]] = series.values
    return is_up(columns["state"], columns["health"])


def _view(kind: str, name: str, known: Availability) -> UptimeView:
    return UptimeView(
        kind=kind,
        name=name,
        up=_rounded(known.up),
        known=round(known.known, 5),
        course=tuple(_rounded(each) for each in known.course.tolist()),
    )


def _rounded(share: float) -> float | None:
    """Five digits: 0.99999 is five minutes of a year, and never said to be all of it."""
    if share != share:
        return None
    return int(share * 100_000) / 100_000
