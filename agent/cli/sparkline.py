"""Series as one line of text each. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.,-=+*#"


def sparkline(values: Sequence[float | None], *, width: int, top: float | None, can_draw: bool = True) -> str:
    """Return `values` as at most `width` columns, each as high as its mean is of `top`, 0 at the bottom.

    Where nothing was measured there is a gap. Without `top` the series' own largest value reaches it.
    `can_draw` says whether the reader's terminal has more characters than ASCII.
    """
    marks = _BLOCKS if can_draw else _ASCII
    columns = squeezed(values, width)
    known = [each for each in columns if each is not None]
    highest = max(known, default=0.0) if top is None else top
    lowest = min(0.0, *known) if known else 0.0
    span = highest - lowest
    return "".join(
        " " if each is None else marks[_level(each - lowest, span, len(marks))] for each in columns
    )


def _level(height: float, span: float, levels: int) -> int:
    if span <= 0 or height <= 0:
        return 0
    return min(levels - 1, math.floor(height / span * levels))


def squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    """Return at most `width` means of neighbours, None where all of them are."""
    if len(values) <= width:
        return list(values)
    columns: list[float | None] = []
    for column in range(width):
        part = values[column * len(values) // width : (column + 1) * len(values) // width]
        known = [each for each in part if each is not None]
        columns.append(sum(known) / len(known) if known else None)
    return columns
