"""Environments: what holds for services in each, and who is in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from cluster.commands.environments import PutEnvironment, RemoveEnvironment
from cluster.model.environments import KNOWN_ENVIRONMENTS, SOAK_MS, Environment, EnvironmentQuota
from cluster.model.placing import HostSet, PlacementRules, parse_constraint
from cluster.placement import Amounts, violations
from cluster.store import ReadTxn, records
from cluster.store.records import find_environment
from cluster.survey import rules_in, used_in
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.tools.context import Context
from web.tools.recorded_changes import changed
from web.tools.references import is_key

READ = "environment.read"
PUT = "environment.put"
REMOVE = "environment.remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """An environment as people write it. Durations in seconds; empty and 0 bound nothing.

    `hosts` are names or ids, `constraints` as in Compose files (`node.labels.tier==prod`); a host of the
    environment meets all constraints and is named, where any is.
    """

    hosts: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    registry: str = ""
    replicas_min: int = 0
    replicas_max: int = 0
    quota_cpu_millis: int | None = None
    quota_memory_bytes: int | None = None
    quota_replicas: int | None = None
    requires: str = ""
    soak_s: int = SOAK_MS // 1000
    protected: bool = False
    alerting: bool = True
    alert_channel: str = ""
    sample_interval_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentView:
    """An environment, and what is in it now.

    `on` are the names of the hosts its services may be on; `used` is what they reserve with all replicas.
    `is_put` is false of one that is there by itself, with nothing set.
    """

    name: str
    settings: EnvironmentSettings
    on: tuple[str, ...]
    services: tuple[str, ...]
    used_cpu_millis: int
    used_memory_bytes: int
    used_replicas: int
    is_put: bool
    changed_at_ms: int | None
    changed_by: str


async def list_environments(context: Context, call: Call) -> list[EnvironmentView]:
    """Return those that were put and those that are there by themselves, by name."""
    await context.authority.require(call, READ, "environment")
    with context.surroundings.state.read() as txn:
        return [_view(txn, each) for each in all_environments(txn)]


async def get_environment(context: Context, call: Call, name: str) -> EnvironmentView:
    """Return one. Raises Problem (404)."""
    await context.authority.require(call, READ, f"environment:{name}")
    with context.surroundings.state.read() as txn:
        return _view(txn, known_environment(txn, name))


async def put_environment(
    context: Context, call: Call, name: str, settings: EnvironmentSettings
) -> EnvironmentView:
    """Make an environment, or set everything of one anew. Raises Problem (404, 422)."""
    await context.authority.require(call, PUT, f"environment:{name}")
    environment = replace(_parsed(name, settings), changed_by=call.known().name)
    with context.surroundings.state.read() as txn:
        known = {host for node in records.NODES.scan(txn) if node.is_member for host in (node.name, node.id)}
        before = find_environment(txn, name)
    unknown = [host for host in environment.hosts.names if host not in known]
    if unknown:
        raise _wrong("hosts", f"there is no host {', '.join(unknown)}", "`tower node list` shows the hosts")

    difference = changed(
        asdict(settings_of(before or Environment(name=name))), asdict(settings_of(environment))
    )

    async def change(permit: Permit) -> None:
        await permit.propose(PutEnvironment(environment=environment), reason=difference)

    await context.authority.perform(call, PUT, f"environment:{name}", change)
    with context.surroundings.state.read() as txn:
        return _view(txn, find_environment(txn, name) or environment)


async def remove_environment(context: Context, call: Call, name: str) -> None:
    """Forget an environment without services. Raises Problem (404, 409)."""
    await context.authority.require(call, REMOVE, f"environment:{name}")

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveEnvironment(name=name))

    try:
        RemoveEnvironment(name=name)
    except ValueError as error:
        raise _wrong("name", str(error)) from error
    await context.authority.perform(call, REMOVE, f"environment:{name}", change)


def all_environments(txn: ReadTxn) -> list[Environment]:
    """Return every environment, by name."""
    put = {each.name: each for each in records.ENVIRONMENTS.scan(txn)}
    return sorted(
        [*put.values(), *(Environment(name=name) for name in KNOWN_ENVIRONMENTS if name not in put)],
        key=lambda each: each.name,
    )


def known_environment(txn: ReadTxn, name: str, *, field: str = "environment") -> Environment:
    """Return the environment of that name. Raises Problem (404)."""
    found = find_environment(txn, name) if is_key(name) else None
    if found is None:
        names = ", ".join(each.name for each in all_environments(txn))
        raise Problem(
            "not-found",
            f"there is no environment {name[:80]!r}",
            hint=f"there are {names}; `tower environment put NAME` makes another",
            errors=(FieldError(field=field, rule="an environment that is there", value=name[:80]),),
        )
    return found


def settings_of(environment: Environment) -> EnvironmentSettings:
    """Return an environment as people write it."""
    quota = environment.quota
    return EnvironmentSettings(
        hosts=environment.hosts.names,
        constraints=tuple(map(str, environment.hosts.constraints)),
        registry=environment.registry,
        replicas_min=environment.replicas_min,
        replicas_max=environment.replicas_max,
        quota_cpu_millis=quota.cpu_millis,
        quota_memory_bytes=quota.memory_bytes,
        quota_replicas=quota.replicas,
        requires=environment.requires,
        soak_s=environment.soak_ms // 1000,
        protected=environment.is_protected,
        alerting=environment.is_alerting,
        alert_channel=environment.alert_channel,
        sample_interval_s=environment.sample_interval_ms // 1000,
    )


def _parsed(name: str, settings: EnvironmentSettings) -> Environment:
    try:
        hosts = HostSet(
            constraints=tuple(parse_constraint(text) for text in settings.constraints),
            names=tuple(sorted(set(settings.hosts))),
        )
        return Environment(
            name=name,
            hosts=hosts,
            registry=settings.registry.strip("/"),
            replicas_min=settings.replicas_min,
            replicas_max=settings.replicas_max,
            quota=EnvironmentQuota(
                cpu_millis=settings.quota_cpu_millis,
                memory_bytes=settings.quota_memory_bytes,
                replicas=settings.quota_replicas,
            ),
            requires=settings.requires,
            soak_ms=settings.soak_s * 1000,
            is_protected=settings.protected,
            is_alerting=settings.alerting,
            alert_channel=settings.alert_channel,
            sample_interval_ms=settings.sample_interval_s * 1000,
        )
    except ValueError as error:
        field, _, rule = str(error).partition(" ")
        raise _wrong(field.rstrip(":"), rule) from error


def _wrong(field: str, rule: str, hint: str = "") -> Problem:
    return Problem(
        "invalid", f"{field}: {rule}", errors=(FieldError(field=field, rule=rule, hint=hint),), hint=hint
    )


def _view(txn: ReadTxn, environment: Environment) -> EnvironmentView:
    name = environment.name
    used: Amounts = used_in(txn, name)
    rules = rules_in(txn, name, PlacementRules())
    is_put = records.ENVIRONMENTS.get(txn, name) is not None
    return EnvironmentView(
        name=name,
        settings=settings_of(environment),
        on=tuple(
            sorted(
                node.name
                for node in records.NODES.scan(txn)
                if node.is_member and not violations(node, [rules])
            )
        ),
        services=tuple(
            each.id for each in records.SERVICES.scan(txn) if each.environment == name and not each.is_removed
        ),
        used_cpu_millis=used.cpu_millis,
        used_memory_bytes=used.memory_bytes,
        used_replicas=used.replicas,
        is_put=is_put,
        changed_at_ms=environment.changed_at_ms if is_put else None,
        changed_by=environment.changed_by,
    )
