"""The tools around alerts. Results are sentences: what is wrong, since when, who looks after it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from cluster.model.alerts import AlertState
from web.auth.call import Call
from web.tools.alert_rules import list_alert_rules
from web.tools.alert_views import AlertView, RuleView, SilenceSettings
from web.tools.alerts import ACKNOWLEDGE, OPEN, READ, AlertFilter, acknowledge_alert, list_alerts
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.registry import Tool
from web.tools.silences import PUT, list_silences, put_silence
from web.tools.times import moment, parse_span

SHOWN_MAX = 50


class ListAlerts(Arguments):
    """Which alerts; everything may be left out."""

    state: Short = Field(default=OPEN, description="open, firing, acknowledged, silenced, resolved or all")
    severity: Short = Field(default="", description="at least: info, warning, critical")
    node: Short = ""
    service: Short = ""
    rules: bool = Field(default=False, description="also the rules and silences")
    cursor: str | None = Field(default=None, max_length=2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLines:
    """Newest first. Silenced ones are told to nobody."""

    alerts: tuple[str, ...]
    rules: tuple[str, ...] | None
    silences: tuple[str, ...] | None
    next_cursor: str | None


async def _list_alerts(context: Context, call: Call, given: ListAlerts) -> AlertLines:
    wanted = AlertFilter(state=given.state, severity=given.severity, node=given.node, service=given.service)
    page = await list_alerts(context, call, wanted, cursor=given.cursor, limit=SHOWN_MAX)
    rules = silences = None
    if given.rules:
        rules = tuple(_rule_line(view) for view in await list_alert_rules(context, call))
        silences = tuple(
            f"{each.id} by {each.by} until {moment(each.until_ms)}: {each.settings.comment}"
            for each in await list_silences(context, call)
        )
    return AlertLines(
        alerts=tuple(map(_line, page.items)), rules=rules, silences=silences, next_cursor=page.next_cursor
    )


class AcknowledgeAlert(Arguments):
    """Which alert, and what is done about it."""

    alert: int = Field(ge=1, description="its number")
    comment: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    alert: str


async def _acknowledge(context: Context, call: Call, given: AcknowledgeAlert) -> Acknowledged:
    view = await acknowledge_alert(context, call, given.alert, comment=given.comment)
    return Acknowledged(alert=_line(view))


class SilenceAlerts(Arguments):
    """What is kept quiet, and for how long; something must be named."""

    comment: Named = Field(description="why")
    duration: Short = Field(default="1h", description="30m, 2h, 1d")
    rule: Short = ""
    node: Short = ""
    service: Short = ""
    environment: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    silence: str
    until: str
    alerts: tuple[int, ...]


async def _silence(context: Context, call: Call, given: SilenceAlerts) -> Silenced:
    settings = SilenceSettings(
        comment=given.comment,
        for_s=parse_span(given.duration, field="duration") // 1000,
        rules=_named(given.rule),
        hosts=_named(given.node),
        services=_named(given.service),
        environments=_named(given.environment),
    )
    view = await put_silence(context, call, settings)
    return Silenced(silence=view.id, until=moment(view.until_ms), alerts=view.alerts)


def _named(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def _line(view: AlertView) -> str:
    state = view.state.value
    if view.state is AlertState.ACKNOWLEDGED:
        state += f" by {view.acknowledged_by}" + (f" ({view.comment})" if view.comment else "")
    if view.state is AlertState.SILENCED:
        state += f" ({view.muted_by})"
    if view.state is AlertState.RESOLVED and view.resolved_at_ms:
        state += f" {moment(view.resolved_at_ms)}" + (f" ({view.resolution})" if view.resolution else "")
    said = " ".join(filter(None, (view.text, view.usual, view.next_step)))
    return f"{view.number} {view.severity} {state}, since {moment(view.since_ms)}, rule {view.rule}: {said}"


def _rule_line(view: RuleView) -> str:
    off = "" if view.settings.enabled else " (off)"
    return f"{view.id}{off}: {view.settings.summary or view.settings.kind}"


ALERT_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="list-alerts",
        title="Alerts",
        description="List what is wrong, in sentences with what to do, newest first.",
        input_model=ListAlerts,
        output=AlertLines,
        action=READ,
        run=_list_alerts,
    ),
    Tool(
        name="acknowledge-alert",
        title="Look after an alert",
        description="Say that the caller looks after a firing alert: it is not told again.",
        input_model=AcknowledgeAlert,
        output=Acknowledged,
        action=ACKNOWLEDGE,
        run=_acknowledge,
        is_read_only=False,
    ),
    Tool(
        name="silence-alerts",
        title="Keep alerts quiet",
        description="Have nobody told of some alerts for a while, as during maintenance.",
        input_model=SilenceAlerts,
        output=Silenced,
        action=PUT,
        run=_silence,
        is_read_only=False,
        is_idempotent=False,
    ),
)
"""Rules are not among them: what people are told of, people decide."""
