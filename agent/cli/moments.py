"""Moments and spans of time on the command line."""

from __future__ import annotations

import re
from datetime import datetime

from agent.cli.failures import UsageWrong

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"([0-9]{1,9})([smhd])")


def moment_ms(option: str, text: str) -> int:
    """Return the moment that ISO 8601 means, in epoch milliseconds; without a time zone it is this machine's.

    Raises UsageWrong naming the option.
    """
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageWrong(
            f"{option} {text}: a date and time is expected",
            hint='such as "2026-12-24 03:30" here, or 2026-12-24T03:30:00+01:00 anywhere',
        ) from error


def span_s(option: str, text: str) -> int:
    """Return the seconds that `90s`, `15m`, `1h30m` or `2d` mean. Raises UsageWrong naming the option."""
    parts = _PART.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise UsageWrong(f"{option} {text}: a span of time is expected", hint="such as 90s, 15m, 1h30m or 2d")
    return sum(int(number) * _UNITS_S[unit] for number, unit in parts)
