"""Why somebody may or may not do something, and what somebody can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.model.access import Role
from cluster.model.ids import ServiceId
from cluster.model.permissions import AccessScope, Binding, Holder, HolderKind
from cluster.rbac import ACTIONS, Grants, Resource, Target, built_in, grants_of
from cluster.store import records
from web.auth.call import Call
from web.auth.powers import Powers, account_grants, owner_and_token
from web.auth.problems import Problem, invalid
from web.auth.targets import is_service_id, target_of, wanted_target
from web.tools.accounts import find_user
from web.tools.containers import find_container, read_seen
from web.tools.context import Context
from web.tools.permission_views import ExplanationView, ReachView
from web.tools.references import is_key
from web.tools.targets import container_target, service_targets

SHOWN_MAX = 200


async def explain(
    context: Context, call: Call, *, principal: str, action: str, resource: str
) -> ExplanationView:
    """Return whether `principal` may do `action` to `resource` now, by what rule.

    A principal is `me`, an account, `token:<prefix>` or `role:<name>`. A resource is `<kind>:<name>`, or
    the kind alone: whether it is so for all of them. Whoever asks learns nothing of what they may not
    see. Raises Problem.
    """
    title, powers = await _powers_of(context, call, principal)
    known = ACTIONS.get(action)
    if known is None:
        raise invalid(
            "action", "names no action there is", value=action[:80], hint="`tower role actions` lists them"
        )
    kind, _, reference = resource.partition(":")
    if not resource:
        kind = known.resource.value
    if kind == Resource.CONTAINER and reference:
        node, _, name = reference.rpartition("/")
        target = container_target(await find_container(context, call, name, node=node))
    else:
        with context.surroundings.state.read() as txn:
            target = target_of(txn, resource or kind)
            is_there = target.service_id is not None
            if kind == Resource.SERVICE and not is_there and is_service_id(reference):
                # One that could be deployed: what there is of it is its name.
                target = wanted_target(txn, ServiceId(reference))
        if kind in (Resource.SERVICE, Resource.ROLLOUT) and reference:
            reading = context.authority.sight(call, f"{kind}.read")
            if is_there or not reading.sees(target):
                await context.authority.require(call, f"{kind}.read", resource)
    decision = powers.decide(action, target)
    return ExplanationView(
        principal=title,
        action=action,
        resource=str(target),
        allowed=decision.allowed,
        reason=decision.reason,
        rule=decision.rule,
        project=target.project,
        service=target.service_id,
        environment=target.environment,
        node=target.node_name,
        labels=None if target.labels is None else dict(target.labels),
    )


async def reach(context: Context, call: Call, *, principal: str) -> ReachView:
    """Return what somebody can reach, of what the caller sees. Raises Problem."""
    _, powers = await _powers_of(context, call, principal)
    return await _reach(context, call, powers)


async def preview(context: Context, call: Call, *, role: str, scope: AccessScope) -> ReachView:
    """Return what a binding would let one reach. Raises Problem."""
    await context.authority.require(call, "binding.read", "binding")
    with context.surroundings.state.read() as txn:
        custom = records.CUSTOM_ROLES.get(txn, role) if is_key(role) else None
    if custom is None and role not in tuple(Role):
        raise Problem("not-found", f"there is no role {role[:80]!r}", hint="`tower role list` lists them")
    try:
        binding = Binding(
            id="preview", holder=Holder(kind=HolderKind.USER, id="preview"), role=role, scope=scope
        )
    except ValueError as error:
        raise invalid("role", str(error), value=role) from error
    grants = grants_of(Role.NONE, (binding,), () if custom is None else (custom,))
    return await _reach(context, call, _alone(context, grants))


async def _reach(context: Context, call: Call, powers: Powers) -> ReachView:
    containers, _ = await read_seen(context, call)
    targets = [container_target(view) for view in containers]
    seen = [target for target in targets if powers.decide("container.read", target).allowed]
    with context.surroundings.state.read() as txn:
        mine = context.authority.sight(call, "service.read")
        services = [target for target in service_targets(txn).values() if mine.sees(target)]
    reached = [target for target in services if powers.decide("service.read", target).allowed]
    actions = [
        name
        for name, action in sorted(ACTIONS.items())
        if _possible(powers, name, action.resource, targets, services)
    ]
    return ReachView(
        containers=tuple(sorted(str(target.name) for target in seen)[:SHOWN_MAX]),
        container_count=len(seen),
        containers_of_all=len(targets),
        services=tuple(sorted(target.id for target in reached)[:SHOWN_MAX]),
        service_count=len(reached),
        services_of_all=len(services),
        actions=tuple(actions),
    )


def _possible(
    powers: Powers, action: str, kind: Resource, containers: Sequence[Target], services: Sequence[Target]
) -> bool:
    if not powers.could(action).allowed:
        return False
    if kind is Resource.CONTAINER:
        return any(powers.decide(action, target).allowed for target in containers)
    if kind is Resource.SERVICE and services:
        return any(powers.decide(action, target).allowed for target in services)
    if kind is Resource.METRICS:
        return any(powers.decide(action, replace(target, kind=kind)).allowed for target in containers)
    return True


async def _powers_of(context: Context, call: Call, principal: str) -> tuple[str, Powers]:
    identity = call.known()
    if principal in ("", "me", identity.principal_id, identity.name):
        await context.authority.require(call, "account.read", f"account:{identity.principal_id}")
        return identity.name, context.authority.powers(call)
    kind, has_kind, name = principal.partition(":")
    if has_kind and kind == "role":
        await context.authority.require(call, "account.read", f"account:{identity.principal_id}")
        if name not in tuple(Role):
            return await _custom_role(context, call, name)
        return principal, _alone(context, built_in(Role(name)))
    await context.authority.require(call, "user.read", "user")
    now_ms = context.surroundings.clock.now_ms()
    if has_kind and kind == "token":
        with context.surroundings.state.read() as txn:
            token = records.API_TOKENS.get(txn, name) if is_key(name) else None
            if token is None:
                raise Problem("not-found", f"there is no API token {name[:80]!r}")
            return f"token:{token.name or token.prefix}", owner_and_token(txn, token, now_ms=now_ms)
    user = find_user(context.surroundings, name if has_kind and kind == "user" else principal)
    with context.surroundings.state.read() as txn:
        return user.name, _alone(context, account_grants(txn, user.id, user.role))


async def _custom_role(context: Context, call: Call, name: str) -> tuple[str, Powers]:
    await context.authority.require(call, "role.read", "role")
    with context.surroundings.state.read() as txn:
        role = records.CUSTOM_ROLES.get(txn, name) if is_key(name) else None
    if role is None:
        raise Problem("not-found", f"there is no role {name[:80]!r}", hint="`tower role list` lists them")
    binding = Binding(id="trial", holder=Holder(kind=HolderKind.USER, id="trial"), role=role.name)
    return f"role:{name}", _alone(context, grants_of(Role.NONE, (binding,), (role,)))


def _alone(context: Context, grants: Grants) -> Powers:
    now_ms = context.surroundings.clock.now_ms()
    return Powers(parts=(grants,), scopes=frozenset(), token_prefix=None, now_ms=now_ms)
