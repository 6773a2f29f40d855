"""A report as it can be printed: sections of sentences, tables and charts, and as Markdown and CSV.

Names come from whoever runs containers, and a report is opened by browsers and spreadsheets: what could be
markup or a formula there is written so that it is neither.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cluster.analytics.series import Times, Values

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chart:
    """A line over time, float64[n] with NaN for gaps, and how it is expected to go on: `expected`, between
    `low` and `high`, at `ahead_ms`. `levels` are lines across, by name: a limit."""

    title: str
    unit: str
    times_ms: Times
    values: Values
    ahead_ms: Times | None = None
    expected: Values | None = None
    low: Values | None = None
    high: Values | None = None
    levels: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as they are shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One heading and what is under it. Without anything under it, `empty` is said."""

    heading: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    charts: tuple[Chart, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the report, for spreadsheets."""

    subject: str
    kind: str
    metric: str
    unit: str
    name: str
    value: float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. `language` is a BCP 47 tag."""

    title: str
    subtitle: str
    language: str
    made_at_ms: int
    sections: tuple[Section, ...]
    figures: tuple[Figure, ...] = field(default=())


def to_markdown(report: Report) -> str:
    """Return the report as CommonMark with tables; charts have no place in it."""
    lines = [f"# {_escaped(report.title)}", "", _escaped(report.subtitle), ""]
    for section in report.sections:
        lines += [f"## {_escaped(section.heading)}", ""]
        if not section.sentences and section.table is None:
            lines += [_escaped(section.empty), ""]
        for sentence in section.sentences:
            lines.append(f"- {_escaped(sentence)}")
        if section.sentences:
            lines.append("")
        if section.table is not None:
            lines += [_row(section.table.columns), _row(["---"] * len(section.table.columns), is_plain=True)]
            lines += [_row(row) for row in section.table.rows]
            lines.append("")
    return "\n".join(lines)


def to_csv(report: Report) -> str:
    """Return the figures, one a line, as RFC 4180 has it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("subject", "kind", "metric", "unit", "figure", "value"))
    for figure in report.figures:
        value = figure.value if isinstance(figure.value, str) else f"{figure.value:.10g}"
        cells = (figure.subject, figure.kind, figure.metric, figure.unit, figure.name)
        writer.writerow((*map(_no_formula, cells), value))
    return out.getvalue()


def day_of(at_ms: int) -> str:
    """Return a moment's day and minute in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _row(cells: Sequence[str], *, is_plain: bool = False) -> str:
    return "| " + " | ".join(cell if is_plain else _escaped(cell) for cell in cells) + " |"


def _no_formula(text: str) -> str:
    # A quote before it is what spreadsheets take for text (OWASP, "CSV injection").
    return f"'{text}" if text.startswith(_FORMULA) else text
