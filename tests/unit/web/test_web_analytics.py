"""What the metric history means, over REST, as tools, in two languages."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from cluster.analytics.series import Values
from cluster.commands.nodes import UpdateNodeFacts
from cluster.metrics.query import Statistic
from cluster.model.access import Role
from cluster.model.ids import NodeId
from cluster.model.metrics import SubjectKind
from cluster.model.node import NodeFacts
from tests.support.deployments import deployed
from tests.support.hourly_history import HourlyHistory
from tests.support.series_kit import daily_wave, days_of
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth.call import Call, Credential, Identity
from web.server import build_app
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT

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

    async def text(self, path: str, **query: str) -> str:
        response = await self._client.get(f"/api/v1/analytics/{path}", params=query, headers=self._headers)
        assert response.status == 200
        return str(await response.text())


class HtmlChecker(HTMLParser):
    """Counts tags, and knows those that are still open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


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
        ([5.0], 1, "1 of 7 days"),
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


# ---- what will be needed


async def test_the_next_day_the_week_the_month_and_what_to_reserve_are_told() -> None:
    world, history = a_world()
    rng = np.random.default_rng(1)
    history.add(
        SubjectKind.CONTAINER,
        "api",
        cpu_percent=daily_wave(rng, 21),
        memory_bytes=leaking() + 1e6 * rng.normal(size=21 * 24),
    )
    async with a_viewer(world) as api:
        answer = await api.get("forecast", subject="api")
    cpu, memory = answer["needs"]
    assert (cpu["metric"], memory["metric"]) == ("cpu_percent", "memory_bytes")
    path = cpu["path"]
    assert len(path["times_ms"]) == len(path["expected"]) == len(path["low"]) == len(path["high"]) == 24
    assert path["times_ms"][0] == history.end_ms
    assert max(path["expected"]) == pytest.approx(125, rel=0.08)
    assert min(path["expected"]) == pytest.approx(75, rel=0.08)
    assert [level["days_ahead"] for level in memory["typical"]] == [7, 30]
    assert memory["worst"][1]["expected"] >= memory["typical"][1]["expected"]
    assert memory["reserve"] >= memory["worst"][1]["expected"]
    assert any(said.startswith("Reserve ") for said in memory["said"])


async def test_a_share_is_never_expected_to_be_more_than_all_but_a_container_may_use_several_processors() -> (
    None
):
    world, history = a_world()
    rising = 60 + 1.5 * days_of(21)
    history.add(SubjectKind.HOST, "h1", cpu_percent=rising)
    history.add(SubjectKind.CONTAINER, "api", cpu_percent=rising)
    async with a_viewer(world) as api:
        host = await api.get("trend", subject="h1", metric="cpu")
        container = await api.get("trend", subject="api", metric="cpu")
        needs = await api.get("forecast", subject="h1", metric="cpu")
    assert host["next_month"]["expected"] == host["next_month"]["high"] == 100
    assert container["next_month"]["expected"] > 120
    assert needs["needs"][0]["reserve"] <= 100


@pytest.mark.parametrize(
    ("hours", "lacking", "path"), [(0, "samples", 0), (3, "a day of samples", 0), (30, "a week", 24)]
)
async def test_a_forecast_says_what_it_lacks(hours: int, lacking: str, path: int) -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "api", memory_bytes=[5.0] * hours)
    async with a_viewer(world) as api:
        answer = await api.get("forecast", subject="api", metric="memory")
    (need,) = answer["needs"]
    assert lacking in need["lacking"]
    assert len(need["path"]["expected"]) == path
    assert need["path"]["low"] == []
    assert need["reserve"] is None
    assert need["said"]


# ---- profiles and comparisons


