"""What the surfaces show of roles and bindings, and what they take."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Hours,
    Permission,
    PermissionEffect,
)
from cluster.rbac import ACTIONS, Action


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeView:
    """Which things are meant: all constraints are to be met, null is none; one of the names of each will do.

    `text` says it for people.
    """

    projects: tuple[str, ...] | None
    services: tuple[str, ...] | None
    nodes: tuple[str, ...] | None
    names: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    without_labels: tuple[str, ...] | None
    environments: tuple[str, ...] | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursView:
    """Times of the week by the wall clock of `tz`; with `end` not after `start` over midnight."""

    days: tuple[str, ...]
    start: str
    end: str
    tz: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionView:
    """Actions that are allowed or denied, on what is in `scope`, in `hours` (none: always)."""

    effect: PermissionEffect
    actions: tuple[str, ...]
    scope: ScopeView
    hours: tuple[HoursView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleView:
    """A role. Built-in ones stay as they are. `actions` are those it allows, `bindings` counts."""

    name: str
    is_built_in: bool
    permissions: tuple[PermissionView, ...]
    actions: tuple[str, ...]
    note: str
    by: str
    changed_at_ms: int
    bindings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingView:
    """A role that is bound to an account (`kind` user) or an API token on part of the cluster.

    `holder_name` is the account's name, or the token's. `is_in_force`: now is within its hours.
    """

    id: str
    kind: str
    holder_id: str
    holder_name: str
    role: str
    scope: ScopeView
    hours: tuple[HoursView, ...]
    note: str
    by: str
    created_at_ms: int
    is_in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """One action there is, and the least built-in role that includes it."""

    name: str
    kind: str
    role: str
    changes_state: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationView:
    """Whether somebody may do something now, and why. `rule` is what decided, "" when nothing allows it.

    `resource` is what was asked about, as it was found; its attributes are those that scopes look at, null
    where one is not known.
    """

    principal: str
    action: str
    resource: str
    allowed: bool
    reason: str
    rule: str
    project: str | None
    service: str | None
    environment: str | None
    node: str | None
    labels: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachView:
    """What somebody may do with which things. Lists are cut at 200; the counts are whole.

    `actions` are those that are possible with at least one thing.
    """

    containers: tuple[str, ...]
    container_count: int
    containers_of_all: int
    services: tuple[str, ...]
    service_count: int
    services_of_all: int
    actions: tuple[str, ...]


def scope_view(scope: AccessScope) -> ScopeView:
    """Return a scope as it is shown."""
    return ScopeView(
        projects=scope.projects,
        services=scope.services,
        nodes=scope.nodes,
        names=scope.names,
        labels=scope.labels,
        without_labels=scope.without_labels,
        environments=scope.environments,
        text=str(scope),
    )


def hours_views(hours: tuple[Hours, ...]) -> tuple[HoursView, ...]:
    """Return hours as they are shown."""
    return tuple(HoursView(days=each.days, start=each.start, end=each.end, tz=each.tz) for each in hours)


def permission_view(permission: Permission) -> PermissionView:
    """Return a permission as it is shown."""
    return PermissionView(
        effect=permission.effect,
        actions=permission.actions,
        scope=scope_view(permission.scope),
        hours=hours_views(permission.hours),
    )


def custom_role_view(role: CustomRole, actions: tuple[str, ...], bindings: int) -> RoleView:
    """Return a role somebody made as it is shown."""
    return RoleView(
        name=role.name,
        is_built_in=False,
        permissions=tuple(map(permission_view, role.permissions)),
        actions=actions,
        note=role.note,
        by=role.by,
        changed_at_ms=role.changed_at_ms,
        bindings=bindings,
    )


def binding_view(binding: Binding, holder_name: str, *, is_in_force: bool) -> BindingView:
    """Return a binding as it is shown."""
    return BindingView(
        id=binding.id,
        kind=binding.holder.kind.value,
        holder_id=binding.holder.id,
        holder_name=holder_name,
        role=binding.role,
        scope=scope_view(binding.scope),
        hours=hours_views(binding.hours),
        note=binding.note,
        by=binding.by,
        created_at_ms=binding.created_at_ms,
        is_in_force=is_in_force,
    )


def action_views() -> list[ActionView]:
    """Return the actions there are, by name."""
    return [_action_view(action) for _, action in sorted(ACTIONS.items())]


def _action_view(action: Action) -> ActionView:
    return ActionView(
        name=action.name,
        kind=action.resource.value,
        role=action.role.value,
        changes_state=action.changes_state,
    )
