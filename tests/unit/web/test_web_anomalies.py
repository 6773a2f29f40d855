"""What was unusual, over REST and as a tool, in two languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from cluster.analytics.anomalies import Anomaly, AnomalyKind, Finding, Severity
from cluster.analytics.grouping import Place, Pressure
from cluster.analytics.sentences import Text
from cluster.metrics.query import Resolution
from cluster.model.access import Role
from cluster.model.metrics import SubjectKind
from tests.support.row_history import RowHistory, rows_of
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth.call import Call, Credential, Identity
from web.server import build_app
from web.tools.anomalies import FOREST_SERIES_MAX, SUBJECTS_MAX
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT

GET = "/api/v1/analytics/anomalies"
WEB = (("service", "shop.web"),)
FAULT = slice(-12, None)


def a_world() -> tuple[WebWorld, RowHistory]:
    world = a_web_world()
    history = RowHistory(world.clock.now_ms())
    world.history = history
    return world, history


def hurt(rows: Any, value: float) -> Any:
    rows = rows.copy()
    rows[FAULT] = value
    return rows


class Api:
    def __init__(self, client: Any, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def get(self, *, status: int = 200, **query: str) -> Any:
        response = await self._client.get(GET, params=query, headers=self._headers)
        answer = await response.json()
        assert response.status == status, answer
        return answer


@asynccontextmanager
async def a_viewer(world: WebWorld) -> AsyncIterator[Api]:
    world.add_user("vic", Role.VIEWER)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "vic"))


async def test_two_kinds_of_metric_of_a_container_make_one_incident_that_is_worth_an_alert() -> None:
    world, history = a_world()
    history.add(
        SubjectKind.CONTAINER,
        "web-1",
        labels=WEB,
        cpu_percent=hurt(rows_of(1, level=25), 85.0),
        tx_bytes_per_s=hurt(rows_of(2, level=1e6), 0.0),
        memory_bytes=rows_of(3, level=4e8),
    )
    async with a_viewer(world) as api:
        answer = await api.get(subject="web-1")
    assert answer["series"] == 3
    [incident] = answer["incidents"]
    assert (incident["scope"], incident["place"], incident["is_alertable"]) == ("container", "web-1", True)
    assert incident["kinds_of_metric"] == ["cpu", "network"]
    assert incident["started_ms"] == history.end_ms - 12 * 300_000
    assert answer["said"] == ["web-1 on h1: processor and network unusual at the same time"]
    spike = next(each for each in incident["anomalies"] if each["metric"] == "cpu_percent")
    assert (spike["kind"], spike["severity"], spike["current"]) == ("spike", "critical", 85)
    assert spike["expected"] < 35
    assert spike["usual_low"] <= spike["expected"] <= spike["usual_high"]
    assert spike["said"].startswith("web-1 processor use is 85 %, usually ")
    assert spike["said"].endswith(" at this hour")
    drop = next(each for each in incident["anomalies"] if each["metric"] == "tx_bytes_per_s")
    assert drop["kind"] == "drop"


async def test_one_metric_alone_is_a_note_and_says_so_in_italian_too() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "web-1", cpu_percent=hurt(rows_of(1, level=25), 85.0))
    async with a_viewer(world) as api:
        answer = await api.get(subject="web-1", language="it")
    [incident] = answer["incidents"]
    assert not incident["is_alertable"]
    assert answer["said"] == []
    assert incident["said"] == (
        "web-1 su h1: valori insoliti solo di processore e nessuna risorsa scarseggia: è una nota,"
        " non un allarme"
    )
    assert incident["anomalies"][0]["said"].startswith("L'uso del processore di web-1: 85 %, a quest'ora di")


async def test_one_metric_that_meets_a_resource_nearly_used_up_is_worth_an_alert() -> None:
    world, history = a_world()
    history.add(
        SubjectKind.CONTAINER,
        "db",
        memory_bytes=hurt(rows_of(1, level=4e8), 9.6e8),
        memory_limit_bytes=np.full(7 * 288, 1e9),
    )
    async with a_viewer(world) as api:
        answer = await api.get(subject="db")
    [incident] = answer["incidents"]
    assert incident["is_alertable"]
    assert incident["said"] == "db on h1: memory unusual while memory is 916 MiB of 954 MiB"


async def test_a_new_container_of_a_replica_goes_on_where_the_one_before_ended() -> None:
    world, history = a_world()
    replica = (("replica", "1"), *WEB)
    rows = rows_of(1, level=25)
    old, new = rows.copy(), hurt(rows, 85.0)
    old[-20:] = np.nan
    new[:-20] = np.nan
    history.add(SubjectKind.CONTAINER, "web-1-old", labels=replica, cpu_percent=old)
    history.add(SubjectKind.CONTAINER, "web-1-new", labels=replica, cpu_percent=new)
    async with a_viewer(world) as api:
        answer = await api.get(subject="shop.web")
    assert answer["series"] == 1
    [incident] = answer["incidents"]
    assert incident["anomalies"][0]["subject"] == "web-1-new"
    assert answer["notes"] == []


async def test_a_longer_time_is_looked_at_by_the_hour() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "web-1", cpu_percent=rows_of(1, level=25, days=30))
    async with a_viewer(world) as api:
        answer = await api.get(subject="web-1", since="14d")
    assert answer["row_ms"] == 3_600_000
    assert history.questions[0].resolution is Resolution.HOURLY


async def test_what_cannot_be_concluded_is_said() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "new", cpu_percent=rows_of(1, level=25)[-20:])
    history.add(SubjectKind.CONTAINER, "young", cpu_percent=rows_of(1, level=25)[-400:])
    holes = rows_of(1, level=25)
    holes[::2] = np.nan
    history.add(SubjectKind.CONTAINER, "holes", cpu_percent=holes)
    history.add(SubjectKind.CONTAINER, "never", cpu_percent=np.full(300, np.nan))
    begun_ms = history.end_ms - 60_000
    history.add(SubjectKind.CONTAINER, "begun", cpu_percent=np.full(300, np.nan), created_ms=begun_ms)
    async with a_viewer(world) as api:
        new, young = await api.get(subject="new"), await api.get(subject="young")
        new_it = await api.get(subject="new", language="it")
        gaps, never = await api.get(subject="holes"), await api.get(subject="never")
        begun, of_weeks = await api.get(subject="begun"), await api.get(subject="begun", since="7d")
    assert new["notes"] == ["of 1 of 1 series less than 8 hours are known: nothing can be concluded"]
    assert new["said"] == []
    assert new_it["notes"] == ["di 1 serie su 1 si conoscono meno di 8 ore: non si può concludere nulla"]
    assert "less than two days are known" in young["notes"][0]
    assert "gaps of more than a fifth" in gaps["notes"][0]
    assert never["notes"] == ["nothing was measured in this time: nothing can be concluded"]
    assert begun["notes"] == ["it has not been measured for five minutes yet: nothing can be concluded"]
    assert of_weeks["notes"] == ["it has not been measured for an hour yet: nothing can be concluded"]


async def test_no_more_is_looked_at_than_can_be_in_a_moment_and_what_is_left_out_is_counted() -> None:
    world, history = a_world()
    for number in range(SUBJECTS_MAX + 5):
        history.add(SubjectKind.CONTAINER, f"web-{number}", cpu_percent=np.full(20, 1.0))
    for number in range(FOREST_SERIES_MAX + 1):
        history.add(SubjectKind.HOST, f"h{number}", cpu_percent=np.full(20, 1.0))
    async with a_viewer(world) as api:
        all_ = await api.get(subject="containers")
        forest = await api.get(subject="hosts", method="isolation-forest")
    assert (all_["series"], forest["series"]) == (SUBJECTS_MAX, FOREST_SERIES_MAX)
    assert "5 more were not looked at: name what is meant, or a metric" in all_["notes"]
    assert "1 more were not looked at: name what is meant, or a metric" in forest["notes"]


async def test_what_cannot_be_asked_is_refused_with_the_reason() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "web-1", cpu_percent=rows_of(1, level=25))
    async with a_viewer(world) as api:
        await api.get(status=404, subject="nobody")
        await api.get(status=422, subject="web-1", metric="memory_limit_bytes")
        await api.get(status=422, subject="web-1", since="90d")
        await api.get(status=422, subject="web-1", method="magic")


class Watch:
    """What is watched found that cpu of web-1 was high while it was throttled."""

    is_running = True
    series = 7
    note = Text("learning", "si impara")

    def findings(self, since_ms: int) -> list[Finding]:
        anomaly = Anomaly(
            kind=AnomalyKind.SPIKE,
            severity=Severity.CRITICAL,
            at_ms=since_ms,
            row_ms=300_000,
            until_ms=since_ms + 300_000,
            current=85.0,
            expected=25.0,
            low=20.0,
            high=30.0,
            deviation=12.0,
            score=0.9,
            confidence=0.99,
        )
        return [
            Finding(
                subject=1,
                subject_kind=SubjectKind.CONTAINER,
                node_id="nd_1",
                name="web-1",
                metric="cpu_percent",
                anomaly=anomaly,
            )
        ]

    def pressures(self) -> dict[Place, list[Pressure]]:
        return {Place("nd_1", "web-1"): [Pressure(metric="throttled_percent", value=60.0, limit=25.0)]}


async def test_of_everything_that_is_told_which_was_found_as_it_happened() -> None:
    world, history = a_world()
    world.anomalies = Watch()
    async with a_viewer(world) as api:
        answer, italian = await api.get(), await api.get(language="it")
    assert answer["is_watched"]
    assert italian["notes"] == ["si impara"]
    assert (answer["series"], answer["notes"]) == (7, ["learning"])
    assert answer["said"] == ["web-1 on h1: processor unusual while throttling is 60 %"]
    assert answer["incidents"][0]["anomalies"][0]["said"] == (
        "web-1 processor use is 85 %, usually 20 % to 30 % at this hour"
    )
    assert history.questions == []


async def test_programs_get_the_same_in_few_words() -> None:
    world, history = a_world()
    history.add(SubjectKind.CONTAINER, "web-1", cpu_percent=hurt(rows_of(1, level=25), 85.0))
    context = build_app(world.surroundings)[CONTEXT]
    principal_id = world.add_user("prog", Role.VIEWER)
    identity = Identity(
        principal_id=principal_id,
        name="prog",
        role=Role.VIEWER,
        credential=Credential.API_TOKEN,
        epoch=1,
    )
    call = Call(identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)
    result = await REGISTRY.call(context, call, "detect-anomalies", {"subject": "web-1"})
    assert result.structured is not None
    [line] = result.structured["incidents"]
    assert line["anomalies"][0].startswith("spike, critical: web-1 processor use is 85 %")
    assert "left_out" not in result.structured
