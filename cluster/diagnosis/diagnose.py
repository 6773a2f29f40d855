"""Which rules a question asks, and in which order what they find is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from cluster.diagnosis import rules
from cluster.diagnosis.facts import Facts
from cluster.diagnosis.findings import Code, Diagnosis, Evidence, Finding, Question
from cluster.diagnosis.wording import say

FINDINGS_MAX = 12
_OF_A_KIND_MAX = 4
"""So many of one code are told: ten containers that write errors are one fact."""

Rule = Callable[[Facts], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    rules.cluster,
    rules.hosts,
    rules.services,
    rules.alerts,
    rules.bottlenecks,
    rules.differences,
    rules.deployed_before,
    rules.rollouts,
    rules.shortages,
    rules.losses,
    rules.deaths,
    rules.unhealthy,
    rules.errors,
)

# How much each kind of finding answers a question, from 0 to 1; what is not named here does not.
RELEVANCE: Mapping[Question, Mapping[Code, float]] = {
    Question.HEALTH: {
        Code.QUORUM_LOST: 1.0,
        Code.STORE_FULL: 1.0,
        Code.SERVICE_DOWN: 1.0,
        Code.HOST_DOWN: 0.9,
        Code.FULL: 0.8,
        Code.OUT_OF_MEMORY: 0.8,
        Code.CRASH_LOOP: 0.8,
        Code.SERVICE_DEGRADED: 0.8,
        Code.ALERT: 0.7,
        Code.ROLLOUT_FAILED: 0.7,
        Code.QUORUM_AT_RISK: 0.6,
        Code.HOST_SUSPECT: 0.6,
        Code.UNHEALTHY: 0.6,
        Code.ROLLOUT_WAITING: 0.5,
        Code.BOTTLENECK: 0.5,
        Code.MORE_ERRORS: 0.5,
        Code.SLOWER: 0.5,
        Code.FILLING: 0.4,
        Code.ROLLOUT_UNDER_WAY: 0.3,
        Code.ROLLOUT_BACK: 0.3,
        Code.LOSS_NOT_SURVIVED: 0.2,
    },
    Question.SLOW: {
        Code.DEPLOYED_BEFORE: 1.0,
        Code.BOTTLENECK: 1.0,
        Code.SLOWER: 0.9,
        Code.OUT_OF_MEMORY: 0.8,
        Code.MORE_ERRORS: 0.8,
        Code.SERVICE_DOWN: 0.8,
        Code.HOST_DOWN: 0.7,
        Code.SERVICE_DEGRADED: 0.7,
        Code.CRASH_LOOP: 0.7,
        Code.FULL: 0.7,
        Code.QUORUM_LOST: 0.6,
        Code.STORE_FULL: 0.6,
        Code.HOST_SUSPECT: 0.6,
        Code.BUSIER: 0.5,
        Code.UNHEALTHY: 0.5,
        Code.ALERT: 0.5,
        Code.ROLLOUT_UNDER_WAY: 0.4,
        Code.ERROR_LINES: 0.3,
    },
    Question.DEPLOY_FAILED: {
        Code.ROLLOUT_FAILED: 1.0,
        Code.HOOK_FAILED: 0.95,
        Code.ROLLOUT_BACK: 0.95,
        Code.ROLLOUT_WAITING: 0.9,
        Code.REPLICA_FAILED: 0.9,
        Code.JUDGED_WORSE: 0.85,
        Code.LIMIT_EXCEEDED: 0.85,
        Code.OUT_OF_MEMORY: 0.8,
        Code.CRASH_LOOP: 0.8,
        Code.CHANGED: 0.75,
        Code.ERROR_LINES: 0.7,
        Code.UNHEALTHY: 0.6,
        Code.ENDED: 0.6,
        Code.SERVICE_DOWN: 0.6,
        Code.SERVICE_DEGRADED: 0.5,
        Code.ROLLOUT_UNDER_WAY: 0.5,
        Code.HOST_DOWN: 0.5,
        Code.FULL: 0.5,
        Code.STORE_FULL: 0.5,
    },
    Question.RUNS_OUT: {
        Code.FULL: 1.0,
        Code.FILLING: 1.0,
        Code.STORE_FULL: 1.0,
        Code.LOSS_NOT_SURVIVED: 0.4,
        Code.OUT_OF_MEMORY: 0.4,
    },
    Question.RESTARTS: {
        Code.OUT_OF_MEMORY: 1.0,
        Code.CRASH_LOOP: 1.0,
        Code.ENDED: 0.9,
        Code.UNHEALTHY: 0.8,
        Code.ERROR_LINES: 0.7,
        Code.BOTTLENECK: 0.6,
        Code.SERVICE_DOWN: 0.6,
        Code.ROLLOUT_FAILED: 0.6,
        Code.ROLLOUT_BACK: 0.5,
        Code.SERVICE_DEGRADED: 0.5,
        Code.DEPLOYED_BEFORE: 0.5,
        Code.ROLLOUT_UNDER_WAY: 0.5,
        Code.HOST_DOWN: 0.5,
        Code.HOST_SUSPECT: 0.4,
        Code.ALERT: 0.4,
    },
}
_NEEDED: Mapping[Question, tuple[str, ...]] = {
    Question.HEALTH: ("quorum", "hosts", "services", "alerts", "rollouts", "containers"),
    Question.SLOW: ("hosts", "services", "alerts", "rollouts", "bottlenecks"),
    Question.DEPLOY_FAILED: ("services", "rollouts", "errors", "deaths"),
    Question.RUNS_OUT: ("shortages",),
    Question.RESTARTS: ("containers", "deaths", "errors", "services", "rollouts"),
}


def diagnose(facts: Facts, question: Question) -> Diagnosis:
    """Return what the facts say to a question, the likeliest first.

    What matters is how much a kind of finding answers the question, then how grave and how marked it is. An
    alert about something that another finding tells of is that finding's evidence.
    """
    relevance = RELEVANCE[question]
    found = [finding for rule in RULES for finding in rule(facts) if finding.code in relevance]
    found = _without_echoes(found)
    found.sort(key=lambda each: (-_rank(each, relevance[each.code]), each.code, each.subject, each.said.en))
    kept: list[Finding] = []
    for finding in found:
        if sum(each.code is finding.code for each in kept) < _OF_A_KIND_MAX and len(kept) < FINDINGS_MAX:
            kept.append(finding)
    return Diagnosis(
        question=question,
        subject=facts.subject,
        summary=kept[0].said if kept else say(f"nothing-{question.value}"),
        findings=tuple(kept),
        left_out=len(found) - len(kept),
        missing=tuple(part for part in _NEEDED[question] if getattr(facts, part) is None),
    )


def _rank(finding: Finding, relevance: float) -> float:
    return relevance + 0.25 * finding.severity.rank + 0.25 * finding.weight


def _without_echoes(found: list[Finding]) -> list[Finding]:
    """Alerts about what others tell of become evidence of the first of these."""
    echoes: dict[str, tuple[Evidence, ...]] = {}
    told = {each.subject for each in found if each.code is not Code.ALERT and each.subject}
    for each in found:
        if each.code is Code.ALERT and each.subject in told:
            echoes[each.subject] = (*echoes.get(each.subject, ()), *each.evidence)
    kept = []
    for each in found:
        if each.code is Code.ALERT and each.subject in told:
            continue
        kept.append(replace(each, evidence=(*each.evidence, *echoes.pop(each.subject, ()))))
    return kept
