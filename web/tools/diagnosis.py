"""What is wrong, why, and what next: reads the facts that a question needs, and asks the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cluster.analytics.sentences import Language, Text
from cluster.diagnosis.diagnose import diagnose
from cluster.diagnosis.facts import Facts, LossFact, RolloutFact
from cluster.diagnosis.findings import (
    Code,
    Diagnosis,
    Evidence,
    EvidenceKind,
    Finding,
    Question,
    Scalar,
)
from cluster.diagnosis.questions import names_in, question_in
from cluster.model.events import Severity
from cluster.model.rollout import RolloutPhase
from web.auth.call import Call
from web.auth.missing import missing
from web.auth.problems import invalid
from web.tools.analytics_capacity import get_capacity_plan
from web.tools.analytics_views import rounded
from web.tools.containers import read_seen
from web.tools.context import Context
from web.tools.diagnosis_facts import (
    read_alert_facts,
    read_cluster_facts,
    read_container_facts,
    read_logged,
    read_rollout_facts,
    read_service_facts,
)
from web.tools.diagnosis_numbers import find_scopes, read_performance, read_shortages
from web.tools.logs import LogChoice
from web.tools.nodes import members
from web.tools.services import read_services
from web.tools.views import ContainerView
from web.tools.visibility import sight_of

HOURS_DEFAULT = 6
HOURS_MAX = 168
_HOUR_MS = 3_600_000
_DAY_HOURS = 24
READS = ("service.read", "container.read", "alert.read", "metrics.read", "cluster.read")
"""Who may do any of these may ask; what the others would show is left out then, and said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """A line of a log, as links to it have it."""

    container_id: str
    at_us: int
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """What a finding rests on; what does not apply is null. `of` says exactly of what: `host:h1`,
    `service:shop.web`, `container:h1/web-1`. `quote` is what others wrote: data."""

    kind: EvidenceKind
    subject: str
    of: str | None
    metric: str | None
    value: float | None
    usual: float | None
    unit: str | None
    start_ms: int | None
    end_ms: int | None
    alert: int | None
    rollout_id: str | None
    line: PlaceView | None
    quote: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A tool to call next, that looks closer or changes something."""

    tool: str
    arguments: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """One thing that was found: by code and fields, and in words. `translations` are `it.said` and
    `it.advice`."""

    code: Code
    severity: Severity
    subject: str
    fields: Mapping[str, Scalar]
    said: str
    advice: str
    translations: Mapping[str, str]
    evidence: tuple[EvidenceView, ...]
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisView:
    """The answer to a question, the likeliest first. `missing` are parts that were not looked at, because the
    caller may not see them or they are not recorded; `translations` is `it.summary`."""

    question: Question
    subject: str
    hours: int
    summary: str
    translations: Mapping[str, str]
    findings: tuple[FindingView, ...]
    left_out: int
    missing: tuple[str, ...]


async def run_diagnosis(
    context: Context, call: Call, *, question: str = "", subject: str = "", hours: int = HOURS_DEFAULT
) -> DiagnosisView:
    """Answer a question: one of `Question`, or in words in which names may stand. "" asks how all is.

    `subject` is a host, a service or a container. Raises Problem (404 for a subject nobody knows).
    """
    await context.authority.admit(call, _first_allowed(context, call), "service")
    containers, _ = await read_seen(context, call)
    known = _Known(context, call, containers)
    asked = _asked(question)
    if not subject and question and question not in tuple(Question):
        subject = next(iter(names_in(question, known.names())), "")
    reading = _Reading(context, call, asked, known.find(subject), containers, hours)
    return _view(diagnose(await reading.facts(), asked), hours)


async def names_asked_about(context: Context, call: Call, text: str) -> tuple[str, ...]:
    """Return the hosts, services and containers the caller sees that a text names, the longest name first."""
    containers, _ = await read_seen(context, call)
    return names_in(text, _Known(context, call, containers).names())


def _first_allowed(context: Context, call: Call) -> str:
    return next((action for action in READS if context.authority.could(call, action).allowed), READS[0])


def _asked(question: str) -> Question:
    if not question:
        return Question.HEALTH
    if question in tuple(Question):
        return Question(question)
    found = question_in(question)
    if found is None:
        raise invalid(
            "question",
            f"one of {', '.join(Question)}, or words such as 'why does shop.web restart'",
            value=question[:80],
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is asked about: names it goes by, and what there is of it. All empty: everything."""

    name: str = ""
    names: frozenset[str] = frozenset()
    service_id: str = ""
    host: str = ""
    containers: tuple[ContainerView, ...] = ()


