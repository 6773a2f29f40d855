"""A report of what the metric history means, to print, to file or to calculate with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydantic import TypeAdapter

from cluster.analytics.profile import Impact
from cluster.analytics.report import Chart, Figure, Report, Section, Table, day_of, to_csv, to_markdown
from cluster.analytics.report_html import to_html
from cluster.analytics.sentences import Language, Phrasebook, Text, amount, noun, percent
from cluster.analytics.sentences_profile import impact_word
from cluster.analytics.series import DAY_MS, to_daily
from cluster.analytics.trend import Verdict
from cluster.metrics.query import Selector
from cluster.model.metrics import Subject, SubjectKind
from cluster.store import records
from web.auth.call import Call
from web.tools.analytics_capacity import get_capacity_plan
from web.tools.analytics_data import Hours, Scope, make_scope, read_hours
from web.tools.analytics_profile import profile_metrics, profile_view
from web.tools.analytics_trend import READ, metrics_for_trend, trend_view
from web.tools.analytics_views import ProfileView, TrendView
from web.tools.anomalies import AnomaliesView, detect_anomalies
from web.tools.capacity_views import CapacityView
from web.tools.context import Context
from web.tools.nodes import node_names
from web.tools.visibility import require_whole

HOSTS_MAX = 20
DISKS_MAX = 20
CONTAINERS_MAX = 10
"""Of so many services and containers, those with the most memory, a report speaks."""
CHARTS_MAX = 8
"""Of those that are used up soonest, and of what grows."""
INCIDENTS_MAX = 20
_HOURS = 24
_CHOSEN_BY_DAYS = 2
_TRENDS = {
    SubjectKind.HOST: ("memory_bytes", "cpu_percent"),
    SubjectKind.DISK: ("disk_used_bytes",),
    SubjectKind.CONTAINER: ("memory_bytes",),
}


class ReportFormat(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


MEDIA_TYPES = {
    ReportFormat.MARKDOWN: "text/markdown",
    ReportFormat.HTML: "text/html",
    ReportFormat.CSV: "text/csv",
    ReportFormat.JSON: "application/json",
}
ENDINGS = {
    ReportFormat.MARKDOWN: "md",
    ReportFormat.HTML: "html",
    ReportFormat.CSV: "csv",
    ReportFormat.JSON: "json",
}

BOOK = Phrasebook(
    {
        "title": Text("analytics report for {cluster}", "rapporto di analisi per {cluster}"),
        "subtitle": Text("{at}; the last 30 days, by the hour", "{at}; gli ultimi 30 giorni, ora per ora"),
        "summary": Text("summary", "in breve"),
        "capacity": Text("capacity", "capacità"),
        "trends": Text("trends", "tendenze"),
        "profile": Text("the last 24 hours", "le ultime 24 ore"),
        "unusual": Text("what was unusual", "cosa è stato insolito"),
        "not-watched": Text("this host does not look for it yet", "questo host non lo cerca ancora"),
        "open": Text("what could not be concluded", "ciò che non si è potuto concludere"),
        "quiet": Text("nothing that needs attention", "niente che richieda attenzione"),
        "nothing": Text("nothing", "niente"),
        "host": Text("host", "host"),
        "free": Text("free", "libero"),
        "used": Text("used in its worst hours", "usato nelle ore peggiori"),
        "reserved": Text("reserved", "riservato"),
        "memory": Text("memory", "memoria"),
        "processors": Text("processors", "processori"),
        "what": Text("what", "cosa"),
        "now": Text("last week", "ultima settimana"),
        "a-day": Text("a day", "al giorno"),
        "verdict": Text("trend", "tendenza"),
        "in-a-week": Text("in a week", "fra una settimana"),
        "in-a-month": Text("in a month", "fra un mese"),
        "limit": Text("limit", "limite"),
        "impact": Text("impact", "impatto"),
        "seen": Text("what was seen", "cosa si è visto"),
        "fix": Text("what helps", "cosa aiuta"),
        "increasing": Text("increasing", "in crescita"),
        "decreasing": Text("decreasing", "in calo"),
        "stable": Text("stable", "stabile"),
        "insufficient-data": Text("too few days", "troppo pochi giorni"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """A report for programs. `anomalies` are those that were found as they happened, null where this host
    does not look for them yet."""

    title: str
    made_at_ms: int
    language: str
    summary: tuple[str, ...]
    capacity: CapacityView
    trends: tuple[TrendView, ...]
    profiles: tuple[ProfileView, ...]
    anomalies: AnomaliesView | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A report as a file."""

    content: str
    media_type: str
    file_name: str


