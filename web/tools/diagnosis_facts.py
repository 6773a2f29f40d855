"""The facts of a diagnosis that are in the state, at the hosts and in the logs, as far as the caller sees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.analytics.sentences import Text
from cluster.diagnosis.facts import (
    AlertFact,
    ContainerFact,
    DeathFact,
    ErrorFact,
    HookFact,
    HostFact,
    LinePlace,
    QuorumFact,
    RolloutFact,
    ServiceFact,
    TroubleFact,
)
from cluster.model.events import headline
from cluster.model.hooks import HookPhase
from cluster.model.log_history import LineStream, LogLevel, LogSearch, levels_from
from cluster.model.node import NodeStatus
from cluster.model.rollout import RolloutPhase
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.alerts import firing_alerts
from web.tools.cluster import get_cluster
from web.tools.containers import get_container
from web.tools.context import Context
from web.tools.history import compare_revisions
from web.tools.log_views import LogLineView, LogSourceView
from web.tools.logs import LogChoice, search_logs
from web.tools.rollouts import list_rollouts
from web.tools.services import list_services
from web.tools.untrusted import cleaned, output_in
from web.tools.views import ContainerView, HookRunView, RolloutView

DEATHS_MAX = 300
ERRORS_MAX = 400
"""Of so many of the newest error lines the kinds are told apart."""
ERROR_KINDS = 6
SAMPLE_CHARACTERS_MAX = 300
ROLLOUTS_MAX = 30
CHANGES_MAX = 8
COMPARED_MAX = 3
INSPECTED_MAX = 4
_DAY_MS = 86_400_000
_ROLLOUT_DAYS = 7
_KILLED = 137
_HOOK_FAILURES = frozenset({HookPhase.FAILED, HookPhase.LOST})
_BAD_ENDS = frozenset({RolloutPhase.FAILED, RolloutPhase.ROLLED_BACK, RolloutPhase.ROLLING_BACK})
_VARYING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What lines of logs tell; null: nobody keeps any, or the caller may not read them."""

    deaths: tuple[DeathFact, ...] | None
    errors: tuple[ErrorFact, ...] | None


async def read_cluster_facts(context: Context, call: Call) -> tuple[QuorumFact, tuple[HostFact, ...]]:
    """Return how the cluster and its hosts are, for those who may read all of both."""
    view = await get_cluster(context, call)
    quorum = QuorumFact(
        can_lose=view.quorum.can_lose,
        has_quorum=view.quorum.healthy > view.quorum.voters // 2,
        is_single=view.quorum.voters == 1,
        advice=Text(view.quorum.advice, view.quorum.translations.get("it", view.quorum.advice)),
        disk_full=view.disk_full or "",
    )
    hosts = tuple(
        HostFact(name=node.name, status=node.status, reason=node.status_reason)
        for node in view.nodes
        if node.status is not NodeStatus.LEFT
    )
    return quorum, hosts


async def read_service_facts(context: Context, call: Call) -> tuple[ServiceFact, ...]:
    """Return how the services are that the caller sees."""
    return tuple(
        ServiceFact(
            id=view.id,
            status=view.status,
            ready=view.replicas_ready,
            wanted=view.replicas_wanted,
            troubles=tuple(
                TroubleFact(
                    ordinal=each.ordinal,
                    host=each.node_name,
                    reason=f"host {each.node_name} is down"
                    if each.is_host_down
                    else cleaned(headline(each.reason)),
                    printed=output_in(each.reason),
                )
                for each in view.troubles
            ),
        )
        for view in await list_services(context, call)
    )


async def read_alert_facts(context: Context, call: Call) -> tuple[AlertFact, ...]:
    """Return the alerts that fire."""
    return tuple(
        AlertFact(
            number=view.number,
            severity=view.severity,
            subjects=tuple(
                dict.fromkeys(
                    filter(None, (view.subject.service_id, view.subject.name, view.subject.node_name))
                )
            ),
            text=Text(view.text, view.translations.get("it.text", view.text)),
            next_step=Text(view.next_step, view.translations.get("it.next_step", view.next_step)),
            since_ms=view.since_ms,
        )
        for view in await firing_alerts(context, call)
    )


