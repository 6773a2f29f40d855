"""Settings of containers: what applies at once, and what needs the container to be made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from cluster.model.container_access import (
    Difference,
    LimitChanges,
    Limits,
    MountedAt,
    PublishedOn,
    ReplacementChanges,
    ReplacementStage,
    ReplacementStep,
)
from cluster.model.inventory import HostRefused
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.containers import find_container
from web.tools.context import Context
from web.tools.targets import container_target
from web.tools.views import ContainerView

COMPOSE_WORDS = "change its Compose file, and deploy that: `tower deploy compose.yaml`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsView:
    """What a container is made of. `limits` apply at once, everything else by making it anew.

    `environment` are names. `refusal` says why nothing of it is changed here, "" when it may be.
    """

    container_id: str
    name: str
    image: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    labels: dict[str, str]
    ports: tuple[PublishedOn, ...]
    mounts: tuple[MountedAt, ...]
    limits: Limits
    is_running: bool
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChanged:
    """The limits that hold now, and what the engine warns of."""

    limits: Limits
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecreationPlan:
    """What making a container anew will do. `container_id` goes with the request to do it: it is refused
    once the container is another one.

    `steps` are what is done, in words; `lost` is what the new one will not have. `refusal` "": it can be
    done.
    """

    container_id: str
    name: str
    node_name: str
    differences: tuple[Difference, ...]
    steps: tuple[str, ...]
    lost: tuple[str, ...]
    notes: tuple[str, ...]
    downtime: str
    refusal: str


async def get_settings(context: Context, call: Call, reference: str, *, node: str) -> SettingsView:
    """Return how a container is set. Raises Problem, HostUnavailable or HostRefused."""
    container = await _found(context, call, "container.inspect", reference, node)
    settings = await context.surroundings.desk.settings(
        container.node_id, container.id, caller=call.on_behalf()
    )
    return SettingsView(
        container_id=settings.container_id,
        name=settings.name,
        image=settings.image,
        command=settings.command,
        entrypoint=settings.entrypoint,
        environment=settings.environment,
        labels=dict(settings.labels),
        ports=settings.ports,
        mounts=settings.mounts,
        limits=settings.limits,
        is_running=settings.is_running,
        refusal=_not_here(container),
    )


async def change_limits(
    context: Context, call: Call, reference: str, changes: LimitChanges, *, node: str
) -> LimitsChanged:
    """Change what a container may use, at once. Raises Problem, HostUnavailable or HostRefused."""
    if changes == LimitChanges():
        raise Problem("invalid", "nothing to change was given", hint="such as memory_bytes or restart_policy")
    container = await _found(context, call, "container.update", reference, node)
    _refuse_managed(container)
    desk = context.surroundings.desk

    async def change(permit: Permit) -> LimitsChanged:
        async with permit.acting(_words(changes)):
            warnings = await desk.update(container.node_id, container.id, changes, caller=call.on_behalf())
        settings = await desk.settings(container.node_id, container.id, caller=call.on_behalf())
        return LimitsChanged(limits=settings.limits, warnings=warnings)

    return await context.authority.perform(call, "container.update", container_target(container), change)


async def plan_recreation(
    context: Context, call: Call, reference: str, changes: ReplacementChanges, *, node: str
) -> RecreationPlan:
    """Return what making a container anew would do. Changes nothing.

    Raises Problem, HostUnavailable or HostRefused.
    """
    container = await _found(context, call, "container.recreate", reference, node)
    plan = await context.surroundings.desk.plan(
        container.node_id, container.id, changes, caller=call.on_behalf()
    )
    return RecreationPlan(
        container_id=plan.container_id,
        name=plan.name,
        node_name=container.node_name,
        differences=plan.differences,
        steps=tuple(
            _steps(
                plan.name,
                is_running=plan.is_running,
                is_pulled=plan.is_pull_needed or changes.image is not None,
            )
        ),
        lost=plan.lost,
        notes=plan.notes,
        downtime=(
            "from its stop until the new one has started; requests meanwhile fail"
            if plan.is_running
            else "none: it does not run"
        ),
        refusal=_not_here(container) or plan.refusal,
    )


async def recreate(
    context: Context,
    call: Call,
    reference: str,
    changes: ReplacementChanges,
    *,
    container_id: str,
    node: str,
) -> AsyncIterator[ReplacementStep]:
    """Make a container anew, yielding each step before it is done; the last one is DONE.

    Raises Problem before anything is done; HostRefused when the new one failed and the old one is back.
    """
    container = await _found(context, call, "container.recreate", reference, node)
    _refuse_managed(container)
    if container.id != container_id:
        raise Problem(
            "conflict",
            f"{container.name} is another container than the one that was planned for",
            hint="plan again: what is changed and lost may be different now",
        )
    async with (
        context.authority.performing(call, "container.recreate", container_target(container)) as permit,
        permit.acting(_changed_words(changes)),
        context.surroundings.desk.replace(
            container.node_id, container.id, changes, caller=call.on_behalf()
        ) as steps,
    ):
        last: ReplacementStep | None = None
        async for step in steps:
            last = step
            if step.stage is not ReplacementStage.RESTORED:
                yield step
        if last is None or last.stage is not ReplacementStage.DONE:
            why = last.text if last is not None else "its host broke off"
            raise HostRefused(f"the old container is back, because the new one failed: {why}", code="refused")


async def _found(context: Context, call: Call, action: str, reference: str, node: str) -> ContainerView:
    await context.authority.admit(call, action, f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    await context.authority.require(call, action, container_target(container))
    return container


def _not_here(container: ContainerView) -> str:
    if not container.is_managed:
        return ""
    return f"it is a replica of service {container.service}, whose settings are those of its Compose file"


def _refuse_managed(container: ContainerView) -> None:
    reason = _not_here(container)
    if reason:
        raise Problem("conflict", f"{container.name}: {reason}", hint=COMPOSE_WORDS)


def _steps(name: str, *, is_running: bool, is_pulled: bool) -> tuple[str, ...]:
    steps = []
    if is_pulled:
        steps.append("pull the image")
    steps.append(f"rename {name} to {name}.replaced")
    steps.append(f"create {name} with the new settings")
    if is_running:
        steps += [
            f"stop {name}.replaced",
            f"start {name}",
            f"wait until {name} is healthy, or runs for some seconds where it has no health check",
        ]
    steps.append(f"remove {name}.replaced; if anything failed, remove the new one and put the old one back")
    return tuple(steps)


def _words(changes: LimitChanges) -> str:
    changed = (
        ("memory", changes.memory_bytes),
        ("memory reservation", changes.memory_reservation_bytes),
        ("cpus", changes.cpus),
        ("cpu shares", changes.cpu_shares),
        ("pids", changes.pids),
        ("restart", changes.restart_policy),
    )
    return ", ".join(f"{name} {value}" for name, value in changed if value is not None)


def _changed_words(changes: ReplacementChanges) -> str:
    """What is changed, without values: those of variables are secrets, and commands may hold some."""
    changed = []
    if changes.image is not None:
        changed.append(f"image {changes.image}")
    if changes.command is not None:
        changed.append("command")
    changed += [f"environment {name}" for name, _ in changes.environment]
    changed += [f"label {name}" for name, _ in changes.labels]
    changed += [
        name for name, value in (("ports", changes.ports), ("mounts", changes.mounts)) if value is not None
    ]
    return ", ".join(changed) or "as it was"
