"""Accounts, logins and tokens."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.access import (
    CreateApiToken,
    EndLogin,
    PutSetupToken,
    RemoveUser,
    RevokeApiToken,
    RotateLogin,
    SetPassword,
    SetRole,
    StartLogin,
)
from cluster.model.access import Principal, Role
from cluster.model.ids import LoginId, PrincipalId, TokenPrefix
from cluster.state_machine.access import LOGINS_MAX
from cluster.store.records import (
    API_TOKENS,
    API_TOKENS_BY_PRINCIPAL,
    LOGINS,
    LOGINS_BY_PRINCIPAL,
    PRINCIPALS,
    principal_by_name,
)
from tests.support.state_builders import START_MS, Replica, a_user

DAY_MS = 86_400_000
U1, U2 = PrincipalId("u1"), PrincipalId("u2")
SETUP = b"\x07" * 32


def the_principal(replica: Replica, principal: str = "u1") -> Principal:
    found = PRINCIPALS.get(replica.txn, principal)
    assert found is not None
    return found


def a_login(login: str = "l1", **fields: Any) -> StartLogin:
    defaults: dict[str, Any] = {
        "login_id": LoginId(login),
        "principal_id": U1,
        "secret_hash": b"\x01" * 32,
        "idle_expires_at_ms": START_MS + 7 * DAY_MS,
        "expires_at_ms": START_MS + 30 * DAY_MS,
    }
    return StartLogin(**{**defaults, **fields})


def a_rotation(generation: int = 0, **fields: Any) -> RotateLogin:
    defaults: dict[str, Any] = {
        "login_id": LoginId("l1"),
        "expected_generation": generation,
        "secret_hash": b"\x02" * 32,
        "rotated_at_ms": START_MS + 5,
        "idle_expires_at_ms": START_MS + 8 * DAY_MS,
    }
    return RotateLogin(**{**defaults, **fields})


def a_token(prefix: str = "p1", role: Role = Role.VIEWER) -> CreateApiToken:
    return CreateApiToken(
        prefix=TokenPrefix(prefix),
        name="ci",
        secret_hash=b"\x03" * 32,
        principal_id=U1,
        role=role,
        scopes=frozenset(),
        expires_at_ms=None,
    )


def test_a_user_is_found_by_name_whatever_its_case() -> None:
    replica = Replica()
    replica.must(a_user(name="Ann@Example"))
    found = principal_by_name(replica.txn, "ann@eXAMPLE")
    assert found == the_principal(replica)
    assert principal_by_name(replica.txn, "bob") is None


def test_ids_and_names_are_new() -> None:
    replica = Replica()
    replica.must(a_user("u1", name="ann"))
    assert replica.refusal(a_user("u2", name="ANN")).code is Code.ALREADY_EXISTS
    assert replica.refusal(a_user("u1", name="bob")).code is Code.ALREADY_EXISTS


@pytest.mark.parametrize("name", ["", "a b", "ann\n", " ann", "änn", "-x", "x" * 65])
def test_a_user_name_that_breaks_the_rule_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        a_user(name=name)


def test_a_password_is_kept_as_an_argon2_hash_only() -> None:
    with pytest.raises(ValueError, match="Argon2id"):
        a_user(password_hash="secret")
    assert "argon2" not in repr(a_user())


def test_the_setup_token_makes_one_administrator() -> None:
    replica = Replica()
    replica.must(PutSetupToken(secret_hash=SETUP, expires_at_ms=None))
    assert replica.refusal(a_user(setup_secret_hash=b"\x08" * 32)).code is Code.NOT_FOUND
    replica.must(a_user(setup_secret_hash=SETUP))
    assert replica.refusal(a_user("u2", setup_secret_hash=SETUP)).code is Code.EXPIRED


def test_a_rejected_account_leaves_the_setup_token_unused() -> None:
    replica = Replica()
    replica.must(a_user("u2", Role.VIEWER, name="ann"))
    replica.must(PutSetupToken(secret_hash=SETUP, expires_at_ms=None))
    assert replica.refusal(a_user(name="ann", setup_secret_hash=SETUP)).code is Code.ALREADY_EXISTS
    replica.must(a_user(setup_secret_hash=SETUP))


def test_a_setup_token_may_expire_and_is_refused_once_there_is_an_administrator() -> None:
    replica = Replica()
    replica.must(PutSetupToken(secret_hash=SETUP, expires_at_ms=START_MS + 1))
    replica.now_ms += 1
    assert "expired" in replica.refusal(a_user(setup_secret_hash=SETUP)).reason
    replica.must(a_user())
    assert replica.refusal(PutSetupToken(secret_hash=SETUP, expires_at_ms=None)).code is Code.ALREADY_EXISTS


def test_a_new_password_ends_every_login_and_raises_the_epoch() -> None:
    replica = Replica()
    replica.must(a_user())
    replica.must(a_login())
    assert replica.must(SetPassword(principal_id=U1, password_hash=None)) == 2
    assert the_principal(replica).password_hash is None
    assert LOGINS.scan(replica.txn) == []
    assert LOGINS_BY_PRINCIPAL.scan(replica.txn) == []


def test_a_changed_role_raises_the_epoch() -> None:
    replica = Replica()
    replica.must(a_user("u1"))
    replica.must(a_user("u2"))
    assert replica.must(SetRole(principal_id=U2, role=Role.VIEWER)) == 2
    assert the_principal(replica, "u2").role is Role.VIEWER


def test_the_last_administrator_stays() -> None:
    replica = Replica()
    replica.must(a_user("u1"))
    replica.must(a_user("u2", Role.OPERATOR))
    for command in (RemoveUser(principal_id=U1), SetRole(principal_id=U1, role=Role.OPERATOR)):
        assert replica.refusal(command).code is Code.IN_USE
    replica.must(SetRole(principal_id=U2, role=Role.ADMIN))
    replica.must(RemoveUser(principal_id=U1))


def test_a_removed_user_leaves_nothing_and_frees_the_name() -> None:
    replica = Replica()
    replica.must(a_user("u1", name="ann"))
    replica.must(a_user("u2"))
    replica.must(a_login())
    replica.must(a_token())
    replica.must(RemoveUser(principal_id=U1))
    for records in (LOGINS, LOGINS_BY_PRINCIPAL, API_TOKENS, API_TOKENS_BY_PRINCIPAL):
        assert records.scan(replica.txn) == []
    assert principal_by_name(replica.txn, "ann") is None
    replica.must(a_user("u3", name="ann"))


@pytest.mark.parametrize(
    "command",
    [
        SetPassword(principal_id=U1, password_hash=None),
        SetRole(principal_id=U1, role=Role.VIEWER),
        RemoveUser(principal_id=U1),
        a_login(),
        a_token(),
        RevokeApiToken(prefix=TokenPrefix("p1")),
        EndLogin(login_id=LoginId("l1")),
    ],
)
def test_what_is_not_there_cannot_be_changed(command: object) -> None:
    assert Replica().refusal(command).code is Code.NOT_FOUND


def test_a_token_holds_no_more_than_its_owner() -> None:
    replica = Replica()
    replica.must(a_user("u2"))
    replica.must(a_user("u1", Role.OPERATOR))
    assert replica.refusal(a_token(role=Role.ADMIN)).code is Code.INVALID
    replica.must(a_token(role=Role.OPERATOR))
    assert replica.refusal(a_token()).code is Code.ALREADY_EXISTS


def test_a_revoked_token_stays_known_as_revoked() -> None:
    replica = Replica()
    replica.must(a_user())
    replica.must(a_token())
    replica.must(RevokeApiToken(prefix=TokenPrefix("p1")))
    token = API_TOKENS.get(replica.txn, "p1")
    assert token is not None
    assert token.is_revoked


def test_a_login_advances_by_compare_and_set() -> None:
    replica = Replica()
    replica.must(a_user())
    replica.must(a_login())
    assert replica.must(a_rotation(0)) == 1
    refused = replica.refusal(a_rotation(0))
    assert refused.code is Code.VERSION_CONFLICT
    login = LOGINS.get(replica.txn, "l1")
    assert login is not None
    assert (login.generation, login.secret_hash, login.rotated_at_ms) == (1, b"\x02" * 32, START_MS + 5)


def test_a_rotation_does_not_outlive_the_login() -> None:
    replica = Replica()
    replica.must(a_user())
    replica.must(a_login())
    replica.must(a_rotation(0, idle_expires_at_ms=START_MS + 90 * DAY_MS))
    login = LOGINS.get(replica.txn, "l1")
    assert login is not None
    assert login.idle_expires_at_ms == START_MS + 30 * DAY_MS


@pytest.mark.parametrize("end", [EndLogin(login_id=LoginId("l1")), None])
def test_a_login_that_ended_or_expired_does_not_advance(end: EndLogin | None) -> None:
    replica = Replica()
    replica.must(a_user())
    replica.must(a_login())
    if end is None:
        replica.now_ms += 7 * DAY_MS
    else:
        replica.must(end)
    assert replica.refusal(a_rotation(0)).code is Code.EXPIRED


def test_dead_logins_are_forgotten_when_a_new_one_starts_and_revoked_ones_are_kept() -> None:
    replica = Replica()
    replica.must(a_user())
    replica.must(a_login("old", idle_expires_at_ms=START_MS + 10))
    replica.must(a_login("revoked"))
    replica.must(EndLogin(login_id=LoginId("revoked")))
    replica.now_ms += 20
    replica.must(a_login("new"))
    assert [login.id for login in LOGINS.scan(replica.txn)] == ["new", "revoked"]


def test_the_longest_unused_login_makes_room_for_a_new_one() -> None:
    replica = Replica()
    replica.must(a_user())
    for number in range(LOGINS_MAX + 2):
        replica.now_ms += 1
        replica.must(a_login(f"l{number:02d}"))
    kept = [login.id for login in LOGINS.scan(replica.txn)]
    assert kept == [f"l{number:02d}" for number in range(2, LOGINS_MAX + 2)]
    assert len(LOGINS_BY_PRINCIPAL.scan(replica.txn, "u1")) == LOGINS_MAX
