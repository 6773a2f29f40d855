"""What tools answer: without secrets, not too long, and what others wrote marked as such."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.model.access import Role
from cluster.model.inventory import ContainerAction, HostLive, LiveSeries
from cluster.model.log_history import LogLevel, LogSource
from tests.support.identity_builders import some_bytes
from tests.support.memory_logs import MemoryLogs
from tests.support.web_fakes import WebWorld, a_container, a_web_world, put_containers
from tests.unit.web.test_web_tools import a_call, a_context
from web.auth.problems import Problem
from web.tools.answer_size import CHARACTERS_MAX, as_text, bounded, bounded_text
from web.tools.catalog import REGISTRY
from web.tools.registry import ToolResult
from web.tools.withheld import withhold, withhold_all

PEM = "-----BEGIN RSA PRIVATE KEY-----"


async def called(world: WebWorld, tool: str, role: Role = Role.VIEWER, **arguments: Any) -> ToolResult:
    return await REGISTRY.call(a_context(world), a_call(world, role), tool, arguments)


# ---- secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /x Authorization: Bearer abc.def-ghi012345678", "GET /x Authorization: Bearer [redacted]"),
        ('{"authorization": "Basic dXNlcjpwYXNzd29yZA=="}', '{"authorization": "Basic [redacted]"}'),
        ("key AKIAIOSFODNN7EXAMPLE used", "key AKIA[redacted] used"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_[redacted]"),
        ("postgres://app:hunter2@db/shop", "postgres://app:[redacted]@db/shop"),
        ("DB_PASSWORD=hunter22 started", "DB_PASSWORD=[redacted] started"),
        ('{"api_key":"0123456789"}', '{"api_key":"[redacted]"}'),
        (f"{PEM}MIIEow+/=-----END RSA PRIVATE KEY-----", f"{PEM}[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMiJ9.abcdefghijklmnop_-1", "eyJhbGciOiJIUzI1NiJ9.[redacted]"),
        ("xoxb-123456789012-abcdef", "xoxb-[redacted]"),
        ("sk-ant-" + "a1" * 12, "sk-ant-[redacted]"),
    ],
)  # fmt: skip
def test_secrets_that_can_be_told_by_their_form_are_withheld(text: str, shown: str) -> None:
    assert withhold(text) == shown
    assert withhold(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "secret:shop.db_password",
        "the bearer of this configuration-file is shop.web",
        "basic understanding-of-things",
        "task-sk-something-else-that-is-long-enough",
        "https://registry.example/shop@sha256:0123",
        "password is needed to log in",
        "2026-12-01T00:00:00Z h1/web stdout: GET /ok 200",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert withhold(text) == text


def test_secrets_are_withheld_deep_inside_a_result() -> None:
    shown = withhold_all({"a": [{"b": "token ghp_abcdefghijklmnopqrstuvwxyz"}], "n": 1, "t": None})
    assert shown == {"a": [{"b": "token ghp_[redacted]"}], "n": 1, "t": None}


# ---- size


def test_a_long_list_loses_its_end_and_says_so() -> None:
    result = bounded({"items": [{"name": "x" * 100} for _ in range(1000)], "few": [1, 2]})
    assert len(as_text(result)) <= CHARACTERS_MAX
    assert len(result["items"]) > 100
    assert (result["truncated"], result["few"]) == (True, [1, 2])
    assert "narrow" in result["hint"]


def test_a_long_text_in_a_result_is_cut_when_no_list_is_left_to_cut() -> None:
    result = bounded({"found": "y" * 100_000, "next_cursor": "abc"})
    assert len(as_text(result)) <= CHARACTERS_MAX
    assert result["next_cursor"] == "abc"
    assert "limit" in result["hint"]


def test_what_fits_is_left_as_it_is() -> None:
    assert bounded({"a": 1}) == {"a": 1}
    assert bounded_text("short") == "short"


def test_a_long_text_is_cut_at_a_line() -> None:
    text = bounded_text("\n".join(f"line {number}" for number in range(10_000)))
    assert len(text) <= CHARACTERS_MAX
    assert text.splitlines()[-2].startswith("line ")
    assert "characters more" in text.splitlines()[-1]


# ---- containers


async def test_one_container_is_told_with_names_units_and_what_may_be_done_to_it() -> None:
    world = a_web_world()
    web = a_container("web", memory_bytes=512 * 2**20, labels={"note": "\x1b[31mred\u200b"})
    put_containers(world, "nd_1", web)
    shown = (await called(world, "get-container", Role.OPERATOR, container="web")).structured
    assert shown is not None
    assert (shown["node"], shown["memory_mib"], shown["labels"]) == ("h1", 512, {"note": "red"})
    assert shown["environment"] == ["SECRET"]
    assert shown["can"] == ["start-container", "stop-container", "restart-container"]
    of_viewer = (await called(world, "get-container", container="web")).structured
    assert of_viewer is not None
    assert not {"environment", "can"} & set(of_viewer)


@pytest.mark.parametrize("action", [ContainerAction.START, ContainerAction.STOP, ContainerAction.RESTART])
async def test_a_container_is_acted_on_by_who_may_and_says_what_to_call_next(action: ContainerAction) -> None:
    world = a_web_world()
    put_containers(world, "nd_1", a_container("web"))
    done = (await called(world, f"{action.value}-container", Role.OPERATOR, container="web")).structured
    assert done is not None
    assert (done["done"], done["node"]) == (action.value, "h1")
    assert "get-container" in done["next"]
    assert [acted[2] for acted in world.hosts.acted] == [action]
    with pytest.raises(Problem, match="operator"):
        await called(world, f"{action.value}-container", Role.VIEWER, container="web")
    assert len(world.hosts.acted) == 1


# ---- logs


def a_world_with_lines(*texts: str) -> WebWorld:
    world = a_web_world()
    logs = world.logs = MemoryLogs(now_us=world.clock.now_ms() * 1000)
    put_containers(world, "nd_1", a_container("web", project="shop", service="web"))
    source = LogSource(
        container_id=some_bytes(("container", "web"), 32).hex(), name="web", image="web:1", project="shop",
        service="web", is_own_word=True,
    )  # fmt: skip
    now_us = world.clock.now_ms() * 1000
    lines = tuple((now_us - 1000 + place, text) for place, text in enumerate(texts))
    logs.keep("nd_1", source, *lines, level=int(LogLevel.ERROR))
    return world


async def test_lines_of_all_hosts_are_searched_and_come_marked_and_without_secrets() -> None:
    world = a_world_with_lines("payment declined", "login with DB_PASSWORD=hunter22", "\x1b[2Jpayment ok")
    found = (await called(world, "search-logs", service="shop.web", text="payment")).structured
    assert found is not None
    assert found["count"] == 2
    newest, oldest = found["found"].splitlines()[2:4]
    assert newest.endswith("h1/web stdout error: payment ok")
    assert oldest.endswith("payment declined")
    everything = (await called(a_world_with_lines("DB_PASSWORD=hunter22"), "search-logs")).structured
    assert everything is not None
    assert "DB_PASSWORD=[redacted]" in everything["found"]


async def test_a_search_goes_on_behind_what_was_shown_also_where_it_was_cut_for_its_length() -> None:
    world = a_world_with_lines(*(f"{number:04d} {'z' * 1000}" for number in range(60)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(5):
        result = await called(world, "search-logs", limit=100, **cursor)
        assert result.structured is not None
        assert len(result.text) <= CHARACTERS_MAX
        assert "truncated" not in result.structured
        seen += [line.partition("error: ")[2][:4] for line in result.structured["found"].splitlines()[2:-1]]
        if "next_cursor" not in result.structured:
            break
        cursor = {"cursor": result.structured["next_cursor"]}
    assert seen == [f"{number:04d}" for number in reversed(range(60))]


async def test_a_pattern_that_is_none_is_named() -> None:
    with pytest.raises(Problem) as refused:
        await called(a_world_with_lines("x"), "search-logs", text="(", regex=True)
    assert refused.value.kind == "invalid"


# ---- numbers, images, audit


async def test_the_newest_numbers_come_by_host_with_the_busiest_containers() -> None:
    world = a_web_world(nodes=1)
    busy, calm = a_container("busy"), a_container("calm")
    put_containers(world, "nd_1", busy, calm)
    world.hosts.numbers["nd_1"] = HostLive(
        node_id="nd_1",  # type: ignore[arg-type]  # an id
        times_ms=(1_800_000_000_000,),
        series=(
            LiveSeries(subject="host", metric="cpu_percent", values=(12.345,)),
            LiveSeries(subject=busy.id, metric="cpu_percent", values=(80.0,)),
            LiveSeries(subject=calm.id, metric="cpu_percent", values=(1.0,)),
        ),
    )
    (host,) = (await called(world, "get-metrics", top=1)).structured["hosts"]  # type: ignore[index]
    assert host["numbers"] == {"cpu_percent": 12.35}
    assert [each["name"] for each in host["containers"]] == ["busy"]
    assert host["left_out"] == 1


async def test_the_audit_is_read_by_administrators_alone_and_what_strangers_sent_is_cleaned() -> None:
    world = a_web_world()
    with pytest.raises(Problem):
        await called(world, "get-audit-log", Role.OPERATOR)
    entries = (await called(world, "get-audit-log", Role.ADMIN, outcome="denied")).structured
    assert entries is not None
    assert [(each["actor"], each["action"]) for each in entries["entries"]] == [
        ("the-operator", "audit.read")
    ]


async def test_every_result_says_the_same_as_its_text_and_fits_its_schema() -> None:
    world = a_world_with_lines("x")
    for name, role in (
        ("list-containers", Role.VIEWER), ("get-metrics", Role.VIEWER), ("list-images", Role.VIEWER),
        ("search-logs", Role.VIEWER), ("get-system-health", Role.VIEWER), ("run-diagnosis", Role.VIEWER),
        ("get-audit-log", Role.ADMIN), ("get-cluster-status", Role.VIEWER),
    ):  # fmt: skip
        result = await called(world, name, role)
        assert result.structured == json.loads(result.text), name
        assert "null" not in result.text, name
