"""One request of an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.export.series import ExportSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A body with the headers that say what it is, and how many samples are in it.

    `series` is what it was made of, where it may have to be made in another way; else it is empty.
    """

    headers: Mapping[str, str]
    body: bytes
    samples: int
    series: Sequence[ExportSeries] = ()
