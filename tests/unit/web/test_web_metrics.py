"""The metric history over REST and as a tool: names people use, words when nothing is called so, settings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.history.errors import HistoryError
from cluster.metrics.query import RangeAnswer, RangeQuery
from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from cluster.model.metrics import BY_NAME, SubjectDefinition, SubjectKind
from tests.support.history_loader import DAY_MS, Generated, a_history, a_subject, load
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth.call import Call, Credential, Identity
from web.ports import NoMetricHistory
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.measured import ALIASES, find_metrics

STEP_MS = 60_000
WEB_ID, OLD_ID, DB_ID = "a1" * 32, "b2" * 32, "d4" * 32


class Api:
    """A logged-in program."""

    def __init__(self, client: TestClient[web.Request, web.Application], headers: dict[str, str]) -> None:
        self.client = client
        self._headers = headers

    async def ask(self, path: str, **query: object) -> tuple[int, Any]:
        address = f"{path}?{urlencode(query)}" if query else path
        response = await self.client.get(address, headers=self._headers)
        return response.status, json.loads(await response.text())

    async def history(self, **query: object) -> Any:
        status, answer = await self.ask("/api/v1/metrics/history", **query)
        assert status == 200, answer
        return answer

    async def put(self, path: str, body: object) -> tuple[int, Any]:
        response = await self.client.put(path, headers=self._headers, json=body)
        return response.status, json.loads(await response.text())


def shop(node: str, name: str, key: str, level: float, **labels: str) -> list[Generated]:
    """A container of the shop that takes so much of a processor, for two days."""
    subject = a_subject(SubjectKind.CONTAINER, node, name, key=key, project="shop", **labels)
    minutes = 2 * DAY_MS // STEP_MS
    return [
        Generated(subject=subject, metric="cpu_percent", values=np.full(minutes, level)),
        Generated(subject=subject, metric="memory_bytes", values=np.full(minutes, level * 1024)),
    ]


def everything() -> list[Generated]:
    minutes = 2 * DAY_MS // STEP_MS
    host = a_subject(SubjectKind.HOST, "nd_1", "h1")
    disk = a_subject(SubjectKind.DISK, "nd_1", "/var/lib")
    return [
        *shop("nd_1", "shop-web-1", WEB_ID, 10, service="shop.web"),
        *shop("nd_2", "shop-web-2", OLD_ID, 30, service="shop.web"),
        *shop("nd_2", "shop-db-1", DB_ID, 50, service="shop.db"),
        Generated(subject=host, metric="cpu_percent", values=np.linspace(0, 100, minutes)),
        Generated(subject=disk, metric="disk_used_bytes", values=np.full(minutes, 1e9)),
    ]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two hosts that were measured for two days."""
    directory = tmp_path_factory.mktemp("history")

    async def record() -> None:
        world = a_web_world()
        start_ms = world.clock.now_ms() // STEP_MS * STEP_MS - 2 * DAY_MS
        async with a_history(directory) as history:
            await load(everything(), state=world.state, history=history, start_ms=start_ms, step_ms=STEP_MS)

    asyncio.run(record())
    return directory


@asynccontextmanager
async def measured(directory: Path) -> AsyncIterator[tuple[Api, WebWorld]]:
    """Two hosts with that history, and somebody who asks."""
    world = a_web_world()
    async with a_history(directory) as history:
        world.history = history
        world.add_user("ann", Role.VIEWER)
        async with serving(world) as client:
            yield Api(client, await log_in(client, "ann")), world


def means(answer: Any) -> dict[str, float]:
    return {series["title"]: round(series["mean"]) for series in answer["series"]}


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("shop-web-1", {"shop-web-1 on h1": 10}),
        ("shop.web", {"shop-web-1 on h1": 10, "shop-web-2 on h2": 30}),
        ("web", {"shop-web-1 on h1": 10, "shop-web-2 on h2": 30}),
        ("shop", {"shop-web-1 on h1": 10, "shop-web-2 on h2": 30, "shop-db-1 on h2": 50}),
        (DB_ID[:12], {"shop-db-1 on h2": 50}),
        ("containers", {"shop-web-1 on h1": 10, "shop-web-2 on h2": 30, "shop-db-1 on h2": 50}),
        ("h1", {"h1": 75}),
        ("nd_1", {"h1": 75}),
    ],
)
async def test_series_are_found_by_what_people_call_them(
    recorded: Path, subject: str, found: dict[str, float]
) -> None:
    async with measured(recorded) as (api, _):
        assert means(await api.history(subject=subject, metric="cpu", since="24h")) == found


