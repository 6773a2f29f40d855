"""What else moved, what happened, and what services should be given, over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.commands.alerts import AlertChange, CommitAlerts
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution
from cluster.model.access import Role
from cluster.model.alerts import Alert, AlertPhase, AlertSubject, RuleKind, Told
from cluster.model.events import Severity
from cluster.model.metrics import SubjectKind
from cluster.model.service import Resources
from tests.support.api_caller import WorldCaller
from tests.support.deployments import a_rollout, deployed, lead, transition
from tests.support.hourly_history import HourlyHistory
from tests.support.memory_history import MemoryHistory, result_of
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

HOUR_MS = 3_600_000
STEP_MS = 40_000
MIB = 1024 * 1024
GIB = 1024 * MIB
STEPS = 400


class SteppedHistory(MemoryHistory):
    """Series in steps of 40 seconds, which is what a stretch of twenty minutes is cut into. Counts are given
    as what they are in each step."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        step_ms = query.step_ms or STEP_MS
        assert step_ms == STEP_MS, "it knows these steps alone"
        times = np.arange(query.start_ms, query.end_ms, step_ms, dtype=np.int64)
        return RangeAnswer(
            times_ms=times,
            step_ms=step_ms,
            resolution=Resolution.RAW,
            series=tuple(
                result_of(subject, metric, self.on_grid(subject, metric, query, step_ms))
                for subject, metric in await self.selected(query.selector)
            ),
        )


def steady(seed: int, level: float) -> NDArray[np.float64]:
    return np.asarray(level * (1 + 0.02 * np.random.default_rng(seed).standard_normal(STEPS)))