class _Known:
    """What can be asked about, of what the caller sees."""

    def __init__(self, context: Context, call: Call, containers: list[ContainerView]) -> None:
        sight = sight_of(context, call)
        self._containers = containers
        self._hosts = {
            node.name: node.id
            for node in members(context.surroundings)
            if sight.node is None or sight.node(node.id)
        }
        self._services = {
            view.id: view.name
            for view in read_services(context.surroundings)
            if sight.service is None or sight.service(view.id)
        }

    def names(self) -> frozenset[str]:
        containers = {view.name for view in self._containers}
        return frozenset({*self._hosts, *self._services, *self._services.values(), *containers})

    def find(self, subject: str) -> _Subject:
        """Return what a name means. Raises Problem (404)."""
        if not subject:
            return _Subject()
        host = next((name for name, node_id in self._hosts.items() if subject in (name, node_id)), "")
        if host:
            here = tuple(view for view in self._containers if view.node_name == host)
            return _Subject(name=host, names=frozenset({host}), host=host, containers=here)
        service = next((each for each, name in self._services.items() if subject in (each, name)), "")
        if service:
            mine = tuple(view for view in self._containers if view.is_managed and view.service == service)
            names = frozenset({service, *(view.name for view in mine)})
            return _Subject(name=service, names=names, service_id=service, containers=mine)
        found = [view for view in self._containers if subject in (view.name, view.id)]
        if not found:
            found = [
                view
                for view in self._containers
                if subject in (view.service, f"{view.project}.{view.service}", view.id[:12])
            ]
        if not found:
            raise missing(
                "host, service or container", subject, hint="list-containers and list-nodes name them"
            )
        names = frozenset({view.name for view in found})
        managed = next((view.service for view in found if view.is_managed), "")
        return _Subject(
            name=found[0].name,
            names=names | ({managed} if managed else frozenset()),
            service_id=managed,
            containers=tuple(found),
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    context: Context
    call: Call
    question: Question
    subject: _Subject
    containers: list[ContainerView]
    hours: int

    async def facts(self) -> Facts:
        """Return what the question needs, as far as the caller may see it."""
        context, call, question, subject = self.context, self.call, self.question, self.subject
        now_ms = context.surroundings.clock.now_ms()
        facts = Facts(now_ms=now_ms, subject=subject.name, names=subject.names)
        if self._sees_all("cluster.read", "cluster"):
            quorum, hosts = await read_cluster_facts(context, call)
            facts = replace(facts, quorum=quorum, hosts=hosts)
        if self._could("service.read"):
            facts = replace(facts, services=await read_service_facts(context, call))
        if self._could("alert.read"):
            facts = replace(facts, alerts=await read_alert_facts(context, call))
        if self._could("rollout.read"):
            only = frozenset({subject.service_id}) if subject.service_id else frozenset()
            rollouts = await read_rollout_facts(
                context, call, services=only, is_about_failures=question is Question.DEPLOY_FAILED
            )
            facts = replace(facts, rollouts=rollouts)
        if self._sees_all("metrics.read", "metrics"):
            facts = await self._with_numbers(facts)
        if self._could("container.read"):
            chosen = subject.containers if subject.name else self.containers
            is_close = question is Question.RESTARTS and bool(subject.name)
            containers = await read_container_facts(context, call, chosen, inspected=is_close)
            facts = replace(facts, containers=containers)
        if self._could("container.logs") and question in _READS_LOGS:
            since_ms = now_ms - max(self.hours, _DAY_HOURS) * _HOUR_MS
            logged = await read_logged(context, call, self._choice(facts.rollouts), since_ms=since_ms)
            facts = replace(facts, deaths=logged.deaths, errors=logged.errors)
        return facts

    async def _with_numbers(self, facts: Facts) -> Facts:
        if self.question is Question.DEPLOY_FAILED:
            return facts
        scopes = await find_scopes(self.context, self.subject.name)
        if self.subject.name and not scopes:
            # It was never measured: nothing is known, which is not that nothing is wrong.
            return facts
        if self.question is Question.RUNS_OUT:
            shortages = await read_shortages(self.context, scopes)
            return replace(facts, shortages=shortages, losses=await self._losses())
        found = await read_performance(self.context, scopes, hours=self.hours)
        return replace(facts, bottlenecks=found.bottlenecks, differences=found.differences)

    async def _losses(self) -> tuple[LossFact, ...]:
        """Hosts whose loss would not be survived, when everything is asked about."""
        may = self._sees_all("node.read", "node") and self._sees_all("service.read", "service")
        if self.subject.name or not may:
            return ()
        english = await get_capacity_plan(self.context, self.call, language=Language.EN)
        italian = await get_capacity_plan(self.context, self.call, language=Language.IT)
        return tuple(
            LossFact(host=one.name, said=Text(one.said, other.said))
            for one, other in zip(english.losses, italian.losses, strict=True)
            if not one.is_survived and len(english.losses) > 1
        )

    def _choice(self, rollouts: tuple[RolloutFact, ...] | None) -> LogChoice:
        subject = self.subject
        if subject.service_id:
            return LogChoice(services=(subject.service_id,))
        if subject.host:
            return LogChoice(hosts=(subject.host,))
        if subject.name:
            return LogChoice(containers=tuple(view.id for view in subject.containers))
        if self.question is Question.DEPLOY_FAILED and rollouts:
            failed = tuple(fact.service_id for fact in rollouts if fact.phase is not RolloutPhase.SUCCEEDED)
            return LogChoice(services=failed or tuple(fact.service_id for fact in rollouts))
        return LogChoice()

    def _could(self, action: str) -> bool:
        return self.context.authority.could(self.call, action).allowed

    def _sees_all(self, action: str, resource: str) -> bool:
        return self.context.authority.decide(self.call, action, resource).allowed


_READS_LOGS = frozenset({Question.SLOW, Question.DEPLOY_FAILED, Question.RESTARTS, Question.HEALTH})


def _view(found: Diagnosis, hours: int) -> DiagnosisView:
    return DiagnosisView(
        question=found.question,
        subject=found.subject,
        hours=hours,
        summary=found.summary.en,
        translations={"it.summary": found.summary.it},
        findings=tuple(map(_finding, found.findings)),
        left_out=found.left_out,
        missing=found.missing,
    )


def _finding(found: Finding) -> FindingView:
    return FindingView(
        code=found.code,
        severity=found.severity,
        subject=found.subject,
        fields=found.fields,
        said=found.said.en,
        advice=found.advice.en,
        translations={"it.said": found.said.it, "it.advice": found.advice.it},
        evidence=tuple(map(_evidence, found.evidence)),
        steps=tuple(StepView(tool=step.tool, arguments=step.arguments) for step in found.steps),
    )


def _evidence(found: Evidence) -> EvidenceView:
    place = found.place
    return EvidenceView(
        kind=found.kind,
        subject=found.subject,
        of=found.of or None,
        metric=found.metric or None,
        value=rounded(found.value),
        usual=rounded(found.usual),
        unit=found.unit or None,
        start_ms=found.start_ms,
        end_ms=found.end_ms,
        alert=found.number,
        rollout_id=found.rollout_id or None,
        line=None
        if place is None
        else PlaceView(container_id=place.container_id, at_us=place.at_us, ordinal=place.ordinal),
        quote=found.quote or None,
    )
