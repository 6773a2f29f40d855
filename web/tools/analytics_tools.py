"""The tools that say what the metric history means. They answer in sentences, with the figures beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from cluster.model.service import REPLICAS_MAX
from web.auth.call import Call
from web.tools.analytics_capacity import WhatIf, get_capacity_plan
from web.tools.analytics_needs import predict_needs
from web.tools.analytics_profile import HOURS_DEFAULT, HOURS_MAX, compare_baseline, get_profile
from web.tools.analytics_report import ReportFormat, export_report
from web.tools.analytics_trend import READ, get_trend
from web.tools.analytics_views import AnalysedView, TrendView
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.exact_names import exact_name
from web.tools.nodes import node_names
from web.tools.registry import Tool

_SUBJECT = "host, service, container or h1:/mount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """What follows from the numbers, and the numbers. `of` names exactly what they are of."""

    of: str | None
    verdict: str | None
    said: tuple[str, ...]
    figures: Mapping[str, float] | None
    notes: tuple[str, ...] | None


def figures_of(**figures: float | None) -> dict[str, float] | None:
    """Return the figures that are known; None without any."""
    return {name: value for name, value in figures.items() if value is not None} or None


class GetTrendAnalysis(Arguments):
    """A trend of what."""

    subject: Named = Field(description=_SUBJECT)
    metric: Short = Field(default="", description="as cpu; default memory, or disk space")


async def _get_trend(context: Context, call: Call, given: GetTrendAnalysis) -> Concluded:
    view = await get_trend(context, call, given.subject, metric=given.metric)
    return trend_concluded(view, of=_exactly(context, view.subject))


def _exactly(context: Context, subject: AnalysedView) -> str | None:
    node = node_names(context.surroundings).get(subject.node_id, subject.node_id)
    exact = exact_name(kind=subject.kind, name=subject.name, service=subject.service, node=node)
    return exact or None


def trend_concluded(view: TrendView, *, of: str | None) -> Concluded:
    """Return a trend for a tool's reader."""
    week, month = view.next_week, view.next_month
    return Concluded(
        of=of,
        verdict=view.verdict,
        said=view.said,
        figures=figures_of(
            confidence=view.confidence,
            level=view.level,
            percent_per_day=view.percent_per_day,
            next_week=None if week is None else week.expected,
            next_month=None if month is None else month.expected,
            limit=view.exhaustion.limit,
            exhausted_in_days=view.exhaustion.days,
            soonest_days=view.exhaustion.soonest_days,
            latest_days=view.exhaustion.latest_days,
        ),
        notes=view.notes or None,
    )


class PredictResourceNeeds(Arguments):
    """What is predicted."""

    subject: Named = Field(description=_SUBJECT)
    metric: Short = Field(default="", description="default: cpu and memory")


async def _predict(context: Context, call: Call, given: PredictResourceNeeds) -> Concluded:
    view = await predict_needs(context, call, given.subject, metric=given.metric)
    figures: dict[str, float | None] = {}
    for need in view.needs:
        figures[f"{need.metric}.now"] = need.now
        figures[f"{need.metric}.next_24h_max"] = max(need.path.expected, default=None)
        for level in need.typical:
            figures[f"{need.metric}.in_{level.days_ahead}_days"] = level.expected
        figures[f"{need.metric}.reserve"] = need.reserve
    return Concluded(
        of=_exactly(context, view.subject),
        verdict=None,
        said=tuple(sentence for need in view.needs for sentence in need.said),
        figures=figures_of(**figures),
        notes=view.notes or None,
    )


class GetCapacityPlan(Arguments):
    """What if; everything may be left out."""

    service: Short = Field(default="", description="what if it had more replicas")
    replicas: int = Field(default=0, ge=0, le=REPLICAS_MAX, description="how many more")
    lost: Short = Field(default="", description="what if this host were lost")


