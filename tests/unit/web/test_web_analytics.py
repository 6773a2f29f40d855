"""What the metric history means, over REST, as tools, in two languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from cluster.analytics.series import Values
from cluster.metrics.query import Statistic
from cluster.model.access import Role
from cluster.model.metrics import SubjectKind
from tests.support.hourly_history import HourlyHistory
from tests.support.series_kit import days_of
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

GIB = 1024.0**3
GET_TREND = "/api/v1/analytics/trend"


def a_world(*, nodes: int = 3) -> tuple[WebWorld, HourlyHistory]:
    world = a_web_world(nodes=nodes)
    history = HourlyHistory(world.clock.now_ms())
    world.history = history
    return world, history


class Api:
    def __init__(self, client: Any, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def get(self, path: str, *, status: int = 200, headers: Any = None, **query: Any) -> Any:
        response = await self._client.get(
            f"/api/v1/analytics/{path}",
            params={name: str(value) for name, value in query.items()},
            headers={**self._headers, **(headers or {})},
        )
        answer = await response.json()
        assert response.status == status, answer
        return answer


@asynccontextmanager
async def a_viewer(world: WebWorld) -> AsyncIterator[Api]:
    world.add_user("vic", Role.VIEWER)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "vic"))


def leaking(days: int = 21, per_day: float = 0.02) -> Values:
    return np.asarray(GIB * (1 + per_day * days_of(days)))


def constant(value: float, days: int = 21) -> Values:
    return np.full(days * 24, value)


async def test_a_leak_is_told_with_its_rate_its_levels_and_the_day_it_is_used_up() -> None:
    world, history = a_world()
    history.add(
        SubjectKind.CONTAINER,
        "MongoDB",
        memory_bytes=leaking(),
        memory_limit_bytes=constant(2 * GIB),
        labels=(("service", "shop.db"),),
    )
    async with a_viewer(world) as api:
        answer = await api.get("trend", subject="MongoDB", metric="memory")
    assert answer["verdict"] == "increasing"
    assert answer["subject"] == {
        "name": "MongoDB", "kind": "container", "node_id": "nd_1", "service": "shop.db", "numbers": [1]
    }  # fmt: skip
    assert answer["metric"] == "memory_bytes"
    assert answer["percent_per_day"] == pytest.approx(1.48, abs=0.1)
    assert answer["confidence"] >= 0.99
    assert answer["next_week"]["expected"] == pytest.approx(GIB * 1.56, rel=0.02)
    assert answer["next_month"]["low"] <= answer["next_month"]["expected"] <= answer["next_month"]["high"]
    exhaustion = answer["exhaustion"]
    assert (exhaustion["outlook"], exhaustion["limit"], exhaustion["at_percent"]) == ("filling", 2 * GIB, 90)
    # 1.8 GiB are reached when 0.8 of the first gibibyte were added: 40 days after the beginning.
    assert exhaustion["days"] == pytest.approx(19, abs=0.3)
    assert exhaustion["soonest_days"] == exhaustion["latest_days"] == exhaustion["days"]
    assert "MongoDB reaches 90 % RAM in ~19 days" in answer["said"]
    assert answer["notes"] == []


async def test_a_container_that_took_over_a_name_carries_its_series_on() -> None:
    world, history = a_world()
    old, new = leaking()[:-100], leaking()
    old = np.concatenate([old, np.full(100, np.nan)])
    history.add(SubjectKind.CONTAINER, "db", key="a" * 64, memory_bytes=old)
    new[:-100] = np.nan
    history.add(SubjectKind.CONTAINER, "db", key="b" * 64, memory_bytes=new)
    async with a_viewer(world) as api:
        answer = await api.get("trend", subject="db")
    assert answer["verdict"] == "increasing"
    assert answer["days_known"] == 21
    assert answer["subject"]["numbers"] == [1, 2]


async def test_a_service_is_the_sum_of_its_replicas() -> None:
    world, history = a_world()
    for number in (1, 2):
        history.add(
            SubjectKind.CONTAINER,
            f"shop-web-{number}",
            node_id=f"nd_{number}",
            memory_bytes=constant(GIB),
            throttled_percent=constant(10.0 * number),
            labels=(("service", "shop.web"),),
        )
    async with a_viewer(world) as api:
        by_id = await api.get("trend", subject="shop.web")
        by_name = await api.get("trend", subject="web")
        worst = await api.get("trend", subject="shop.web", metric="throttled_percent")
    assert by_id["level"] == by_name["level"] == pytest.approx(2 * GIB, rel=1e-4)
    assert by_id["subject"]["name"] == "shop.web"
    assert by_id["subject"]["node_id"] == ""
    assert worst["level"] == 20.0
    assert by_id["exhaustion"]["outlook"] == "no-limit"


async def test_a_host_a_file_system_and_a_route_have_metrics_of_their_own() -> None:
    world, history = a_world()
    history.add(
        SubjectKind.HOST,
        "h1",
        memory_bytes=constant(GIB),
        cpu_percent=constant(20),
        memory_limit_bytes=constant(4 * GIB),
    )
    history.add(
        SubjectKind.DISK,
        "/var",
        disk_used_bytes=leaking(per_day=0.01),
        disk_size_bytes=constant(1.31 * GIB),
    )
    history.add(SubjectKind.ROUTE, "shop.web@3", requests=constant(12), labels=(("service", "shop.web"),))
    async with a_viewer(world) as api:
        host = await api.get("trend", subject="h1")
        cpu = await api.get("trend", subject="nd_1", metric="cpu")
        disk = await api.get("trend", subject="h1:/var")
        route = await api.get("trend", subject="shop.web", metric="requests")
    assert (host["subject"]["kind"], host["metric"]) == ("host", "memory_bytes")
    assert cpu["exhaustion"]["limit"] == 100
    assert (disk["metric"], disk["subject"]["name"]) == ("disk_used_bytes", "h1:/var")
    assert disk["exhaustion"]["days"] == pytest.approx(10, abs=0.2)
    assert (route["unit"], history.statistics["requests"]) == ("count/s", Statistic.PER_S)


async def test_sentences_are_in_the_language_that_is_asked_for() -> None:
    world, history = a_world()
    history.add(SubjectKind.HOST, "h1", memory_bytes=constant(GIB))
    async with a_viewer(world) as api:
        accepted = await api.get("trend", subject="h1", headers={"Accept-Language": "it-IT, en;q=0.5"})
        asked = await api.get("trend", subject="h1", language="en", headers={"Accept-Language": "it"})
        await api.get("trend", subject="h1", language="de", status=422)
    assert accepted["said"][0] == "La memoria di h1: stabile a 1 GiB"
    assert asked["said"][0] == "h1 memory is stable at 1 GiB"


@pytest.mark.parametrize(
    ("values", "days_known", "said"),
    [
        ([], 0, "nothing was measured"),
        ([5.0], 1, "1 of 7 whole days"),
        ([float("nan")] * 300, 0, "nothing was measured"),
        ([1e300] * 300, 0, "nothing was measured"),
    ],
)
async def test_what_cannot_be_concluded_is_said(values: list[float], days_known: int, said: str) -> None:
    world, history = a_world()
    history.add(SubjectKind.HOST, "h1", memory_bytes=values)
    async with a_viewer(world) as api:
        answer = await api.get("trend", subject="h1")
    assert (answer["verdict"], answer["days_known"]) == ("insufficient-data", days_known)
    assert said in answer["said"][0]
    assert answer["level"] is None
    assert answer["next_week"] is None


async def test_what_the_history_cannot_show_and_what_was_no_measurement_are_noted() -> None:
    world, history = a_world()
    history.notes = ("only 21 days are kept",)
    history.add(SubjectKind.HOST, "h1", memory_bytes=np.concatenate([constant(GIB), [1e300]]))
    async with a_viewer(world) as api:
        answer = await api.get("trend", subject="h1")
    assert answer["notes"][0] == "only 21 days are kept"
    assert "1 values were left out" in answer["notes"][1]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"subject": "nobody"}, 404, "nobody"),
        ({"subject": "h1", "metric": "happiness"}, 422, "no such metric"),
        ({"subject": "h1", "metric": "cpu,memory"}, 422, "one metric at a time"),
        ({"subject": "h1", "metric": "requests"}, 404, "request rate of 'h1' was never measured"),
        ({"subject": "h2:/data", "metric": "cpu"}, 422, "has no cpu_percent"),
        ({"subject": "/data"}, 409, "2 things"),
        ({"subject": ""}, 422, "subject"),
        ({"subject": "h1", "at_percent": 0}, 422, "at_percent"),
    ],
)
async def test_what_cannot_be_found_is_named_with_what_there_is(
    query: dict[str, Any], status: int, words: str
) -> None:
    world, history = a_world()
    history.add(SubjectKind.HOST, "h1", memory_bytes=constant(GIB))
    history.add(SubjectKind.DISK, "/data", disk_used_bytes=constant(GIB))
    history.add(SubjectKind.DISK, "/data", node_id="nd_2", disk_used_bytes=constant(GIB))
    async with a_viewer(world) as api:
        problem = await api.get("trend", status=status, **query)
    assert words in problem["detail"]
    if status == 409:
        assert problem["hint"] == "name one: h1:/data, h2:/data"
