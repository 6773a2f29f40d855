"""The tools around A/B tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.events import headline
from cluster.model.experiment import MATCHES_MAX, Variant
from cluster.rollout.judge import Measured, MetricComparison, VariantComparison
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.experiment_views import ExperimentState, ExperimentView, whose
from web.tools.experiments import (
    END,
    START,
    ExperimentRequest,
    NamedValue,
    end_experiment,
    get_experiment,
    list_experiments,
    start_experiment,
)
from web.tools.preparing import DeployRequest
from web.tools.registry import Tool
from web.tools.times import moment, parse_moment, parse_span

SHOWN_MAX = 20

_Reason = Annotated[str, StringConstraints(max_length=1024)]


class StartAbTest(Arguments):
    """What b is, who gets it, and until when."""

    service: Named = Field(description="id or name; what it runs is a")
    image: Short = Field(default="", description="b: this image in what runs")
    compose: str = Field(default="", max_length=1024 * 1024, description="or: text of a Compose file")
    headers: list[Short] = Field(default_factory=list, max_length=MATCHES_MAX, description="NAME=VALUE")
    cookies: list[Short] = Field(default_factory=list, max_length=MATCHES_MAX)
    percent: float = Field(default=0, ge=0, lt=100, description="of all others")
    duration: Short = Field(default="", description="such as 7d; else a person ends it")
    until: Short = Field(default="", description="ISO 8601 with time zone")
    keep: Variant = Field(default=Variant.A, description="which is kept then")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbTest:
    """One A/B test. Each line of `measured` ends with what can be concluded, at any time."""

    service: str
    state: str
    progress: str
    a: str
    b: str
    b_gets: str
    began: str | None
    ends: str | None
    kept: str | None
    reason: str | None
    measured: tuple[str, ...] | None
    notes: tuple[str, ...] | None
    next: str | None


async def _start_ab_test(context: Context, call: Call, given: StartAbTest) -> AbTest:
    view = await start_experiment(
        context,
        call,
        given.service,
        ExperimentRequest(
            image=given.image,
            file=DeployRequest(compose=given.compose) if given.compose else None,
            headers=_named("headers", given.headers),
            cookies=_named("cookies", given.cookies),
            permille=round(given.percent * 10),
            for_ms=parse_span(given.duration, field="duration") if given.duration else 0,
            until_ms=parse_moment(given.until, field="until") if given.until else 0,
            keep=given.keep,
        ),
    )
    return _ab_test(view)


def _named(field: str, texts: list[str]) -> tuple[NamedValue, ...]:
    found = []
    for index, text in enumerate(texts):
        name, equals, value = text.partition("=")
        if not equals:
            raise invalid(f"{field}.{index}", "NAME=VALUE, such as X-Beta=yes", value=text[:200])
        found.append(NamedValue(name=name, value=value))
    return tuple(found)


class GetAbTest(Arguments):
    """Whose."""

    service: Short = Field(default="", description="default: all, newest first")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbTests:
    """Newest first."""

    tests: tuple[AbTest, ...]


async def _get_ab_test(context: Context, call: Call, given: GetAbTest) -> AbTests:
    if given.service:
        return AbTests(tests=(_ab_test(await get_experiment(context, call, given.service)),))
    found = await list_experiments(context, call)
    return AbTests(tests=tuple(map(_ab_test, found[:SHOWN_MAX])))


class EndAbTest(Arguments):
    """Whose, and which variant is kept."""

    service: Named
    keep: Variant = Field(description="a: as before; b: for all requests")
    reason: _Reason = ""


async def _end_ab_test(context: Context, call: Call, given: EndAbTest) -> AbTest:
    return _ab_test(await end_experiment(context, call, given.service, given.keep, reason=given.reason))


_IS_OVER = frozenset({ExperimentState.ENDED, ExperimentState.FAILED})


def _ab_test(view: ExperimentView) -> AbTest:
    return AbTest(
        service=view.service_id,
        state=view.state.value,
        progress=view.progress,
        a=f"revision {view.a.revision}, {view.a.image}, {view.a.replicas} replicas ready",
        b=f"revision {view.b.revision}, {view.b.image}, {view.b.replicas} replicas ready",
        b_gets=whose(view.matches, view.permille),
        began=None if view.began_at_ms is None else moment(view.began_at_ms),
        ends=None
        if view.ends_at_ms is None
        else f"{moment(view.ends_at_ms)}, then {view.keep_at_end} is kept",
        kept=None if view.kept is None else f"{view.kept}, by {view.ended_by or 'its date'}",
        reason=headline(view.reason) or None,
        measured=None if view.comparison is None else measured_lines(view.comparison),
        notes=view.notes or None,
        next=None
        if view.state in _IS_OVER
        else f"call get-ab-test with service={view.service_id}, or end-ab-test",
    )


def measured_lines(comparison: VariantComparison) -> tuple[str, ...]:
    """Return a line for each metric, in words, with the 95 % intervals that hold at all looks."""
    return (
        f"requests: a {comparison.a_requests} ({comparison.a_lost} lost), b {comparison.b_requests}"
        f" ({comparison.b_lost} lost)",
        *map(_line, comparison.metrics),
    )


def _line(metric: MetricComparison) -> str:
    return f"{metric.metric}: a {_value(metric.a, metric)}, b {_value(metric.b, metric)}; {metric.words}"


def _value(measured: Measured, metric: MetricComparison) -> str:
    if measured.value is None:
        return "unknown"
    low, high = measured.low or 0.0, measured.high
    if metric.unit == "ratio":
        return f"{measured.value:.2%} ({low:.2%} to {1.0 if high is None else high:.2%})"
    return f"{measured.value:.3g} ms ({low:.3g} to {'any' if high is None else f'{high:.3g}'})"


EXPERIMENT_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="start-ab-test",
        title="Start an A/B test",
        description="Run a second revision b beside what a service runs (a), for requests with a header or"
        " cookie and a share of the others. Nothing is taken back by itself.",
        input_model=StartAbTest,
        output=AbTest,
        action=START,
        run=_start_ab_test,
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=False,
        is_open_world=True,
    ),
    Tool(
        name="get-ab-test",
        title="Compare an A/B test's variants",
        description="How an A/B test stands, and what can be concluded of each metric.",
        input_model=GetAbTest,
        output=AbTests,
        action="rollout.read",
        run=_get_ab_test,
    ),
    Tool(
        name="end-ab-test",
        title="End an A/B test",
        description="End an A/B test and keep a or b.",
        input_model=EndAbTest,
        output=AbTest,
        action=END,
        run=_end_ab_test,
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=False,
    ),
)