async def read_rollout_facts(
    context: Context, call: Call, *, services: frozenset[str], is_about_failures: bool
) -> tuple[RolloutFact, ...]:
    """Return each service's newest rollout, of the last week, newest first; `services` empty: of all.

    With `is_about_failures` the newest that ended badly stands for it where there is one, with what its
    revision has otherwise.
    """
    since_ms = context.surroundings.clock.now_ms() - _ROLLOUT_DAYS * _DAY_MS
    chosen: dict[str, RolloutView] = {}
    for view in await list_rollouts(context, call):
        is_past = view.ended_at_ms is not None and view.ended_at_ms < since_ms
        if is_past or (services and view.service_id not in services):
            continue
        known = chosen.get(view.service_id)
        is_bad = view.phase in _BAD_ENDS
        if known is None or (is_about_failures and is_bad and known.phase is RolloutPhase.SUCCEEDED):
            chosen[view.service_id] = view
    ordered = sorted(chosen.values(), key=lambda view: -view.started_at_ms)[:ROLLOUTS_MAX]
    facts = [_rollout(view) for view in ordered]
    if is_about_failures and context.authority.could(call, "service.read").allowed:
        failed = [fact for fact in facts if fact.phase in _BAD_ENDS][:COMPARED_MAX]
        changes = {fact.id: await _changes(context, call, fact) for fact in failed}
        facts = [replace(fact, changes=changes.get(fact.id, ())) for fact in facts]
    return tuple(facts)


async def read_container_facts(
    context: Context, call: Call, containers: Sequence[ContainerView], *, inspected: bool
) -> tuple[ContainerFact, ...]:
    """Return how containers are; `inspected`: with what the engine says of the first few of them."""
    facts = []
    for place, view in enumerate(containers):
        fact = ContainerFact(
            name=view.name,
            service_id=_service_of(view.project, view.service, is_managed=view.is_managed),
            host=view.node_name,
            state=view.state,
            status=view.status,
            is_unhealthy=view.health == "unhealthy",
        )
        if inspected and place < INSPECTED_MAX:
            detail = (await get_container(context, call, view.id, node=view.node_id)).detail or {}
            restarts, exit_code = detail.get("restart_count"), detail.get("exit_code")
            fact = replace(
                fact,
                restarts=restarts if isinstance(restarts, int) else None,
                exit_code=exit_code if isinstance(exit_code, int) else None,
                was_out_of_memory=detail.get("oom_killed") is True,
            )
        facts.append(fact)
    return tuple(facts)


async def read_logged(context: Context, call: Call, choice: LogChoice, *, since_ms: int) -> Logged:
    """Return which containers ended since then, and which kinds of errors were written."""
    deaths = LogSearch(
        container_ids=(), start_us=since_ms * 1000, streams=1 << LineStream.EVENT, limit=DEATHS_MAX
    )
    errors = LogSearch(
        container_ids=(),
        start_us=since_ms * 1000,
        levels=levels_from(LogLevel.ERROR),
        streams=(1 << LineStream.STDOUT) | (1 << LineStream.STDERR),
        limit=ERRORS_MAX,
    )
    try:
        ended = await search_logs(context, call, choice, deaths)
        wrote = await search_logs(context, call, choice, errors)
    except Problem as problem:
        if problem.kind != "not-found":
            raise
        return Logged(deaths=None, errors=None)
    return Logged(
        deaths=tuple(
            death for line in ended.lines if (death := _death(line, ended.sources[line.source])) is not None
        ),
        errors=_kinds([(line, wrote.sources[line.source]) for line in wrote.lines]),
    )


