"""Roles and bindings in the state: what they need to be there, and whom nobody can lock out."""

from __future__ import annotations

from cluster.commands.access import CreateApiToken, CreateUser, RemoveUser, RevokeApiToken, SetRole
from cluster.commands.outcome import Code
from cluster.commands.permissions import PutBinding, PutCustomRole, RemoveBinding, RemoveCustomRole
from cluster.model.access import Role
from cluster.model.ids import PrincipalId, TokenPrefix
from cluster.model.permissions import BINDINGS_OF_HOLDER_MAX, CustomRole, Holder, HolderKind
from cluster.store.records import BINDINGS, CUSTOM_ROLES
from tests.support.permission_kit import a_binding, allow, deny
from tests.support.state_builders import Replica

ROOT = PrincipalId("us_root")
ANN = PrincipalId("us_ann")
NO_SHELL = CustomRole(name="no-shell", permissions=(deny("container.exec"),))


def a_cluster(**roles: Role) -> Replica:
    """Return a state with accounts of these roles."""
    replica = Replica()
    for name, role in roles.items():
        replica.must(
            CreateUser(principal_id=PrincipalId(f"us_{name}"), name=name, role=role, password_hash=None)
        )
    return replica


def of(principal_id: PrincipalId) -> Holder:
    return Holder(kind=HolderKind.USER, id=principal_id)


def test_a_role_is_bound_and_listed_with_its_holder() -> None:
    replica = a_cluster(root=Role.ADMIN, ann=Role.NONE)
    replica.must(PutBinding(binding=a_binding()))
    (bound,) = BINDINGS.scan(replica.txn, str(of(ANN)))
    assert (bound.role, bound.created_at_ms > 0) == ("operator", True)
    replica.must(RemoveBinding(holder=of(ANN), binding_id="bd_1"))
    assert not BINDINGS.scan(replica.txn)


def test_what_is_bound_is_there() -> None:
    replica = a_cluster(root=Role.ADMIN)
    nobody = replica.refusal(PutBinding(binding=a_binding()))
    assert nobody.code is Code.NOT_FOUND
    no_role = replica.refusal(PutBinding(binding=a_binding("was-here", holder=of(ROOT))))
    assert no_role.code is Code.NOT_FOUND


def test_bindings_go_with_their_account_and_its_tokens() -> None:
    replica = a_cluster(root=Role.ADMIN, ann=Role.OPERATOR)
    token = Holder(kind=HolderKind.TOKEN, id="ci")
    replica.must(
        CreateApiToken(
            prefix=TokenPrefix("ci"),
            name="ci",
            secret_hash=bytes(32),
            principal_id=ANN,
            role=Role.OPERATOR,
            scopes=frozenset(),
            expires_at_ms=None,
        )
    )
    replica.must(PutBinding(binding=a_binding()))
    replica.must(PutBinding(binding=a_binding(holder=token)))
    replica.must(RemoveUser(principal_id=ANN))
    assert not BINDINGS.scan(replica.txn)


def test_a_revoked_token_keeps_no_binding() -> None:
    replica = a_cluster(root=Role.ADMIN, ann=Role.NONE)
    replica.must(PutBinding(binding=a_binding()))
    # What a token may is its owner's anyway, so one that is bound may give a token the role it is bound to.
    replica.must(
        CreateApiToken(
            prefix=TokenPrefix("ci"),
            name="ci",
            secret_hash=bytes(32),
            principal_id=ANN,
            role=Role.OPERATOR,
            scopes=frozenset(),
            expires_at_ms=None,
        )
    )
    token = Holder(kind=HolderKind.TOKEN, id="ci")
    replica.must(PutBinding(binding=a_binding("viewer", holder=token)))
    replica.must(RevokeApiToken(prefix=TokenPrefix("ci")))
    assert [str(each.holder) for each in BINDINGS.scan(replica.txn)] == [str(of(ANN))]


def test_a_role_stays_while_it_is_bound() -> None:
    replica = a_cluster(root=Role.ADMIN, ann=Role.NONE)
    replica.must(PutCustomRole(role=CustomRole(name="restarter", permissions=(allow("container.restart"),))))
    replica.must(PutBinding(binding=a_binding("restarter")))
    refused = replica.refusal(RemoveCustomRole(name="restarter"))
    assert refused.code is Code.IN_USE
    replica.must(RemoveBinding(holder=of(ANN), binding_id="bd_1"))
    replica.must(RemoveCustomRole(name="restarter"))
    assert CUSTOM_ROLES.get(replica.txn, "restarter") is None


def test_nothing_is_denied_to_the_last_administrator() -> None:
    replica = a_cluster(root=Role.ADMIN, ann=Role.ADMIN)
    replica.must(PutCustomRole(role=NO_SHELL))
    replica.must(PutBinding(binding=a_binding("no-shell", holder=of(ANN))))
    for command in (
        PutBinding(binding=a_binding("no-shell", holder=of(ROOT))),
        RemoveUser(principal_id=ROOT),
        SetRole(principal_id=ROOT, role=Role.OPERATOR),
    ):
        refused = replica.refusal(command)
        assert refused.code is Code.IN_USE
        assert "last administrator" in refused.reason


def test_a_role_that_every_administrator_has_does_not_begin_to_deny() -> None:
    replica = a_cluster(root=Role.ADMIN)
    replica.must(PutCustomRole(role=CustomRole(name="extra", permissions=(allow("container.*"),))))
    replica.must(PutBinding(binding=a_binding("extra", holder=of(ROOT))))
    refused = replica.refusal(
        PutCustomRole(role=CustomRole(name="extra", permissions=(deny("container.*"),)))
    )
    assert refused.code is Code.IN_USE


def test_bindings_of_one_holder_are_bounded() -> None:
    replica = a_cluster(root=Role.ADMIN, ann=Role.NONE)
    for number in range(BINDINGS_OF_HOLDER_MAX):
        replica.must(PutBinding(binding=a_binding(id=f"bd_{number}")))
    assert "most there may be" in replica.refusal(PutBinding(binding=a_binding(id="one-more"))).reason
    replica.must(PutBinding(binding=a_binding("viewer", id="bd_0")))
