"""The tools that say what the metric history means. They answer in sentences, with the figures beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.analytics_trend import READ, get_trend
from web.tools.analytics_views import TrendView
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.registry import Tool

_SUBJECT = "host, service, container or h1:/mount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """What follows from the numbers, and the numbers."""

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
    return trend_concluded(await get_trend(context, call, given.subject, metric=given.metric))


def trend_concluded(view: TrendView) -> Concluded:
    """Return a trend for a tool's reader."""
    week, month = view.next_week, view.next_month
    return Concluded(
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
)
