"""Which scheduled deployments are due, and which moments were missed."""

from __future__ import annotations

from typing import Any

from cluster.model.ids import ServiceId
from cluster.model.schedules import Asker, CatchUp, DeploySchedule, ScheduledService
from cluster.model.service import ServiceSpec
from cluster.schedule import CATCH_UP_MS, GRACE_MS, decide_due, next_due_ms

NOW_MS = 1_764_500_400_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
HOUR_STARTED_MS = NOW_MS - NOW_MS % 3_600_000


def a_schedule(**fields: Any) -> DeploySchedule:
    service = ScheduledService(
        service_id=ServiceId("shop.web"),
        project="shop",
        name="web",
        spec=ServiceSpec(image="web:1"),
        replicas=1,
    )
    base = {
        "id": "sc_1",
        "project": "shop",
        "services": (service,),
        "asker": Asker(name="ann", principal_id="us_ann"),
    }
    return DeploySchedule(**{**base, **fields})


def once(at_ms: int, **fields: Any) -> DeploySchedule:
    return a_schedule(at_ms=at_ms, next_fire_ms=at_ms, **fields)


def hourly(next_fire_ms: int, **fields: Any) -> DeploySchedule:
    return a_schedule(cron="0 * * * *", next_fire_ms=next_fire_ms, **fields)


def test_nothing_is_due_before_its_time() -> None:
    assert decide_due(once(NOW_MS + 1), NOW_MS) is None


def test_what_is_due_is_fired_and_has_no_next_time_when_it_was_once() -> None:
    due = decide_due(once(NOW_MS), NOW_MS)
    assert due is not None
    assert (due.reason, due.due_ms, due.next_ms) == ("", NOW_MS, None)


def test_what_is_over_is_never_due_again() -> None:
    assert decide_due(a_schedule(at_ms=NOW_MS - 1, next_fire_ms=None), NOW_MS) is None


def test_a_little_late_is_on_time() -> None:
    due = decide_due(once(NOW_MS - GRACE_MS), NOW_MS)
    assert due is not None
    assert due.reason == ""


def test_a_missed_moment_is_said_to_be_missed() -> None:
    due = decide_due(once(NOW_MS - GRACE_MS - 1), NOW_MS)
    assert due is not None
    assert "nobody led the cluster" in due.reason


def test_a_missed_moment_is_made_up_for_within_an_hour_where_that_is_asked_for() -> None:
    due = decide_due(once(NOW_MS - CATCH_UP_MS, catch_up=CatchUp.ONCE), NOW_MS)
    assert due is not None
    assert due.reason == ""
    late = decide_due(once(NOW_MS - CATCH_UP_MS - 1, catch_up=CatchUp.ONCE), NOW_MS)
    assert late is not None
    assert late.reason != ""


def test_many_missed_moments_are_one_and_the_newest_counts() -> None:
    now_ms = HOUR_STARTED_MS + MINUTE_MS
    due = decide_due(hourly(HOUR_STARTED_MS - DAY_MS), now_ms)
    assert due is not None
    assert due.reason == "", "the newest is a minute late"
    assert due.due_ms == HOUR_STARTED_MS - DAY_MS, "what is committed against is what the log has"
    assert due.moment_ms == HOUR_STARTED_MS
    assert due.next_ms == HOUR_STARTED_MS + 3_600_000


def test_the_next_time_to_look_is_the_earliest_moment() -> None:
    assert next_due_ms([once(NOW_MS + 5), once(NOW_MS + 3), a_schedule(at_ms=1)]) == NOW_MS + 3
    assert next_due_ms([]) is None