async def export_report(
    context: Context,
    call: Call,
    *,
    file_format: ReportFormat = ReportFormat.MARKDOWN,
    language: Language = Language.EN,
) -> Exported:
    """Return a report on hosts, file systems and the largest services and containers."""
    await require_whole(context, call, (READ,), "the report")
    anomalies = None
    if context.surroundings.anomalies.is_running:
        anomalies = await detect_anomalies(context, call, language=language)
    capacity = await get_capacity_plan(context, call, language=language)
    names = node_names(context.surroundings)
    subjects = await context.surroundings.history.subjects(Selector(kinds=tuple(_TRENDS)))
    with context.surroundings.state.read() as txn:
        identity = records.CLUSTER.get(txn)
    scopes = _scopes(subjects, names)
    # What is to be chosen among may be a thousand containers: of those not chosen hardly anything is read.
    sizes = await read_hours(
        context, scopes, list(dict.fromkeys(scope.default_metric for scope in scopes)), days=_CHOSEN_BY_DAYS
    )
    scopes = _chosen(scopes, sizes)
    metrics = [each for kind in _TRENDS.values() for name in kind for each in metrics_for_trend(name)]
    hours = await read_hours(context, scopes, [*metrics, *profile_metrics(scopes)])
    making = _Making(
        cluster="" if identity is None else identity.name,
        at_ms=context.surroundings.clock.now_ms(),
        capacity=capacity,
        hours=hours,
        scopes=scopes,
        anomalies=anomalies,
        language=language,
    )
    async with context.analysing:
        content = await asyncio.to_thread(making.write, file_format)
    day = day_of(making.at_ms)[:10]
    return Exported(
        content=content,
        media_type=MEDIA_TYPES[file_format],
        file_name=f"tower-report-{day}.{ENDINGS[file_format]}",
    )


def _scopes(subjects: Sequence[Subject], names: Mapping[str, str]) -> list[Scope]:
    """Hosts and file systems of members, and containers by service or name."""
    together: dict[tuple[SubjectKind, str], list[Subject]] = {}
    for subject in subjects:
        definition = subject.definition
        service = definition.label("service")
        name = service or f"{definition.node_id}:{definition.name}"
        if definition.kind is not SubjectKind.CONTAINER:
            name = f"{definition.node_id}:{definition.name}"
            if definition.node_id not in names:
                continue
        together.setdefault((definition.kind, name), []).append(subject)
    return [make_scope(found, names) for found in together.values()]


