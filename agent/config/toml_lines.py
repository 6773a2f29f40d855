"""On which line of a TOML file a key stands, which tomllib does not tell."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*\[\s*([A-Za-z0-9_\"'.\- ]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-\"'.]+(?:\s*\.\s*[A-Za-z0-9_\-\"']+)*)\s*=(.*)$")


def locate_keys(text: str) -> dict[tuple[str, ...], int]:
    """Return the line (from 1) of every table and key of a valid TOML `text`.

    tomllib gives no positions. Lines inside multi-line strings and arrays are passed over; a key
    inside an inline table has the line of its table.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    closing: str | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line
        if closing is not None:
            _, found, rest = line.partition(closing)
            if not found:
                continue
            closing = None
        elif depth == 0:
            if header := _HEADER.match(line):
                table = _key_parts(header[1])
                lines.setdefault(table, number)
                continue
            match = _KEY.match(line)
            if match is None:
                continue
            path = table + _key_parts(match[1])
            for length in range(1, len(path) + 1):
                lines.setdefault(path[:length], number)
            rest = match[2]
        closing, depth = _scan_value(rest, depth)
    return lines


def _key_parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


_TOKEN = re.compile(r"\"\"\"|'''|\"(?:\\.|[^\"\\])*\"|'[^']*'|[\[\]{}#]")


def _scan_value(text: str, depth: int) -> tuple[str | None, int]:
    """Return the triple quote that `text` leaves open, if any, and the bracket depth after it."""
    position = 0
    while token := _TOKEN.search(text, position):
        position = token.end()
        kind = token[0]
        if kind == "#":
            break
        if kind in ('"""', "'''"):
            end = text.find(kind, position)
            if end < 0:
                return kind, depth
            position = end + 3
        elif kind in "[{":
            depth += 1
        elif kind in "]}":
            depth -= 1
    return None, depth
