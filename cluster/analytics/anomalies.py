"""What is said of a series: anomalies, and what could not be concluded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from cluster.model.metrics import SubjectKind


class AnomalyKind(StrEnum):
    """SPIKE and DROP: rows far above or below what is expected; PATTERN_CHANGE: a course that stays
    elsewhere, or does not follow its time of day any more."""

    SPIKE = "spike"
    DROP = "drop"
    PATTERN_CHANGE = "pattern_change"


class Severity(IntEnum):
    """How sure and how far: an order, so that the worst of several is their maximum."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Method(StrEnum):
    """How rows are told from the usual ones. All share the calibration and the refractory."""

    CALIBRATED = "calibrated"
    ZSCORE = "zscore"
    IQR = "iqr"
    ISOLATION_FOREST = "isolation-forest"
    SEASONAL = "seasonal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One anomaly of one series, in the metric's unit.

    `at_ms` begins the row that was judged and `row_ms` is its length. `current` is the row's mean, `expected`
    what the rows before led to expect, `deviation` their difference in typical deviations: 99 of 100 past
    rows lie within 2.58. `confidence` is 0 to 1. `is_early` marks one of the last minutes whose row is not
    complete yet. `context` names what happened shortly before (a deployment, a restart), "" for nothing.
    """

    kind: AnomalyKind
    severity: Severity
    at_ms: int
    row_ms: int
    current: float
    expected: float
    deviation: float
    score: float
    confidence: float
    is_early: bool = False
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An anomaly with the series it is in.

    `service` is the service's label, "" without one; `subject` the number of the subject, `name` what people
    call it.
    """

    subject: int
    subject_kind: SubjectKind
    node_id: str
    name: str
    metric: str
    anomaly: Anomaly
    service: str = ""
