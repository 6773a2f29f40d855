"""The tool that says what was unusual: in sentences, by incident."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from cluster.analytics.anomalies import Method
from web.auth.call import Call
from web.tools.anomalies import READ, AnomalyView, IncidentView, detect_anomalies
from web.tools.arguments import Arguments, Short
from web.tools.context import Context
from web.tools.registry import Tool
from web.tools.times import moment

_INCIDENTS = 15
_ANOMALIES = 5


class DetectAnomalies(Arguments):
    """Of what; everything may be left out."""

    subject: Short = Field(default="", description="host, service or container; default everything")
    metric: Short = Field(default="", description="as cpu,memory")
    method: Method = Field(default=Method.CALIBRATED, description="the default finds most")
    since: Short = Field(default="", description="default 24h")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """One incident. `said` says why it is worth an alert, or why not."""

    place: str
    severity: str
    is_alertable: bool
    confidence: float | None
    since: str
    until: str
    said: str
    anomalies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """What was unusual, newest first."""

    series: int
    incidents: tuple[IncidentLine, ...]
    left_out: int | None
    notes: tuple[str, ...] | None


async def _detect(context: Context, call: Call, given: DetectAnomalies) -> Unusual:
    view = await detect_anomalies(
        context, call, given.subject, metric=given.metric, method=given.method, since=given.since
    )
    # What is worth an alert first: a reader of few lines must not miss it.
    ordered = sorted(view.incidents, key=lambda each: not each.is_alertable)
    left_out = view.incidents_left_out + max(0, len(ordered) - _INCIDENTS)
    return Unusual(
        series=view.series,
        incidents=tuple(_line(each) for each in ordered[:_INCIDENTS]),
        left_out=left_out or None,
        notes=view.notes or None,
    )


def _line(view: IncidentView) -> IncidentLine:
    return IncidentLine(
        place=view.place,
        severity=view.severity,
        is_alertable=view.is_alertable,
        confidence=view.confidence,
        since=moment(view.started_ms),
        until=moment(view.until_ms),
        said=view.said,
        anomalies=tuple(_words(each) for each in view.anomalies[:_ANOMALIES]),
    )


def _words(view: AnomalyView) -> str:
    return f"{view.kind}, {view.severity}: {view.said}"


ANOMALY_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="detect-anomalies",
        title="What was unusual",
        description="Find spikes, drops and changes of pattern, grouped by container and host.",
        input_model=DetectAnomalies,
        output=Unusual,
        action=READ,
        run=_detect,
    ),
)
