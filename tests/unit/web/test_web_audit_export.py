"""The audit by its filters, taken away, and checked."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from cluster.model.access import Role
from cluster.store import tables
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving


def a_world() -> WebWorld:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    world.add_user("bob", Role.OPERATOR)
    return world


async def test_entries_are_found_by_what_became_of_them_and_on_what() -> None:
    world = a_world()
    async with serving(world) as client:
        ann, bob = await log_in(client, "ann"), await log_in(client, "bob")
        for host in ("h1", "h2"):
            await client.post(f"/api/v1/nodes/{host}/drain", json={"draining": True}, headers=bob)
        await client.delete("/api/v1/nodes/h3", headers=bob)

        async def read(**query: str) -> list[tuple[str, str]]:
            response = await client.get("/api/v1/audit", params=query, headers=ann)
            assert response.status == 200, await response.text()
            return [(each["action"], each["resource"]) for each in (await response.json())["items"]]

        assert await read(outcome="denied") == [("node.remove", "node:h3")]
        assert await read(resource="nd_1") == [("node.drain", "node:nd_1")]
        now_ms = world.clock.now_ms()
        assert await read(since_ms=str(now_ms + 1)) == []
        assert len(await read(until_ms=str(now_ms + 1), action="node.")) == 3
        refused = await client.get("/api/v1/audit", params={"outcome": "maybe"}, headers=ann)
        assert refused.status == 422


async def test_an_export_has_every_entry_in_order_and_leaves_one_itself() -> None:
    world = a_world()
    async with serving(world) as client:
        ann = await log_in(client, "ann")
        response = await client.post("/api/v1/audit/export", json={}, headers=ann)
        assert response.status == 200
        assert "attachment" in response.headers["Content-Disposition"]
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [line["sequence"] for line in lines] == list(range(len(lines)))
    assert lines[-1]["action"] == "audit.export"


async def test_a_table_has_no_formulas_of_strangers() -> None:
    world = a_world()
    async with serving(world) as client:
        ann = await log_in(client, "ann")
        evil = {**ann, "User-Agent": "=HYPERLINK(1)"}
        await client.post("/api/v1/nodes/h1/drain", json={"draining": True}, headers=evil)
        response = await client.post("/api/v1/audit/export", json={"format": "csv"}, headers=ann)
        assert response.content_type == "text/csv"
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(await response.text())))
    agents = [row["user_agent"] for row in rows if row["action"] == "node.drain"]
    assert agents == ["'=HYPERLINK(1)"]


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER, Role.OPERATOR])
async def test_only_administrators_read_export_and_check_it(role: Role) -> None:
    world = a_web_world()
    world.add_user("eve", role)
    async with serving(world) as client:
        eve = await log_in(client, "eve")
        assert (await client.get("/api/v1/audit", headers=eve)).status == 403
        assert (await client.get("/api/v1/audit/verification", headers=eve)).status == 403
        assert (await client.post("/api/v1/audit/export", json={}, headers=eve)).status == 403
    assert [entry.stamp.action for entry in world.state.audit()[-3:]] == [
        "audit.read",
        "audit.read",
        "audit.export",
    ]


async def test_an_entry_that_was_changed_is_noticed() -> None:
    world = a_world()
    async with serving(world) as client:
        ann = await log_in(client, "ann")
        whole = await (await client.get("/api/v1/audit/verification", headers=ann)).json()
        assert whole["is_intact"], whole
        assert whole["size"] == len(world.state.audit())
        with world.state.store.read() as txn:
            key, data = txn.scan(tables.AUDIT, b"", limit=1, reverse=True)[0]
        changed = data.replace(b"us_ann", b"us_bob")
        assert changed != data
        world.state.store.write([(tables.AUDIT.prefix + key, changed)])
        told = await (await client.get("/api/v1/audit/verification", headers=ann)).json()
        assert not told["is_intact"]
