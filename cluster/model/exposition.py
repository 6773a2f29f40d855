"""Figures as Prometheus and its kin read them: families of points with labels.

The names, units and types are those of OpenMetrics 1.0: seconds and bytes, a counter's name without "_total".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FamilyType(StrEnum):
    """INFO: facts as labels, always 1."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a histogram's point holds: (upper bound, how many were at most that) ascending, without infinity.

    `count` is of all, `total` their sum.
    """

    buckets: tuple[tuple[float, int], ...]
    count: int
    total: float


@dataclass(frozen=True, slots=True)
class Point:
    """One series' value. Labels without a value are left out."""

    labels: tuple[tuple[str, str], ...]
    value: float | Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Points of one name. `unit` "" or the end of the name: seconds, bytes, celsius."""

    name: str
    type: FamilyType
    help: str
    unit: str = ""
    points: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        assert not self.unit or self.name.endswith(f"_{self.unit}"), f"{self.name}: ends with its unit"
        assert not self.name.endswith(("_total", "_info")), f"{self.name}: the suffix comes with the type"
