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

    `at_ms` begins the row that was judged, `row_ms` is its length, and at `until_ms` ends the last row that
    was as unusual without a break. `current` is the row's mean (the sum of a count), `expected` what the rows
    before led to expect, [`low`, `high`] what they were at this time of day or, not knowing that, recently.
    `deviation` is current - expected in typical deviations: 199 of 200 past rows lie within 2.81; at most
    99. `score` and `confidence` are 0 to 1.
    """

    kind: AnomalyKind
    severity: Severity
    at_ms: int
    row_ms: int
    until_ms: int
    current: float
    expected: float
    low: float
    high: float
    deviation: float
    score: float
    confidence: float


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
