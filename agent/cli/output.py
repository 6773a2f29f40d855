"""What commands print: plain columns in a pipe, a table on a terminal, JSON with --json.

Text from containers and hosts is not trusted to be free of terminal control sequences; only
colours pass.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

# Control characters but tab, and escape sequences but colours ("ESC [ ... m").
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")

_COLOURS = {
    "green": ("up", "running", "healthy", "leader", "succeeded", "completed", "allowed", "ready"),
    "yellow": (
        "suspect",
        "starting",
        "draining",
        "paused",
        "restarting",
        "pending",
        "rolling-back",
        "learner",
    ),
    "red": ("down", "unhealthy", "exited", "dead", "failed", "rolled-back", "refused", "denied", "lost"),
}
_COLOUR_OF = {word: colour for colour, words in _COLOURS.items() for word in words}


def printable(text: str) -> str:
    """Return `text` with control characters shown as the replacement character."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def can_draw() -> bool:
    """Whether whoever reads standard output sees more characters than ASCII."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return os.environ.get("TERM") != "dumb"


def print_json(value: Any) -> None:
    """Print `value` as JSON, indented for a person, on one line in a pipe."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print rows under their column heads, or the sentence `empty` when there are none."""
    if not rows:
        print(empty)
        return
    cells = [["-" if cell in (None, "") else printable(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text.from_ansi(cell, style=_COLOUR_OF.get(cell.lower(), "")) for cell in row))
    Console(highlight=False).print(table)


def print_error(message: str, hint: str = "") -> None:
    """Print what went wrong, and below it what to do."""
    first, *more = message.splitlines() or [""]
    print(f"tower: {printable(first)}", file=sys.stderr)
    for line in more:
        print(f"  {printable(line)}", file=sys.stderr)
    if hint:
        print(f"  hint: {printable(hint)}", file=sys.stderr)


def in_bytes(count: float | None) -> str:
    """Return a size for a person: `1.5 GiB`."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def duration(seconds: float | None) -> str:
    """Return a time span for a person: `45s`, `12m`, `3h`, `5d`."""
    if seconds is None:
        return ""
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)}{unit}"
    return f"{int(max(0, seconds))}s"


def moment(at_ms: int | None) -> str:
    """Return a moment in the local time zone: `2026-11-22 15:04:05`."""
    if at_ms is None:
        return ""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
