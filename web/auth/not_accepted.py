"""A credential that was looked at and proves nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """`code` is one of a few, for counting; `reason` is for its sender."""

    code: str
    reason: str
