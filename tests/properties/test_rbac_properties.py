"""Who may do what: denied unless said otherwise, and more role never means less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.model.access import Role
from cluster.rbac import ACTIONS, Resource, authorize, may_grant, narrowest

ROLES = sorted(Role, key=lambda role: role.rank)
ACTION = st.sampled_from(sorted(ACTIONS))


@given(role=st.none() | st.sampled_from(Role), action=st.text() | ACTION, resource=st.text())
def test_every_question_has_an_answer_with_a_reason(role: Role | None, action: str, resource: str) -> None:
    decision = authorize(role, action, resource)
    assert decision.reason
    if decision.allowed:
        assert role is not None
        assert action in ACTIONS


@given(role=st.sampled_from(Role), action=st.text().filter(lambda text: text not in ACTIONS))
def test_what_is_not_registered_is_denied_to_everybody(role: Role, action: str) -> None:
    assert not authorize(role, action, "cluster").allowed


@given(action=ACTION, identifier=st.text(max_size=10))
def test_a_higher_role_may_do_all_that_a_lower_one_may(action: str, identifier: str) -> None:
    resource = f"{ACTIONS[action].resource}:{identifier}"
    answers = [authorize(role, action, resource).allowed for role in ROLES]
    assert answers == sorted(answers)
    assert answers[-1]


@given(action=ACTION, kind=st.sampled_from(Resource))
def test_an_action_on_another_kind_of_thing_is_denied(action: str, kind: Resource) -> None:
    allowed = authorize(Role.ADMIN, action, f"{kind}:x").allowed
    assert allowed == (kind is ACTIONS[action].resource)


@given(action=ACTION)
def test_nobody_known_may_do_nothing(action: str) -> None:
    assert not authorize(None, action, ACTIONS[action].resource).allowed


@given(roles=st.lists(st.sampled_from(Role), min_size=1, max_size=4))
def test_a_token_is_worth_its_least_role(roles: list[Role]) -> None:
    least = narrowest(*roles)
    assert least in roles
    assert all(role.includes(least) for role in roles)


@given(granter=st.sampled_from(Role), granted=st.sampled_from(Role))
def test_nobody_grants_what_they_do_not_hold(granter: Role, granted: Role) -> None:
    assert may_grant(granter, granted).allowed == (granter.rank >= granted.rank)
