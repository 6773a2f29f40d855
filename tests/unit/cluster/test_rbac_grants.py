"""Bindings to part of the cluster: what scopes and hours mean, and what is out of every scope."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster.model.access import Role
from cluster.model.permissions import AccessScope, CustomRole, Hours, Permission
from cluster.rbac import ACTIONS, Resource, Target, grants_of
from cluster.rbac.grants import ESCAPES, SCOPED_KINDS
from cluster.rbac.hours import is_within
from cluster.rbac.targets import covers, within
from tests.support.permission_kit import SHOP, a_binding, allow, deny

IN_SHOP = Target(
    kind="container",
    name="h1/web",
    project="shop",
    service="web",
    service_id="shop.web",
    environment="",
    node_id="nd_1",
    node_name="h1",
    labels={"team": "web", "env": "staging"},
)
OUTSIDE = Target(kind="container", name="h1/db", project="payroll", labels={})
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def at_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_matrix_of_roles_in_a_scope(role: Role, action: str) -> None:
    """Inside a scope a role gives what it gives everywhere, for kinds that scopes mean; outside nothing."""
    known = ACTIONS[action]
    grants = grants_of(Role.NONE, (a_binding(role.value, scope=SHOP),), ())
    inside = Target(kind=known.resource, project="shop")
    outside = Target(kind=known.resource, project="payroll")
    if known.resource in (Resource.CLUSTER, Resource.NODE):
        # That the cluster is there, and its hosts, is seen by whoever sees anything.
        is_seen = action in ("cluster.read", "node.read")
        assert grants.decide(action, inside, 0).allowed == is_seen
        return
    own = known.role is Role.NONE
    expected = role.includes(known.role) and known.resource in SCOPED_KINDS and action not in ESCAPES
    assert grants.decide(action, inside, 0).allowed == (expected or own)
    assert grants.decide(action, outside, 0).allowed == own


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (AccessScope(), True),
        (SHOP, True),
        (AccessScope(projects=("payroll", "shop")), True),
        (AccessScope(projects=("payroll",)), False),
        (AccessScope(projects=()), False),
        (AccessScope(services=("web",)), True),
        (AccessScope(services=("shop.web",)), True),
        (AccessScope(nodes=("h1",)), True),
        (AccessScope(nodes=("nd_1",)), True),
        (AccessScope(nodes=("h2",)), False),
        (AccessScope(names=("web",)), True),
        (AccessScope(names=("h1/web",)), True),
        (AccessScope(names=("h2/web",)), False),
        (AccessScope(labels=("team=web",)), True),
        (AccessScope(labels=("team",)), True),
        (AccessScope(labels=("team=ops", "env=staging")), True),
        (AccessScope(labels=("team=ops",)), False),
        (AccessScope(without_labels=("team",)), False),
        (AccessScope(without_labels=("team=ops",)), True),
        (AccessScope(projects=("shop",), labels=("team=ops",)), False),
        (AccessScope(environments=("production",)), False),
    ],
    ids=str,
)
def test_what_a_scope_means(scope: AccessScope, expected: bool) -> None:
    assert covers(scope, IN_SHOP) is expected


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ((("nd_1", "h1"),), True),
        ((("nd_1", "h1"), ("nd_2", "h2")), True),
        ((("nd_3", "h3"),), False),
        ((("nd_1", "h1"), ("nd_3", "h3")), None),
        ((), None),
        (None, None),
    ],
)
def test_a_scope_of_hosts_means_what_is_on_none_but_these(
    hosts: tuple[tuple[str, str], ...] | None, expected: bool | None
) -> None:
    service = Target(kind="service", id="shop.web", project="shop", hosts=hosts)
    assert covers(AccessScope(nodes=("h1", "nd_2")), service) is expected


def test_a_project_is_one_in_every_environment_and_can_be_meant_in_one() -> None:
    staged = Target(kind="service", project="shop", environment="staging")
    assert covers(SHOP, staged) is True
    assert covers(AccessScope(projects=("staging.shop",)), staged) is True
    assert covers(AccessScope(projects=("staging.shop",)), IN_SHOP) is False


def test_the_labels_that_rules_go_by_are_known_whatever_the_rules_do() -> None:
    denial = deny("container.exec", scope=AccessScope(without_labels=("safe",)))
    role = CustomRole(
        name="careful", permissions=(allow("*", scope=AccessScope(labels=("team=web",))), denial)
    )
    grants = grants_of(Role.NONE, (a_binding("careful", scope=SHOP),), (role,))
    assert grants.label_keys == {"team", "safe"}
    assert len(grants.scopes) == 3


def test_what_is_not_known_fails_closed_both_ways() -> None:
    unknown = Target(kind="container", name="h1/web")
    assert covers(SHOP, unknown) is None
    allowing = grants_of(Role.NONE, (a_binding(scope=SHOP),), ())
    assert not allowing.decide("container.restart", unknown, 0).allowed
    role = CustomRole(name="no-shop", permissions=(deny("container.*", scope=SHOP),))
    denying = grants_of(Role.ADMIN, (a_binding("no-shop"),), (role,))
    assert not denying.decide("container.restart", unknown, 0).allowed
    assert denying.decide("container.restart", OUTSIDE, 0).allowed


def test_scopes_of_a_role_and_of_its_binding_are_both_to_be_met() -> None:
    role = CustomRole(
        name="web-team", permissions=(allow("container.*", scope=AccessScope(labels=("team=web",))),)
    )
    grants = grants_of(Role.NONE, (a_binding("web-team", scope=SHOP),), (role,))
    assert grants.decide("container.restart", IN_SHOP, 0).allowed
    elsewhere = Target(kind="container", project="payroll", labels={"team": "web"})
    assert not grants.decide("container.restart", elsewhere, 0).allowed
    assert not grants.decide(
        "container.restart", Target(kind="container", project="shop", labels={}), 0
    ).allowed


def test_a_binding_to_a_role_that_is_gone_gives_nothing() -> None:
    grants = grants_of(Role.NONE, (a_binding("was-here"),), ())
    assert not grants.could("container.read", 0).allowed


def test_a_decision_names_its_rule() -> None:
    grants = grants_of(Role.VIEWER, (a_binding(scope=SHOP),), ())
    assert grants.decide("container.read", IN_SHOP, 0).rule == "role:viewer"
    assert grants.decide("container.restart", IN_SHOP, 0).rule == "binding:bd_1#0"
    refused = grants.decide("container.restart", OUTSIDE, 0)
    assert refused.rule == ""
    assert "project shop" in refused.reason


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        (Hours(start="09:00", end="17:00"), "2026-06-01T09:00", True),
        (Hours(start="09:00", end="17:00"), "2026-06-01T16:59:59", True),
        (Hours(start="09:00", end="17:00"), "2026-06-01T17:00", False),
        (Hours(days=("mon",), start="09:00", end="17:00"), "2026-06-02T10:00", False),
        # Over midnight: the part after it is of the day it began.
        (Hours(days=("fri",), start="22:00", end="06:00"), "2026-06-05T23:00", True),
        (Hours(days=("fri",), start="22:00", end="06:00"), "2026-06-06T05:59", True),
        (Hours(days=("fri",), start="22:00", end="06:00"), "2026-06-06T06:00", False),
        (Hours(days=("fri",), start="22:00", end="06:00"), "2026-06-05T05:00", False),
        # Rome puts its clocks forward at 01:00 UTC on 29 March 2026, and back at 01:00 UTC on 25 October.
        (Hours(start="02:00", end="03:00", tz="Europe/Rome"), "2026-03-29T00:59", False),
        (Hours(start="02:00", end="03:00", tz="Europe/Rome"), "2026-03-29T01:00", False),
        (Hours(start="02:00", end="03:00", tz="Europe/Rome"), "2026-10-25T00:30", True),
        (Hours(start="02:00", end="03:00", tz="Europe/Rome"), "2026-10-25T01:30", True),
        (Hours(start="02:00", end="03:00", tz="Europe/Rome"), "2026-10-25T02:00", False),
        (Hours(start="09:00", end="17:00", tz="Europe/Lisbon"), "2026-07-01T08:30", True),
        (Hours(), "2026-07-01T23:59:59", True),
    ],
)
def test_hours_go_by_the_wall_clock(hours: Hours, moment: str, expected: bool) -> None:
    assert is_within((hours,), at_ms(moment)) is expected


def test_a_zone_nobody_knows_here_fails_closed_both_ways() -> None:
    lost = (Hours(tz="Mars/Olympus"),)
    assert is_within(lost, 0) is None
    assert not grants_of(Role.NONE, (a_binding(hours=lost),), ()).could("container.read", 0).allowed
    role = CustomRole(name="never", permissions=(deny("container.*", hours=lost),))
    assert (
        not grants_of(Role.ADMIN, (a_binding("never"),), (role,))
        .decide("container.restart", IN_SHOP, 0)
        .allowed
    )


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (SHOP, AccessScope(), True),
        (AccessScope(), SHOP, False),
        (AccessScope(projects=("shop",), labels=("team=web",)), SHOP, True),
        (AccessScope(projects=("shop", "payroll")), SHOP, False),
        (SHOP, AccessScope(without_labels=("secret",)), False),
        (AccessScope(without_labels=("secret", "x")), AccessScope(without_labels=("secret",)), True),
        (AccessScope(projects=()), SHOP, True),
    ],
)
def test_a_scope_within_another(inner: AccessScope, outer: AccessScope, expected: bool) -> None:
    assert within(inner, outer) is expected


@pytest.mark.parametrize(
    "pattern", ["", "container", "container.", ".read", "*.*.x", "container.restart ", "a b"]
)
def test_an_action_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="action"):
        Permission(actions=(pattern,))


@pytest.mark.parametrize("name", ["viewer", "admin", "none", "Upper", ""])
def test_a_role_is_not_called_as_a_built_in_one(name: str) -> None:
    with pytest.raises(ValueError, match="role"):
        CustomRole(name=name, permissions=(allow("*"),))
