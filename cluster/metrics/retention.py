"""How long each kind of subject's numbers are kept, in each of the three records."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.metrics.query import Resolution
from cluster.model import rules
from cluster.model.metrics import SubjectKind

DAY_MS = 86_400_000
DAYS_MAX = 3_660
BYTES_MIN = 16 * 1024**2
BYTES_DEFAULT = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Days each record is kept; 0 keeps nothing of it once the next coarser one has it."""

    raw_days: int = 7
    hourly_days: int = 30
    daily_days: int = 396

    def __post_init__(self) -> None:
        rules.check_range("raw days", self.raw_days, 0, DAYS_MAX)
        rules.check_range("hourly days", self.hourly_days, 0, DAYS_MAX)
        rules.check_range("daily days", self.daily_days, 0, DAYS_MAX)

    def days(self, resolution: Resolution) -> int:
        if resolution is Resolution.RAW:
            return self.raw_days
        return self.hourly_days if resolution is Resolution.HOURLY else self.daily_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept of each kind, and the most the whole history may take on disk.

    The three records do not depend on each other: a year of days outlives the samples they were made of.
    Where `bytes_max` is not enough for the days that were asked for, the oldest samples go first (at least
    one day stays), then the oldest hours (at least seven days), then the oldest days.
    """

    default: Keep = Keep()
    by_kind: tuple[tuple[SubjectKind, Keep], ...] = ()
    bytes_max: int = BYTES_DEFAULT

    def __post_init__(self) -> None:
        if self.bytes_max < BYTES_MIN:
            raise ValueError(f"history size {self.bytes_max} bytes: at least {BYTES_MIN}")

    def keep(self, kind: SubjectKind) -> Keep:
        return dict(self.by_kind).get(kind, self.default)

    def first_kept_ms(self, kind: SubjectKind, resolution: Resolution, now_ms: int) -> int:
        """Return the moment before which nothing of this record is to be kept."""
        return max(0, now_ms - self.keep(kind).days(resolution) * DAY_MS)
