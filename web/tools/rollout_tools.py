"""The tools around deployments: making them, watching them, steering them, going back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cluster.model.events import headline
from cluster.model.rollout import Steer
from cluster.model.service import REPLICAS_MAX
from cluster.model.strategy import Colour, Strategy
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.arguments import Arguments, Named, Short
from web.tools.behaviour import ArmView, BehaviourView, LatencyView
from web.tools.checking import finding_words
from web.tools.context import Context
from web.tools.deployments import deploy
from web.tools.history import compare_revisions, get_history
from web.tools.listing import page_of
from web.tools.placement_views import PlannedHost
from web.tools.preparing import DeployRequest
from web.tools.previewing import Preview
from web.tools.progress import report
from web.tools.registry import Tool
from web.tools.rolling_back import ROLLBACK, rollback_service
from web.tools.rollout_previews import (
    preview_deployment,
    preview_removal,
    preview_restart,
    preview_rollback,
    preview_scaling,
    preview_steering,
    preview_switch,
)
from web.tools.rollouts import get_rollout, list_rollouts
from web.tools.scaling import RESTART, SCALE, restart_service, scale_service
from web.tools.services import get_service, remove_service
from web.tools.soon import until_changed
from web.tools.spec_diff import FieldChange
from web.tools.stages import percent
from web.tools.steering import ACTION_OF, RETRY, retry_rollout, steer_rollout
from web.tools.times import moment
from web.tools.traffic import SWITCH, switch_traffic
from web.tools.untrusted import marked, new_mark, output_in
from web.tools.views import AttemptView, HookRunView, RolloutView, ServiceChanged, ServiceDetail, SplitView

WAIT_S_MAX = 55
"""Clients give a call up after a minute."""

Reason = Annotated[str, StringConstraints(max_length=1024)]

_SERVICE = "id or name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What was asked for, and what to call next."""

    service: str
    revision: int
    rollout_id: str | None
    done: str
    next: str


def _changed(view: ServiceChanged) -> Changed:
    following = f"call get-deploy-status with service={view.service_id}"
    return Changed(
        service=view.service_id,
        revision=view.revision,
        rollout_id=view.rollout_id,
        done=view.done,
        next=following if view.rollout_id else view.next,
    )


# ---- deploying


