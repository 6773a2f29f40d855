"""Checking a deployment without making it: every finding at once, and the plan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.compose import Finding
from cluster.compose.findings import Severity
from cluster.readiness import Check, Level, Note
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.tools.context import Context
from web.tools.placement_views import PlannedHost
from web.tools.preparing import DeployRequest, prepare
from web.tools.readiness import Readiness, look
from web.tools.views import DeployedService, FindingView, ForecastView, HostLoadView, IgnoredKey

VALIDATE = "service.validate"
FINDINGS_MAX = 500
# What a refusal is about, by the field it names.
_CHECK_OF = (
    (re.compile(r"\.(secrets|configs)\b"), Check.REFERENCES),
    (re.compile(r"\.image$"), Check.IMAGE),
    (re.compile(r"\.replicas$|^environment$"), Check.CAPACITY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationView:
    """Everything that was found, errors first, and how it would go.

    With an error in `findings` the deployment would be refused. `services` and `plan` are empty when the file
    cannot be read.
    """

    project: str
    environment: str
    errors: int
    warnings: int
    findings: tuple[FindingView, ...]
    plan: tuple[ForecastView, ...]
    services: tuple[DeployedService, ...]
    hosts: tuple[PlannedHost, ...]
    ignored: tuple[IgnoredKey, ...]


async def validate(context: Context, call: Call, request: DeployRequest) -> ValidationView:
    """Return what would go wrong with a deployment, and its plan; nothing is changed.

    First the file alone, then the cluster, then hosts and registries. Raises Problem for a caller who may not
    have these services.
    """
    await context.authority.admit(call, VALIDATE, "service")
    found: list[FindingView] = []

    def note(problem: Problem) -> None:
        if problem.kind == "internal":
            raise problem
        found.extend(_of_problem(problem))

    prepared = await prepare(context, call, request, actions=(VALIDATE,), refuse=note)
    if prepared is None:
        return _view(request.project or "", request.environment, found)
    found += map(_of_finding, prepared.project.warnings)
    readiness = await look(context, prepared)
    said = {(each.check, each.service) for each in found if each.level is Level.ERROR}
    found += (finding_of(each) for each in readiness.notes if (each.check, each.subject) not in said)
    texts = {str(each) for each in prepared.project.warnings}
    found += (
        FindingView(check=Check.CLUSTER, level=Level.WARNING, service="", field="", rule=text, hint="")
        for text in prepared.warnings
        if text not in texts and "is superseded" not in text
    )
    return _view(
        prepared.project.name,
        request.environment,
        found,
        plan=plan_of(readiness),
        services=prepared.planned,
        hosts=readiness.hosts,
        ignored=tuple(IgnoredKey(path=each.path, reason=each.reason) for each in prepared.project.ignored),
    )


def finding_of(note: Note) -> FindingView:
    """Return a note as it is shown."""
    return FindingView(
        check=note.check, level=note.level, service=note.subject, field="", rule=note.rule, hint=note.hint
    )


def finding_words(finding: FindingView) -> str:
    """Return a finding in one line: `error: image: shop.web: h1 cannot have it (check its name)`."""
    place = f"line {finding.line}: " if finding.line else ""
    subject = finding.service or finding.field
    subject = f"{subject}: " if subject else ""
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"{place}{finding.level}: {finding.check}: {subject}{finding.rule}{hint}"


def plan_words(plan: ForecastView) -> str:
    """Return how a service would be rolled out, in one line."""
    words = [f"{plan.service_id}: {plan.order}, about {plan.estimate_s} s without pulls: {plan.reason}"]
    if plan.steps_permille:
        words.append("steps " + " ".join(f"{share / 10:g}%" for share in plan.steps_permille))
    words += [plan.merged] if plan.merged else []
    words += (f"on {each.node_name} {each.containers} containers more meanwhile" for each in plan.extra)
    return "; ".join([*words, *plan.drops])


def plan_of(readiness: Readiness) -> tuple[ForecastView, ...]:
    """Return how each service would be rolled out, as it is shown."""
    return tuple(
        ForecastView(
            service_id=each.service_id,
            order=each.order,
            reason=each.reason,
            batches=each.batches,
            steps_permille=each.steps,
            merged=each.merged,
            estimate_s=round(each.estimate_ms / 1000),
            extra=tuple(
                HostLoadView(
                    node_name=readiness.names.get(load.node_id, load.node_id),
                    containers=load.containers,
                    cpu_millis=load.cpu_millis,
                    memory_bytes=load.memory_bytes,
                )
                for load in each.loads
            ),
            drops=each.drops,
        )
        for each in readiness.plan
    )


def _of_problem(problem: Problem) -> list[FindingView]:
    errors = problem.errors or (FieldError(field="", rule=problem.detail, hint=problem.hint),)
    return [
        FindingView(
            check=_check_of(each, problem),
            level=Level.ERROR,
            service="",
            field=each.field,
            rule=each.rule,
            hint=each.hint,
            file=each.file,
            line=each.line,
            column=each.column,
        )
        for each in errors
    ]


def _check_of(error: FieldError, problem: Problem) -> Check:
    if error.line is None:
        if "opens_at_ms" in problem.extra:
            return Check.CLUSTER
        if problem.kind == "host-unavailable":
            return Check.IMAGE
        for pattern, check in _CHECK_OF:
            if pattern.search(error.field):
                return check
    return Check.FILE


def _of_finding(finding: Finding) -> FindingView:
    return FindingView(
        check=Check.FILE,
        level=Level.ERROR if finding.severity is Severity.ERROR else Level.WARNING,
        service="",
        field=finding.path,
        rule=finding.rule,
        hint=finding.hint,
        file=finding.file,
        line=finding.line or None,
        column=finding.column or None,
    )


def _view(
    project: str,
    environment: str,
    found: Sequence[FindingView],
    *,
    plan: tuple[ForecastView, ...] = (),
    services: tuple[DeployedService, ...] = (),
    hosts: tuple[PlannedHost, ...] = (),
    ignored: tuple[IgnoredKey, ...] = (),
) -> ValidationView:
    findings = tuple(sorted(dict.fromkeys(found), key=lambda each: each.level is not Level.ERROR))
    errors = sum(each.level is Level.ERROR for each in findings)
    return ValidationView(
        project=project,
        environment=environment,
        errors=errors,
        warnings=len(findings) - errors,
        findings=findings[:FINDINGS_MAX],
        plan=plan,
        services=services,
        hosts=hosts,
        ignored=ignored,
    )
