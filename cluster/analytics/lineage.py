"""Series that go on while what they are of is replaced.

A container lives until the next deployment; what is usual for it is what was usual for the one before. So a
series is known by its place: the replica of a service on a host, or the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cluster.analytics.series import Values
from cluster.analytics.watched import is_count
from cluster.model.metrics import Subject, SubjectKind

Key = tuple[str, int, str, str]
"""Host, kind, what it is there, metric."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One series float64[T], NaN where nothing was measured, of the newest `subject` of its line."""

    key: Key
    metric: str
    subject: Subject
    values: Values


def key_of(subject: Subject, metric: str) -> Key:
    """Return what the series is known by. All revisions of a service's route on a host are one."""
    definition = subject.definition
    service, replica = definition.label("service"), definition.label("replica")
    if service and definition.kind is SubjectKind.ROUTE:
        name = service
    elif service and replica:
        name = f"{service}#{replica}"
    else:
        name = definition.name or definition.key
    return str(definition.node_id), int(definition.kind), name, metric


def joined(series: Iterable[tuple[Subject, str, Values]]) -> list[Line]:
    """Return one line for each key, of series of equal length: events add up, of anything else the newest
    subject's value counts. The order of `series` does not matter."""
    lines: dict[Key, Line] = {}
    for subject, metric, values in sorted(series, key=lambda each: each[0].number):
        key = key_of(subject, metric)
        before = lines.get(key)
        if before is not None:
            both = values + before.values if is_count(metric) else values
            values = np.where(np.isnan(both), np.where(np.isnan(values), before.values, values), both)
        lines[key] = Line(key=key, metric=metric, subject=subject, values=values)
    return list(lines.values())