async def test_a_throttled_service_is_told_what_holds_it_up_and_what_helps() -> None:
    world, history = a_world()
    history.add(
        SubjectKind.CONTAINER,
        "shop-web-1",
        labels=(("service", "shop.web"),),
        cpu_percent=constant(99),
        throttled_percent=np.concatenate([constant(0), np.full(24, 42.0)]),
    )
    slow = np.concatenate([constant(40), np.full(24, 400.0)])
    history.add(SubjectKind.ROUTE, "shop.web@1", labels=(("service", "shop.web"),), latency_p95_ms=slow)
    async with a_viewer(world) as api:
        english = await api.get("profile", subject="shop.web")
        italian = await api.get("profile", subject="shop.web", language="it")
    first = english["bottlenecks"][0]
    assert (first["kind"], first["impact"], first["symptom"]) == ("cpu", "high", "throttled")
    assert "42 % of the time" in first["description"]
    assert first["fix"] in english["recommendations"]
    assert "limite" in italian["bottlenecks"][0]["fix"]
    lines = {line["metric"]: line for line in english["metrics"]}
    assert lines["throttled_percent"]["difference"] == "higher"
    assert lines["latency_p95_ms"]["percent"] == 900


async def test_a_hosts_profile_holds_its_file_systems() -> None:
    world, history = a_world()
    history.add(SubjectKind.HOST, "h1", cpu_percent=constant(10))
    history.add(SubjectKind.DISK, "/", disk_used_bytes=constant(97.0), disk_size_bytes=constant(100.0))
    async with a_viewer(world) as api:
        answer = await api.get("profile", subject="h1", hours=6)
    (found,) = answer["bottlenecks"]
    assert (found["kind"], found["impact"]) == ("disk", "high")
    assert found["description"] == "A file system of h1:/ was 97 % full"


async def test_without_a_bottleneck_and_without_samples_that_is_said() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "calm", cpu_percent=constant(1))
    history.add(SubjectKind.CONTAINER, "gone", cpu_percent=[])
    async with a_viewer(world) as api:
        calm = await api.get("profile", subject="calm")
        gone = await api.get("profile", subject="gone")
    assert calm["said"] == ["Nothing held calm up in the last 24 hours"]
    assert gone["said"] == ["Nothing was measured of gone in the last 24 hours"]


async def test_a_day_beside_the_usual_ones() -> None:
    world, history = a_world()
    values = daily_wave(np.random.default_rng(2), 9)
    values[-24:] *= 1.4
    history.add(SubjectKind.HOST, "h1", cpu_percent=values / 4, memory_bytes=constant(GIB), load_1=[1.0])
    async with a_viewer(world) as api:
        answer = await api.get("baseline", subject="h1")
        one = await api.get("baseline", subject="h1", metric="memory", hours=3)
        await api.get("baseline", subject="h1", hours=999, status=422)
    first, second, *others = answer["metrics"]
    assert (first["metric"], first["difference"]) == ("cpu_percent", "higher")
    assert (second["metric"], second["difference"]) == ("memory_bytes", "same")
    assert {line["difference"] for line in others} == {"insufficient-data"}
    assert answer["said"] == [first["said"]]
    assert one["said"] == ["h1 memory was as usual: 1 GiB, usually 1 GiB"]


# ---- capacity


def a_fleet(*, memory: float = 8 * GIB) -> tuple[WebWorld, HourlyHistory]:
    """Three hosts of four processors, a service with one replica on each of the first two."""
    world, history = a_world()
    for number in (1, 2, 3):
        facts = NodeFacts(hostname=f"h{number}", cpu_count=4, memory_bytes=int(memory))
        world.state.must(UpdateNodeFacts(node_id=NodeId(f"nd_{number}"), facts=facts))
        history.add(
            SubjectKind.HOST,
            f"h{number}",
            node_id=f"nd_{number}",
            cpu_percent=constant(25),
            memory_bytes=constant(2 * GIB),
            memory_limit_bytes=constant(memory),
        )
    deployed(world, "nd_1", "nd_2")
    for number in (1, 2):
        history.add(
            SubjectKind.CONTAINER,
            f"shop-web-{number}",
            node_id=f"nd_{number}",
            cpu_percent=constant(50),
            memory_bytes=constant(GIB),
            labels=(("service", "shop.web"),),
        )
    return world, history