def hurt(values: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Otherwise in the last twenty minutes."""
    values = values.copy()
    values[-30:] *= factor
    return values


@asynccontextmanager
async def api(
    prepare: Callable[[WebWorld], None] = lambda world: None, *, role: Role = Role.VIEWER
) -> AsyncIterator[WorldCaller]:
    world = a_web_world()
    world.add_user("vic", role)
    lead(world)
    prepare(world)
    async with serving(world) as client:
        yield WorldCaller(client, await log_in(client, "vic"), world)


def a_stretch(world: WebWorld) -> str:
    """The last twenty minutes of the history, as a question asks for them."""
    end_ms = world.clock.now_ms()
    return f"since={end_ms - 30 * STEP_MS}&until={end_ms}"


def measured(world: WebWorld) -> None:
    now_ms = world.clock.now_ms()
    world.clock.set_now_ms(now_ms - now_ms % STEP_MS)
    history = SteppedHistory(world.clock.now_ms())
    web = (("service", "shop.web"),)
    history.add(SubjectKind.HOST, "host", cpu_percent=hurt(steady(1, 20), 3), load_1=steady(2, 2))
    history.add(
        SubjectKind.CONTAINER,
        "db",
        read_bytes_per_s=hurt(steady(3, 1e6), 40),
        memory_bytes=steady(4, 1e9),
        memory_limit_bytes=np.full(STEPS, 2e9),
    )
    history.add(SubjectKind.ROUTE, "shop.web", labels=web, latency_p95_ms=hurt(steady(5, 80), 8))
    world.history = history


async def test_what_moved_in_a_stretch_is_told_and_what_stayed_is_not() -> None:
    async with api(measured) as vic:
        answer = await vic.must("GET", f"/analytics/correlations?{a_stretch(vic.world)}")
    found = {(each["name"], each["metric"]): each for each in answer["moved"]}
    assert set(found) == {
        ("host", "cpu_percent"),
        ("db", "read_bytes_per_s"),
        ("shop.web", "latency_p95_ms"),
    }
    reads = found["db", "read_bytes_per_s"]
    assert (reads["direction"], reads["unit"], reads["node"]) == ("rise", "bytes/s", "h1")
    assert reads["before"] == pytest.approx(1e6, rel=0.02)
    assert reads["during"] == pytest.approx(4e7, rel=0.05)
    assert answer["series"] == 5
    assert len(reads["values"]) == len(answer["times_ms"])
    assert answer["before_ms"] == answer["times_ms"][0] < answer["start_ms"] < answer["end_ms"]


async def test_beside_a_series_that_is_asked_about_the_others_are_told_how_closely_they_follow() -> None:
    async with api(measured) as vic:
        stretch = a_stretch(vic.world)
        answer = await vic.must(
            "GET", f"/analytics/correlations?{stretch}&subject=shop.web&metric=latency_p95_ms"
        )
    by_metric = {each["metric"]: each for each in answer["moved"]}
    assert by_metric["latency_p95_ms"]["follows"] == pytest.approx(1.0)
    assert all(0 < each["score"] <= 1 for each in answer["moved"])
    scores = [each["score"] for each in answer["moved"]]
    assert scores == sorted(scores, reverse=True)


async def test_a_stretch_of_a_moment_or_of_a_year_is_refused_with_what_would_do() -> None:
    async with api(measured) as vic:
        now_ms = vic.world.clock.now_ms()
        short = await vic.refused(422, "GET", f"/analytics/correlations?since={now_ms - 30_000}")
        assert short["errors"][0]["field"] == "since"
        assert "50 s" in short["errors"][0]["rule"]
        await vic.refused(422, "GET", "/analytics/correlations?since=365d")
        old = f"since={now_ms - 40 * 24 * HOUR_MS}&until={now_ms - 40 * 24 * HOUR_MS + HOUR_MS}"
        refused = await vic.refused(422, "GET", f"/analytics/correlations?{old}")
        assert "hours" in refused["errors"][0]["hint"]


def an_alert(now_ms: int, **fields: Any) -> CommitAlerts:
    base: dict[str, Any] = {
        "rule_id": "host-down",
        "kind": RuleKind.HOST_DOWN,
        "subject": AlertSubject(kind="host", key="host:h2", name="h2", node_id="nd_2", node_name="h2"),
        "severity": Severity.CRITICAL,
        "phase": AlertPhase.FIRING,
        "since_ms": now_ms - 60_000,
        "judged_ms": now_ms,
        "fired_at_ms": now_ms - 30_000,
        "text": "Host h2 is down.",
        "translations": (("it.text", "L'host h2 non risponde."),),
    }
    change = AlertChange(alert=Alert(**{**base, **fields}), expected_version=0, told=Told.FIRING)
    return CommitAlerts(changes=(change,))


def eventful(world: WebWorld) -> None:
    """A deployment, an alert of host 2, and a container of host 1 that was started again."""
    measured(world)
    assert isinstance(world.history, SteppedHistory)
    restarts = np.zeros(STEPS)
    restarts[-10] = 1
    world.history.add(
        SubjectKind.CONTAINER, "worker", labels=(("service", "shop.worker"),), restarts=restarts
    )
    world.state.must(a_service("shop.web", replicas=1))
    transition(world, rollout=a_rollout(world, started_at_ms=world.clock.now_ms() - 100_000))
    world.state.must(an_alert(world.clock.now_ms()))


SINCE = "since=4h"


async def test_what_happened_is_told_in_order_in_the_language_that_is_asked_for() -> None:
    async with api(eventful) as vic:
        answer = await vic.must("GET", f"/metrics/markers?{SINCE}&language=it")
        kinds = [each["kind"] for each in answer["markers"]]
        times = [each["at_ms"] for each in answer["markers"]]
    assert times == sorted(times)
    assert {"deploy", "alert", "restart"} <= set(kinds)
    by_kind = {each["kind"]: each for each in answer["markers"]}
    assert by_kind["alert"]["said"] == "L'host h2 non risponde."
    assert (by_kind["alert"]["alert"], by_kind["alert"]["is_bad"]) == (1, True)
    assert by_kind["deploy"]["rollout_id"] == "ro_1"
    assert "riavviato" in by_kind["restart"]["said"]


async def test_of_one_host_or_one_service_only_its_own_is_told() -> None:
    async with api(eventful) as vic:

        async def kinds(about: str) -> set[str]:
            found = await vic.must("GET", f"/metrics/markers?{SINCE}&{about}")
            return {each["kind"] for each in found["markers"] if each["kind"] != "host"}

        # A deployment concerns every host.
        assert await kinds("node=h2") == {"deploy", "alert"}
        assert await kinds("service=shop.web") == {"deploy"}
        assert await kinds("node=h1&name=worker") == {"deploy", "restart"}


async def test_services_are_told_what_to_reserve_and_what_to_give_back() -> None:
    def prepare(world: WebWorld) -> None:
        history = HourlyHistory(world.clock.now_ms())
        for name, use in (("web", 600 * MIB), ("db", 100 * MIB)):
            history.add(
                SubjectKind.CONTAINER,
                name,
                labels=(("service", f"shop.{name}"),),
                memory_bytes=np.full(7 * 24, float(use)),
            )
        world.history = history
        deployed(world, "nd_1", service="shop.web")
        resources = Resources(memory_limit_bytes=2 * GIB, memory_reservation_bytes=2 * GIB)
        deployed(world, "nd_1", service="shop.db", spec=a_spec(resources=resources))

    async with api(prepare) as vic:
        answer = await vic.must("GET", "/analytics/sizing")
    web, db = answer["services"]
    assert (web["service_id"], web["advice"], web["good_reserved"]) == ("shop.web", "reserve", 608 * MIB)
    assert (db["service_id"], db["advice"], db["good_limit"]) == ("shop.db", "lower", 192 * MIB)
    assert answer["idle"] == 2 * GIB - 128 * MIB
