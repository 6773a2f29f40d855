"""What is kept of accounts and logins holds until the commit that changes it, and no longer."""

from __future__ import annotations

import asyncio

from cluster.commands.access import EndLogin, SetRole
from cluster.commands.nodes import SetNodeDraining
from cluster.model.access import Role
from cluster.model.ids import LoginId, NodeId, PrincipalId
from cluster.store import ReadTxn, records
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth import kept_records
from web.auth.kept_records import KeptRecords


class Counted:
    """A reading that says how often it was made."""

    def __init__(self) -> None:
        self.count = 0

    def role(self, txn: ReadTxn) -> Role | None:
        self.count += 1
        principal = records.PRINCIPALS.get(txn, "us_ann")
        return None if principal is None else principal.role


def a_world() -> WebWorld:
    world = a_web_world()
    world.add_user("ann", Role.OPERATOR)
    return world


async def test_the_same_is_read_once_until_it_changes() -> None:
    world, reading = a_world(), Counted()
    kept = KeptRecords(world.state)
    with kept.watching():
        assert [kept.get("ann", reading.role) for _ in range(3)] == [Role.OPERATOR] * 3
        assert reading.count == 1
        world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=True))
        await asyncio.sleep(0)
        kept.get("ann", reading.role)
        assert reading.count == 1
        world.state.must(SetRole(principal_id=PrincipalId("us_ann"), role=Role.VIEWER))
        await asyncio.sleep(0)
        assert kept.get("ann", reading.role) is Role.VIEWER


async def test_nothing_is_kept_while_nobody_tells_of_changes() -> None:
    world, reading = a_world(), Counted()
    kept = KeptRecords(world.state)
    kept.get("ann", reading.role)
    with kept.watching():
        kept.get("ann", reading.role)
    kept.get("ann", reading.role)
    assert reading.count == 3


async def test_only_so_much_is_kept() -> None:
    world, reading = a_world(), Counted()
    kept = KeptRecords(world.state)
    limit = kept_records.KEPT_MAX
    with kept.watching():
        for number in range(limit + 2):
            kept.get(number, reading.role)
        assert reading.count == limit + 2
        kept.get(limit + 1, reading.role)
        assert reading.count == limit + 2


async def test_a_login_that_was_accepted_before_is_refused_with_the_next_request_after_its_end() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        assert (await client.get("/api/v1/nodes", headers=headers)).status == 200
        with world.state.read() as txn:
            (session,) = records.LOGINS.scan(txn)
        world.state.must(EndLogin(login_id=LoginId(session.id)))
        assert (await client.get("/api/v1/nodes", headers=headers)).status == 401


async def test_a_role_that_was_taken_allows_nothing_in_the_next_request() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        body = {"draining": True}
        assert (await client.post("/api/v1/nodes/h2/drain", json=body, headers=headers)).status == 200
        world.state.must(SetRole(principal_id=PrincipalId("us_ann"), role=Role.VIEWER))
        assert (await client.post("/api/v1/nodes/h2/drain", json=body, headers=headers)).status == 401