async def test_room_is_told_for_each_host_and_for_all() -> None:
    world, _ = a_fleet()
    async with a_viewer(world) as api:
        answer = await api.get("capacity")
    assert [host["name"] for host in answer["hosts"]] == ["h1", "h2", "h3"]
    first = answer["hosts"][0]
    assert first["size"] == {"cpu_cores": 4, "memory_bytes": pytest.approx(8 * GIB, rel=1e-3)}
    assert first["used"] == {"cpu_cores": 1, "memory_bytes": pytest.approx(2 * GIB, rel=1e-3)}
    assert first["used_percent"] == {"cpu_cores": 25, "memory_bytes": 25}
    assert answer["cluster"]["free"]["memory_bytes"] == pytest.approx(18 * GIB, rel=1e-3)
    assert answer["said"][0] == "the cluster has 18 GiB and 9 processors free, of 24 GiB and 12 processors"
    assert "The loss of any one host is survived: all replicas find room on the others" in answer["said"]
    assert answer["more"] is None
    assert answer["after"] == []


async def test_what_more_replicas_would_do_is_told_host_by_host() -> None:
    world, _ = a_fleet()
    async with a_viewer(world) as api:
        answer = await api.get("capacity", service="shop.web", replicas=2)
        await api.get("capacity", service="shop.web", status=422)
        await api.get("capacity", replicas=2, status=422)
        await api.get("capacity", service="nobody", replicas=1, status=404)
    assert answer["more"]["asked"] == 2
    assert answer["more"]["hosts"][0] == "h3"
    after = {host["name"]: host for host in answer["after"]}
    assert after["h3"]["used"]["memory_bytes"] >= 3 * GIB * 0.999
    assert answer["said"][0].startswith("There is room for 2 more of shop.web: h3")


async def test_what_the_loss_of_a_host_would_do_is_told() -> None:
    world, _ = a_fleet(memory=2.4 * GIB)
    async with a_viewer(world) as api:
        answer = await api.get("capacity", lost="h1")
        await api.get("capacity", lost="h9", status=404)
    (loss,) = answer["losses"]
    assert (loss["name"], loss["replicas"], loss["moving"]) == ("h1", 1, 1)
    # It goes to h3, which has 2 of its 2.4 GiB in use already.
    assert loss["tight"] == ["h3"]
    assert loss["is_survived"] is False
    assert answer["said"][0] == "Without h1, h3 would be short of room"
    assert [host["name"] for host in answer["after"]] == ["h2", "h3"]


async def test_the_memory_of_all_hosts_together_runs_out_too() -> None:
    world, history = a_world()
    for number in (1, 2):
        history.add(
            SubjectKind.HOST,
            f"h{number}",
            node_id=f"nd_{number}",
            memory_bytes=leaking() if number == 1 else constant(GIB),
            memory_limit_bytes=constant(2 * GIB),
        )
    async with a_viewer(world) as api:
        full = (await api.get("capacity"))["full"]
    found = {each["subject"]: each["exhaustion"] for each in full if each["metric"] == "memory_bytes"}
    assert found["h1"]["days"] == pytest.approx(19, abs=0.3)
    assert found["h2"]["outlook"] == "not-growing"
    # 3.6 of 4 GiB, of which 2.42 are in use.
    assert found["the cluster"]["days"] == pytest.approx(59, abs=1)
    assert found["the cluster"]["limit"] == 4 * GIB


async def test_what_is_used_up_soonest_comes_first() -> None:
    world, history = a_fleet()
    history.add(SubjectKind.DISK, "/var", disk_used_bytes=leaking(), disk_size_bytes=constant(1.62 * GIB))
    async with a_viewer(world) as api:
        answer = await api.get("capacity")
    first = answer["full"][0]
    assert (first["subject"], first["exhaustion"]["days"]) == ("h1:/var", pytest.approx(10, abs=0.2))
    assert "h1:/var reaches 100 % of its space in ~10 days" in answer["said"]


async def test_without_any_measurement_a_plan_says_so() -> None:
    world, _ = a_world(nodes=1)
    async with a_viewer(world) as api:
        answer = await api.get("capacity")
    assert answer["said"][0].startswith("the cluster: how large it is")
    assert answer["losses"][0]["said"] == "There is no other host: what runs on h1 stops with it"


# ---- reports


