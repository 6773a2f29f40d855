"""A QR code as what an SVG needs: its size in modules, and the path of the dark ones."""

from __future__ import annotations

from dataclasses import dataclass

import segno

QUIET_ZONE = 4
"""Modules around it that stay light (ISO/IEC 18004)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QrCode:
    """`size` modules on each side, the quiet zone included; `path` is the d of an SVG path in modules."""

    size: int
    path: str


def qr_code(text: str) -> QrCode:
    """Return the code of a text of at most a few hundred characters."""
    made = segno.make(text, error="m", micro=False, boost_error=False)
    parts = []
    for y, row in enumerate(made.matrix, start=QUIET_ZONE):
        x = 0
        while x < len(row):
            run = 0
            while x + run < len(row) and row[x + run]:
                run += 1
            if run:
                parts.append(f"M{x + QUIET_ZONE} {y}h{run}v1h-{run}z")
            x += run or 1
    return QrCode(size=len(made.matrix) + 2 * QUIET_ZONE, path="".join(parts))
