"""A way back for the last administrator: who may have it, what it changes, what is recorded of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import app
from agent.config import load_settings
from agent.node.account_reset import REASON, AccountReset
from cluster.commands.access import StartLogin
from cluster.commands.second_factors import PutSecondFactor
from cluster.commands.sign_in import PutProvider, SyncAccount
from cluster.identity.passwords import verify_password
from cluster.model.access import Role
from cluster.model.ids import LoginId, PrincipalId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.sign_in import SignInProvider
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadUnavailable
from cluster.store import records
from tests.support.identity_builders import some_bytes
from tests.support.web_fakes import CHEAP, PASSWORD, WebWorld, a_web_world


@pytest.fixture
def world() -> WebWorld:
    made = a_web_world()
    admin = made.add_user("ann", Role.ADMIN)
    made.state.must(
        PutSecondFactor(
            principal_id=admin, sealed_secret=b"sealed", step=1, recovery_hashes=(some_bytes("code", 32),)
        )
    )
    made.state.must(
        StartLogin(
            login_id=LoginId("lg_1"),
            principal_id=admin,
            secret_hash=some_bytes("login", 32),
            idle_expires_at_ms=made.clock.now_ms() + 60_000,
            expires_at_ms=made.clock.now_ms() + 60_000,
            step=2,
        )
    )
    return made


def a_reset(world: WebWorld) -> AccountReset:
    return AccountReset(
        node_id="nd_1",
        node_name="h1",
        state=world.state,
        clock=world.clock,
        entropy=world.ids.token_bytes,
        cost=CHEAP,
    )


async def test_the_new_password_opens_an_account_without_second_factor_and_without_logins(
    world: WebWorld,
) -> None:
    password = await a_reset(world).reset("Ann")
    with world.state.read() as txn:
        principal = records.principal_by_name(txn, "ann")
        assert principal is not None
        assert records.SECOND_FACTORS.get(txn, principal.id) is None
        assert records.LOGINS.scan(txn) == []
    assert verify_password(password, principal.password_hash).matches
    assert not verify_password(PASSWORD, principal.password_hash).matches
    # Of which tokens that were given before are refused.
    assert principal.epoch == 2


async def test_the_audit_says_what_was_done_and_by_whom_and_not_the_password(world: WebWorld) -> None:
    password = await a_reset(world).reset("ann")
    entries = world.state.audit()[-2:]
    assert [entry.stamp.action for entry in entries] == ["user.set-password", "user.reset-second-factor"]
    for entry in entries:
        assert (entry.stamp.principal_name, entry.stamp.reason) == ("root of h1", REASON)
        assert (entry.stamp.resource, entry.stamp.node) == ("user:us_ann", "nd_1")
        assert password not in str(entry)


async def test_an_account_without_second_factor_gets_a_password_alone(world: WebWorld) -> None:
    world.add_user("bob", Role.VIEWER)
    before = len(world.state.audit())
    await a_reset(world).reset("bob")
    assert len(world.state.audit()) == before + 1


async def test_an_account_that_is_not_there_is_refused_with_those_that_are(world: WebWorld) -> None:
    with pytest.raises(HostRefused, match="there is no account 'eve'; there are ann"):
        await a_reset(world).reset("eve")


async def test_an_account_of_a_provider_is_refused_with_the_next_step(world: WebWorld) -> None:
    world.state.must(
        PutProvider(
            provider=SignInProvider(id="corp", label="Corp", issuer="https://sso.example.com", client_id="t"),
            expected_version=0,
        )
    )
    world.state.must(
        SyncAccount(
            principal_id=PrincipalId("us_carl"),
            provider_id="corp",
            subject_key="ab" * 32,
            name="carl",
            role=Role.ADMIN,
        )
    )
    with pytest.raises(HostRefused, match="reset an account of this cluster"):
        await a_reset(world).reset("carl")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (NotCommitted("no leader is known here"), "the cluster cannot decide: no leader"),
        (OutcomeUnknown("no answer in time"), "it may have been done, or may still be"),
    ],
)
async def test_without_a_decision_no_password_is_told(world: WebWorld, failure: Exception, said: str) -> None:
    world.state.failures.append(failure)
    with pytest.raises(HostUnavailable, match=said):
        await a_reset(world).reset("ann")


async def test_without_a_quorum_nothing_is_looked_up(world: WebWorld) -> None:
    world.state.read_failure = ReadUnavailable("no majority confirmed in time")
    with pytest.raises(HostUnavailable, match="the cluster cannot decide: no majority"):
        await a_reset(world).reset("nobody")


async def test_broken_off_in_between_the_second_factor_stands_and_another_try_does_it(
    world: WebWorld,
) -> None:
    propose = world.state.propose

    async def propose_one(*given: object, **named: object) -> object:
        world.state.failures.append(NotCommitted("the leader is gone"))
        world.state.propose = propose  # type: ignore[method-assign]  # from the next one on
        failures, world.state.failures = world.state.failures, []
        outcome = await propose(*given, **named)  # type: ignore[arg-type]  # as they came
        world.state.failures = failures
        return outcome

    world.state.propose = propose_one  # type: ignore[method-assign]  # the first alone is committed
    with pytest.raises(HostUnavailable):
        await a_reset(world).reset("ann")
    with world.state.read() as txn:
        assert records.SECOND_FACTORS.get(txn, "us_ann") is not None
    assert await a_reset(world).reset("ann")


def test_who_may_not_read_the_host_s_key_is_told_to_be_root(tmp_path: Path) -> None:
    loaded = load_settings(
        file=None, environment={"TOWER_NODE_DATA_DIR": str(tmp_path / "data")}, flags={}, host_name="h1"
    )
    (tmp_path / "data").mkdir(mode=0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(app.StartRefused, match="run it as root"):
            app.reset_account(loaded, name="ann")
    finally:
        if is_root:
            os.seteuid(0)


def test_a_host_of_no_cluster_says_so(tmp_path: Path) -> None:
    loaded = load_settings(
        file=None, environment={"TOWER_NODE_DATA_DIR": str(tmp_path)}, flags={}, host_name="h1"
    )
    with pytest.raises(app.StartRefused, match="belongs to no cluster"):
        app.reset_account(loaded, name="ann")
