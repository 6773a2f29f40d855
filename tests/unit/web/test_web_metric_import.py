"""History from elsewhere is recorded on the way every sample takes, in order of time and each once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cluster.metrics.block import decode_block
from cluster.model.access import Role
from cluster.model.metrics import SubjectKind
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.web_fakes import NOW_MS, WebWorld, a_web_world, log_in, serving

START_MS = NOW_MS - NOW_MS % 60_000 - 3_600_000


class Api(ApiCaller):
    async def bring(self, *series: dict[str, Any], **fields: Any) -> tuple[int, Any]:
        body = {"name": "old", "start_ms": START_MS, "step_ms": 60_000, "series": list(series), **fields}
        return await self.ask("POST", "/metrics/import", json=body)


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "ann"))


def a_series(name: str = "up", **fields: Any) -> dict[str, Any]:
    return {"name": name, "labels": {"job": "node"}, "values": [1.0, None, 0.25], **fields}


async def test_series_become_subjects_with_their_labels_and_values() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        answer = await api.bring(a_series(), a_series("load", labels={"job": "node", "empty": ""}))
        assert answer == (200, {"samples": 4, "is_known": False})
    with world.state.read() as txn:
        (batch,) = records.METRIC_BATCHES.scan(txn)
        subjects = records.METRIC_SUBJECTS.scan(txn)
    assert batch.source == "import.old"
    assert [each.definition.name for each in subjects] == ["up", "load"]
    assert {each.definition.kind for each in subjects} == {SubjectKind.EXTERNAL}
    assert subjects[1].definition.labels == (("job", "node"),)
    block = decode_block(batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks)
    assert block.values.tolist() == [[1000, 0, 250]] * 2
    assert block.present.tolist() == [[True, False, True]] * 2


async def test_a_piece_that_is_there_is_not_recorded_again_and_the_next_one_is() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.bring(a_series())
        assert await api.bring(a_series()) == (200, {"samples": 0, "is_known": True})
        status, answer = await api.bring(a_series(), start_ms=START_MS + 180_000)
        assert (status, answer["samples"]) == (200, 2)
        assert await api.bring(a_series(values=[None]), start_ms=START_MS + 600_000) == (
            200,
            {"samples": 0, "is_known": False},
        )
    with world.state.read() as txn:
        assert len(records.METRIC_SUBJECTS.scan(txn)) == 1


async def test_what_cannot_be_recorded_is_named() -> None:
    world = a_web_world()
    wrong: tuple[tuple[tuple[dict[str, Any], ...], dict[str, Any], str], ...] = (
        ((a_series(),), {"name": "Old Data"}, "name"),
        ((a_series(),), {"step_ms": 15_000}, "step_ms"),
        ((a_series(),), {"start_ms": START_MS + 1}, "start_ms"),
        ((a_series(), a_series()), {}, "series"),
        ((a_series(), a_series("load", values=[1.0])), {}, "series"),
        ((a_series(values=[1e300]),), {}, "series"),
        ((), {}, "series"),
        (tuple(a_series(f"m{number}", values=[1.0] * 360) for number in range(60)), {}, "series"),
    )
    async with logged_in(world) as api:
        for series, fields, field in wrong:
            status, problem = await api.bring(*series, **fields)
            assert status == 422, (fields, problem)
            assert problem["errors"][0]["field"].startswith(field), (fields, problem)
        status, problem = await api.bring(a_series(), start_ms=START_MS + 7_200_000)
        assert (status, "set the host's clock" in problem["detail"]) == (422, True)


async def test_the_largest_piece_fits_also_where_no_value_is_like_another() -> None:
    world = a_web_world()
    noise = [((number * 7_919) % 1_000_003) * 1e9 + number for number in range(180)]
    series = [
        a_series(f"m{number}", labels={f"label_{index}": "x" * 40 for index in range(16)}, values=noise[::-1])
        for number in range(100)
    ]
    async with logged_in(world) as api:
        status, answer = await api.bring(*series, start_ms=START_MS - 180 * 60_000)
    assert (status, answer.get("samples")) == (200, 18_000), answer


async def test_only_administrators_bring_history() -> None:
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        assert (await api.bring(a_series()))[0] == 403