async def test_a_file_system_is_not_expected_to_hold_more_than_its_size() -> None:
    world, history = a_world()
    history.add(SubjectKind.DISK, "/var", disk_used_bytes=leaking(), disk_size_bytes=constant(1.7 * GIB))
    history.add(SubjectKind.CONTAINER, "db", memory_bytes=leaking(), memory_limit_bytes=constant(1.7 * GIB))
    async with a_viewer(world) as api:
        disk = await api.get("trend", subject="h1:/var")
        needs = await api.get("forecast", subject="h1:/var")
        container = await api.get("trend", subject="db", metric="memory")
    assert disk["next_month"]["expected"] == pytest.approx(1.7 * GIB, rel=1e-3)
    assert disk["next_month"]["is_full"]
    assert not disk["next_week"]["is_full"]
    assert "Expected in a month: 1.7 GiB, full by then" in disk["said"]
    assert needs["needs"][0]["typical"][1] == disk["next_month"]
    # A container may get a higher limit.
    assert container["next_month"]["expected"] > 1.9 * GIB


async def test_a_chart_goes_on_to_the_week_that_the_table_tells() -> None:
    world, history = a_world()
    history.add(SubjectKind.DISK, "/var", disk_used_bytes=leaking(), disk_size_bytes=constant(3 * GIB))
    async with a_viewer(world) as api:
        page = await api.text("report", format="html")
        week = (await api.get("trend", subject="h1:/var"))["next_week"]["expected"]
    (ahead,) = re.findall(r'class="ahead" points="([^"]+)"', page)
    (measured,) = re.findall(r'class="line" points="([^"]+)"', page)
    (now, later), line = _heights(ahead), _heights(measured)
    # The axis begins with 0; the series is one gibibyte at first and 1.42 at last.
    bottom = line[0] + (line[0] - line[-1]) / 0.42
    assert (bottom - later) / (bottom - line[0]) == pytest.approx(week / GIB, rel=0.02)
    assert later < now < line[0]


def _heights(points: str) -> list[float]:
    return [float(point.split(",")[1]) for point in points.split()]


@pytest.mark.parametrize("language", ["en", "it"])
async def test_a_report_holds_capacity_trends_and_bottlenecks(language: str) -> None:
    world, history = a_fleet()
    history.add(SubjectKind.DISK, "/var", disk_used_bytes=leaking(), disk_size_bytes=constant(1.62 * GIB))
    async with a_viewer(world) as api:
        report = await api.get("report", format="json", language=language)
        markdown = await api.text("report", format="markdown", language=language)
        page = await api.text("report", format="html", language=language)
        sheet = await api.text("report", format="csv", language=language)
    assert report["language"] == language
    names = {trend["subject"]["name"] for trend in report["trends"]}
    assert names == {"h1", "h2", "h3", "h1:/var", "shop.web"}
    assert "h1:/var" in report["summary"][0]
    assert markdown.startswith("# Analytics report for prod" if language == "en" else "# Rapporto di analisi")
    assert "shop.web" in markdown
    parsed = HtmlChecker()
    parsed.feed(page)
    assert parsed.open == []
    assert parsed.tags["svg"] == 8
    assert parsed.tags["polyline"] >= 8
    assert "@media print" in page
    rows = list(csv.DictReader(io.StringIO(sheet)))
    level = next(row for row in rows if row["subject"] == "h1:/var" and row["figure"] == "level")
    assert float(level["value"]) == pytest.approx(1.35 * GIB, rel=0.02)


async def test_a_report_of_nothing_is_a_report() -> None:
    world, _ = a_world()
    async with a_viewer(world) as api:
        report = await api.get("report", format="json")
        page = await api.text("report")
        sheet = await api.text("report", format="csv")
    assert report["trends"] == []
    assert report["anomalies"] is None
    assert "<p>This host does not look for it yet</p>" in page
    assert "<h2>Trends</h2>\n<p>Nothing</p>" in page
    assert sheet.splitlines() == ["subject,kind,metric,unit,figure,value"]


async def test_what_was_measured_for_an_hour_is_reported_without_a_chart_of_one_point() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "new", memory_bytes=[GIB])
    history.add(SubjectKind.CONTAINER, "old", memory_bytes=constant(GIB))
    async with a_viewer(world) as api:
        report = await api.get("report", format="json")
        page = await api.text("report", format="html")
    assert {trend["subject"]["name"] for trend in report["trends"]} == {"new", "old"}
    assert page.count("<svg") == 1


