"""Moments and spans of time in text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from web.auth.problems import invalid

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_EPOCH_MS = re.compile(r"\d{10,15}")


def moment(at_ms: int) -> str:
    """Return a moment as text: ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str, *, field: str) -> int:
    """Return the moment (epoch milliseconds) that an epoch or ISO 8601 with its time zone means.

    Raises Problem.
    """
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return max(0, int(parsed.timestamp() * 1000))
    except (ValueError, OverflowError):
        pass
    raise invalid(field, "ISO 8601 with its time zone, such as 2026-12-24T03:30:00+01:00", value=text[:80])


def parse_since(text: str, *, now_ms: int, field: str = "since") -> int:
    """Return the moment (epoch milliseconds) that "10m", "2h", an epoch or ISO 8601 means; "" is 0.

    Raises Problem.
    """
    if not text:
        return 0
    span = _SPAN.fullmatch(text)
    if span is not None:
        return max(0, now_ms - int(span[1]) * _UNITS_MS[span[2]])
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return max(0, int(parsed.timestamp() * 1000))
    except (ValueError, OverflowError):
        pass
    raise invalid(
        field,
        "a span such as 90s, 10m, 2h or 1d, epoch milliseconds, or ISO 8601 with its time zone",
        value=text[:80],
    )


def parse_span(text: str, *, field: str) -> int:
    """Return the milliseconds that "90s", "10m" or "1d" mean. Raises Problem."""
    span = _SPAN.fullmatch(text)
    if span is None:
        raise invalid(field, "a span such as 90s, 10m, 2h or 1d", value=text[:80])
    return int(span[1]) * _UNITS_MS[span[2]]
