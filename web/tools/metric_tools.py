"""The tools about the history of what is measured."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Short
from web.tools.context import Context
from web.tools.metric_history import HistorySeries, HistoryWish, get_metrics_history
from web.tools.registry import Tool
from web.tools.times import moment

SERIES_SHOWN_MAX = 50
POINTS_SHOWN_MAX = 300


class GetMetricsHistory(Arguments):
    """Which series, of when."""

    subject: Short = Field(
        default="", description="host, container, service or disk; or a kind: 'containers'"
    )
    metric: Short = Field(default="cpu", description="as cpu, memory, disk, rx, tx, or a full name")
    since: Short = Field(default="24h", description="span before now, or ISO 8601")
    by: Short = Field(default="", description="group by host, service or project")
    top: int = Field(default=10, ge=1, le=SERIES_SHOWN_MAX)
    points: int = Field(default=24, ge=1, le=POINTS_SHOWN_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLine:
    """One series. `values` are at `start` and every `step_s` after it, null where nothing was measured."""

    of: str
    metric: str
    unit: str
    min: float | None
    mean: float | None
    max: float | None
    last: float | None
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLines:
    """Series over the same moments, the largest first."""

    start: str
    step_s: int
    series: tuple[SeriesLine, ...]
    left_out: int | None
    notes: tuple[str, ...] | None


async def _get_metrics_history(context: Context, call: Call, given: GetMetricsHistory) -> SeriesLines:
    view = await get_metrics_history(
        context,
        call,
        HistoryWish(
            subject=given.subject,
            metric=given.metric,
            since=given.since,
            by=given.by,
            top=given.top,
            points=given.points,
        ),
    )
    return SeriesLines(
        start=moment(view.times_ms[0] if view.times_ms else view.start_ms),
        step_s=view.step_ms // 1000,
        series=tuple(_line(each) for each in view.series),
        left_out=view.series_left_out or None,
        notes=view.notes or None,
    )


def _line(series: HistorySeries) -> SeriesLine:
    return SeriesLine(
        of=series.title,
        metric=series.metric,
        unit=series.unit,
        min=series.least,
        mean=series.mean,
        max=series.most,
        last=series.last,
        values=series.values,
    )


METRIC_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get-metrics-history",
        title="Metrics over time",
        description="Return what hosts, containers, disks or routes used over time (up to a year back), with"
        " min, mean, max and last of each series. For a verdict on a trend use get-trend-analysis.",
        input_model=GetMetricsHistory,
        output=SeriesLines,
        action="metrics.read",
        run=_get_metrics_history,
    ),
)
