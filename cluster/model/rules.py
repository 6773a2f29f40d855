"""Rules of form that many values share. Each raises ValueError naming the field, the value and the rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_OBJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]{2,45}(%[0-9A-Za-z]{1,15})?\]|[0-9A-Za-z._-]{1,253}):([0-9]{1,5})")


def check_id(field: str, value: str) -> None:
    """An identifier: 1 to 63 of a-z, 0-9 and `. _ -`, beginning with a letter or digit."""
    if not _ID.fullmatch(value):
        raise ValueError(f"{field} {value!r}: 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit")


def check_name(field: str, value: str) -> None:
    """A name people type: as a host name, 1 to 63 of a-z, 0-9 and `. -`."""
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{field} {value!r}: 1 to 63 of a-z 0-9 . -, beginning and ending with a letter or digit"
        )


def check_object_name(field: str, value: str) -> None:
    """A secret's or config's name, as Docker has it: 1 to 63 of letters, digits and `_ . -`."""
    if not _OBJECT_NAME.fullmatch(value):
        raise ValueError(
            f"{field} {value!r}: 1 to 63 of letters, digits and _ . -, beginning with a letter or digit"
        )


def check_text(field: str, value: str, chars_max: int, *, chars_min: int = 0) -> None:
    """Text without control characters but tab and line ends."""
    if not chars_min <= len(value) <= chars_max:
        raise ValueError(f"{field}: {len(value)} characters; {chars_min} to {chars_max} are allowed")
    found = _CONTROL.search(value)
    if found:
        raise ValueError(f"{field}: character U+{ord(found.group()):04X} at {found.start()} is not allowed")


def check_address(field: str, value: str) -> None:
    """`host:port` or `[IPv6]:port`."""
    found = _ADDRESS.fullmatch(value)
    if not found or not 1 <= int(found.group(3)) <= 65535:
        raise ValueError(f"{field} {value!r}: use host:port or [IPv6]:port with a port from 1 to 65535")


def check_range(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{field} {value}: {low} to {high} is allowed")


def check_count(field: str, items: Sequence[object], count_max: int) -> None:
    if len(items) > count_max:
        raise ValueError(f"{field}: {len(items)} items; at most {count_max} are allowed")


def check_ascending(field: str, values: Sequence[int], low: int, high: int, count_max: int) -> None:
    """Different numbers in order, so that equal content has equal bytes."""
    check_count(field, values, count_max)
    for before, value in zip((low - 1, *values), values, strict=False):
        check_range(field, value, low, high)
        if value <= before:
            raise ValueError(f"{field}: {value} after {before}; numbers must be ascending and different")


def check_pairs(field: str, pairs: Sequence[tuple[str, str]], count_max: int, value_chars_max: int) -> None:
    """Pairs sorted by key, without duplicate keys, so that equal content has equal bytes."""
    check_count(field, pairs, count_max)
    keys = [key for key, _ in pairs]
    if keys != sorted(set(keys)):
        raise ValueError(f"{field}: keys must be sorted and different")
    for key, value in pairs:
        check_text(f"{field} key", key, 256, chars_min=1)
        check_text(f"{field}.{key}", value, value_chars_max)
