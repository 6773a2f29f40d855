"""The tools about the history of what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Short
from web.tools.context import Context
from web.tools.current_numbers import ContainerNumbers, HostNumbers, get_current
from web.tools.exact_names import exact_name_of
from web.tools.metric_history import HistorySeries, HistoryWish, get_metrics_history
from web.tools.registry import Tool
from web.tools.times import moment

CONTAINERS_SHOWN_MAX = 100
SERIES_SHOWN_MAX = 50
POINTS_SHOWN_MAX = 300


class GetMetricsHistory(Arguments):
    """Which series, of when."""

    subject: Short = Field(default="", description="host, container, service, disk or a kind: 'containers'")
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
        of=exact_name_of(series.labels) or series.title,
        metric=series.metric,
        unit=series.unit,
        min=series.least,
        mean=series.mean,
        max=series.most,
        last=series.last,
        values=series.values,
    )


# ---- now


class GetMetrics(Arguments):
    """Of what; everything may be left out."""

    node: Short = ""
    service: Short = Field(default="", description="as shop.web; or a container")
    top: int = Field(default=10, ge=0, le=CONTAINERS_SHOWN_MAX, description="containers of each host")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNow:
    """A container's newest numbers by metric, whose names end in the unit."""

    name: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNow:
    """A host's newest numbers, and its containers by processor use."""

    node: str
    at: str | None
    numbers: Mapping[str, float]
    containers: tuple[ContainerNow, ...]
    left_out: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Hosts by name."""

    hosts: tuple[HostNow, ...]


async def _get_metrics(context: Context, call: Call, given: GetMetrics) -> Now:
    hosts = await get_current(context, call, node=given.node)
    return Now(hosts=tuple(_host_now(host, given) for host in hosts))


def _host_now(host: HostNumbers, given: GetMetrics) -> HostNow:
    fitting = [each for each in host.containers if _is_meant(each, given.service)]
    fitting.sort(key=lambda each: (-each.numbers.get("cpu_percent", 0.0), each.name))
    return HostNow(
        node=host.node_name,
        at=None if host.at_ms is None else moment(host.at_ms),
        numbers=_rounded(host.numbers),
        containers=tuple(
            ContainerNow(name=each.name, numbers=_rounded(each.numbers)) for each in fitting[: given.top]
        ),
        left_out=max(0, len(fitting) - given.top) or None,
    )


def _is_meant(each: ContainerNumbers, service: str) -> bool:
    return service in ("", each.service, f"{each.project}.{each.service}", each.name)


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in sorted(numbers.items())}


METRIC_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get-metrics",
        title="Metrics now",
        description="Return the newest numbers of hosts and of their busiest containers. For a time that is"
        " past use get-metrics-history, for what they mean run-diagnosis.",
        input_model=GetMetrics,
        output=Now,
        action="metrics.read",
        run=_get_metrics,
    ),
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
