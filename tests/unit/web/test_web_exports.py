"""Exports of the metric history over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cluster.commands.exports import CommitExportProgress
from cluster.identity.stored_secrets import open_export_secret
from cluster.model.access import Role
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.deployments import lead
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

URL = "http://vm.example.com:8428/api/v1/write?key=shown-to-nobody"
SECRET = "a-password-nobody-may-see"


class Api(ApiCaller):
    async def put(self, **fields: Any) -> tuple[int, Any]:
        return await self.ask("PUT", "/exports/vm", json={"kind": "prometheus", "url": URL, **fields})


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "ann"))


async def test_an_export_is_kept_with_its_secret_sealed_and_shows_how_far_it_is() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, view = await api.put(auth="basic", username="tower", secret=SECRET, back_s=3600)
        assert (status, view["past_left_ms"], view["sent"]) == (200, 3_600_000, 0)
        assert view["url"] == "http://vm.example.com:8428/api/v1/write?key=…"
        with world.state.read() as txn:
            export = records.EXPORTS.get(txn, "vm")
            standing = records.EXPORT_STANDINGS.get(txn, "vm")
        assert export is not None
        assert export.secret is not None
        assert standing is not None
        opened = open_export_secret(
            export.secret.sealed, world.cluster.keyring(), export_id="vm", url=export.url
        )
        assert opened == SECRET.encode()
        lead(world)
        world.state.must(
            CommitExportProgress(
                export_id="vm",
                from_index=standing.index,
                from_past_ms=standing.past_from_ms,
                index=standing.index,
                past_from_ms=0,
                past_until_ms=0,
                failure="connect: refused",
            )
        )
        _, page = await api.ask("GET", "/exports")
        (view,) = page["items"]
        assert (view["failures_in_a_row"], view["detail"]) == (1, "connect: refused")
        assert view["next_ms"] > view["failing_since_ms"]
        _, view = await api.put(auth="basic", username="tower")
        assert view["next_ms"] is None, "what was changed is tried at once"
        assert (await api.ask("DELETE", "/exports/vm"))[0] == 204
        assert (await api.ask("GET", "/exports/vm"))[0] == 404
    assert not any(SECRET in repr(entry) for entry in world.state.audit())


async def test_what_is_wrong_is_named_and_a_secret_goes_nowhere_else() -> None:
    world = a_web_world()
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"kind": "graphite"}, "kind"),
        ({"url": "vm.example.com"}, "url"),
        ({"auth": "bearer"}, "secret"),
        ({"auth": "basic", "secret": SECRET}, "username"),
        ({"secret": SECRET}, "secret"),
        ({"auth": "token", "secret": "a\nb"}, "secret"),
        ({"auth": "bearer", "secret": "two words"}, "secret"),
        ({"back_s": -1}, "back_s"),
    )
    async with logged_in(world) as api:
        for fields, field in wrong:
            status, problem = await api.put(**fields)
            assert status == 422, fields
            assert problem["errors"][0]["field"].startswith(field), (fields, problem)
            assert SECRET not in json.dumps(problem)
        await api.put(auth="bearer", secret=SECRET)
        status, problem = await api.put(auth="bearer", url="http://evil.example.com/write")
        assert (status, problem["errors"][0]["field"]) == (422, "secret")


async def test_only_administrators_say_where_the_history_goes() -> None:
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        assert (await api.put())[0] == 403
        assert (await api.ask("GET", "/exports"))[0] == 200
