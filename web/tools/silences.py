"""Silences: nobody is told of some alerts for a while, or in hours of maintenance that come round."""

from __future__ import annotations

from cluster.commands.alerts import EndSilence, PutSilence
from cluster.model.alerts import AlertMatcher, RuleScope, Silence
from cluster.model.windows import Span
from cluster.schedule import is_within
from cluster.store.records import SILENCES, open_alerts
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.alert_rules import check_scope, known_rule, wrong_field
from web.tools.alert_views import SilenceSettings, SilenceView, silence_view
from web.tools.context import Context
from web.tools.times import moment
from web.tools.windows import span_of

READ = "silence.read"
PUT = "silence.put"
END = "silence.end"
ONCE_S = 3600
ROUND_S = 365 * 86_400
"""How long a silence lasts when nothing is said, once and coming round."""


async def list_silences(context: Context, call: Call) -> list[SilenceView]:
    """Return the silences that are in force or still to come, by id."""
    await context.authority.require(call, READ, "silence")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        found = [each for each in SILENCES.scan(txn) if each.until_ms > now_ms]
        alerts = open_alerts(txn)
    views = []
    for silence in found:
        is_in_force = _is_in_force(silence, now_ms)
        numbers = tuple(
            sorted(alert.number for alert in alerts if is_in_force and silence.matcher.matches(alert))
        )
        views.append(silence_view(silence, is_in_force=is_in_force, alerts=numbers))
    return views


async def put_silence(context: Context, call: Call, settings: SilenceSettings) -> SilenceView:
    """Keep alerts quiet, from now or later. Raises Problem (422)."""
    await context.authority.require(call, PUT, "silence")
    now_ms = context.surroundings.clock.now_ms()
    from_ms = now_ms if settings.from_ms is None else settings.from_ms
    until_ms = _until_ms(settings, from_ms)
    if until_ms <= now_ms:
        raise invalid("until", "it is over already", value=moment(until_ms))
    with context.surroundings.state.read() as txn:
        for rule in settings.rules:
            known_rule(txn, rule)
    try:
        span: Span | None = None
        if settings.cron:
            span = await span_of(settings.cron, settings.duration_s, settings.time_zone)
        scope = RuleScope(
            kinds=settings.kinds,
            hosts=settings.hosts,
            services=settings.services,
            environments=settings.environments,
            names=settings.names,
            labels=tuple(sorted(settings.match.items())),
        )
        silence = Silence(
            id=context.surroundings.ids.new_id("si"),
            matcher=AlertMatcher(rules=settings.rules, severities=settings.severities, scope=scope),
            comment=settings.comment,
            from_ms=from_ms,
            until_ms=until_ms,
            span=span,
            by=call.known().name,
        )
    except ValueError as error:
        raise wrong_field(error) from error
    check_scope(context, scope)

    async def change(permit: Permit) -> None:
        await permit.propose(PutSilence(silence=silence), reason=silence.comment)

    await context.authority.perform(call, PUT, f"silence:{silence.id}", change)
    found = await list_silences(context, call)
    return next(
        (view for view in found if view.id == silence.id), silence_view(silence, is_in_force=False, alerts=())
    )


async def end_silence(context: Context, call: Call, name: str) -> None:
    """End a silence: what fires then is told. Raises Problem (404)."""
    await context.authority.require(call, END, f"silence:{name}")
    with context.surroundings.state.read() as txn:
        if SILENCES.get(txn, name) is None:
            raise Problem(
                "not-found",
                f"there is no silence {name[:80]!r}",
                hint="`tower alerts silences` shows what there is",
            )

    async def change(permit: Permit) -> None:
        await permit.propose(EndSilence(silence_id=name))

    await context.authority.perform(call, END, f"silence:{name}", change)


def _until_ms(settings: SilenceSettings, from_ms: int) -> int:
    if settings.until_ms is not None and settings.for_s is not None:
        raise invalid("for_s", "give until or for, not both")
    if settings.until_ms is not None:
        return settings.until_ms
    default_s = ROUND_S if settings.cron else ONCE_S
    return from_ms + 1000 * (default_s if settings.for_s is None else settings.for_s)


def _is_in_force(silence: Silence, now_ms: int) -> bool:
    is_begun = silence.from_ms <= now_ms < silence.until_ms
    return is_begun and (silence.span is None or is_within(silence.span, now_ms))
