"""The tools about environments, promoting, and checking a deployment before it is made.

There is none that sets an environment up: its bounds are what programs are held to, and a person sets them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Named, Short
from web.tools.checking import VALIDATE, finding_words, plan_words, validate
from web.tools.context import Context
from web.tools.environments import (
    READ,
    EnvironmentSettings,
    EnvironmentView,
    get_environment,
    list_environments,
)
from web.tools.preparing import DeployRequest
from web.tools.previewing import Preview
from web.tools.promoting import PROMOTE, PromoteRequest, foresee_promotion, promote
from web.tools.registry import Tool
from web.tools.rollout_previews import preview_of_view

FINDINGS_SHOWN = 60


class ValidateDeployment(Arguments):
    """A Compose file, and where it would go."""

    compose: str = Field(min_length=1, max_length=1024 * 1024, description="text of a Compose file")
    project: Short | None = Field(default=None, description="over the file's name:")
    variables: dict[str, str] = Field(default_factory=dict, description="for ${NAME} in the file")
    environment: Short = Field(default="", description="where to: staging, production, ...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """Errors first."""

    is_deployable: bool
    findings: tuple[str, ...]
    plan: tuple[str, ...] | None
    more: int | None


async def _validate(context: Context, call: Call, given: ValidateDeployment) -> Validated:
    view = await validate(
        context,
        call,
        DeployRequest(
            compose=given.compose,
            project=given.project or None,
            variables=given.variables,
            environment=given.environment,
            is_dry_run=True,
        ),
    )
    return Validated(
        is_deployable=not view.errors,
        findings=tuple(map(finding_words, view.findings[:FINDINGS_SHOWN])),
        plan=tuple(map(plan_words, view.plan)) or None,
        more=max(0, view.errors + view.warnings - FINDINGS_SHOWN) or None,
    )


class PromoteEnvironment(Arguments):
    """What goes where."""

    what: Named = Field(description="a service or a project")
    to: Named = Field(description="an environment")
    source: Short = Field(default="", description="default: what `to` requires")
    copy_values: bool = Field(
        default=False, description="also values that are the source's own, as of variables"
    )
    dry_run: bool = Field(default=False, description="only say what would change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What was changed, and what to call next."""

    services: tuple[str, ...]
    notes: tuple[str, ...] | None
    next: str


def _request(given: PromoteEnvironment) -> PromoteRequest:
    return PromoteRequest(
        what=given.what,
        target=given.to,
        source=given.source,
        copies_values=given.copy_values,
        is_dry_run=given.dry_run,
    )


async def _preview(context: Context, call: Call, given: PromoteEnvironment) -> Preview:
    seen = await foresee_promotion(context, call, _request(given))
    return preview_of_view(context, seen, action=PROMOTE, verb=f"promote to {given.to}:")


async def _promote(
    context: Context, call: Call, given: PromoteEnvironment, seen: Preview | None = None
) -> Promoted:
    view = await promote(context, call, _request(given), expected=None if seen is None else seen.against)
    changed = [each.service_id for each in view.services if each.changed]
    if given.dry_run:
        following = "nothing was changed; call again without dry_run to promote"
    elif changed:
        following = f"call get-deploy-status with service={changed[0]} until is_finished"
    else:
        following = "nothing to do: it runs there already"
    notes = (
        *(f"{each.service_id}: {change.field} changes" for each in view.services for change in each.changes),
        *map(finding_words, view.findings),
        *view.warnings,
    )
    return Promoted(
        services=tuple(
            f"{each.service_id} revision {each.revision}" + ("" if each.changed else " (unchanged)")
            for each in view.services
        ),
        notes=notes or None,
        next=following,
    )


class ListEnvironments(Arguments):
    """Which one; left out, all of them."""

    name: Short = Field(default="", description="one environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentLine:
    """One environment. `settings` are those that are set."""

    name: str
    hosts: tuple[str, ...]
    services: tuple[str, ...]
    replicas: int
    settings: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentLines:
    """By name."""

    environments: tuple[EnvironmentLine, ...]


async def _list(context: Context, call: Call, given: ListEnvironments) -> EnvironmentLines:
    if given.name:
        found = [await get_environment(context, call, given.name)]
    else:
        found = await list_environments(context, call)
    return EnvironmentLines(environments=tuple(map(_line, found)))


def _line(view: EnvironmentView) -> EnvironmentLine:
    default, settings = EnvironmentSettings(), view.settings
    given = [
        f"{name}={getattr(settings, name)}"
        for name in EnvironmentSettings.__slots__
        if getattr(settings, name) != getattr(default, name)
    ]
    return EnvironmentLine(
        name=view.name,
        hosts=view.on,
        services=view.services,
        replicas=view.used_replicas,
        settings=tuple(given) or None,
    )


ENVIRONMENT_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="validate-deployment",
        title="Check a deployment",
        description="Say all that would go wrong with a deployment (file, images, ports, volumes, room,"
        " routers) and its plan. Changes nothing.",
        input_model=ValidateDeployment,
        output=Validated,
        action=VALIDATE,
        run=_validate,
        is_open_world=True,
    ),
    Tool(
        name="promote-environment",
        title="Promote to another environment",
        description="Have what is stable in one environment run in another: the same image by digest, with"
        " that environment's secrets and own values. Use dry_run first.",
        input_model=PromoteEnvironment,
        output=Promoted,
        action=PROMOTE,
        run=lambda context, call, given: _promote(context, call, given),
        preview=_preview,
        run_previewed=_promote,
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
    Tool(
        name="list-environments",
        title="List environments",
        description="List the environments: hosts, services, bounds, what each requires.",
        input_model=ListEnvironments,
        output=EnvironmentLines,
        action=READ,
        run=_list,
    ),
)
