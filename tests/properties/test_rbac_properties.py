"""Who may do what: denied unless said otherwise, and more role never means less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.model.access import Role
from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Holder,
    HolderKind,
    Hours,
    Permission,
    PermissionEffect,
)
from cluster.rbac import ACTIONS, Decision, Resource, Target, built_in, grants_of, may_grant, narrowest

ROLES = sorted(Role, key=lambda role: role.rank)
ACTION = st.sampled_from(sorted(ACTIONS))


def decided(role: Role, action: str, resource: str) -> Decision:
    kind, _, identifier = resource.partition(":")
    return built_in(role).decide(action, Target(kind=kind, id=identifier), 0)


@given(role=st.sampled_from(Role), action=st.text() | ACTION, resource=st.text())
def test_every_question_has_an_answer_with_a_reason(role: Role, action: str, resource: str) -> None:
    decision = decided(role, action, resource)
    assert decision.reason
    if decision.allowed:
        assert action in ACTIONS


@given(role=st.sampled_from(Role), action=st.text().filter(lambda text: text not in ACTIONS))
def test_what_is_not_registered_is_denied_to_everybody(role: Role, action: str) -> None:
    assert not decided(role, action, "cluster").allowed


@given(action=ACTION, identifier=st.text(max_size=10))
def test_a_higher_role_may_do_all_that_a_lower_one_may(action: str, identifier: str) -> None:
    resource = f"{ACTIONS[action].resource}:{identifier}"
    answers = [decided(role, action, resource).allowed for role in ROLES]
    assert answers == sorted(answers)
    assert answers[-1]


@given(action=ACTION, kind=st.sampled_from(Resource))
def test_an_action_on_another_kind_of_thing_is_denied(action: str, kind: Resource) -> None:
    allowed = decided(Role.ADMIN, action, f"{kind}:x").allowed
    assert allowed == (kind is ACTIONS[action].resource)


@given(roles=st.lists(st.sampled_from(Role), min_size=1, max_size=4))
def test_a_token_is_worth_its_least_role(roles: list[Role]) -> None:
    least = narrowest(*roles)
    assert least in roles
    assert all(role.includes(least) for role in roles)


@given(granter=st.sampled_from(Role), granted=st.sampled_from(Role))
def test_nobody_grants_what_they_do_not_hold(granter: Role, granted: Role) -> None:
    assert may_grant(granter, granted).allowed == (granter.rank >= granted.rank)


# ---- bindings ---------------------------------------------------------------------------------

NAMES = st.sampled_from(["shop", "payroll", "web", "db", "h1", "team=web", "team"])
NAME_LISTS = st.none() | st.lists(NAMES, max_size=2, unique=True).map(tuple)
SCOPES = st.builds(
    AccessScope, projects=NAME_LISTS, services=NAME_LISTS, labels=NAME_LISTS, without_labels=NAME_LISTS
)
HOURS = st.lists(
    st.sampled_from(
        [Hours(), Hours(start="09:00", end="17:00"), Hours(start="22:00", end="06:00", days=("fri",))]
    ),
    max_size=1,
).map(tuple)
PATTERNS = st.lists(
    st.sampled_from(["*", "container.*", "*.read", "container.restart", "service.deploy", "metrics.read"]),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)
PERMISSIONS = st.builds(
    Permission, effect=st.sampled_from(PermissionEffect), actions=PATTERNS, scope=SCOPES, hours=HOURS
)
CUSTOM_ROLES = st.lists(st.lists(PERMISSIONS, min_size=1, max_size=3), max_size=2).map(
    lambda found: tuple(
        CustomRole(name=f"made-{index}", permissions=tuple(each)) for index, each in enumerate(found)
    )
)
HOLDER = Holder(kind=HolderKind.USER, id="us_ann")
BINDINGS = st.lists(
    st.tuples(st.sampled_from(["viewer", "operator", "admin", "made-0", "made-1"]), SCOPES, HOURS),
    max_size=4,
).map(
    lambda found: tuple(
        Binding(id=f"bd_{index}", holder=HOLDER, role=role, scope=scope, hours=hours)
        for index, (role, scope, hours) in enumerate(found)
    )
)
OPTIONAL = st.none() | st.sampled_from(["", "shop", "payroll", "web", "db"])
LABELS = st.none() | st.dictionaries(st.sampled_from(["team", "env"]), st.sampled_from(["web", "people"]))


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, Target, int]:
    action = draw(ACTION)
    target = Target(
        kind=ACTIONS[action].resource,
        project=draw(OPTIONAL),
        service=draw(OPTIONAL),
        service_id=draw(OPTIONAL),
        labels=draw(LABELS),
    )
    return action, target, draw(st.integers(0, 14 * 86_400_000))


@given(role=st.sampled_from(Role), bindings=BINDINGS, roles=CUSTOM_ROLES, asked=questions(), data=st.data())
def test_the_order_of_rules_means_nothing(
    role: Role,
    bindings: tuple[Binding, ...],
    roles: tuple[CustomRole, ...],
    asked: tuple[str, Target, int],
    data: st.DataObject,
) -> None:
    other = tuple(data.draw(st.permutations(bindings)))
    answer = grants_of(role, bindings, roles).decide(*asked)
    assert grants_of(role, other, tuple(reversed(roles))).decide(*asked).allowed == answer.allowed
    assert answer.reason


@given(
    role=st.sampled_from(Role),
    bindings=BINDINGS,
    roles=CUSTOM_ROLES,
    denied=st.builds(Permission, effect=st.just(PermissionEffect.DENY), actions=PATTERNS, scope=SCOPES),
    asked=questions(),
)
def test_a_further_denial_never_grants(
    role: Role,
    bindings: tuple[Binding, ...],
    roles: tuple[CustomRole, ...],
    denied: Permission,
    asked: tuple[str, Target, int],
) -> None:
    more = CustomRole(name="denier", permissions=(denied,))
    bound = (*bindings, Binding(id="bd_deny", holder=HOLDER, role="denier"))
    if grants_of(role, bound, (*roles, more)).decide(*asked).allowed:
        assert grants_of(role, bindings, roles).decide(*asked).allowed


@given(
    role=st.sampled_from(Role),
    bindings=BINDINGS.filter(bool),
    roles=CUSTOM_ROLES,
    asked=questions(),
    data=st.data(),
)
def test_a_binding_to_a_built_in_role_that_is_taken_away_never_grants(
    role: Role,
    bindings: tuple[Binding, ...],
    roles: tuple[CustomRole, ...],
    asked: tuple[str, Target, int],
    data: st.DataObject,
) -> None:
    gone = data.draw(st.sampled_from(bindings))
    left = tuple(each for each in bindings if each is not gone)
    if gone.role in tuple(Role) and grants_of(role, left, roles).decide(*asked).allowed:
        assert grants_of(role, bindings, roles).decide(*asked).allowed


@given(role=st.sampled_from(Role), bindings=BINDINGS, roles=CUSTOM_ROLES, asked=questions())
def test_what_is_allowed_on_one_thing_could_be_allowed(
    role: Role, bindings: tuple[Binding, ...], roles: tuple[CustomRole, ...], asked: tuple[str, Target, int]
) -> None:
    action, target, at_ms = asked
    grants = grants_of(role, bindings, roles)
    if grants.decide(action, target, at_ms).allowed:
        assert grants.could(action, at_ms).allowed
    if grants.is_unlimited(action, at_ms):
        assert grants.decide(action, target, at_ms).allowed


@given(
    role=st.sampled_from(Role),
    bindings=BINDINGS,
    roles=CUSTOM_ROLES,
    given=BINDINGS.filter(bool),
    asked=questions(),
)
def test_whoever_is_let_bind_a_role_may_all_that_it_gives(
    role: Role,
    bindings: tuple[Binding, ...],
    roles: tuple[CustomRole, ...],
    given: tuple[Binding, ...],
    asked: tuple[str, Target, int],
) -> None:
    granter = grants_of(role, bindings, roles)
    by_name = {each.name: each for each in roles}
    if granter.lacks_of(given[0], by_name) is None:
        granted = grants_of(Role.NONE, given[:1], roles).decide(*asked)
        if granted.allowed:
            assert granter.decide(*asked).allowed


@given(bindings=BINDINGS, roles=CUSTOM_ROLES, action=ACTION, at_ms=st.integers(0, 14 * 86_400_000))
def test_what_is_not_known_of_a_thing_allows_nothing_that_knowing_would_deny(
    bindings: tuple[Binding, ...], roles: tuple[CustomRole, ...], action: str, at_ms: int
) -> None:
    kind = ACTIONS[action].resource
    grants = grants_of(Role.NONE, bindings, roles)
    if grants.decide(action, Target(kind=kind), at_ms).allowed:
        for known in (
            Target(kind=kind, project="shop", service="web", service_id="shop.web", labels={"team": "web"}),
            Target(kind=kind, project="", service="", service_id="", labels={}),
        ):
            assert grants.decide(action, known, at_ms).allowed
