"""How long metrics are kept, as the cluster's settings say.

`metrics.retention.<kind>.<resolution>` is a number of days, of each kind of subject and each of the three
records; `metrics.bytes_max` is how much room a node's history may take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.metrics import SubjectKind

METRICS_PREFIX = "metrics."
RETENTION_PREFIX = "metrics.retention."
BYTES_MAX_KEY = "metrics.bytes_max"
BYTES_MAX_DEFAULT = 2 * 1024**3
BYTES_MAX_LOWEST = 64 * 1024**2
BYTES_MAX_HIGHEST = 1024**4

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDays:
    """How many days each record of one kind of subject is kept."""

    raw: int = 7
    hourly: int = 30
    daily: int = 396


RESOLUTIONS = ("raw", "hourly", "daily")
_DAYS_MAX = {"raw": 90, "hourly": 730, "daily": 3_650}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRetention:
    """How long what is kept, and how much of it."""

    by_kind: Mapping[SubjectKind, RetentionDays] = field(
        default_factory=lambda: {kind: RetentionDays() for kind in SubjectKind}
    )
    bytes_max: int = BYTES_MAX_DEFAULT


def default_values() -> dict[str, str]:
    """Return every setting of the metric history with its default."""
    days = RetentionDays()
    found = {
        f"{RETENTION_PREFIX}{kind.word}.{resolution}": str(getattr(days, resolution))
        for kind in SubjectKind
        for resolution in RESOLUTIONS
    }
    return {**found, BYTES_MAX_KEY: str(BYTES_MAX_DEFAULT)}


def metric_retention(values: Mapping[str, str]) -> MetricRetention:
    """Return the typed settings of stored key -> value; absent keys have their defaults.

    Raises ValueError naming the key, the value and the rule.
    """
    by_kind = {}
    for kind in SubjectKind:
        given = {}
        for resolution in RESOLUTIONS:
            key = f"{RETENTION_PREFIX}{kind.word}.{resolution}"
            if key in values:
                given[resolution] = _whole(key, values[key])
                rules.check_range(f"{key}, days", given[resolution], 1, _DAYS_MAX[resolution])
        by_kind[kind] = RetentionDays(**given)
    bytes_max = _whole(BYTES_MAX_KEY, values.get(BYTES_MAX_KEY, str(BYTES_MAX_DEFAULT)))
    rules.check_range(BYTES_MAX_KEY, bytes_max, BYTES_MAX_LOWEST, BYTES_MAX_HIGHEST)
    return MetricRetention(by_kind=by_kind, bytes_max=bytes_max)


def subjects_kept_ms(values: Mapping[str, str]) -> int:
    """Return for how many ms anything of a subject may be kept: whatever the values, at least the default.

    Values that were written by another version, or by hand, must not make apply fail.
    """
    longest = RetentionDays().daily
    for key, text in values.items():
        if key.startswith(RETENTION_PREFIX) and re.fullmatch(r"[0-9]{1,4}", text):
            longest = max(longest, min(int(text), _DAYS_MAX["daily"]))
    return longest * DAY_MS


def _whole(key: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f"{key} {text!r}: a whole number is needed")
    return int(text)
