"""A report as one HTML file: charts drawn in it, nothing fetched, fit for paper."""

from __future__ import annotations

import html
from collections.abc import Iterable

import numpy as np

from cluster.analytics.report import Chart, Report, Section, Table
from cluster.analytics.sentences import Language, amount
from cluster.analytics.series import HOUR_MS, Times, Values

_WIDTH, _HEIGHT = 640, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 8, 8, 22
_TICKS = 4
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 2rem auto;
  max-width: 50rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.subtitle { color: #57606a; margin-top: .2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #d0d7de;
  vertical-align: top; }
figure { margin: 1rem 0; break-inside: avoid; } figcaption { font-weight: 600; font-size: .9rem; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #57606a; }
.grid { stroke: #eaeef2; } .line { fill: none; stroke: #0969da; stroke-width: 1.5; }
.ahead { fill: none; stroke: #8250df; stroke-width: 1.5; stroke-dasharray: 4 3; }
.band { fill: #8250df; fill-opacity: .15; } .limit { stroke: #cf222e; stroke-dasharray: 6 3; }
@page { margin: 18mm; }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; } h2 { break-after: avoid; }
  tr, li { break-inside: avoid; } thead { display: table-header-group; } }
""".strip()


def to_html(report: Report) -> str:
    """Return the whole document. Text is escaped; there is no script in it."""
    title = html.escape(report.title)
    body = "\n".join(_section(section, Language(report.language)) for section in report.sections)
    return (
        f'<!doctype html>\n<html lang="{html.escape(report.language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
        f'<p class="subtitle">{html.escape(report.subtitle)}</p>\n</header>\n<main>\n{body}\n</main>\n'
        "</body>\n</html>\n"
    )


def _section(section: Section, language: Language) -> str:
    parts = [f"<section>\n<h2>{html.escape(section.heading)}</h2>"]
    if section.sentences:
        items = "\n".join(f"<li>{html.escape(sentence)}</li>" for sentence in section.sentences)
        parts.append(f"<ul>\n{items}\n</ul>")
    if section.table is not None:
        parts.append(_table(section.table))
    parts += [_figure(chart, language) for chart in section.charts]
    if len(parts) == 1:
        parts.append(f"<p>{html.escape(section.empty)}</p>")
    return "\n".join([*parts, "</section>"])


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _figure(chart: Chart, language: Language) -> str:
    return (
        f"<figure>\n<figcaption>{html.escape(chart.title)}</figcaption>\n{draw(chart, language)}\n</figure>"
    )


def draw(chart: Chart, language: Language) -> str:
    """Return the chart as SVG. Its axis always has the 0 on it, so that heights can be compared."""
    everything = [chart.values, chart.expected, chart.low, chart.high]
    known = np.concatenate([part for part in everything if part is not None] or [np.empty(0)])
    known = known[np.isfinite(known)]
    label = html.escape(chart.title, quote=True)
    opening = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
    if not len(known):
        return f"{opening}</svg>"
    levels = [level for _, level in chart.levels if level <= 3 * float(known.max())]
    bottom = min(0.0, float(known.min()))
    highest = max(0.0, float(known.max()), *levels)
    top = bottom + 1.05 * (highest - bottom or 1.0)
    ahead = chart.ahead_ms if chart.ahead_ms is not None else chart.times_ms[:0]
    begin = int(chart.times_ms[0])
    end = int(ahead[-1] if len(ahead) else chart.times_ms[-1]) + HOUR_MS

    def x_of(times: Times) -> Values:
        return np.asarray(_LEFT + (times - begin) / (end - begin) * (_WIDTH - _LEFT - _RIGHT))

    def y_of(values: Values) -> Values:
        return np.asarray(_HEIGHT - _BOTTOM - (values - bottom) / (top - bottom) * (_HEIGHT - _TOP - _BOTTOM))

    parts = [opening]
    for level in np.linspace(bottom, highest, 3):
        y = float(y_of(np.array([level]))[0])
        said = html.escape(amount(language, float(level), chart.unit))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{said}</text>')
    for at in np.linspace(begin, end, _TICKS + 1)[:-1]:
        day = str(np.datetime64(int(at), "ms"))[5:10]
        x = float(x_of(np.array([int(at)]))[0])
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 6}">{day}</text>')
    if chart.low is not None and chart.high is not None and len(chart.low) == len(ahead):
        there = _points(x_of(ahead), y_of(chart.high))
        back = _points(x_of(ahead)[::-1], y_of(chart.low)[::-1])
        parts.append(f'<polygon class="band" points="{there} {back}"/>')
    parts += [_line("line", x, y) for x, y in _runs(x_of(chart.times_ms), y_of(chart.values))]
    if chart.expected is not None and len(chart.expected) == len(ahead):
        parts.append(_line("ahead", x_of(ahead), y_of(chart.expected)))
    for name, level in chart.levels:
        if level in levels:
            y = float(y_of(np.array([level]))[0])
            parts.append(
                f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            parts.append(
                f'<text x="{_WIDTH - _RIGHT}" y="{y - 3:.1f}" text-anchor="end">{html.escape(name)}</text>'
            )
    return "".join([*parts, "</svg>"])


def _runs(x: Values, y: Values) -> Iterable[tuple[Values, Values]]:
    """The stretches without a gap."""
    known = np.flatnonzero(np.isfinite(y))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if len(run):
            yield x[run], y[run]


def _line(kind: str, x: Values, y: Values) -> str:
    return f'<polyline class="{kind}" points="{_points(x, y)}"/>'


def _points(x: Values, y: Values) -> str:
    return " ".join(f"{left:.1f},{down:.1f}" for left, down in zip(x.tolist(), y.tolist(), strict=True))
