"""Alerts: what is wrong or was, and saying that somebody looks after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cluster.commands.alerts import AcknowledgeAlert
from cluster.model.alerts import Alert, AlertState, AlertSubject
from cluster.model.events import Severity
from cluster.model.metrics import SubjectKind
from cluster.rbac import Resource, Target
from cluster.store.records import ALERTS, open_alerts
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.ports import Surroundings
from web.tools.alert_views import AlertSubjectView, AlertView, alert_view
from web.tools.context import Context
from web.tools.listing import Page, page_of
from web.tools.visibility import about, sight_of

READ = "alert.read"
ACKNOWLEDGE = "alert.acknowledge"
OPEN = "open"
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts. `state` is one of `AlertState`, "open" for all that are not resolved, or "all".

    `severity` is the least. The rest is compared with names and ids; "" fits everything.
    """

    state: str = OPEN
    severity: str = ""
    rule: str = ""
    node: str = ""
    service: str = ""
    environment: str = ""


async def list_alerts(
    context: Context,
    call: Call,
    wanted: AlertFilter,
    *,
    cursor: str | None,
    limit: int,
    language: str = "en",
) -> Page[AlertView]:
    """Return alerts, newest first. Raises Problem (422)."""
    await context.authority.admit(call, READ, "alert")
    fits = _filter(wanted)
    sight = context.authority.sight(call, READ)
    with context.surroundings.state.read() as txn:
        is_past = wanted.state in (ALL, AlertState.RESOLVED)
        found = ALERTS.scan(txn) if is_past else open_alerts(txn)
    if not sight.is_everything:
        found = [alert for alert in found if sight.sees(_target(context, alert))]
    views = [alert_view(alert, language) for alert in found if fits(alert)]
    return page_of(views, key=lambda view: (view.number,), cursor=cursor, limit=limit, reverse=True)


async def get_alert(context: Context, call: Call, number: int, *, language: str = "en") -> AlertView:
    """Return one alert. Raises Problem (404)."""
    await context.authority.admit(call, READ, f"alert:{number}")
    return alert_view(_known(context, call, number), language)


async def acknowledge_alert(
    context: Context, call: Call, number: int, *, comment: str = "", withdrawn: bool = False
) -> AlertView:
    """Say that the caller looks after an alert, or with `withdrawn` that nobody does any more.

    Raises Problem (404, 409).
    """
    await context.authority.admit(call, ACKNOWLEDGE, f"alert:{number}")
    alert = _known(context, call, number)
    target = replace(_target(context, alert), id=str(number), name=str(number))
    await context.authority.require(call, ACKNOWLEDGE, target)
    if alert.state not in (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED):
        raise Problem(
            "conflict",
            f"alert {number} is {alert.state}: only one that fires is acknowledged",
            hint="`tower alerts` shows those that fire",
        )
    try:
        command = AcknowledgeAlert(
            number=number, by=call.known().name, comment=comment, is_withdrawn=withdrawn
        )
    except ValueError as error:
        raise _wrong(error) from error

    async def change(permit: Permit) -> None:
        await permit.propose(command, reason=comment)

    await context.authority.perform(call, ACKNOWLEDGE, target, change)
    return alert_view(_known(context, call, number))


async def firing_alerts(context: Context, call: Call) -> list[AlertView]:
    """Return what fires and is kept quiet by nothing, newest first."""
    await context.authority.admit(call, READ, "alert")
    told = (AlertState.FIRING, AlertState.ACKNOWLEDGED)
    sees = sight_of(context, call).alert
    return [
        view
        for view in read_open_alerts(context.surroundings)
        if view.state in told and (sees is None or sees(*_place(view.subject)))
    ]


def read_open_alerts(surroundings: Surroundings) -> list[AlertView]:
    """Return every alert that is not resolved, newest first, in English with its translations."""
    with surroundings.state.read() as txn:
        found = open_alerts(txn)
    return [alert_view(alert) for alert in sorted(found, key=lambda alert: -alert.number)]


def _place(subject: AlertSubject | AlertSubjectView) -> tuple[str, str, str]:
    container = subject.name if subject.kind == SubjectKind.CONTAINER.word else ""
    return subject.node_id, subject.service_id, container


def _target(context: Context, alert: Alert) -> Target:
    return about(context, Resource.ALERT, *_place(alert.subject))


def _known(context: Context, call: Call, number: int) -> Alert:
    with context.surroundings.state.read() as txn:
        alert = ALERTS.get(txn, number) if 0 < number < 2**63 else None
    if alert is not None and not context.authority.sight(call, READ).sees(_target(context, alert)):
        alert = None
    if alert is None:
        raise Problem(
            "not-found",
            f"there is no alert {number}",
            hint="`tower alerts list --state all` shows the newest",
        )
    return alert


def _filter(wanted: AlertFilter) -> Callable[[Alert], bool]:
    states = (OPEN, ALL, *AlertState)
    if wanted.state not in states:
        raise invalid("state", f"one of {', '.join(states)}", value=wanted.state[:80])
    if wanted.severity and wanted.severity not in tuple(Severity):
        raise invalid("severity", f"one of {', '.join(Severity)}", value=wanted.severity[:80])
    least = Severity(wanted.severity).rank if wanted.severity else 0

    def fits(alert: Alert) -> bool:
        subject = alert.subject
        return (
            (wanted.state in (OPEN, ALL) or alert.state == wanted.state)
            and (wanted.state != OPEN or alert.is_open)
            and alert.severity.rank >= least
            and wanted.rule in ("", alert.rule_id)
            and wanted.node in ("", subject.node_id, subject.node_name)
            and wanted.service in ("", subject.service_id)
            and wanted.environment in ("", subject.environment)
        )

    return fits


def _wrong(error: ValueError) -> Problem:
    name, _, rule = str(error).partition(" ")
    return invalid(name.rstrip(":,"), rule or str(error))