def _chosen(scopes: Sequence[Scope], sizes: Hours) -> list[Scope]:
    """Those that were measured in the last day, the largest of each kind, in order of names."""
    most = {
        SubjectKind.HOST: HOSTS_MAX,
        SubjectKind.DISK: DISKS_MAX,
        SubjectKind.CONTAINER: CONTAINERS_MAX,
    }
    chosen: list[Scope] = []
    for kind, count in most.items():
        sized = []
        for scope in scopes:
            if scope.kind is kind:
                recent = sizes.of(scope, scope.default_metric).tail(_HOURS).values
                recent = recent[np.isfinite(recent)]
                if len(recent):
                    sized.append((float(recent.mean()), scope))
        sized.sort(key=lambda pair: -pair[0])
        chosen += sorted((scope for _, scope in sized[:count]), key=lambda scope: scope.name)
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    cluster: str
    at_ms: int
    capacity: CapacityView
    hours: Hours
    scopes: Sequence[Scope]
    anomalies: AnomaliesView | None
    language: Language

    def write(self, file_format: ReportFormat) -> str:
        trends = [
            (scope, trend_view(scope, self.hours, metric, None, self.language))
            for scope in self.scopes
            for metric in _TRENDS[scope.kind]
        ]
        profiles = [self._profile(scope) for scope in self.scopes if scope.kind is not SubjectKind.DISK]
        view = ReportView(
            title=self._say("title", cluster=self.cluster),
            made_at_ms=self.at_ms,
            language=self.language.value,
            summary=self._summary([trend for _, trend in trends], profiles),
            capacity=self.capacity,
            trends=tuple(trend for _, trend in trends),
            profiles=tuple(profiles),
            anomalies=self.anomalies,
            notes=tuple(dict.fromkeys([*self.capacity.notes, *self.hours.notes])),
        )
        if file_format is ReportFormat.JSON:
            return TypeAdapter(ReportView).dump_json(view, indent=2).decode()
        report = self._report(view, trends, with_charts=file_format is ReportFormat.HTML)
        return {
            ReportFormat.MARKDOWN: to_markdown,
            ReportFormat.HTML: to_html,
            ReportFormat.CSV: to_csv,
        }[file_format](report)

    def _profile(self, scope: Scope) -> ProfileView:
        disks = [
            each
            for each in self.scopes
            if scope.kind is SubjectKind.HOST
            and each.kind is SubjectKind.DISK
            and each.node_id == scope.node_id
        ]
        return profile_view(scope, disks, self.hours, _HOURS, self.language)

    # ---- what is said -------------------------------------------------------------------------

    def _say(self, key: str, **values: str) -> str:
        return BOOK.say(self.language, key, **values)

    def _summary(self, trends: Sequence[TrendView], profiles: Sequence[ProfileView]) -> tuple[str, ...]:
        """What needs attention, the soonest and worst first."""
        soon = sorted(
            (trend for trend in trends if trend.exhaustion.days is not None),
            key=lambda trend: trend.exhaustion.days or 0.0,
        )
        said = [sentence for trend in soon for sentence in trend.exhaustion.said]
        bottlenecks = [found for profile in profiles for found in profile.bottlenecks]
        ranks = {impact.value: -place for place, impact in enumerate(Impact)}
        bottlenecks.sort(key=lambda found: ranks[found.impact])
        said += [found.description for found in bottlenecks]
        said += [
            trend.said[0]
            for trend in trends
            if trend.verdict == Verdict.INCREASING.value and trend not in soon
        ]
        said += [loss.said for loss in self.capacity.losses if not loss.is_survived]
        return tuple(dict.fromkeys(said))[:12] or (self._say("quiet"),)

    def _report(
        self, view: ReportView, trends: Sequence[tuple[Scope, TrendView]], *, with_charts: bool
    ) -> Report:
        drawable = [pair for pair in trends if self.hours.of(pair[0], pair[1].metric).hours_known > 1]
        drawn = sorted(drawable, key=lambda pair: _urgency(pair[1]))[:CHARTS_MAX] if with_charts else []
        charts = [self._chart(scope, trend) for scope, trend in drawn]
        unknown = [trend.said[0] for trend in view.trends if trend.verdict == Verdict.INSUFFICIENT.value]
        return Report(
            title=view.title,
            subtitle=self._say("subtitle", at=day_of(self.at_ms)),
            language=view.language,
            made_at_ms=self.at_ms,
            sections=(
                Section(heading=self._say("summary"), sentences=view.summary),
                Section(
                    heading=self._say("capacity"), sentences=self.capacity.said, table=self._capacity_table()
                ),
                Section(
                    heading=self._say("trends"),
                    table=self._trend_table(view.trends),
                    charts=tuple(charts),
                    empty=self._say("nothing"),
                ),
                Section(
                    heading=self._say("profile"),
                    sentences=tuple(
                        line.said
                        for profile in view.profiles
                        for line in profile.metrics
                        if line.difference in ("higher", "lower")
                    ),
                    table=self._bottleneck_table(view.profiles),
                    empty=self._say("quiet"),
                ),
                self._unusual(),
                Section(
                    heading=self._say("open"),
                    sentences=tuple(dict.fromkeys([*unknown, *view.notes])),
                    empty=self._say("nothing"),
                ),
            ),
            figures=tuple(self._figures(view)),
        )

    def _unusual(self) -> Section:
        found = self.anomalies
        if found is None:
            return Section(heading=self._say("unusual"), empty=self._say("not-watched"))
        said = found.said or tuple(incident.said for incident in found.incidents)
        return Section(
            heading=self._say("unusual"), sentences=said[:INCIDENTS_MAX], empty=self._say("nothing")
        )

    def _capacity_table(self) -> Table:
        def pair(memory: float | None, cores: float | None) -> str:
            parts = [
                None if memory is None else amount(self.language, memory, "bytes"),
                None
                if cores is None
                else f"{amount(self.language, cores, '')} {self._say('processors').lower()}",
            ]
            return ", ".join(part for part in parts if part is not None) or "?"

        rows = []
        for room in (*self.capacity.hosts, self.capacity.cluster):
            shares = room.used_percent
            used = [
                f"{self._say(key).lower()} {percent(self.language, share)}"
                for key, share in (("memory", shares.memory_bytes), ("processors", shares.cpu_cores))
                if share is not None
            ]
            rows.append(
                (
                    room.name,
                    ", ".join(used) or "?",
                    pair(room.reserved.memory_bytes, room.reserved.cpu_cores),
                    pair(room.free.memory_bytes, room.free.cpu_cores),
                )
            )
        columns = tuple(self._say(key) for key in ("host", "used", "reserved", "free"))
        return Table(columns=columns, rows=tuple(rows))

    def _trend_table(self, trends: Sequence[TrendView]) -> Table | None:
        if not trends:
            return None
        keys = ("what", "verdict", "now", "a-day", "in-a-week", "in-a-month", "limit")
        return Table(
            columns=tuple(self._say(key) for key in keys),
            rows=tuple(self._trend_row(each) for each in trends),
        )

    def _trend_row(self, trend: TrendView) -> tuple[str, ...]:
        def shown(value: float | None) -> str:
            return "?" if value is None else amount(self.language, value, trend.unit)

        a_day = trend.percent_per_day
        return (
            f"{trend.subject.name}: {noun(trend.metric).in_language(self.language)}",
            self._say(trend.verdict),
            shown(trend.level),
            "?" if a_day is None else percent(self.language, a_day),
            shown(None if trend.next_week is None else trend.next_week.expected),
            shown(None if trend.next_month is None else trend.next_month.expected),
            "" if trend.exhaustion.limit is None else shown(trend.exhaustion.limit),
        )

    def _bottleneck_table(self, profiles: Sequence[ProfileView]) -> Table | None:
        rows = tuple(
            (impact_word(self.language, Impact(found.impact)), found.description, found.fix)
            for profile in profiles
            for found in profile.bottlenecks
        )
        columns = tuple(self._say(key) for key in ("impact", "seen", "fix"))
        return Table(columns=columns, rows=rows) if rows else None

    def _chart(self, scope: Scope, trend: TrendView) -> Chart:
        """The last 30 days, and on to the week that the table tells: a day more would not be seen."""
        series = self.hours.of(scope, trend.metric)
        limit, week = trend.exhaustion.limit, trend.next_week
        ahead_ms = expected = low = high = None
        if week is not None:
            now = to_daily(series).values[-1]
            # A day's value is that of its middle.
            ahead_ms = series.end_ms + np.array([-DAY_MS // 2, week.days_ahead * DAY_MS - DAY_MS // 2])
            expected = np.array([now, week.expected])
            if week.low is not None and week.high is not None:
                low, high = np.array([now, week.low]), np.array([now, week.high])
        return Chart(
            title=f"{scope.name}: {noun(trend.metric).in_language(self.language)}",
            unit=trend.unit,
            times_ms=series.times_ms(),
            values=series.values,
            ahead_ms=ahead_ms,
            expected=expected,
            low=low,
            high=high,
            levels=() if limit is None else ((self._say("limit"), limit),),
        )

    def _figures(self, view: ReportView) -> list[Figure]:
        figures = []
        for trend in view.trends:
            week, month = trend.next_week, trend.next_month
            values: dict[str, float | str | None] = {
                "verdict": trend.verdict,
                "confidence": trend.confidence,
                "days known": trend.days_known,
                "level": trend.level,
                "per day": trend.per_day,
                "percent per day": trend.percent_per_day,
                "next week": None if week is None else week.expected,
                "next month": None if month is None else month.expected,
                "limit": trend.exhaustion.limit,
                "days until used up": trend.exhaustion.days,
                "soonest": trend.exhaustion.soonest_days,
                "latest": trend.exhaustion.latest_days,
            }
            figures += _figures_of(trend.subject.name, trend.subject.kind, trend.metric, trend.unit, values)
        for profile in view.profiles:
            for line in profile.metrics:
                values = {
                    "last 24 h": line.current,
                    "last 24 h, 95th percentile": line.current_p95,
                    "usually": line.baseline,
                    "difference": line.difference,
                }
                about = profile.subject
                figures += _figures_of(about.name, about.kind, line.metric, line.unit, values)
        return figures


def _urgency(trend: TrendView) -> tuple[float, int]:
    days = trend.exhaustion.days
    return np.inf if days is None else days, 0 if trend.verdict == Verdict.INCREASING.value else 1


def _figures_of(
    subject: str, kind: str, metric: str, unit: str, values: Mapping[str, float | str | None]
) -> list[Figure]:
    return [
        Figure(subject=subject, kind=kind, metric=metric, unit=unit, name=name, value=value)
        for name, value in values.items()
        if value is not None
    ]
