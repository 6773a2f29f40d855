"""The rules: each looks at one part of the facts, and yields what it finds.

A rule decides nothing about what matters for a question; `diagnose` does. What it cannot see (a part that is
None) it says nothing about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cluster.analytics.profile import Impact
from cluster.analytics.sentences import Language, Text
from cluster.analytics.sentences_profile import tell_bottleneck
from cluster.diagnosis.facts import ContainerFact, DeathFact, DifferenceFact, Facts, HookFact, RolloutFact
from cluster.diagnosis.findings import Code, Evidence, EvidenceKind, Finding, Scalar, Step
from cluster.diagnosis.wording import age, exit_meaning, joined, say, share, small
from cluster.model.events import Severity
from cluster.model.node import NodeStatus
from cluster.model.rollout import RolloutPhase

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LOOP_DEATHS = 3
"""So many ends within the time that was looked at are a loop."""
EVIDENCE_MAX = 5
SOON_DAYS = 14.0
_STOPPED_ON_REQUEST = frozenset({0, 143})
_BAD_ENDS = frozenset({RolloutPhase.FAILED, RolloutPhase.ROLLED_BACK, RolloutPhase.ROLLING_BACK})
_IMPACTS = {
    Impact.HIGH: (Severity.CRITICAL, 1.0),
    Impact.MEDIUM: (Severity.WARNING, 0.6),
    Impact.LOW: (Severity.INFO, 0.3),
}
_CHARTED = {
    "host_cpu_percent": "cpu_percent",
    "memory_percent": "memory_bytes",
    "disk_percent": "disk_used_bytes",
    "inodes_percent": "inodes_used",
    "lost_percent": "lost",
}
"""Which recorded metric a share was made from."""
_LATENCIES = frozenset({"latency_p50_ms", "latency_p95_ms", "latency_p99_ms"})
_FAILURES = frozenset({"errors", "lost"})


def cluster(facts: Facts) -> Iterator[Finding]:
    quorum = facts.quorum
    if quorum is None or facts.subject:
        return
    advice = say("quorum-advice")
    if not quorum.has_quorum:
        said = say("quorum-lost", advice=quorum.advice)
        yield _of_cluster(Code.QUORUM_LOST, Severity.CRITICAL, said, advice)
    elif quorum.can_lose == 0 and not quorum.is_single:
        said = say("quorum-at-risk", advice=quorum.advice)
        yield _of_cluster(Code.QUORUM_AT_RISK, Severity.WARNING, said, advice)
    if quorum.disk_full:
        said = say("store-full", host="", reason=quorum.disk_full)
        yield _of_cluster(Code.STORE_FULL, Severity.CRITICAL, said, say("store-full-advice"))


def hosts(facts: Facts) -> Iterator[Finding]:
    for host in facts.hosts or ():
        if host.status is NodeStatus.UP or not _concerns(facts, host.name):
            continue
        is_down = host.status is NodeStatus.DOWN
        key = "host-down" if is_down else "host-suspect"
        yield Finding(
            code=Code.HOST_DOWN if is_down else Code.HOST_SUSPECT,
            severity=Severity.CRITICAL if is_down else Severity.WARNING,
            subject=host.name,
            said=say(key, host=host.name, reason=host.reason or small(say("no-reason"))),
            advice=say("host-advice"),
            weight=1.0,
            fields={"host": host.name, "reason": host.reason},
            evidence=(Evidence(kind=EvidenceKind.HOST, subject=host.name, of=_host(host.name)),),
            steps=(Step(tool="list-nodes"), Step(tool="get-capacity-plan", arguments={"lost": host.name})),
        )


def services(facts: Facts) -> Iterator[Finding]:
    for service in facts.services or ():
        if not _concerns(facts, service.id) or service.status in ("removing", "stopped", "starting"):
            continue
        if service.ready >= service.wanted:
            continue
        is_down = service.ready == 0
        said = say(
            "service-down" if is_down else "service-degraded",
            name=service.id, **({} if is_down else {"ready": service.ready}), wanted=service.wanted,
        )  # fmt: skip
        told = next((each for each in service.troubles if each.reason), None)
        if told is not None:
            said = joined(said, small(say("service-why", ordinal=told.ordinal, reason=told.reason)))
        yield Finding(
            code=Code.SERVICE_DOWN if is_down else Code.SERVICE_DEGRADED,
            severity=Severity.CRITICAL if is_down else Severity.WARNING,
            subject=service.id,
            said=said,
            advice=say("service-advice"),
            weight=1.0 - service.ready / max(1, service.wanted),
            fields={"service": service.id, "ready": service.ready, "wanted": service.wanted},
            evidence=(
                Evidence(
                    kind=EvidenceKind.SERVICE,
                    subject=service.id,
                    of=_service(service.id),
                    value=float(service.ready),
                    quote=next((each.printed for each in service.troubles if each.printed), ""),
                ),
            ),
            steps=(
                Step(tool="get-deploy-status", arguments={"service": service.id}),
                Step(tool="search-logs", arguments={"service": service.id, "level": "error"}),
                Step(tool="explain-service", arguments={"service": service.id}),
            ),
        )


def alerts(facts: Facts) -> Iterator[Finding]:
    for alert in facts.alerts or ():
        if not _concerns(facts, *alert.subjects):
            continue
        subject = next(iter(filter(None, alert.subjects)), "")
        yield Finding(
            code=Code.ALERT,
            severity=alert.severity,
            subject=subject,
            said=alert.text,
            advice=alert.next_step if alert.next_step.en else say("alert-advice"),
            weight=0.5,
            fields={"alert": alert.number},
            evidence=(
                Evidence(
                    kind=EvidenceKind.ALERT, subject=subject, number=alert.number, start_ms=alert.since_ms
                ),
            ),
            steps=(Step(tool="list-alerts"),),
        )


# ---- what is slow -----------------------------------------------------------------------------------


def bottlenecks(facts: Facts) -> Iterator[Finding]:
    for fact in facts.bottlenecks or ():
        found = fact.found
        severity, weight = _IMPACTS[found.impact]
        english = tell_bottleneck(Language.EN, fact.subject, found)
        italian = tell_bottleneck(Language.IT, fact.subject, found)
        yield Finding(
            code=Code.BOTTLENECK,
            severity=severity,
            subject=fact.subject,
            said=Text(english.description, italian.description),
            advice=Text(english.fix, italian.fix),
            weight=weight * (0.5 + found.share_of_time / 2),
            fields={
                "symptom": found.symptom.value,
                "measure": found.metric,
                "resource": found.resource.value,
                "impact": found.impact.value,
                "share_of_time": round(found.share_of_time, 2),
            },
            evidence=(
                Evidence(
                    kind=EvidenceKind.METRIC,
                    subject=fact.subject,
                    of=fact.of,
                    metric=_CHARTED.get(found.metric, found.metric),
                    value=found.value,
                    usual=found.threshold,
                    unit=fact.unit,
                    start_ms=facts.now_ms - fact.hours * HOUR_MS,
                    end_ms=facts.now_ms,
                ),
            ),
            steps=(
                Step(tool="get-performance-profile", arguments={"subject": fact.subject}),
                Step(tool="get-capacity-plan"),
            ),
        )


def differences(facts: Facts) -> Iterator[Finding]:
    for fact in facts.differences:
        code, advice = _kind_of(fact)
        if code is None:
            continue
        yield Finding(
            code=code,
            severity=Severity.INFO if code is Code.BUSIER else Severity.WARNING,
            subject=fact.subject,
            said=fact.said,
            advice=say(advice),
            weight=fact.confidence,
            fields={"metric": fact.metric, "current": fact.current, "usual": fact.usual},
            evidence=(_of_difference(facts, fact),),
            steps=(
                Step(tool="compare-baseline", arguments={"subject": fact.subject}),
                Step(tool="detect-anomalies", arguments={"subject": fact.subject}),
            ),
        )


def deployed_before(facts: Facts) -> Iterator[Finding]:
    """A deployment within the window of something that is not as usual since."""
    unusual = {fact.service_id: fact for fact in facts.differences if _kind_of(fact)[0] is not None}
    for rollout in facts.rollouts or ():
        if rollout.phase is not RolloutPhase.SUCCEEDED or not _concerns(facts, rollout.service_id):
            continue
        fact = unusual.get(rollout.service_id)
        if fact is None or rollout.started_ms < facts.now_ms - fact.hours * HOUR_MS:
            continue
        yield Finding(
            code=Code.DEPLOYED_BEFORE,
            severity=Severity.WARNING,
            subject=rollout.service_id,
            said=say(
                "deployed-before",
                service=rollout.service_id, revision=rollout.to_revision,
                age=age(facts.now_ms - rollout.started_ms), by=rollout.by or "?",
            ),
            advice=say("deployed-before-advice"),
            weight=0.8,
            fields={"service": rollout.service_id, "revision": rollout.to_revision},
            evidence=(_of_rollout(rollout), _of_difference(facts, fact)),
            steps=(
                Step(tool="compare-deployments", arguments={"service": rollout.service_id}),
                Step(tool="rollback-deploy", arguments={"service": rollout.service_id}),
            ),
        )  # fmt: skip


# ---- deployments ------------------------------------------------------------------------------------


def rollouts(facts: Facts) -> Iterator[Finding]:
    """How rollouts stand, and why those that ended badly did."""
    for rollout in facts.rollouts or ():
        if not _concerns(facts, rollout.service_id):
            continue
        if rollout.phase in _BAD_ENDS:
            yield from _ended_badly(rollout, is_overtaken=_is_overtaken(facts, rollout))
        elif rollout.is_waiting or rollout.phase is RolloutPhase.PAUSED:
            yield _standing(facts, rollout, Code.ROLLOUT_WAITING, Severity.WARNING)
        elif rollout.phase is RolloutPhase.RUNNING:
            yield _standing(facts, rollout, Code.ROLLOUT_UNDER_WAY, Severity.INFO)


def _is_overtaken(facts: Facts, rollout: RolloutFact) -> bool:
    """Whether the service was brought into another state since: by going back, or by a better revision."""
    return any(
        other.service_id == rollout.service_id
        and other.started_ms > rollout.started_ms
        and other.phase is RolloutPhase.SUCCEEDED
        for other in facts.rollouts or ()
    )


def _ended_badly(rollout: RolloutFact, *, is_overtaken: bool) -> Iterator[Finding]:
    is_back = rollout.phase is not RolloutPhase.FAILED
    is_over = is_back or is_overtaken
    service = rollout.service_id
    steps = [Step(tool="get-deploy-status", arguments={"rollout_id": rollout.id})]
    if not is_over and rollout.from_revision:
        steps.append(
            Step(tool="rollback-deploy", arguments={"service": service, "to": rollout.from_revision})
        )
    yield Finding(
        code=Code.ROLLOUT_BACK if is_back else Code.ROLLOUT_FAILED,
        severity=Severity.WARNING if is_over else Severity.CRITICAL,
        subject=service,
        said=say(
            "rollout-back" if is_back else "rollout-failed",
            service=service, revision=rollout.to_revision, reason=rollout.reason or rollout.verdict or "?",
        ),
        advice=say(
            "rollout-overtaken-advice" if is_overtaken
            else "rollout-advice" if is_back
            else "rollout-broken-advice"
        ),
        weight=1.0,
        fields={
            "service": service, "revision": rollout.to_revision, "from_revision": rollout.from_revision,
            "phase": rollout.phase.value, "by": rollout.by,
        },
        evidence=(_of_rollout(rollout),),
        steps=tuple(steps),
    )  # fmt: skip
    yield from map(lambda hook: _hook(rollout, hook), rollout.hooks)
    for reason in dict.fromkeys(rollout.replica_reasons):
        yield Finding(
            code=Code.REPLICA_FAILED,
            severity=Severity.WARNING,
            subject=service,
            said=say("replica-failed", service=service, reason=reason),
            advice=say("replica-advice"),
            weight=0.8,
            fields={"service": service, "reason": reason},
            evidence=(_of_rollout(rollout),),
            steps=(Step(tool="search-logs", arguments={"service": service, "level": "error"}),),
        )
    yield from _judged(rollout)
    if rollout.changes:
        yield Finding(
            code=Code.CHANGED,
            severity=Severity.INFO,
            subject=service,
            said=say(
                "changed", service=service, revision=rollout.to_revision, changes=", ".join(rollout.changes)
            ),
            advice=say("changed-advice"),
            weight=0.6,
            fields={"service": service, "revision": rollout.to_revision, "changes": len(rollout.changes)},
            evidence=(_of_rollout(rollout),),
            steps=(Step(tool="compare-deployments", arguments={"service": service}),),
        )


def _hook(rollout: RolloutFact, hook: HookFact) -> Finding:
    if hook.exit_code is None:
        said = say("hook-ended", hook=hook.name, reason=hook.reason or "?")
    else:
        said = say("hook-failed", hook=hook.name, exit_code=hook.exit_code, command=hook.command)
    return Finding(
        code=Code.HOOK_FAILED,
        severity=Severity.CRITICAL,
        subject=rollout.service_id,
        said=said,
        advice=say("hook-advice"),
        weight=1.0,
        fields=_known(service=rollout.service_id, hook=hook.name, host=hook.host, exit_code=hook.exit_code),
        evidence=(
            Evidence(
                kind=EvidenceKind.ROLLOUT, subject=rollout.service_id, rollout_id=rollout.id, quote=hook.tail
            ),
        ),
        steps=(Step(tool="get-deploy-status", arguments={"rollout_id": rollout.id}),),
    )


def _judged(rollout: RolloutFact) -> Iterator[Finding]:
    old, new, service = rollout.old_failure_rate, rollout.new_failure_rate, rollout.service_id
    steps = (Step(tool="compare-deployments", arguments={"service": service}),)
    if rollout.verdict:
        said = say("judged", verdict=rollout.verdict)
        fields: dict[str, str | float] = {"service": service, "verdict": rollout.verdict}
        if old is not None and new is not None:
            said = say("judged-worse", new=share(new), old=share(old), verdict=rollout.verdict)
            fields |= {"old_failure_rate": old, "new_failure_rate": new}
        yield Finding(
            code=Code.JUDGED_WORSE,
            severity=Severity.WARNING,
            subject=service,
            said=said,
            advice=say("judged-advice"),
            weight=0.9,
            fields=fields,
            evidence=(
                Evidence(
                    kind=EvidenceKind.ROLLOUT, subject=service, rollout_id=rollout.id, metric="failure rate",
                    value=None if new is None else new * 100, usual=None if old is None else old * 100,
                    unit="percent",
                ),
            ),
            steps=steps,
        )  # fmt: skip
    for limit in rollout.limits:
        yield Finding(
            code=Code.LIMIT_EXCEEDED,
            severity=Severity.WARNING,
            subject=service,
            said=say("limit-exceeded", limit=limit),
            advice=say("limit-advice"),
            weight=0.9,
            fields={"service": service, "limit": limit},
            evidence=(_of_rollout(rollout),),
            steps=steps,
        )


def _standing(facts: Facts, rollout: RolloutFact, code: Code, severity: Severity) -> Finding:
    is_waiting = code is Code.ROLLOUT_WAITING
    service = rollout.service_id
    about: dict[str, Text | str] = {
        "reason": rollout.reason or rollout.verdict or "?"} if is_waiting else {
        "age": age(facts.now_ms - rollout.started_ms)
    }  # fmt: skip
    steps = [Step(tool="get-deploy-status", arguments={"rollout_id": rollout.id})]
    if is_waiting:
        steps.append(Step(tool="steer-rollout", arguments={"rollout": rollout.id, "action": "approve"}))
    return Finding(
        code=code,
        severity=severity,
        subject=service,
        said=say(code.value, service=service, revision=rollout.to_revision, **about),
        advice=say(f"{code.value}-advice"),
        weight=0.6,
        fields={"service": service, "revision": rollout.to_revision, "phase": rollout.phase.value},
        evidence=(_of_rollout(rollout),),
        steps=tuple(steps),
    )


# ---- what is used up --------------------------------------------------------------------------------


def shortages(facts: Facts) -> Iterator[Finding]:
    for fact in facts.shortages or ():
        is_full = fact.days <= 0
        severity = Severity.CRITICAL if is_full or fact.days < SOON_DAYS / 4 else Severity.WARNING
        yield Finding(
            code=Code.FULL if is_full else Code.FILLING,
            severity=severity if fact.days < SOON_DAYS else Severity.INFO,
            subject=fact.subject,
            said=fact.said,
            advice=say("shortage-advice"),
            # What is used up first is what was asked for.
            weight=1.0 / (1.0 + max(0.0, fact.days) / SOON_DAYS),
            fields=_known(
                metric=fact.metric,
                days=round(max(0.0, fact.days), 1),
                confidence=fact.confidence,
                soonest_days=None if fact.soonest_days is None else round(fact.soonest_days, 1),
                latest_days=None if fact.latest_days is None else round(fact.latest_days, 1),
            ),
            evidence=(
                Evidence(
                    kind=EvidenceKind.METRIC, subject=fact.subject, of=fact.of, metric=fact.metric,
                    value=fact.limit, unit=fact.unit, start_ms=facts.now_ms - 30 * DAY_MS, end_ms=fact.at_ms,
                ),
            ),
            steps=(
                Step(
                    tool="get-trend-analysis", arguments={"subject": fact.subject, "metric": fact.metric}
                ),
                Step(tool="get-capacity-plan"),
            ),
        )  # fmt: skip


def losses(facts: Facts) -> Iterator[Finding]:
    for fact in facts.losses:
        if not _concerns(facts, fact.host):
            continue
        yield Finding(
            code=Code.LOSS_NOT_SURVIVED,
            severity=Severity.INFO,
            subject=fact.host,
            said=fact.said,
            advice=say("loss-advice"),
            weight=0.4,
            fields={"host": fact.host},
            evidence=(Evidence(kind=EvidenceKind.HOST, subject=fact.host, of=_host(fact.host)),),
            steps=(Step(tool="get-capacity-plan", arguments={"lost": fact.host}),),
        )


# ---- what ends and starts again ---------------------------------------------------------------------


def deaths(facts: Facts) -> Iterator[Finding]:
    """What the kernel killed, and what ended by itself, by container."""
    by_container: dict[tuple[str, str, str], list[DeathFact]] = defaultdict(list)
    for death in facts.deaths or ():
        by_container[death.service_id, death.host, death.container].append(death)
    told = {(host, container) for _, host, container in by_container}
    for (service, host, container), found in sorted(by_container.items()):
        found.sort(key=lambda death: -death.at_ms)
        kills = [death for death in found if death.is_oom]
        if kills:
            yield _death(Code.OUT_OF_MEMORY, Severity.CRITICAL, service, container, host, kills)
        ends = [death for death in found if not death.is_oom and death.exit_code not in _STOPPED_ON_REQUEST]
        # Whatever it ends with, over and over is a loop; once, on request, is what a deployment does.
        of_any = [death for death in found if not death.is_oom]
        if len(of_any) >= LOOP_DEATHS:
            yield _death(Code.CRASH_LOOP, Severity.CRITICAL, service, container, host, of_any)
        elif ends:
            yield _death(Code.ENDED, Severity.WARNING, service, container, host, ends)
    for fact in facts.containers or ():
        if (fact.host, fact.name) not in told:
            yield from _by_engine(fact)


def unhealthy(facts: Facts) -> Iterator[Finding]:
    for fact in facts.containers or ():
        if not fact.is_unhealthy:
            continue
        yield Finding(
            code=Code.UNHEALTHY,
            severity=Severity.WARNING,
            subject=fact.service_id or fact.name,
            said=say("unhealthy", container=fact.name, host=fact.host),
            advice=say("unhealthy-advice"),
            weight=0.8,
            fields={"container": fact.name, "host": fact.host},
            evidence=(
                Evidence(kind=EvidenceKind.CONTAINER, subject=fact.name, of=_container(fact.host, fact.name)),
            ),
            steps=(
                Step(tool="get-container", arguments={"container": fact.name, "node": fact.host}),
                Step(tool="get-container-logs", arguments={"container": fact.name, "node": fact.host}),
            ),
        )


def errors(facts: Facts) -> Iterator[Finding]:
    most = max((fact.count for fact in facts.errors or ()), default=1)
    for fact in facts.errors or ():
        yield Finding(
            code=Code.ERROR_LINES,
            severity=Severity.INFO,
            subject=fact.service_id or fact.container,
            said=say("error-lines", name=fact.container, host=fact.host, count=fact.count),
            advice=say("error-lines-advice"),
            weight=0.3 + 0.6 * fact.count / most,
            fields={"container": fact.container, "host": fact.host, "count": fact.count},
            evidence=(
                Evidence(
                    kind=EvidenceKind.LOG, subject=fact.container,
                    of=_container(fact.host, fact.container), value=float(fact.count),
                    start_ms=fact.first_ms, end_ms=fact.last_ms, place=fact.place, quote=fact.sample,
                ),
            ),
            steps=(
                Step(
                    tool="search-logs",
                    arguments={"container": fact.container, "level": "error", "around": 5},
                ),
            ),
        )  # fmt: skip


def _death(
    code: Code, severity: Severity, service: str, container: str, host: str, found: list[DeathFact]
) -> Finding:
    last = found[0]
    if code is Code.OUT_OF_MEMORY:
        said = say("out-of-memory", container=container, host=host, count=len(found))
    else:
        values: dict[str, str | int | Text] = {
            "name": container, "host": host, "exit_code": "?" if last.exit_code is None else last.exit_code,
            "meaning": exit_meaning(last.exit_code),
        }  # fmt: skip
        if code is Code.CRASH_LOOP:
            values["count"] = len(found)
        said = say(code.value, **values)
    return Finding(
        code=code,
        severity=severity,
        subject=service or container,
        said=said,
        advice=say("out-of-memory-advice" if code is Code.OUT_OF_MEMORY else "crash-advice"),
        weight=min(1.0, 0.5 + len(found) / 10),
        fields=_known(container=container, host=host, count=len(found), exit_code=last.exit_code),
        evidence=tuple(
            Evidence(
                kind=EvidenceKind.LOG, subject=container, of=_container(host, container),
                start_ms=death.at_ms, end_ms=death.at_ms, place=death.place,
            )
            for death in found[:EVIDENCE_MAX]
        ),
        steps=(
            Step(tool="search-logs", arguments={"container": container, "around": 10, "level": "error"}),
            Step(tool="get-trend-analysis", arguments={"subject": container, "metric": "memory"})
            if code is Code.OUT_OF_MEMORY
            else Step(tool="get-container", arguments={"container": container, "node": host}),
        ),
    )  # fmt: skip


def _by_engine(fact: ContainerFact) -> Iterator[Finding]:
    """What the engine says of a container whose end is in no log."""
    is_looping = fact.state == "restarting" or (fact.restarts or 0) >= LOOP_DEATHS
    if not fact.was_out_of_memory and not is_looping:
        return
    code = Code.OUT_OF_MEMORY if fact.was_out_of_memory else Code.CRASH_LOOP
    count = max(1, fact.restarts or 0)
    if fact.was_out_of_memory:
        said = say("out-of-memory", container=fact.name, host=fact.host, count=count)
    else:
        said = say(
            "crash-loop", name=fact.name, host=fact.host, count=count,
            exit_code="?" if fact.exit_code is None else fact.exit_code, meaning=exit_meaning(fact.exit_code),
        )  # fmt: skip
    yield Finding(
        code=code,
        severity=Severity.CRITICAL,
        subject=fact.service_id or fact.name,
        said=said,
        advice=say("out-of-memory-advice" if fact.was_out_of_memory else "crash-advice"),
        weight=min(1.0, 0.5 + count / 10),
        fields=_known(container=fact.name, host=fact.host, count=count, exit_code=fact.exit_code),
        evidence=(
            Evidence(
                kind=EvidenceKind.CONTAINER,
                subject=fact.name,
                of=_container(fact.host, fact.name),
                value=float(count),
            ),
        ),
        steps=(
            Step(tool="get-container", arguments={"container": fact.name, "node": fact.host}),
            Step(tool="get-container-logs", arguments={"container": fact.name, "node": fact.host}),
        ),
    )


# ---- what rules share -------------------------------------------------------------------------------


def _host(name: str) -> str:
    return f"host:{name}"


def _service(service_id: str) -> str:
    return f"service:{service_id}"


def _container(host: str, name: str) -> str:
    return f"container:{host}/{name}"


def _known(**values: Scalar | None) -> dict[str, Scalar]:
    return {name: value for name, value in values.items() if value is not None}


def _concerns(facts: Facts, *names: str) -> bool:
    return not facts.subject or not facts.names.isdisjoint(names)


def _of_cluster(code: Code, severity: Severity, said: Text, advice: Text) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject="",
        said=said,
        advice=advice,
        weight=1.0,
        evidence=(),
        steps=(Step(tool="get-cluster-status"),),
    )


def _kind_of(fact: DifferenceFact) -> tuple[Code | None, str]:
    if not fact.is_higher:
        return None, ""
    if fact.metric in _LATENCIES:
        return Code.SLOWER, "slower-advice"
    if fact.metric in _FAILURES:
        return Code.MORE_ERRORS, "more-errors-advice"
    if fact.metric in ("requests", "cpu_percent", "load_1"):
        return Code.BUSIER, "busier-advice"
    return None, ""


def _of_difference(facts: Facts, fact: DifferenceFact) -> Evidence:
    return Evidence(
        kind=EvidenceKind.METRIC,
        subject=fact.subject,
        of=fact.of,
        metric=fact.metric,
        value=fact.current,
        usual=fact.usual,
        unit=fact.unit,
        start_ms=facts.now_ms - fact.hours * HOUR_MS,
        end_ms=facts.now_ms,
    )


def _of_rollout(rollout: RolloutFact) -> Evidence:
    return Evidence(
        kind=EvidenceKind.ROLLOUT,
        subject=rollout.service_id,
        of=_service(rollout.service_id),
        rollout_id=rollout.id,
        start_ms=rollout.started_ms,
        end_ms=rollout.ended_ms,
        quote=rollout.printed,
    )
