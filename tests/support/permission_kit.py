"""Bindings and roles for tests, saying only what matters."""

from __future__ import annotations

from typing import Any

from cluster.commands.permissions import PutBinding, PutCustomRole
from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Holder,
    HolderKind,
    Permission,
    PermissionEffect,
)
from tests.support.web_fakes import WebWorld, a_container, put_containers

SHOP = AccessScope(projects=("shop",))


def a_binding(role: str = "operator", **fields: Any) -> Binding:
    defaults: dict[str, Any] = {
        "id": "bd_1",
        "holder": Holder(kind=HolderKind.USER, id="us_ann"),
        "role": role,
    }
    return Binding(**{**defaults, **fields})


def allow(*actions: str, **fields: Any) -> Permission:
    return Permission(actions=actions, **fields)


def deny(*actions: str, **fields: Any) -> Permission:
    return Permission(effect=PermissionEffect.DENY, actions=actions, **fields)


def bind(world: WebWorld, principal_id: PrincipalId, role: str = "operator", **fields: Any) -> Binding:
    """Bind a role to an account of the world."""
    binding = a_binding(
        role,
        id=fields.pop("id", world.ids.new_id("bd")),
        holder=Holder(kind=HolderKind.USER, id=principal_id),
        **fields,
    )
    world.state.must(PutBinding(binding=binding))
    return binding


def put_role(world: WebWorld, name: str, *permissions: Permission) -> None:
    world.state.must(PutCustomRole(role=CustomRole(name=name, permissions=permissions)))


def a_scoped_account(world: WebWorld, role: str = "operator", scope: AccessScope = SHOP) -> PrincipalId:
    """Make the account ann, who may nothing but what this one binding gives."""
    principal_id = world.add_user("ann", Role.NONE)
    bind(world, principal_id, role, scope=scope)
    return principal_id


def two_projects(world: WebWorld) -> None:
    """Have host h1 run `shop-web` and `payroll-db`, of projects of these names."""
    put_containers(
        world,
        "nd_1",
        a_container("shop-web", project="shop", service="web", labels=(("team", "web"),)),
        a_container("payroll-db", project="payroll", service="db", labels=(("team", "people"),)),
    )
