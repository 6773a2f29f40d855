"""One request of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A body with the headers that say what it is, and how many samples are in it."""

    headers: Mapping[str, str]
    body: bytes
    samples: int
