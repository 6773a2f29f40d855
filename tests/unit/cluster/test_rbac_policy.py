"""What each role may do, spelled out where a mistake would hurt."""

from __future__ import annotations

import pytest

from cluster.model.access import Role
from cluster.rbac import ACTIONS, Decision, Target, built_in

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN


def decided(role: Role, action: str, kind: str) -> Decision:
    return built_in(role).decide(action, Target(kind=kind, id="x"), 0)


@pytest.mark.parametrize(
    ("action", "least"),
    [
        ("cluster.read", VIEWER),
        ("container.logs", VIEWER),
        ("container.inspect", OPERATOR),
        ("container.restart", OPERATOR),
        ("container.remove", ADMIN),
        ("container.exec", ADMIN),
        ("service.deploy", OPERATOR),
        ("service.deploy-host-access", ADMIN),
        ("service.remove", ADMIN),
        ("service.rollback", OPERATOR),
        ("service.skip-analysis", OPERATOR),
        ("service.switch-traffic", OPERATOR),
        ("service.start-experiment", OPERATOR),
        ("service.end-experiment", OPERATOR),
        ("rollout.approve", OPERATOR),
        ("node.drain", OPERATOR),
        ("node.remove", ADMIN),
        ("setting.write", ADMIN),
        ("user.create", ADMIN),
        ("join-token.create", ADMIN),
        ("audit.read", ADMIN),
        ("account.set-password", Role.NONE),
    ],
)
def test_the_least_role_of_an_action(action: str, least: Role) -> None:
    resource = ACTIONS[action].resource
    assert [decided(role, action, resource).allowed for role in Role] == [
        role.includes(least) for role in Role
    ]


def test_no_viewer_changes_anything_but_their_own_account_plans_and_conversations() -> None:
    changes = {
        action.resource.value
        for action in ACTIONS.values()
        if action.changes_state and VIEWER.includes(action.role)
    }
    assert changes == {"account", "plan", "assistant"}


def test_a_denial_says_what_is_needed() -> None:
    decision = decided(VIEWER, "service.deploy", "service")
    assert decision.reason == "service.deploy needs role operator; yours is viewer"


def test_every_action_is_named_after_its_resource() -> None:
    assert all(name == f"{action.resource}.{name.partition('.')[2]}" for name, action in ACTIONS.items())