async def test_of_very_many_containers_the_largest_are_reported() -> None:
    world, history = a_fleet()
    for number in range(600):
        history.add(
            SubjectKind.CONTAINER,
            f"c{number:03d}",
            memory_bytes=constant(GIB * (1 + number / 1000), 2),
            labels=(("service", "shop.web"),) if number < 5 else (),
        )
    async with a_viewer(world) as api:
        report = await api.get("report", format="json")
    names = [
        trend["subject"]["name"] for trend in report["trends"] if trend["subject"]["kind"] == "container"
    ]
    assert names == [*(f"c{number}" for number in range(591, 600)), "shop.web"]


async def test_names_are_no_markup_and_no_formula_in_a_report() -> None:
    world, history = a_world()
    evil = "=<img src=x onerror=alert(1)>|"
    history.add(SubjectKind.CONTAINER, evil, memory_bytes=constant(GIB))
    async with a_viewer(world) as api:
        markdown = await api.text("report", format="markdown")
        page = await api.text("report", format="html")
        sheet = await api.text("report", format="csv")
    assert "<img" not in page
    assert r"\<img" in markdown
    assert "<img" not in markdown.replace(r"\<", "")
    assert all(row["subject"].startswith("'=") for row in csv.DictReader(io.StringIO(sheet)))


# ---- as tools


async def test_tools_answer_in_sentences_with_the_figures_beside() -> None:
    world, history = a_fleet()
    history.add(SubjectKind.CONTAINER, "db", memory_bytes=leaking(), memory_limit_bytes=constant(2 * GIB))
    context = build_app(world.surroundings)[CONTEXT]
    principal_id = world.add_user("tool", Role.VIEWER)
    identity = Identity(
        principal_id=principal_id, name="tool", role=Role.VIEWER, credential=Credential.API_TOKEN, epoch=1
    )
    call = Call(identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)
    results = {
        name: await REGISTRY.call(context, call, name, arguments)
        for name, arguments in (
            ("get-trend-analysis", {"subject": "db"}),
            ("predict-resource-needs", {"subject": "db"}),
            ("get-capacity-plan", {"service": "shop.web", "replicas": 1}),
            ("get-performance-profile", {"subject": "h1"}),
            ("compare-baseline", {"subject": "h1", "metric": "cpu"}),
            ("export-analytics-report", {}),
        )
    }
    trend = results["get-trend-analysis"].structured
    assert trend is not None
    assert trend["verdict"] == "increasing"
    assert trend["figures"]["exhausted_in_days"] == pytest.approx(19, abs=0.3)
    assert "db reaches 90 % RAM in ~19 days" in trend["said"]
    for name in ("predict-resource-needs", "get-capacity-plan", "compare-baseline"):
        structured = results[name].structured
        assert structured is not None, name
        assert structured["said"], name
        assert structured["figures"], name
    assert results["export-analytics-report"].text.startswith("# Analytics report")


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="empty"),
        pytest.param([5.0], id="one sample"),
        pytest.param([0.0] * 500, id="nothing used"),
        pytest.param([7.0] * 500, id="constant"),
        pytest.param([float("nan")] * 500, id="no number"),
        pytest.param([float("nan")] * 499 + [3.0], id="one number at last"),
        pytest.param([3.0, float("nan"), float("nan")] * 160, id="full of gaps"),
        pytest.param([1e29] * 480 + [1e300] * 20, id="enormous"),
        pytest.param([float("inf"), -1.0] * 250, id="infinite and negative"),
    ],
)
async def test_every_analysis_of_whatever_was_measured_is_an_answer(values: list[float]) -> None:
    world, history = a_fleet()
    history.add(
        SubjectKind.CONTAINER,
        "odd",
        labels=(("service", "shop.odd"),),
        cpu_percent=values,
        memory_bytes=values,
        memory_limit_bytes=values,
        throttled_percent=values,
    )
    history.add(SubjectKind.DISK, "/odd", disk_used_bytes=values, disk_size_bytes=values)
    async with a_viewer(world) as api:
        for subject in ("odd", "shop.odd", "h1:/odd"):
            for path in ("trend", "forecast", "profile", "baseline"):
                answer = await api.get(path, subject=subject)
                said = answer.get("said") or [said for need in answer["needs"] for said in need["said"]]
                assert said, (subject, path)
                assert "nan" not in str(answer).lower()
        assert (await api.get("capacity"))["said"]
        for language in ("en", "it"):
            assert "<h1>" in await api.text("report", language=language)
