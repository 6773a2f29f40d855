"""Accounts, their logins and their tokens."""

from __future__ import annotations

from cluster.commands import access, permissions
from cluster.model.access import Role
from cluster.model.ids import LoginId, TokenPrefix
from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Holder,
    HolderKind,
    Permission,
    PermissionEffect,
)
from cluster.store.records import LOGINS
from tests.properties.draws.context import HASH, Choices, Draw


def account_commands(draw: Draw) -> Choices:
    rng, user, later = draw.rng, draw.user(), draw.soon()
    role, prefix = rng.choice(list(Role)), TokenPrefix(rng.choice(["p1", "p2"]))
    logins = {login.id: login.generation for login in LOGINS.scan(draw.txn) if login.is_live(draw.now_ms)}
    login = draw.mostly(list(logins), [LoginId("l1"), LoginId("l2"), LoginId("l3")])
    generation = logins.get(login, 0)
    holder = rng.choice([Holder(kind=HolderKind.USER, id=user), Holder(kind=HolderKind.TOKEN, id=prefix)])
    return [
        lambda: access.PutSetupToken(secret_hash=HASH, expires_at_ms=rng.choice([None, later])),
        lambda: access.CreateUser(
            principal_id=user,
            name=rng.choice(["ann", "Ann", str(user)]),
            role=role,
            password_hash=None,
            setup_secret_hash=rng.choice([None, HASH]),
        ),
        lambda: access.SetRole(principal_id=user, role=role),
        lambda: access.SetPassword(principal_id=user, password_hash=None),
        lambda: access.RemoveUser(principal_id=user),
        lambda: access.CreateApiToken(
            prefix=prefix,
            name="",
            secret_hash=HASH,
            principal_id=user,
            role=role,
            scopes=frozenset(),
            expires_at_ms=None,
        ),
        lambda: access.RevokeApiToken(prefix=prefix),
        lambda: access.StartLogin(
            login_id=LoginId(rng.choice(["l1", "l2", "l3"])),
            principal_id=user,
            secret_hash=HASH,
            idle_expires_at_ms=later,
            expires_at_ms=later,
        ),
        lambda: access.RotateLogin(
            login_id=login,
            expected_generation=rng.choice([generation, generation, 0]),
            secret_hash=HASH,
            rotated_at_ms=draw.now_ms,
            idle_expires_at_ms=later,
        ),
        lambda: access.EndLogin(login_id=login),
        lambda: permissions.PutCustomRole(
            role=CustomRole(
                name=rng.choice(["made", "other"]),
                permissions=(
                    Permission(effect=rng.choice(list(PermissionEffect)), actions=("container.*",)),
                ),
            )
        ),
        lambda: permissions.RemoveCustomRole(name=rng.choice(["made", "other"])),
        lambda: permissions.PutBinding(
            binding=Binding(
                id=rng.choice(["b1", "b2"]),
                holder=holder,
                role=rng.choice(["viewer", "made", "other"]),
                scope=AccessScope(projects=("shop",)),
            )
        ),
        lambda: permissions.RemoveBinding(holder=holder, binding_id=rng.choice(["b1", "b2"])),
    ]
