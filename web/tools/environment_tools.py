"""The tools about environments, promoting, and checking a deployment before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Named, Short
from web.tools.checking import VALIDATE, finding_words, plan_words, validate
from web.tools.context import Context
from web.tools.environments import (
    PUT,
    READ,
    EnvironmentSettings,
    EnvironmentView,
    get_environment,
    list_environments,
    put_environment,
)
from web.tools.preparing import DeployRequest
from web.tools.promoting import PROMOTE, PromoteRequest, promote
from web.tools.registry import Tool

FINDINGS_SHOWN = 60


class ValidateDeployment(Arguments):
    """A Compose file, and where it would go."""

    compose: str = Field(min_length=1, max_length=1024 * 1024, description="text of a Compose file")
    project: Short | None = Field(default=None, description="over the file's name:")
    variables: dict[str, str] = Field(default_factory=dict, description="for ${NAME} in the file")
    environment: Short = Field(default="", description="where to: staging, production, ...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """Errors first. With errors the deployment would be refused."""

    is_deployable: bool
    errors: int
    warnings: int
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
        errors=view.errors,
        warnings=view.warnings,
        findings=tuple(map(finding_words, view.findings[:FINDINGS_SHOWN])),
        plan=tuple(map(plan_words, view.plan)) or None,
        more=max(0, view.errors + view.warnings - FINDINGS_SHOWN) or None,
    )


class PromoteEnvironment(Arguments):
    """What goes where."""

    what: Named = Field(description="a service or a project, such as web, shop.web or shop")
    to: Named = Field(description="the environment it goes to")
    source: Short = Field(default="", description="where it is stable; default: what `to` requires")
    copy_values: bool = Field(
        default=False, description="also take values that were the source's own, such as of variables"
    )
    dry_run: bool = Field(default=False, description="only say what would change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What was changed, and what to call next."""

    services: tuple[str, ...]
    notes: tuple[str, ...] | None
    next: str


async def _promote(context: Context, call: Call, given: PromoteEnvironment) -> Promoted:
    view = await promote(
        context,
        call,
        PromoteRequest(
            what=given.what,
            target=given.to,
            source=given.source,
            copies_values=given.copy_values,
            is_dry_run=given.dry_run,
        ),
    )
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


class PutEnvironment(Arguments):
    """Everything of an environment; what is left out is not bounded."""

    name: Named
    hosts: list[Short] = Field(default_factory=list, max_length=64, description="names; none: every host")
    constraints: list[Short] = Field(
        default_factory=list, max_length=32, description="node.labels.tier==prod"
    )
    registry: Short = Field(default="", description="where images come from instead, host[:port][/path]")
    replicas_min: int = Field(default=0, ge=0)
    replicas_max: int = Field(default=0, ge=0, description="0: no bound")
    quota_cpu_millis: int | None = Field(default=None, ge=0)
    quota_memory_bytes: int | None = Field(default=None, ge=0)
    quota_replicas: int | None = Field(default=None, ge=0)
    requires: Short = Field(default="", description="where an image is stable before it comes here")
    soak_s: int = Field(default=EnvironmentSettings().soak_s, ge=0)
    protected: bool = Field(default=False, description="a person approves what a program deploys")


async def _put(context: Context, call: Call, given: PutEnvironment) -> EnvironmentLine:
    settings = EnvironmentSettings(
        hosts=tuple(given.hosts),
        constraints=tuple(given.constraints),
        registry=given.registry,
        replicas_min=given.replicas_min,
        replicas_max=given.replicas_max,
        quota_cpu_millis=given.quota_cpu_millis,
        quota_memory_bytes=given.quota_memory_bytes,
        quota_replicas=given.quota_replicas,
        requires=given.requires,
        soak_s=given.soak_s,
        protected=given.protected,
    )
    return _line(await put_environment(context, call, given.name, settings))


ENVIRONMENT_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="validate-deployment",
        title="Check a deployment",
        description="Say everything that would go wrong with a deployment (file, images on every host, ports,"
        " volumes, capacity, routers), and its plan. Changes nothing.",
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
        run=_promote,
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
    Tool(
        name="list-environments",
        title="List environments",
        description="List the environments with their hosts, services, bounds and what each requires.",
        input_model=ListEnvironments,
        output=EnvironmentLines,
        action=READ,
        run=_list,
    ),
    Tool(
        name="put-environment",
        title="Set up an environment",
        description="Make an environment, or set everything of one anew. Needs role admin.",
        input_model=PutEnvironment,
        output=EnvironmentLine,
        action=PUT,
        run=_put,
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
)