async def test_of_a_host_its_disks_are_meant_where_it_has_no_such_figure_itself(recorded: Path) -> None:
    async with measured(recorded) as (api, _):
        answer = await api.history(subject="h1", metric="disk", since="24h")
    assert means(answer) == {"/var/lib on h1": 10**9}


async def test_an_answer_has_no_more_points_than_were_asked_for(recorded: Path) -> None:
    async with measured(recorded) as (api, _):
        answer = await api.history(subject="h1", metric="cpu", since="36h", points=24)
        stepped = await api.history(subject="h1", metric="cpu", since="6h", step="30m")
    assert 12 <= len(answer["times_ms"]) <= 24
    assert all(len(series["values"]) == len(answer["times_ms"]) for series in answer["series"])
    assert stepped["step_ms"] == 30 * 60_000
    assert len(stepped["times_ms"]) in (12, 13)


async def test_series_are_grouped_as_their_figures_allow_and_the_top_ones_chosen(recorded: Path) -> None:
    async with measured(recorded) as (api, _):
        by_host = await api.history(subject="containers", metric="cpu", since="24h", by="host")
        mean = await api.history(
            subject="containers", metric="cpu", since="24h", by="service", aggregation="mean"
        )
        top = await api.history(subject="containers", metric="cpu", since="24h", top=1)
    assert (by_host["aggregation"], means(by_host)) == ("sum", {"h1": 10, "h2": 80})
    assert means(mean) == {"shop.web": 20, "shop.db": 50}
    assert (means(top), top["series_left_out"]) == ({"shop-db-1 on h2": 50}, 2)


async def test_both_addresses_answer_the_same(recorded: Path) -> None:
    query = {"subject": "h1", "metric": "cpu", "since": "1h"}
    async with measured(recorded) as (api, _):
        assert await api.ask("/api/metrics/history", **query) == await api.ask(
            "/api/v1/metrics/history", **query
        )


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"subject": "shop-wep-1"}, 404, "did you mean shop-web-1"),
        ({"metric": "memori"}, 422, "did you mean memory"),
        ({"metric": "cpu", "since": "yesterday"}, 422, "since: a span such as"),
        ({"metric": "cpu", "step": "soon"}, 422, "step: a span such as"),
        ({"metric": "cpu", "since": "2h", "until": "3h", "step": "1s"}, 422, "step"),
        ({"metric": "cpu", "by": "colour"}, 422, "by: nothing to group by"),
        ({"kind": "planet"}, 422, "kind: no such kind; there are host"),
        ({"subject": "h1", "node": "h9"}, 404, "there is no host 'h9'"),
        ({"subject": "h1", "node": "h2"}, 404, "nothing measured is called 'h1'"),
        ({"metric": "cpu", "node": "h2"}, 200, ""),
        ({"metric": "cpu", "quantile": "0.5"}, 422, "quantile"),
        ({"metric": "cpu", "since": "2h", "until": "2027-01-01T00:00:00Z"}, 200, ""),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_the_next_step(
    recorded: Path, query: dict[str, str], status: int, words: str
) -> None:
    async with measured(recorded) as (api, _):
        answered, problem = await api.ask("/api/v1/metrics/history", **query)
    assert answered == status, problem
    assert words in json.dumps(problem)


async def test_what_is_measured_is_listed_page_by_page(recorded: Path) -> None:
    async with measured(recorded) as (api, _):
        _, first = await api.ask("/api/v1/metrics/subjects", limit=3)
        _, rest = await api.ask("/api/v1/metrics/subjects", cursor=first["next_cursor"])
        _, web_only = await api.ask("/api/v1/metrics/subjects", q="shop.web", kind="container")
    names = [each["name"] for each in first["items"] + rest["items"]]
    assert sorted(names) == ["/var/lib", "h1", "shop-db-1", "shop-web-1", "shop-web-2"]
    assert [(each["name"], each["node"]) for each in web_only["items"]] == [
        ("shop-web-1", "h1"),
        ("shop-web-2", "h2"),
    ]