def _rollout(view: RolloutView) -> RolloutFact:
    behaviour = view.behaviour
    reasons = (view.reason, *(each.reason for each in view.replicas))
    return RolloutFact(
        id=view.id,
        service_id=view.service_id,
        from_revision=view.from_revision,
        to_revision=view.to_revision,
        phase=view.phase,
        is_waiting=view.stage is not None and view.stage.name == "approve",
        reason=cleaned(headline(view.reason)),
        verdict=view.verdict,
        by=view.asked_by,
        started_ms=view.started_at_ms,
        ended_ms=view.ended_at_ms,
        hooks=tuple(_hook(run) for run in view.hooks if run.phase in _HOOK_FAILURES),
        limits=tuple(limit.text for limit in view.limits if limit.is_past),
        replica_reasons=tuple(cleaned(headline(each.reason)) for each in view.replicas if each.reason),
        printed=next(filter(None, map(output_in, reasons)), ""),
        old_failure_rate=None if behaviour is None else behaviour.old.failures.value,
        new_failure_rate=None if behaviour is None else behaviour.new.failures.value,
    )


def _hook(run: HookRunView) -> HookFact:
    return HookFact(
        name=f"{run.kind.key} {run.number}",
        command=cleaned(" ".join(run.command)),
        host=run.node_name,
        exit_code=run.exit_code,
        reason=cleaned(headline(run.reason)),
        tail="\n".join(cleaned(line) for line in run.tail.splitlines()[-10:]),
    )


async def _changes(context: Context, call: Call, fact: RolloutFact) -> tuple[str, ...]:
    if not fact.from_revision:
        return ()
    try:
        view = await compare_revisions(context, call, fact.service_id, fact.from_revision, fact.to_revision)
    except Problem:
        # One of the two is not remembered any more.
        return ()
    return tuple(
        cleaned(f"{each.field} {each.before or 'not set'} -> {each.after or 'not set'}")
        for each in view.changes[:CHANGES_MAX]
    )


def _death(line: LogLineView, source: LogSourceView) -> DeathFact | None:
    facts = line.event or {}
    code = facts.get("exit_code")
    is_oom = facts.get("event") == "oom"
    if not is_oom and facts.get("event") != "die":
        return None
    if code == _KILLED and not source.is_present:
        # Who took it away did not wait for it to end.
        return None
    return DeathFact(
        container=source.name,
        service_id=_service_of(source.project, source.service, is_managed=source.is_managed),
        host=source.node_name,
        at_ms=line.at_us // 1000,
        exit_code=code if isinstance(code, int) and not is_oom else None,
        is_oom=is_oom,
        place=LinePlace(at_us=line.at_us, container_id=source.container_id, ordinal=line.ordinal),
    )


def _kinds(lines: Sequence[tuple[LogLineView, LogSourceView]]) -> tuple[ErrorFact, ...]:
    """The kinds of lines there are, the most frequent first. They come newest first."""
    found: dict[tuple[str, str], list[tuple[LogLineView, LogSourceView]]] = {}
    for line, source in lines:
        key = (source.container_id, _VARYING.sub("#", line.text)[:200])
        found.setdefault(key, []).append((line, source))
    ordered = sorted(found.values(), key=lambda each: (-len(each), -each[0][0].at_us))[:ERROR_KINDS]
    return tuple(_kind(each) for each in ordered)


def _kind(lines: Sequence[tuple[LogLineView, LogSourceView]]) -> ErrorFact:
    newest, source = lines[0]
    return ErrorFact(
        container=source.name,
        service_id=_service_of(source.project, source.service, is_managed=source.is_managed),
        host=source.node_name,
        count=len(lines),
        first_ms=lines[-1][0].at_us // 1000,
        last_ms=newest.at_us // 1000,
        sample=cleaned(newest.text)[:SAMPLE_CHARACTERS_MAX],
        place=LinePlace(at_us=newest.at_us, container_id=source.container_id, ordinal=newest.ordinal),
    )


def _service_of(project: str, service: str, *, is_managed: bool) -> str:
    """The service's id: those of ours are called by it, others by project and name."""
    if is_managed or not service or not project:
        return service
    return f"{project}.{service}"
