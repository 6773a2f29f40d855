"""Second factors, identity providers and their accounts, the use of tokens, the dashboard's certificates."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.access import CreateApiToken, SetRole, StartLogin
from cluster.commands.second_factors import EndLogins, PutRecoveryCodes, PutSecondFactor, RemoveSecondFactor
from cluster.commands.sign_in import NoteTokenUses, PutProvider, RemoveProvider, SyncAccount
from cluster.model.access import Principal, Role, TokenUse
from cluster.model.ids import LoginId, PrincipalId, TokenPrefix
from cluster.model.second_factors import SecondFactor
from cluster.model.sign_in import GroupRole, SignInProvider, role_of, subject_key
from cluster.store.records import LOGINS, LOGINS_BY_PRINCIPAL, PRINCIPALS, SECOND_FACTORS, TOKEN_USES
from tests.support.state_builders import START_MS, Replica, a_user

DAY_MS = 86_400_000
U1 = PrincipalId("u1")
RECOVERY = b"\x08" * 32


def a_factor(step: int = 100) -> PutSecondFactor:
    return PutSecondFactor(
        principal_id=U1, sealed_secret=b"sealed", step=step, recovery_hashes=(RECOVERY, b"\x09" * 32)
    )


def a_login(login: str = "l1", **fields: Any) -> StartLogin:
    return StartLogin(
        login_id=LoginId(login),
        principal_id=U1,
        secret_hash=b"\x01" * 32,
        idle_expires_at_ms=START_MS + 7 * DAY_MS,
        expires_at_ms=START_MS + 30 * DAY_MS,
        **fields,
    )


def the_factor(replica: Replica) -> SecondFactor:
    found = SECOND_FACTORS.get(replica.txn, "u1")
    assert found is not None
    return found


@pytest.fixture
def replica() -> Replica:
    made = Replica()
    made.must(a_user("u1", Role.ADMIN))
    return made


# Second factors.


def test_with_an_authenticator_no_login_begins_without_a_code(replica: Replica) -> None:
    replica.must(a_factor())
    assert replica.refusal(a_login()).code is Code.EXPIRED
    replica.must(a_login(step=101))


@pytest.mark.parametrize("step", [99, 100])
def test_no_code_counts_twice_and_none_before_the_last_one(replica: Replica, step: int) -> None:
    replica.must(a_factor(step=100))
    assert replica.refusal(a_login(step=step)).code is Code.EXPIRED


def test_a_recovery_code_counts_once(replica: Replica) -> None:
    replica.must(a_factor())
    replica.must(a_login("l1", recovery_hash=RECOVERY))
    assert replica.refusal(a_login("l2", recovery_hash=RECOVERY)).code is Code.EXPIRED
    assert len(the_factor(replica).recovery_hashes) == 1


def test_an_authenticator_is_not_replaced_by_another(replica: Replica) -> None:
    replica.must(a_factor())
    assert replica.refusal(a_factor()).code is Code.ALREADY_EXISTS


def test_it_is_turned_off_with_a_fresh_code_or_reset_without(replica: Replica) -> None:
    replica.must(a_factor(step=100))
    assert replica.refusal(RemoveSecondFactor(principal_id=U1, step=100)).code is Code.EXPIRED
    replica.must(RemoveSecondFactor(principal_id=U1, step=101))
    assert replica.refusal(RemoveSecondFactor(principal_id=U1)).code is Code.NOT_FOUND
    replica.must(a_factor(step=102))
    replica.must(RemoveSecondFactor(principal_id=U1))
    replica.must(a_login())


def test_new_recovery_codes_replace_all_earlier_ones(replica: Replica) -> None:
    replica.must(a_factor(step=100))
    replica.must(PutRecoveryCodes(principal_id=U1, recovery_hashes=(b"\x0a" * 32,), step=101))
    assert the_factor(replica).recovery_hashes == (b"\x0a" * 32,)
    assert replica.refusal(a_login(recovery_hash=RECOVERY)).code is Code.EXPIRED


def test_all_logins_but_one_are_ended(replica: Replica) -> None:
    for login in ("l1", "l2", "l3"):
        replica.must(a_login(login))
    assert replica.must(EndLogins(principal_id=U1, but=LoginId("l2"))) == 2
    live = [login.id for login in LOGINS.scan(replica.txn) if login.is_live(START_MS)]
    assert live == ["l2"]


# Identity providers.


def a_provider(**fields: Any) -> SignInProvider:
    defaults: dict[str, Any] = {
        "id": "corp",
        "label": "Corp",
        "issuer": "https://login.example.com",
        "client_id": "tower",
        "roles": (GroupRole(group="ops", role=Role.OPERATOR), GroupRole(group="root", role=Role.ADMIN)),
    }
    return SignInProvider(**{**defaults, **fields})


def a_sync(role: Role | None = Role.OPERATOR, *, subject: str = "s1", **fields: Any) -> SyncAccount:
    defaults: dict[str, Any] = {
        "principal_id": PrincipalId(f"new_{subject}"),
        "provider_id": "corp",
        "subject_key": subject_key("https://login.example.com", subject),
        "name": "gina",
    }
    return SyncAccount(**{**defaults, **fields}, role=role)


@pytest.fixture
def corp(replica: Replica) -> Replica:
    replica.must(PutProvider(provider=a_provider(), expected_version=0))
    return replica


def the_account(replica: Replica, account: str = "new_s1") -> Principal:
    found = PRINCIPALS.get(replica.txn, account)
    assert found is not None
    return found


def test_the_first_login_makes_an_account_without_a_password(corp: Replica) -> None:
    assert corp.must(a_sync()) == "new_s1"
    account = the_account(corp)
    assert (account.name, account.role, account.password_hash) == ("gina", Role.OPERATOR, None)


def test_the_next_login_finds_the_same_account_and_brings_its_role_up_to_date(corp: Replica) -> None:
    corp.must(a_sync(Role.OPERATOR))
    assert corp.must(a_sync(Role.VIEWER, principal_id=PrincipalId("another"))) == "new_s1"
    account = the_account(corp)
    assert (account.role, account.epoch) == (Role.VIEWER, 2)


def test_nobody_gets_a_local_account_by_having_its_name(corp: Replica) -> None:
    corp.must(a_user("u2", Role.ADMIN, name="Gina"))
    assert corp.must(a_sync()) == "new_s1"
    assert the_account(corp).name == "gina-2"


def test_the_same_subject_of_another_issuer_is_somebody_else(corp: Replica) -> None:
    corp.must(a_sync())
    other = a_sync(principal_id=PrincipalId("other"), subject_key=subject_key("https://evil.example", "s1"))
    assert corp.must(other) == "other"


def test_who_has_no_role_any_more_is_suspended_and_logged_out(corp: Replica) -> None:
    corp.must(a_sync())
    corp.must(_login_of("new_s1"))
    corp.must(a_sync(None))
    assert the_account(corp).is_suspended
    assert LOGINS_BY_PRINCIPAL.scan(corp.txn, "new_s1") == []
    assert corp.refusal(_login_of("new_s1", "l9")).code is Code.INVALID
    corp.must(a_sync())
    assert not the_account(corp).is_suspended


def _login_of(account: str, login: str = "l8") -> StartLogin:
    return StartLogin(
        login_id=LoginId(login),
        principal_id=PrincipalId(account),
        secret_hash=b"\x01" * 32,
        idle_expires_at_ms=START_MS + 7 * DAY_MS,
        expires_at_ms=START_MS + 30 * DAY_MS,
        provider_id="corp",
    )


def test_who_never_had_a_role_gets_no_account(corp: Replica) -> None:
    assert corp.must(a_sync(None)) == ""
    assert PRINCIPALS.get(corp.txn, "new_s1") is None


def test_a_provider_does_not_take_the_role_of_the_last_administrator(corp: Replica) -> None:
    corp.must(a_sync(Role.ADMIN))
    corp.must(SetRole(principal_id=U1, role=Role.VIEWER))
    assert corp.refusal(a_sync(Role.VIEWER)).code is Code.IN_USE
    assert corp.refusal(a_sync(None)).code is Code.IN_USE


def test_without_its_provider_an_account_is_suspended(corp: Replica) -> None:
    corp.must(a_sync())
    corp.must(RemoveProvider(provider_id="corp"))
    assert the_account(corp).is_suspended
    assert corp.refusal(a_sync()).code is Code.NOT_FOUND


def test_a_provider_that_somebody_else_changed_is_not_overwritten(corp: Replica) -> None:
    assert corp.refusal(PutProvider(provider=a_provider(), expected_version=0)).code is Code.VERSION_CONFLICT
    assert corp.must(PutProvider(provider=a_provider(), expected_version=1)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer": "http://login.example.com"},
        {"issuer": "https://login.example.com/?x=1"},
        {"issuer": "https://user@login.example.com"},
        {"issuer": "file:///etc/passwd"},
        {"scopes": ("profile",)},
        {"scopes": ("openid", "a b")},
        {"client_id": ""},
        {"roles": (GroupRole(group="a", role=Role.VIEWER), GroupRole(group="a", role=Role.ADMIN))},
        {"groups_claim": ""},
    ],
)
def test_a_provider_that_could_not_work_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        PutProvider(provider=a_provider(**fields), expected_version=0)


def test_of_several_groups_the_most_counts_and_none_gives_nothing() -> None:
    assert role_of(["ops", "root", "unknown"], a_provider()) is Role.ADMIN
    assert role_of(["unknown"], a_provider()) is None
    assert role_of([], a_provider()) is None


# Tokens.


def test_the_newest_use_of_a_token_is_kept_and_of_no_other(replica: Replica) -> None:
    prefix = TokenPrefix("abc")
    replica.must(
        CreateApiToken(
            prefix=prefix,
            name="ci",
            secret_hash=b"\x01" * 32,
            principal_id=U1,
            role=Role.VIEWER,
            scopes=frozenset(),
            expires_at_ms=None,
        )
    )
    for used_at_ms in (2000, 1000):
        uses = (
            TokenUse(prefix=prefix, used_at_ms=used_at_ms, ip="192.0.2.1"),
            TokenUse(prefix=TokenPrefix("gone"), used_at_ms=1),
        )
        replica.must(NoteTokenUses(uses=uses))
    assert [(use.prefix, use.used_at_ms) for use in TOKEN_USES.scan(replica.txn)] == [("abc", 2000)]