async def test_what_still_reports_is_listed_as_seen_when_it_was_measured_last(tmp_path: Path) -> None:
    there, gone = (a_subject(SubjectKind.CONTAINER, "nd_1", name, key=name * 32) for name in ("ab", "cd"))

    def series(*subjects: SubjectDefinition) -> list[Generated]:
        return [Generated(subject=each, metric="memory_bytes", values=np.full(30, 1.0)) for each in subjects]

    world = a_web_world()
    world.add_user("ann", Role.VIEWER)
    half_an_hour_ms = 30 * STEP_MS
    first_ms = world.clock.now_ms() // STEP_MS * STEP_MS
    async with a_history(tmp_path / "history") as history:
        world.history = history
        for subjects in ((there, gone), (there,)):
            await world.clock.advance(half_an_hour_ms / 1000)
            await load(
                series(*subjects), state=world.state, history=history, start_ms=first_ms, step_ms=STEP_MS
            )
            first_ms += half_an_hour_ms
        async with serving(world) as client:
            _, found = await Api(client, await log_in(client, "ann")).ask("/api/v1/metrics/subjects")
    seen_ms = {each["name"]: each["seen_at_ms"] for each in found["items"]}
    assert seen_ms["ab"] == first_ms - STEP_MS
    assert seen_ms["ab"] - seen_ms["cd"] >= 29 * STEP_MS


async def test_the_standing_says_since_when_and_how_much(recorded: Path) -> None:
    async with measured(recorded) as (api, world):
        _, standing = await api.ask("/api/v1/metrics/standing")
    assert standing["node"] == "h1"
    assert standing["subjects"] == 5
    assert 0 < standing["bytes_used"] < standing["bytes_max"]
    assert standing["oldest_ms"]["raw"] <= world.clock.now_ms() - DAY_MS
    assert standing["missing"] == []


async def test_the_tool_gives_few_points_in_few_words(recorded: Path) -> None:
    async with measured(recorded) as (api, _):
        context = api.client.app[CONTEXT]  # type: ignore[union-attr]  # the client of a server has its app
        ann = Identity(
            principal_id=PrincipalId("us_ann"),
            name="ann",
            role=Role.VIEWER,
            credential=Credential.API_TOKEN,
            epoch=0,
        )
        call = Call(identity=ann, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)
        result = await REGISTRY.call(
            context, call, "get-metrics-history", {"subject": "shop.web", "metric": "cpu"}
        )
    assert result.structured is not None
    lines = {each["of"]: each for each in result.structured["series"]}
    assert lines["container:h2/shop-web-2"]["max"] == 30
    assert len(lines["container:h2/shop-web-2"]["values"]) <= 24
    assert len(result.text) < 1500


class BrokenHistory(NoMetricHistory):
    """One that cannot be read."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        raise HistoryError("this host's metric history is being opened: try again in a moment")


async def test_a_history_that_cannot_be_read_is_no_defect_of_the_request() -> None:
    world = a_web_world()
    world.history = BrokenHistory()
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        api = Api(client, await log_in(client, "ann"))
        status, problem = await api.ask("/api/v1/metrics/history", metric="cpu")
    assert (status, problem["type"]) == (503, "urn:tower:problem:unavailable")


async def test_too_many_values_at_once_are_refused() -> None:
    world = a_web_world()
    world.history = EndlessHistory()
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        api = Api(client, await log_in(client, "ann"))
        status, problem = await api.ask("/api/v1/metrics/history", metric="cpu", points=5000)
    assert status == 422
    assert "fewer points" in problem["detail"]


class EndlessHistory(NoMetricHistory):
    """One that has more than anybody can read."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        answer = await super().query(query)
        return RangeAnswer(
            times_ms=np.arange(5000, dtype=np.int64),
            step_ms=answer.step_ms,
            resolution=answer.resolution,
            series=tuple(range(41)),  # type: ignore[arg-type]  # they are counted and not looked at
        )


# ---- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("metrics.retention.container.raw", "14", 200),
        ("metrics.retention.container.raw", None, 200),
        ("metrics.retention.container.raw", "0", 422),
        ("metrics.retention.container.raw", "a week", 422),
        ("metrics.retention.planet.raw", "14", 422),
        ("metrics.bytes_max", "1000", 422),
        ("metrics.bytes_max", str(4 * 1024**3), 200),
    ],
)
async def test_what_is_kept_is_a_setting_that_is_looked_at(key: str, value: str | None, status: int) -> None:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        api = Api(client, await log_in(client, "root"))
        answered, view = await api.put(f"/api/v1/settings/{key}", {"value": value})
        _, listed = await api.ask("/api/v1/settings")
    assert answered == status, view
    stored = {each["key"]: each["value"] for each in listed["items"]}.get(key)
    assert stored == (value if status == 200 else None)
    assert status == 200 or key.split(".")[0] in view["detail"]


def test_every_alias_of_a_metric_is_one() -> None:
    assert {alias: find_metrics(alias) for alias in ALIASES} == {
        alias: (name,) for alias, name in ALIASES.items() if name in BY_NAME
    }