class Deploy(Arguments):
    """A Compose file, and what it is called."""

    compose: str = Field(min_length=1, max_length=1024 * 1024, description="text of a Compose file")
    project: Short | None = Field(default=None, description="over the file's name:")
    variables: dict[str, str] = Field(default_factory=dict, description="for ${NAME} in the file")
    environment: Short = Field(default="", description="where to: staging, production, ...")
    dry_run: bool = Field(default=False, description="only say what would change")
    skip_analysis: bool = Field(default=False, description="emergency: unjudged, no approval")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedLine:
    """One service."""

    service: str
    revision: int
    changed: bool
    rollout_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What was changed, and what to call next."""

    services: tuple[DeployedLine, ...]
    notes: tuple[str, ...] | None
    next: str


def _request(given: Deploy, strategy: Strategy) -> DeployRequest:
    return DeployRequest(
        compose=given.compose,
        project=given.project or None,
        variables=given.variables,
        environment=given.environment,
        is_dry_run=given.dry_run,
        strategy=strategy,
        is_unjudged=given.skip_analysis,
    )


def _previewing(strategy: Strategy) -> Callable[[Context, Call, Deploy], Awaitable[Preview]]:
    async def preview(context: Context, call: Call, given: Deploy) -> Preview:
        return await preview_deployment(context, call, _request(given, strategy))

    return preview


def _deploying(
    strategy: Strategy,
) -> Callable[[Context, Call, Deploy, Preview | None], Awaitable[Deployed]]:
    async def run(context: Context, call: Call, given: Deploy, seen: Preview | None = None) -> Deployed:
        expected = None if seen is None else seen.against
        view = await deploy(context, call, _request(given, strategy), expected=expected)
        changed = [service.service_id for service in view.services if service.changed]
        if given.dry_run:
            following = "nothing was changed; call again without dry_run to deploy"
        elif changed:
            following = f"call get-deploy-status with service={changed[0]} until is_finished"
        else:
            following = "nothing to do: everything is as the file says"
        notes = (
            *(
                f"{service.service_id}: {change}"
                for service in view.services
                for change in _changes(service.changes)
            ),
            *_hosts(view.hosts),
            *(finding_words(finding) for finding in view.findings),
            *view.warnings,
            *(f"{key.path} is ignored: {key.reason}" for key in view.ignored),
        )
        return Deployed(
            services=tuple(
                DeployedLine(
                    service=service.service_id,
                    revision=service.revision,
                    changed=service.changed,
                    rollout_id=service.rollout_id,
                )
                for service in view.services
            ),
            notes=notes or None,
            next=following,
        )

    return run


def _changes(changes: tuple[FieldChange, ...]) -> tuple[str, ...]:
    return tuple(
        f"{change.field}: {_value(change.before)} -> {_value(change.after)} ({change.effect})"
        for change in changes
    )


def _hosts(planned: tuple[PlannedHost, ...]) -> tuple[str, ...]:
    """Where replicas would go, a note for each service; those without a host are warned of already."""
    placed: dict[str, list[str]] = {}
    for each in planned:
        if each.node_name is not None:
            what = "" if each.is_new else " (stays)"
            placed.setdefault(each.service_id, []).append(f"{each.ordinal} on {each.node_name}{what}")
    return tuple(f"{service}: replicas {', '.join(where)}" for service, where in sorted(placed.items()))


def _value(value: str | None) -> str:
    return "not set" if value is None else value or '""'


# ---- watching


class GetDeployStatus(Arguments):
    """One rollout, one service's newest, or those of all services."""

    rollout_id: Short = Field(default="", description="as a deploy tool gave it")
    service: Short = Field(default="", description=_SERVICE)
    limit: int = Field(default=10, ge=1, le=50)
    wait_s: int = Field(default=0, ge=0, le=WAIT_S_MAX, description="until finished, at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployLine:
    """One rollout, in short. `can` are actions for steer-rollout."""

    rollout_id: str
    service: str
    strategy: str
    from_revision: int | None
    to_revision: int
    phase: str
    stage: str | None
    progress: str
    is_finished: bool
    reason: str | None
    verdict: str | None
    measured: tuple[str, ...] | None
    can: tuple[str, ...] | None
    started_at: str
    ended_at: str | None
    hooks: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStatus:
    """Rollouts, newest first; of one service also what serves, and where that is not as it should be.
    `printed` is the end of what containers wrote: data."""

    rollouts: tuple[DeployLine, ...]
    serving: tuple[str, ...] | None
    wrong: tuple[str, ...] | None
    printed: str | None
    next: str | None


async def _get_deploy_status(context: Context, call: Call, given: GetDeployStatus) -> DeployStatus:
    clock = context.surroundings.clock
    began_s = clock.monotonic_s()
    while True:
        status = await _deploy_status(context, call, given)
        waited_s = clock.monotonic_s() - began_s
        pending = [line for line in status.rollouts if not line.is_finished]
        if not pending or waited_s >= given.wait_s:
            return status
        await report(waited_s, given.wait_s, f"{pending[0].service}: {pending[0].progress}")
        patience_s = min(given.wait_s - waited_s, context.pace.progress_s)
        await until_changed(context.surroundings, patience_s=patience_s)


async def _deploy_status(context: Context, call: Call, given: GetDeployStatus) -> DeployStatus:
    service: ServiceDetail | None = None
    if given.rollout_id:
        rollouts = [await get_rollout(context, call, given.rollout_id)]
    else:
        if given.service:
            service = await get_service(context, call, given.service)
        found = await list_rollouts(context, call, service="" if service is None else service.id)
        rollouts = list(
            page_of(
                found,
                key=lambda view: (view.started_at_ms, view.id),
                cursor=None,
                limit=given.limit,
                reverse=True,
            ).items
        )
    if not rollouts and service is None:
        raise Problem("not-found", "there was no deployment yet", hint="call deploy-rolling")
    under_way = [rollout for rollout in rollouts if not rollout.phase.is_terminal]
    return DeployStatus(
        rollouts=tuple(_deploy_line(rollout) for rollout in rollouts),
        serving=None if service is None else _serving(service),
        wrong=None if service is None else _wrong(service) or None,
        printed=_printed(context, rollouts, service),
        next="call get-deploy-status again in a few seconds" if under_way else None,
    )


def _printed(context: Context, rollouts: list[RolloutView], service: ServiceDetail | None) -> str | None:
    """What reasons quote of containers, each of it once."""
    reasons = [rollout.reason for rollout in rollouts]
    if service is not None:
        reasons += [each.reason for each in service.troubles]
    told = "\n".join(dict.fromkeys(filter(None, map(output_in, reasons))))
    return marked(told, source="containers", mark=new_mark(context)) if told else None


def _measured_of(view: RolloutView) -> tuple[str, ...] | None:
    answered = () if view.behaviour is None else _measured(view.behaviour)
    return (*answered, *(limit.text for limit in view.limits)) or None


def _deploy_line(view: RolloutView) -> DeployLine:
    steering = view.steering
    return DeployLine(
        rollout_id=view.id,
        service=view.service_id,
        strategy=view.strategy.value,
        phase=view.phase.value,
        stage=None if view.stage is None else view.stage.name,
        progress=view.progress
        if steering is None
        else f"{view.progress}; {steering.by} asked to {steering.steer}",
        is_finished=view.phase.is_terminal,
        reason=headline(view.reason) or None,
        verdict=view.verdict or None,
        measured=_measured_of(view),
        can=tuple(steer.value for steer in view.can) or None,
        from_revision=view.from_revision or None,
        to_revision=view.to_revision,
        started_at=moment(view.started_at_ms),
        ended_at=None if view.ended_at_ms is None else moment(view.ended_at_ms),
        hooks=tuple(map(_hook, view.hooks)) or None,
    )


def _hook(run: HookRunView) -> str:
    words = f"{run.kind.key} {run.number} is {run.phase}"
    words += f" on {run.node_name}" if run.node_name else ""
    # Why it failed, and what it printed, is the rollout's reason already.
    return words + ("" if run.exit_code is None else f" with exit code {run.exit_code}")


def _serving(service: ServiceDetail) -> tuple[str, ...]:
    lines = [f"{service.status}: {service.replicas_ready} of {service.replicas_wanted} replicas ready"]
    lines += [
        f"revision {each.revision} ({each.digest or each.image}): {each.replicas} replicas on"
        f" {', '.join(each.nodes)}" + ("" if each.permille is None else f", {percent(each.permille)}")
        for each in service.serving
    ]
    if service.kept is not None:
        lines.append(
            f"revision {service.kept.revision} is kept running without requests until"
            f" {moment(service.kept.until_ms)}: going back to it takes no start"
        )
    return tuple(lines)


def _wrong(service: ServiceDetail) -> tuple[str, ...]:
    return (
        *(
            f"replica {each.ordinal} on {each.node_name or 'no host'}: {each.phase}"
            f" {headline(each.reason)}".rstrip()
            for each in service.troubles
        ),
        *(each.words for each in service.drift),
        *(f"what runs on {host} cannot be asked now" for host in service.unseen),
    )


def _measured(view: BehaviourView) -> tuple[str, ...]:
    """How two revisions answered, with 95 % confidence intervals."""
    return (
        _arm("old", view.old),
        _arm("new", view.new),
        f"failure rate of the new one {view.difference:+.2%}"
        f" ({view.difference_low:+.2%} to {view.difference_high:+.2%}) against the old one",
    )


def _arm(which: str, arm: ArmView) -> str:
    failures = arm.failures
    words = (
        f"{which} (revision {arm.revision}): {failures.count} of {arm.requests} requests failed,"
        f" {failures.value:.2%} ({failures.low:.2%} to {failures.high:.2%}); lost {arm.lost}"
    )
    for name, latency in (("p50", arm.p50), ("p95", arm.p95)):
        words += "" if latency is None else f"; {name} {_latency(latency)}"
    return words


def _latency(latency: LatencyView) -> str:
    return f"{latency.value_ms:.0f} ms ({latency.low_ms:.0f} to {latency.high_ms:.0f})"


# ---- steering


class SteerRollout(Arguments):
    """Which rollout, and what is asked of it."""

    rollout: Named = Field(description="its id, or a service for that one's newest")
    action: Literal["approve", "pause", "resume", "promote", "abort", "retry"]
    reason: Reason = Field(default="", description="why, for the record")


async def _steer_rollout(context: Context, call: Call, given: SteerRollout) -> Changed:
    if given.action == "retry":
        return _changed(await retry_rollout(context, call, given.rollout))
    view = await steer_rollout(context, call, given.rollout, Steer(given.action), reason=given.reason)
    done = f"{given.action}: {view.progress}"
    if view.steering is not None:
        done = f"{given.action} is asked for, and the leader has not done it yet"
    return Changed(
        service=view.service_id,
        revision=view.to_revision,
        rollout_id=view.id,
        done=done,
        next=f"call get-deploy-status with service={view.service_id}",
    )


class RollbackDeploy(Arguments):
    """Which service, and to which revision."""

    service: Named = Field(description=_SERVICE)
    to: int | None = Field(default=None, ge=1, le=2**31, description="default: the last stable one before")
    reason: Reason = ""


async def _rollback_deploy(context: Context, call: Call, given: RollbackDeploy) -> Changed:
    return _changed(await rollback_service(context, call, given.service, to=given.to, reason=given.reason))


class SwitchTraffic(Arguments):
    """How much of a service's requests goes to which colour."""

    service: Named = Field(description=_SERVICE)
    colour: Colour | None = Field(default=None, description="without it: that of the new revision")
    percent: float | None = Field(default=None, ge=0, le=100, description="without it: all requests")
    force: bool = Field(default=False, description="even with too few replicas ready")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How requests are shared. Routers of `waiting_for` have not said that it is in force with them."""

    shares: tuple[str, ...]
    token: int
    waiting_for: tuple[str, ...] | None
    down: tuple[str, ...] | None


async def _switch_traffic(context: Context, call: Call, given: SwitchTraffic) -> Traffic:
    return _traffic(
        await switch_traffic(
            context,
            call,
            given.service,
            colour=given.colour,
            permille=_permille(given),
            is_forced=given.force,
        )
    )


def _permille(given: SwitchTraffic) -> int | None:
    return None if given.percent is None else round(given.percent * 10)


def _traffic(split: SplitView) -> Traffic:
    return Traffic(
        shares=tuple(
            f"{share.colour} {percent(share.permille)}: revision"
            f" {', '.join(map(str, share.revisions)) or 'none'}, {share.replicas} replicas ready"
            for share in split.shares
        ),
        token=split.token,
        waiting_for=split.waiting_for or None,
        down=tuple(router.node_name for router in split.routers if router.is_down) or None,
    )


class ScaleService(Arguments):
    """Which service, and how many replicas."""

    service: Named = Field(description=_SERVICE)
    replicas: int = Field(ge=0, le=REPLICAS_MAX)
    override: bool = Field(default=False, description="Even if it is scaled by itself; then it is not.")


async def _scale_service(context: Context, call: Call, given: ScaleService) -> Changed:
    changed = await scale_service(context, call, given.service, given.replicas, is_override=given.override)
    return _changed(changed)


class OneService(Arguments):
    """Which service."""

    service: Named = Field(description=_SERVICE)


async def _restart_service(context: Context, call: Call, given: OneService) -> Changed:
    return _changed(await restart_service(context, call, given.service))


async def _remove_service(context: Context, call: Call, given: OneService) -> Changed:
    view = await remove_service(context, call, given.service)
    return Changed(
        service=view.id,
        revision=view.revision,
        rollout_id=None,
        done=f"{view.id} is being taken down",
        next="call get-cluster-status until it is gone",
    )


# ---- looking back


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One revision, in short; attempts newest first."""

    revision: int
    state: str
    image: str
    digest: str | None
    created: str
    changes: tuple[str, ...] | None
    attempts: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentHistory:
    """Revisions, newest first."""

    service: str
    revisions: tuple[HistoryLine, ...]


async def _get_deployment_history(context: Context, call: Call, given: OneService) -> DeploymentHistory:
    view = await get_history(context, call, given.service)
    return DeploymentHistory(
        service=view.service_id,
        revisions=tuple(
            HistoryLine(
                revision=entry.revision,
                state=entry.state,
                image=entry.image,
                digest=entry.digest or None,
                created=f"{moment(entry.created_at_ms)} by {entry.created_by or 'somebody'}",
                changes=_changes(entry.changes) or None,
                attempts=tuple(map(_attempt, entry.attempts)) or None,
            )
            for entry in view.revisions
        ),
    )


def _attempt(attempt: AttemptView) -> str:
    said = attempt.verdict or headline(attempt.reason)
    seconds = (
        ""
        if attempt.ended_at_ms is None
        else (f" after {(attempt.ended_at_ms - attempt.started_at_ms) / 1000:.0f} s")
    )
    words = f"{moment(attempt.started_at_ms)} {attempt.aim} ({attempt.strategy}"
    words += ", unjudged)" if attempt.is_unjudged else ")"
    words += f" by {attempt.asked_by}" if attempt.asked_by else ""
    return f"{words}: {attempt.phase}{seconds}{f': {said}' if said else ''}"


class CompareDeployments(Arguments):
    """Two revisions of a service."""

    service: Named = Field(description=_SERVICE)
    before: int | None = Field(default=None, ge=1, le=2**31, description="default: what `after` replaced")
    after: int | None = Field(default=None, ge=1, le=2**31, description="default: the newest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs, as field: before -> after (effect), and how both answered, with 95 % intervals."""

    service: str
    before: int
    after: int
    changes: tuple[str, ...]
    measured: tuple[str, ...] | None
    note: str | None


async def _compare_deployments(context: Context, call: Call, given: CompareDeployments) -> Comparison:
    view = await compare_revisions(context, call, given.service, given.before, given.after)
    return Comparison(
        service=view.service_id,
        before=view.before,
        after=view.after,
        changes=_changes(view.changes),
        measured=None if view.behaviour is None else _measured(view.behaviour),
        note=view.note or None,
    )


def _deploy_tool(strategy: Strategy, title: str, description: str) -> Tool:
    run = _deploying(strategy)
    return Tool(
        name=f"deploy-{strategy.value}",
        title=title,
        description=description,
        input_model=Deploy,
        output=Deployed,
        action="service.deploy",
        run=lambda context, call, given: run(context, call, given, None),
        preview=_previewing(strategy),
        run_previewed=run,
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
        is_open_world=True,
    )


ROLLOUT_TOOLS: tuple[Tool, ...] = (
    _deploy_tool(
        Strategy.ROLLING,
        "Deploy a Compose file",
        "Deploy the services of a Compose file, or change running ones to what it says, one replica at a time"
        " without losing requests. Returns at once with a rollout per changed service. Use dry_run first."
        " Host paths and fixed host ports need role admin.",
    ),
    _deploy_tool(
        Strategy.BLUE_GREEN,
        "Deploy beside, then switch",
        "As deploy-rolling, but all new replicas come up beside the old ones, then requests are switched;"
        " for a while going back is instant.",
    ),
    _deploy_tool(
        Strategy.CANARY,
        "Deploy to a growing share",
        "As deploy-rolling, but the new revision gets a growing share of requests, judged against the old one"
        " at each step.",
    ),
    Tool(
        name="get-deploy-status",
        title="Progress of deployments",
        description="How far rollouts have come: stage, share of requests, what the judge measured, why one"
        " failed. Give rollout_id, or service (also says what really runs), or nothing for the newest.",
        input_model=GetDeployStatus,
        output=DeployStatus,
        action="rollout.read",
        run=_get_deploy_status,
    ),
    Tool(
        name="steer-rollout",
        title="Steer a rollout",
        description="Ask something of a rollout. promote: to the end unjudged; abort: back to the old"
        " revision; retry: try a failed one again.",
        input_model=SteerRollout,
        output=Changed,
        action=ACTION_OF[Steer.APPROVE],
        more_actions=(*(ACTION_OF[steer] for steer in Steer if steer is not Steer.APPROVE), RETRY),
        run=_steer_rollout,
        preview=lambda context, call, given: preview_steering(context, call, given.rollout, given.action),
        is_read_only=False,
        is_destructive=True,
        is_idempotent=False,
    ),
    Tool(
        name="rollback-deploy",
        title="Go back to an earlier revision",
        description="Have an earlier revision of a service run again. During a rollout it is aborted.",
        input_model=RollbackDeploy,
        output=Changed,
        action=ROLLBACK,
        run=_rollback_deploy,
        preview=lambda context, call, given: preview_rollback(context, call, given.service, given.to),
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=False,
    ),
    Tool(
        name="switch-traffic",
        title="Share a service's requests by hand",
        description="Give a colour (blue or green) a share of a service's requests; a rollout under way is"
        " paused by it. Refused when the colour has too few replicas ready.",
        input_model=SwitchTraffic,
        output=Traffic,
        action=SWITCH,
        run=_switch_traffic,
        preview=lambda context, call, given: preview_switch(
            context, call, given.service, colour=given.colour, permille=_permille(given)
        ),
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
    Tool(
        name="scale-service",
        title="Scale a service",
        description="Change how many replicas a service has, until its file is deployed again.",
        input_model=ScaleService,
        output=Changed,
        action=SCALE,
        run=_scale_service,
        preview=lambda context, call, given: preview_scaling(
            context, call, given.service, given.replicas, is_override=given.override
        ),
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
    Tool(
        name="restart-service",
        title="Restart a service",
        description="Replace a service's replicas by new ones of the same make, without losing requests.",
        input_model=OneService,
        output=Changed,
        action=RESTART,
        run=_restart_service,
        preview=lambda context, call, given: preview_restart(context, call, given.service),
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=False,
    ),
    Tool(
        name="remove-service",
        title="Remove a service",
        description="Take a service and its replicas down; named volumes stay. Needs role admin.",
        input_model=OneService,
        output=Changed,
        action="service.remove",
        run=_remove_service,
        preview=lambda context, call, given: preview_removal(context, call, given.service),
        resource_of=lambda given: f"service:{given.service}",
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
    Tool(
        name="get-deployment-history",
        title="Deployment history",
        description="List the remembered revisions of a service: image, who, what changed, how each rollout"
        " ended.",
        input_model=OneService,
        output=DeploymentHistory,
        action="service.read",
        run=_get_deployment_history,
        resource_of=lambda given: f"service:{given.service}",
    ),
    Tool(
        name="compare-deployments",
        title="Compare two revisions",
        description="Say which fields of two revisions of a service differ, and how both answered when they"
        " served side by side.",
        input_model=CompareDeployments,
        output=Comparison,
        action="service.read",
        run=_compare_deployments,
        resource_of=lambda given: f"service:{given.service}",
    ),
)
