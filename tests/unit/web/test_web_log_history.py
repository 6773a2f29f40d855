"""Searching, counting, downloading and following what containers of all hosts wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.logs.events import event_text
from cluster.model.access import Role
from cluster.model.log_history import FollowedLines, LineStream, LogLevel, LogSource
from tests.support.api_caller import ApiCaller
from tests.support.identity_builders import NOW_MS
from tests.support.memory_logs import MemoryLogs
from tests.support.permission_kit import SHOP, a_scoped_account
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving

NOW_US = NOW_MS * 1000
WEB = LogSource(
    container_id="aa" * 32, name="web-1", image="web:1", project="shop", service="web", is_own_word=True
)
DB = LogSource(
    container_id="bb" * 32, name="db-1", image="db:1", project="payroll", service="db", is_own_word=True
)
GONE = LogSource(
    container_id="cc" * 32, name="job-1", image="job:1", project="shop", service="job", is_own_word=True
)


def a_world() -> tuple[WebWorld, MemoryLogs]:
    world = a_web_world()
    logs = world.logs = MemoryLogs(now_us=NOW_US)
    put_containers(world, "nd_1", a_container("web-1", id=WEB.container_id, project="shop", service="web"))
    put_containers(world, "nd_2", a_container("db-1", id=DB.container_id, project="payroll", service="db"))
    logs.keep(
        "nd_1", WEB, (NOW_US - 50, "w0"), (NOW_US - 30, "w1 payment declined"), level=int(LogLevel.INFO)
    )
    logs.keep("nd_1", WEB, (NOW_US - 10, "w2 declined"), level=int(LogLevel.ERROR))
    logs.keep("nd_2", DB, (NOW_US - 40, "d0"), (NOW_US - 20, "d1"))
    logs.keep("nd_2", GONE, (NOW_US - 25, "j0"))
    died = event_text("die", exit_code=3)
    logs.keep("nd_2", GONE, (NOW_US - 24, died), stream=int(LineStream.EVENT), level=int(LogLevel.ERROR))
    return world, logs


@asynccontextmanager
async def asking(world: WebWorld, role: Role = Role.VIEWER) -> AsyncIterator[ApiCaller]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield ApiCaller(client, await log_in(client, "ann"))


async def found(api: ApiCaller, **query: Any) -> list[str]:
    status, page = await api.ask("GET", "/logs", params={name: str(value) for name, value in query.items()})
    assert status == 200, page
    return [line["text"] for line in page["lines"]]


async def test_lines_of_all_hosts_are_one_list_by_time() -> None:
    world, _ = a_world()
    async with asking(world) as api:
        newest = await found(api)
        assert newest == [
            "w2 declined",
            "d1",
            "ended with exit code 3",
            "j0",
            "w1 payment declined",
            "d0",
            "w0",
        ]
        assert await found(api, order="oldest") == newest[::-1]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ({"containers": "web-1"}, ["w0", "w1 payment declined", "w2 declined"]),
        (
            {"containers": "aaaaaa,job-1", "streams": "stdout"},
            ["w0", "w1 payment declined", "j0", "w2 declined"],
        ),
        ({"services": "payroll.db"}, ["d0", "d1"]),
        ({"projects": "shop", "hosts": "h2", "streams": "stdout"}, ["j0"]),
        ({"level": "error"}, ["ended with exit code 3", "w2 declined"]),
        ({"levels": "info"}, ["w0", "w1 payment declined"]),
        ({"q": "DECLINED"}, ["w1 payment declined", "w2 declined"]),
        ({"q": "DECLINED", "case": "true"}, []),
        ({"q": r"^w\d declined$", "regex": "true"}, ["w2 declined"]),
        ({"since_us": NOW_US - 24, "until_us": NOW_US - 10}, ["ended with exit code 3", "d1"]),
    ],
)
async def test_lines_are_chosen_by_who_when_how_grave_and_what(
    query: dict[str, Any], texts: list[str]
) -> None:
    world, _ = a_world()
    async with asking(world) as api:
        assert await found(api, order="oldest", **query) == texts


async def test_pages_go_on_behind_each_other() -> None:
    world, _ = a_world()
    async with asking(world) as api:
        texts: list[str] = []
        cursor = None
        for _ in range(4):
            query = {"limit": "2", "order": "oldest", **({} if cursor is None else {"cursor": cursor})}
            _, page = await api.ask("GET", "/logs", params=query)
            texts += [line["text"] for line in page["lines"]]
            cursor = page["next_cursor"]
        assert cursor is None
        assert texts == await found(api, order="oldest")


async def test_what_happened_to_a_container_is_told_in_words_and_facts() -> None:
    world, _ = a_world()
    async with asking(world) as api:
        _, page = await api.ask("GET", "/logs", params={"streams": "event"})
    (line,) = page["lines"]
    assert (line["event"], line["level"]) == ({"event": "die", "exit_code": 3}, "error")
    source = page["sources"][line["source"]]
    assert (source["name"], source["node_name"], source["is_present"]) == ("job-1", "h2", False)


async def test_a_host_that_does_not_answer_and_a_clock_that_differs_are_named() -> None:
    world, logs = a_world()
    logs.silent["nd_3"] = "nd_3 cannot be reached: it took too long"
    logs.skew_us["nd_2"] = 3_200_000
    async with asking(world) as api:
        _, page = await api.ask("GET", "/logs")
    assert [(each["node_name"], each["reason"]) for each in page["problems"]] == [
        ("h3", "h3 cannot be reached: it took too long")
    ]
    assert page["notes"] == ["the clock of h2 is 3.2 s ahead: its lines are out of order by that much"]


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"q": "(", "regex": "true"}, "q", "not a regular expression"),
        ({"levels": "loud"}, "levels", "any of unknown, trace"),
        ({"since": "yesterday"}, "since", "a span such as"),
        ({"cursor": "x"}, "cursor", "not a cursor"),
        ({"limit": "0"}, "limit", ""),
        ({"context": "51"}, "context", ""),
    ],
)
async def test_what_cannot_be_asked_names_the_field_and_the_rule(
    query: dict[str, str], field: str, said: str
) -> None:
    world, _ = a_world()
    async with asking(world) as api:
        status, problem = await api.ask("GET", "/logs", params=query)
    assert status == 422
    assert problem["errors"][0]["field"] == field
    assert said in problem["errors"][0]["rule"]


async def test_lines_are_counted_over_all_hosts() -> None:
    world, _ = a_world()
    async with asking(world) as api:
        status, told = await api.ask("GET", "/logs/histogram", params={"since": "1m", "steps": "10"})
    assert status == 200
    assert len(told["counts"]) == 10
    by_level = dict(zip(told["levels"], map(sum, zip(*told["counts"], strict=True)), strict=True))
    assert {level: count for level, count in by_level.items() if count} == {
        "unknown": 3,
        "info": 2,
        "error": 2,
    }


async def test_all_that_fits_is_downloaded_in_order() -> None:
    world, _ = a_world()
    async with asking(world) as api:
        text = await api.client.get("/api/v1/logs/download", headers=api.headers, params={"projects": "shop"})
        body = await text.text()
        ndjson = await api.client.get(
            "/api/v1/logs/download", headers=api.headers, params={"q": "declined", "format": "ndjson"}
        )
        records = [json.loads(line) for line in (await ndjson.text()).splitlines()]
    assert text.headers["Content-Disposition"] == 'attachment; filename="logs.txt"'
    assert [line.split(" ", 2)[1:] for line in body.splitlines()] == [
        ["h1/web-1", "w0"],
        ["h1/web-1", "w1 payment declined"],
        ["h2/job-1", "j0"],
        ["h2/job-1", "-- ended with exit code 3"],
        ["h1/web-1", "w2 declined"],
    ]
    assert [(each["container"], each["level"], each["text"]) for each in records] == [
        ("web-1", "info", "w1 payment declined"),
        ("web-1", "error", "w2 declined"),
    ]


async def test_following_gives_what_was_missed_and_then_what_comes() -> None:
    world, logs = a_world()
    async with asking(world) as api:
        response = await api.client.get(
            "/api/v1/logs/follow",
            headers=api.headers,
            params={"projects": "shop", "after_us": str(NOW_US - 25), "levels": "error,unknown"},
        )

        async def message() -> dict[str, Any]:
            async with asyncio.timeout(5):
                return dict(json.loads(await response.content.readline()))

        head = await message()
        names = [source["name"] for source in head["sources"]]
        missed = [line["text"] for _ in range(2) for line in (await message())["lines"]]
        new = logs.lines["nd_1"][-1]
        logs.coming.put_nowait(FollowedLines(lines=(new,), missed=7))
        last = await message()
        response.close()
    assert names == ["web-1", "job-1"]
    assert sorted(missed) == ["ended with exit code 3", "j0", "w2 declined"]
    assert ([line["text"] for line in last["lines"]], last["missed"]) == (["w2 declined"], 7)


async def test_an_account_of_one_project_finds_nothing_of_others_also_of_what_is_gone() -> None:
    world, logs = a_world()
    hidden = LogSource(container_id="dd" * 32, name="claims", image="x", project="shop", service="web")
    logs.keep("nd_2", hidden, (NOW_US - 5, "claimed by an image"))
    a_scoped_account(world, "viewer", SHOP)
    async with serving(world) as client:
        api = ApiCaller(client, await log_in(client, "ann"))
        assert "d0" not in await found(api)
        assert await found(api, order="oldest", streams="stdout") == [
            "w0",
            "w1 payment declined",
            "j0",
            "w2 declined",
        ]
        _, told = await api.ask("GET", "/logs/sources")
        assert {source["name"] for source in told["sources"]} == {"web-1", "job-1"}
        status, _ = await api.ask("GET", "/logs", params={"containers": "db-1"})
        assert status == 404
        _, counted = await api.ask("GET", "/logs/histogram", params={"since": "1m"})
        assert sum(map(sum, counted["counts"])) == 5
    asked = {each for query in logs.searched for each in query.container_ids}
    assert asked == {WEB.container_id, GONE.container_id}


async def test_a_container_that_is_gone_still_has_its_log() -> None:
    world, _ = a_world()
    async with asking(world) as api:
        response = await api.client.get("/api/v1/logs/job-1", headers=api.headers)
        lines = [json.loads(line)["text"] for line in (await response.text()).splitlines()]
        absent = await api.client.get("/api/v1/logs/nobody", headers=api.headers)
        problem = await absent.json()
    assert lines == ["j0"]
    assert (absent.status, problem["detail"]) == (404, "there is no container 'nobody'")
