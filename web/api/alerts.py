"""Alerts, the rules of what people are told, and silences."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.alerts import LABELS_MAX, SCOPE_ITEMS_MAX, RuleKind, StepStatistic
from cluster.model.events import Severity
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.languages import LanguageQuery, language_of
from web.api.schemas import FilterText, PageQuery, Reason, Reference, Schema
from web.auth.problems import invalid
from web.middleware.routes import needs
from web.tools import alert_rules, alerts, silences
from web.tools.alert_rules import RehearsalView, known_rule, rule_of
from web.tools.alert_views import AlertView, RuleSettings, RuleView, SilenceSettings, SilenceView
from web.tools.alerts import OPEN, AlertFilter
from web.tools.listing import Page, page_of

Items = Annotated[tuple[Reference, ...], Field(max_length=SCOPE_ITEMS_MAX)]
Pairs = Annotated[dict[Reference, FilterText], Field(max_length=LABELS_MAX)]
Words = Annotated[str, StringConstraints(max_length=600)]


class AlertQuery(PageQuery, LanguageQuery):
    """Which alerts, newest first."""

    state: FilterText = Field(
        default=OPEN, description="open, pending, firing, acknowledged, silenced, resolved or all"
    )
    severity: FilterText = Field(default="", description="at least: info, warning, critical")
    rule: FilterText = ""
    node: FilterText = Field(default="", description="id or name of a host")
    service: FilterText = ""
    environment: FilterText = ""


class AcknowledgeBody(Schema):
    """That the caller looks after an alert; withdrawn: that nobody does any more."""

    comment: Words = ""
    withdrawn: bool = False


class ScopeBody(Schema):
    """What is meant: what fits every field that is not empty."""

    kinds: Items = Field(default=(), description="host, container, disk, sensor, route, ...")
    hosts: Items = Field(default=(), description="ids or names")
    services: Items = ()
    environments: Items = ()
    names: Items = Field(default=(), description="of containers, file systems, ...; may end in *")
    match: Pairs = Field(default_factory=dict, description="labels that must all be there")


class RuleBody(ScopeBody):
    """A rule; durations in seconds."""

    kind: RuleKind
    summary: FilterText = ""
    severity: Severity = Severity.WARNING
    enabled: bool = True
    metric: FilterText = Field(default="", description="for threshold, absence and forecast")
    above: float | None = Field(default=None, description="threshold: in the metric's unit")
    below: float | None = None
    resolve: float | None = Field(
        default=None, description="over on the other side of it; null: of the bound"
    )
    statistic: StepStatistic = Field(default=StepStatistic.MEAN, description="what stands for a step")
    step_s: int = Field(default=60, ge=10, le=3600)
    percent_of_limit: bool = Field(default=False, description="bounds are percent of what there can be")
    for_s: int = Field(default=0, ge=0, description="how long it must hold")
    looks_min: int = Field(default=0, ge=0, description="instead: in so many of the last `looks` steps")
    looks: int = Field(default=0, ge=0)
    keep_firing_s: int = Field(default=0, ge=0, description="how long it must be over")
    remind_s: int = Field(default=0, ge=0, description="told again until acknowledged; 0: never")
    within_s: int = Field(default=0, ge=0, description="forecast, certificates: how far ahead")
    window_s: int = Field(default=0, ge=0, description="crash-loop, out-of-memory: within so long")
    count: int = Field(default=0, ge=0, description="how many restarts, kills, metrics, or spare hosts")
    labels: Pairs = Field(default_factory=dict, description="told with the alert")
    hint: Words = Field(default="", description="what to do, instead of the usual words")

    def settings(self) -> RuleSettings:
        return RuleSettings(**self.model_dump())


class RehearsalBody(Schema):
    """A rule as it would be put; null: the one there is of that name. It is tried on the record."""

    rule: RuleBody | None = None
    days: float = Field(default=7, gt=0, le=30)


class SilenceBody(ScopeBody):
    """Nobody is told of what fits every field that is not empty; at least one is not."""

    comment: Reason
    until_ms: int | None = Field(default=None, ge=0)
    for_s: int | None = Field(
        default=None, ge=1, description="instead of until; without either an hour, with cron a year"
    )
    from_ms: int | None = Field(default=None, ge=0, description="left out: now")
    rules: Items = ()
    severities: tuple[Severity, ...] = Field(default=(), max_length=len(Severity))
    cron: FilterText = Field(default="", description="only for a while from each such moment: 0 2 * * SUN")
    duration_s: int = Field(default=3600, ge=60, description="with cron: how long each time")
    time_zone: FilterText = "UTC"


async def list_alerts(ask: Ask[None, AlertQuery]) -> Page[AlertView]:
    query = ask.query
    wanted = AlertFilter(**query.model_dump(exclude={"cursor", "limit", "language"}))
    return await alerts.list_alerts(
        ask.context,
        ask.call,
        wanted,
        cursor=query.cursor,
        limit=query.limit,
        language=language_of(ask.request, query),
    )


async def get_alert(ask: Ask[None, LanguageQuery]) -> AlertView:
    language = language_of(ask.request, ask.query)
    return await alerts.get_alert(ask.context, ask.call, _number(ask.path["alert"]), language=language)


async def acknowledge(ask: Ask[AcknowledgeBody, Nothing]) -> AlertView:
    return await alerts.acknowledge_alert(
        ask.context,
        ask.call,
        _number(ask.path["alert"]),
        comment=ask.body.comment,
        withdrawn=ask.body.withdrawn,
    )


async def list_rules(ask: Ask[None, PageQuery]) -> Page[RuleView]:
    found = await alert_rules.list_alert_rules(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_rule(ask: Ask[None, Nothing]) -> RuleView:
    return await alert_rules.get_alert_rule(ask.context, ask.call, ask.path["rule"])


async def put_rule(ask: Ask[RuleBody, Nothing]) -> RuleView:
    return await alert_rules.put_alert_rule(ask.context, ask.call, ask.path["rule"], ask.body.settings())


async def remove_rule(ask: Ask[None, Nothing]) -> None:
    await alert_rules.remove_alert_rule(ask.context, ask.call, ask.path["rule"])


async def rehearse(ask: Ask[RehearsalBody, Nothing]) -> RehearsalView:
    name, body = ask.path["rule"], ask.body
    await ask.context.authority.require(ask.call, alert_rules.READ, f"alert-rule:{name}")
    if body.rule is None:
        with ask.context.surroundings.state.read() as txn:
            rule = known_rule(txn, name)
    else:
        rule = rule_of(ask.context, name, body.rule.settings())
    return await alert_rules.rehearse_rule(ask.context, ask.call, rule, span_ms=round(body.days * 86_400_000))


async def list_silences(ask: Ask[None, PageQuery]) -> Page[SilenceView]:
    found = await silences.list_silences(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def put_silence(ask: Ask[SilenceBody, Nothing]) -> SilenceView:
    settings = SilenceSettings(**ask.body.model_dump())
    return await silences.put_silence(ask.context, ask.call, settings)


async def end_silence(ask: Ask[None, Nothing]) -> None:
    await silences.end_silence(ask.context, ask.call, ask.path["silence"])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise invalid("alert", "the number of an alert", value=text[:80])
    return int(text)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/alerts",
        run=list_alerts,
        access=needs("alert.read"),
        summary="What is wrong now, or was; newest first",
        tag="alerts",
        query=AlertQuery,
        answer=Page[AlertView],
    ),
    Endpoint(
        method="GET",
        path="/alerts/{alert}",
        run=get_alert,
        access=needs("alert.read"),
        summary="One alert",
        tag="alerts",
        query=LanguageQuery,
        answer=AlertView,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/alerts/{alert}/acknowledge",
        run=acknowledge,
        access=needs("alert.acknowledge"),
        summary="Say that you look after an alert; it is not told again until it is over",
        tag="alerts",
        body=AcknowledgeBody,
        answer=AlertView,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/alert-rules",
        run=list_rules,
        access=needs("alert-rule.read"),
        summary="What people are told of, with the rules that are built in",
        tag="alerts",
        query=PageQuery,
        answer=Page[RuleView],
    ),
    Endpoint(
        method="GET",
        path="/alert-rules/{rule}",
        run=get_rule,
        access=needs("alert-rule.read"),
        summary="One rule",
        tag="alerts",
        answer=RuleView,
        problems=("not-found",),
    ),
    Endpoint(
        method="PUT",
        path="/alert-rules/{rule}",
        run=put_rule,
        access=needs("alert-rule.put"),
        summary="Make a rule, or set everything of one; of a built-in one, too",
        tag="alerts",
        body=RuleBody,
        answer=RuleView,
    ),
    Endpoint(
        method="DELETE",
        path="/alert-rules/{rule}",
        run=remove_rule,
        access=needs("alert-rule.remove"),
        summary="Forget a rule; a built-in one is as it was made",
        tag="alerts",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/alert-rules/{rule}/test",
        run=rehearse,
        access=needs("alert-rule.read"),
        summary="What a rule would have done in the past days; changes nothing and tells nobody",
        tag="alerts",
        body=RehearsalBody,
        answer=RehearsalView,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/silences",
        run=list_silences,
        access=needs("silence.read"),
        summary="The silences in force and to come",
        tag="alerts",
        query=PageQuery,
        answer=Page[SilenceView],
    ),
    Endpoint(
        method="POST",
        path="/silences",
        run=put_silence,
        access=needs("silence.put"),
        summary="Have nobody told of some alerts for a while, or in hours that come round",
        tag="alerts",
        body=SilenceBody,
        answer=SilenceView,
        status=HTTPStatus.CREATED,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/silences/{silence}",
        run=end_silence,
        access=needs("silence.end"),
        summary="End a silence; what fires then is told",
        tag="alerts",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