async def _get_capacity(context: Context, call: Call, given: GetCapacityPlan) -> Concluded:
    what_if = WhatIf(service=given.service, replicas=given.replicas, lost=given.lost)
    view = await get_capacity_plan(context, call, what_if=what_if)
    together = view.cluster
    return Concluded(
        of=None,
        verdict=None,
        said=view.said,
        figures=figures_of(
            free_cpu_cores=together.free.cpu_cores,
            free_memory_bytes=together.free.memory_bytes,
            used_cpu_percent=together.used_percent.cpu_cores,
            used_memory_percent=together.used_percent.memory_bytes,
        ),
        notes=view.notes or None,
    )


class GetPerformanceProfile(Arguments):
    """A profile of what."""

    subject: Named = Field(description=_SUBJECT)
    hours: int = Field(default=HOURS_DEFAULT, ge=1, le=HOURS_MAX)


async def _get_profile(context: Context, call: Call, given: GetPerformanceProfile) -> Concluded:
    view = await get_profile(context, call, given.subject, hours=given.hours)
    bottlenecks = view.bottlenecks
    return Concluded(
        of=_exactly(context, view.subject),
        verdict=", ".join(f"{found.kind}: {found.impact}" for found in bottlenecks) or "no bottleneck",
        said=(*view.said, *view.recommendations),
        figures=figures_of(**{line.metric: line.current for line in view.metrics}),
        notes=view.notes or None,
    )


class CompareBaseline(GetPerformanceProfile):
    """What is compared."""

    metric: Short = Field(default="", description="default: all that matter")


async def _compare(context: Context, call: Call, given: CompareBaseline) -> Concluded:
    view = await compare_baseline(context, call, given.subject, metric=given.metric, hours=given.hours)
    figures: dict[str, float | None] = {}
    for line in view.metrics:
        figures |= {f"{line.metric}.current": line.current, f"{line.metric}.usually": line.baseline}
    differ = [f"{line.metric} {line.difference}" for line in view.metrics if line.difference != "same"]
    return Concluded(
        of=_exactly(context, view.subject),
        verdict=", ".join(differ) or "as usual",
        said=view.said,
        figures=figures_of(**figures),
        notes=view.notes or None,
    )


class ExportAnalyticsReport(Arguments):
    """As what."""

    format: ReportFormat = Field(default=ReportFormat.MARKDOWN, description="html has charts")


async def _export(context: Context, call: Call, given: ExportAnalyticsReport) -> str:
    return (await export_report(context, call, file_format=given.format)).content


ANALYTICS_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get-trend-analysis",
        title="Trend of a metric",
        description="Say whether a metric rises or falls, by how much a day, where it will be in a week and a"
        " month, and when its limit is reached.",
        input_model=GetTrendAnalysis,
        output=Concluded,
        action=READ,
        run=_get_trend,
    ),
    Tool(
        name="predict-resource-needs",
        title="What something will need",
        description="Predict processor, memory or another metric: next 24 hours, a week, a month, and what to"
        " reserve.",
        input_model=PredictResourceNeeds,
        output=Concluded,
        action=READ,
        run=_predict,
    ),
    Tool(
        name="get-capacity-plan",
        title="Room, and when it is used up",
        description="Say how much room hosts have, when it is used up, which host's loss is survived, and"
        " whether more replicas fit.",
        input_model=GetCapacityPlan,
        output=Concluded,
        action=READ,
        run=_get_capacity,
    ),
    Tool(
        name="get-performance-profile",
        title="What holds something up",
        description="Say what held a host, service or container up (cpu, memory, network, disk), how badly,"
        " and what helps; with each metric of the last hours.",
        input_model=GetPerformanceProfile,
        output=Concluded,
        action=READ,
        run=_get_profile,
    ),
    Tool(
        name="compare-baseline",
        title="Otherwise than usual?",
        description="Compare the last hours with the same hours of the days before.",
        input_model=CompareBaseline,
        output=Concluded,
        action=READ,
        run=_compare,
    ),
    Tool(
        name="export-analytics-report",
        title="Report",
        description="Write a report on hosts, disks, services and containers: capacity, trends, bottlenecks.",
        input_model=ExportAnalyticsReport,
        output=None,
        action=READ,
        run=_export,
        is_open_world=True,
    ),
)
