"""What a benchmark found, and the committed file that keeps the newest finding of each.

Pure but for `keep`: a run replaces the sections of the benchmarks it ran and leaves the others as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("RESULTS.md")
_PREAMBLE = """\
# Results of the benchmarks

Written by `make bench`, which replaces the sections of what it ran (`.venv/bin/python -m tests.benchmarks
NAME...` runs some). Ours and the anchor are measured in one run on one machine. On a busy machine the figures
are upper bounds: the load average before the run stands with each result.
"""
_SECTION = re.compile(r"<!-- begin (?P<name>[a-z-]+) -->\n.*?<!-- end (?P=name) -->\n", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: ours, what it should be, and the anchor's. "" where there is none."""

    what: str
    ours: str
    target: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one benchmark found. `anchor` is what is measured beside us; `verbatim` is a program's output."""

    title: str
    how: str
    anchor: str = ""
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    verbatim: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """When, where and by which command it was found. `duration_s` is what the benchmark took in all."""

    date: str
    command: str
    machine: str
    load_before: float
    duration_s: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` of them do not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or `percent` is not above 0 and at most 100.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    if not 0 < percent <= 100:
        raise ValueError(f"percent {percent:g}: it must be above 0 and at most 100")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """p50, p95 and the largest of `values`, with how many there were; the few are all shown."""
    if len(values) <= 4:
        return ", ".join(f"{value:.{digits}f}" for value in values) + f" {unit}"
    p50, p95 = percentile(values, 50), percentile(values, 95)
    return (
        f"p50 {p50:.{digits}f} {unit}, p95 {p95:.{digits}f} {unit}, max {max(values):.{digits}f} {unit}"
        f" ({len(values)} times)"
    )


def section(name: str, finding: Finding, circumstances: Circumstances) -> str:
    """The Markdown of one benchmark, between the comments that tell sections apart."""
    lines = [f"<!-- begin {name} -->", f"## {finding.title}", "", finding.how, ""]
    if finding.rows:
        lines += [f"| | Control Tower | target | {_cell(finding.anchor or 'anchor')} |", "|---|---|---|---|"]
        for row in finding.rows:
            cells = (row.what, row.ours, row.target, row.anchor)
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        lines.append("")
    if finding.verbatim:
        lines += ["```", finding.verbatim.rstrip("\n"), "```", ""]
    lines += [f"- {note}" for note in finding.notes]
    if finding.notes:
        lines.append("")
    lines += [
        f"{circumstances.date}, `{circumstances.command}`, {circumstances.duration_s:.0f} s;"
        f" {circumstances.machine}; 1-minute load before it {circumstances.load_before:.1f}.",
        f"<!-- end {name} -->",
    ]
    return "\n".join(lines) + "\n"


def merged(text: str, fresh: Mapping[str, str], order: Iterable[str]) -> str:
    """The file's text with the `fresh` sections in place of older ones of their names, in `order`.

    A section whose name is not in `order` is one of a benchmark that is no more, and goes.
    """
    sections = {match["name"]: match[0] for match in _SECTION.finditer(text)} | dict(fresh)
    return "\n".join([_PREAMBLE, *(sections[name] for name in order if name in sections)])


def keep(name: str, finding: Finding, circumstances: Circumstances, order: Iterable[str]) -> None:
    """Write the section of one benchmark into the committed file, whole or not at all."""
    text = FILE.read_text() if FILE.exists() else ""
    fresh = FILE.with_suffix(".new")
    fresh.write_text(merged(text, {name: section(name, finding, circumstances)}, order))
    fresh.replace(FILE)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ") or "-"
