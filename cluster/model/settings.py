"""Replicated settings: one value per key, changed by command, with a version for compare-and-set."""

from __future__ import annotations

import re
from dataclasses import dataclass

KEY_PATTERN = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}")
VALUE_CHARS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The newest value of one key. `value` is None once it was removed; the version goes on counting."""

    key: str
    value: str | None
    version: int
    changed_ms: int
