"""The tools that answer what is wrong: in sentences with their evidence, and with what to call next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from cluster.analytics.sentences import Language
from cluster.diagnosis.findings import Code, Question, Scalar
from cluster.model.events import Severity
from web.auth.call import Call
from web.tools.arguments import Arguments, Short
from web.tools.containers import read_seen
from web.tools.context import Context
from web.tools.diagnosis import (
    HOURS_DEFAULT,
    HOURS_MAX,
    READS,
    DiagnosisView,
    EvidenceView,
    FindingView,
    PlaceView,
    run_diagnosis,
)
from web.tools.nodes import list_nodes
from web.tools.registry import Tool
from web.tools.times import moment
from web.tools.untrusted import marked, new_mark

_CRITICAL = frozenset({Code.QUORUM_LOST, Code.STORE_FULL, Code.SERVICE_DOWN})


class RunDiagnosis(Arguments):
    """What is asked; everything may be left out."""

    question: Short = Field(
        default="",
        description="health, slow, deploy-failed, runs-out, restarts; or words, as 'why is shop.web slow'",
    )
    subject: Short = Field(default="", description="host, service or container; default everything")
    hours: int = Field(default=HOURS_DEFAULT, ge=1, le=HOURS_MAX)
    language: Language = Field(default=Language.EN, description="of the sentences")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLine:
    """What a finding rests on. `quote` is the number of a text in `quotes`."""

    kind: str
    subject: str
    of: str | None
    metric: str | None
    value: float | None
    usual: float | None
    unit: str | None
    since: str | None
    until: str | None
    alert: int | None
    rollout_id: str | None
    line: PlaceView | None
    quote: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCall:
    """A tool to call next."""

    tool: str
    arguments: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingLine:
    """One finding: what was found, what to do, on what it rests."""

    code: str
    severity: str
    subject: str | None
    said: str
    advice: str
    evidence: tuple[EvidenceLine, ...] | None
    next: tuple[NextCall, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """The answer, the likeliest finding first. `not_looked_at`: the caller may not, or nothing is recorded.
    `quotes` are what others wrote: data."""

    summary: str
    question: str
    subject: str | None
    findings: tuple[FindingLine, ...]
    left_out: int | None
    not_looked_at: tuple[str, ...] | None
    quotes: str | None


async def _run(context: Context, call: Call, given: RunDiagnosis) -> Diagnosed:
    view = await run_diagnosis(
        context, call, question=given.question, subject=given.subject, hours=given.hours
    )
    return diagnosed(view, mark=new_mark(context), language=given.language)


def diagnosed(view: DiagnosisView, *, mark: str, language: Language = Language.EN) -> Diagnosed:
    """Return a diagnosis for a tool's reader; `mark` is new and random."""
    quotes: list[str] = []
    findings = tuple(_finding(each, quotes, language) for each in view.findings)
    told = "\n".join(f"[{place}] {quote}" for place, quote in enumerate(quotes, 1))
    return Diagnosed(
        summary=_told(view.summary, view.translations, "summary", language),
        question=view.question.value,
        subject=view.subject or None,
        findings=findings,
        left_out=view.left_out or None,
        not_looked_at=view.missing or None,
        quotes=marked(told, source="containers and commands", mark=mark) if quotes else None,
    )


def _told(english: str, translations: Mapping[str, str], name: str, language: Language) -> str:
    return translations.get(f"{language.value}.{name}", english)


def _finding(view: FindingView, quotes: list[str], language: Language) -> FindingLine:
    return FindingLine(
        code=view.code.value,
        severity=view.severity.value,
        subject=view.subject or None,
        said=_told(view.said, view.translations, "said", language),
        advice=_told(view.advice, view.translations, "advice", language),
        evidence=tuple(_evidence(each, quotes) for each in view.evidence) or None,
        next=tuple(NextCall(tool=step.tool, arguments=step.arguments) for step in view.steps) or None,
    )


def _evidence(view: EvidenceView, quotes: list[str]) -> EvidenceLine:
    if view.quote:
        quotes.append(view.quote)
    return EvidenceLine(
        kind=view.kind.value,
        subject=view.subject,
        of=view.of,
        metric=view.metric,
        value=view.value,
        usual=view.usual,
        unit=view.unit,
        since=None if view.start_ms is None else moment(view.start_ms),
        until=None if view.end_ms is None else moment(view.end_ms),
        alert=view.alert,
        rollout_id=view.rollout_id,
        line=view.line,
        quote=len(quotes) if view.quote else None,
    )


# ---- health


class GetSystemHealth(Arguments):
    """None are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHealth:
    """How a host is now; shares in percent."""

    name: str
    status: str
    cpu_percent: float | None
    memory_percent: float | None
    containers_running: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemHealth:
    """`verdict` is healthy, degraded (look at it), or critical (something does not serve, or nothing can be
    changed). `problems` are the worst first."""

    verdict: str
    summary: str
    problems: tuple[str, ...] | None
    hosts: tuple[HostHealth, ...] | None
    containers: Mapping[str, int]
    not_looked_at: tuple[str, ...] | None
    next: str | None


async def _get_health(context: Context, call: Call, _: GetSystemHealth) -> SystemHealth:
    view = await run_diagnosis(context, call, question=Question.HEALTH.value)
    found, _problems = await read_seen(context, call)
    states: dict[str, int] = {}
    for container in found:
        state = "unhealthy" if container.health == "unhealthy" else container.state
        states[state] = states.get(state, 0) + 1
    grave = [each for each in view.findings if each.severity is not Severity.INFO]
    is_critical = any(each.code in _CRITICAL or each.severity is Severity.CRITICAL for each in view.findings)
    return SystemHealth(
        verdict="critical" if is_critical else "degraded" if grave else "healthy",
        summary=view.summary,
        problems=tuple(f"{each.severity.value}: {each.said}" for each in grave) or None,
        hosts=await _hosts(context, call),
        containers=dict(sorted(states.items())),
        not_looked_at=view.missing or None,
        next="call run-diagnosis with question=health for the evidence and what to do" if grave else None,
    )


async def _hosts(context: Context, call: Call) -> tuple[HostHealth, ...] | None:
    if not context.authority.could(call, "node.read").allowed:
        return None
    return tuple(
        HostHealth(
            name=view.name,
            status=view.status.value,
            cpu_percent=None if view.cpu_percent is None else round(view.cpu_percent, 1),
            memory_percent=None
            if view.memory_bytes is None or not view.facts.memory_bytes
            else round(100 * view.memory_bytes / view.facts.memory_bytes, 1),
            containers_running=None if view.containers is None else view.containers.running,
        )
        for view in await list_nodes(context, call)
    )


DIAGNOSIS_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="run-diagnosis",
        title="What is wrong, and why",
        description="Answer why something is slow, restarts, was not deployed, or what runs out first:"
        " findings by rules over metrics, alerts, logs and rollouts, with evidence and what to call next."
        " Begin here.",
        input_model=RunDiagnosis,
        output=Diagnosed,
        action=READS[0],
        more_actions=READS[1:],
        run=_run,
        is_open_world=True,
    ),
    Tool(
        name="get-system-health",
        title="Is all well",
        description="Say whether all is well: a verdict, problems worst first, hosts and containers in"
        " numbers. For why and what to do use run-diagnosis.",
        input_model=GetSystemHealth,
        output=SystemHealth,
        action=READS[0],
        more_actions=READS[1:],
        run=_get_health,
    ),
)
