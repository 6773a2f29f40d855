"""What rules of numbers see of a real history, in as many questions as it takes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.leader import alert_numbers
from agent.leader.alert_facts import read_facts
from agent.leader.alert_numbers import AlertNumbers
from cluster.alerts import Book, Finding, Look
from cluster.metrics.query import POINTS_MAX, RangeAnswer, RangeQuery, Resolution, Selector, Statistic
from cluster.model.alerts import DAY_MS, AlertRule, RuleKind, StepStatistic, Threshold
from cluster.model.metrics import Subject, SubjectKind
from cluster.survey.alert_series import SUBJECTS_AT_ONCE, plan_of
from tests.support.history_loader import Generated, a_history, a_subject, load
from tests.support.web_fakes import WebWorld, a_web_world

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
WEB = a_subject(SubjectKind.CONTAINER, "nd_1", "web-1", key="aa")
WEB_ANEW = a_subject(SubjectKind.CONTAINER, "nd_1", "web-1", key="bb")
DISK = a_subject(SubjectKind.DISK, "nd_1", "/")


def a_rule(kind: RuleKind, **fields: Any) -> AlertRule:
    return AlertRule(id="rule", kind=kind, **fields)


async def look(world: WebWorld, rule: AlertRule) -> Look:
    numbers = AlertNumbers(world.surroundings.history, incidents=tuple)
    with world.state.read() as txn:
        facts = read_facts(txn, None, world.clock.now_ms())
    (found,) = await numbers.look([rule], facts, Book())
    return found


def minutes(*values: float, count: int = 40) -> NDArray[np.float64]:
    """Values of the last minutes, the first of them all the time before."""
    return np.array([values[0]] * (count - len(values)) + list(values), dtype=np.float64)


async def test_rules_see_levels_shares_counts_and_what_stays_away_as_the_history_has_them(
    tmp_path: Path,
) -> None:
    nothing = np.nan
    async with a_history(tmp_path) as history:
        world = a_web_world()
        world.history = history
        # The last whole minute is in.
        now_ms = world.clock.now_ms() // MINUTE_MS * MINUTE_MS
        series = [
            Generated(subject=WEB, metric="memory_bytes", values=minutes(100, 100, 960, 970, 980)),
            Generated(subject=WEB, metric="memory_limit_bytes", values=minutes(1000)),
            Generated(subject=WEB, metric="cpu_percent", values=minutes(50, *[nothing] * 8)),
            Generated(subject=WEB, metric="restarts", values=minutes(0, 1, 1, nothing, nothing)),
            Generated(subject=WEB_ANEW, metric="restarts", values=minutes(nothing, nothing, nothing, 1, 0)),
        ]
        await load(
            series,
            state=world.state,
            history=history,
            start_ms=now_ms - 40 * MINUTE_MS,
            step_ms=MINUTE_MS,
            is_sealed=False,
        )
        share = Threshold(value=95, statistic=StepStatistic.MIN, is_percent_of_limit=True)
        seen = await look(world, a_rule(RuleKind.THRESHOLD, metric="memory_bytes", threshold=share))
        (sight,) = seen.sights
        assert [each.finding for each in sight.observations][-4:] == [Finding.CLEAR] + [Finding.BREACHED] * 3
        assert sight.observations[-1].text.en == (
            "Container web-1 on h1: lowest memory use is 98 % of its limit, above 95 %."
        )
        loop = await look(world, a_rule(RuleKind.CRASH_LOOP, count=3, window_ms=10 * MINUTE_MS))
        (sight,) = loop.sights
        assert [each.value for each in sight.observations][-4:] == [1.0, 2.0, 3.0, 3.0]
        absent = await look(world, a_rule(RuleKind.ABSENCE, metric="cpu_percent", for_ms=2 * MINUTE_MS))
        (sight,) = absent.sights
        assert sight.observations[-1].finding is Finding.BREACHED


async def test_a_disk_is_looked_at_over_as_much_of_a_month_as_is_known(tmp_path: Path) -> None:
    async with a_history(tmp_path) as history:
        world = a_web_world()
        world.history = history
        days = 10
        grow = np.linspace(40.0, 60.0, days * 24 * 6) * 2**30
        rule = a_rule(RuleKind.FORECAST, metric="disk_used_bytes", within_ms=3 * DAY_MS)
        assert (await look(world, rule)).sights == []
        await load(
            [
                Generated(subject=DISK, metric="disk_used_bytes", values=grow),
                Generated(subject=DISK, metric="disk_size_bytes", values=np.full(len(grow), 64.0 * 2**30)),
            ],
            state=world.state,
            history=history,
            start_ms=world.clock.now_ms() - days * DAY_MS,
            step_ms=10 * MINUTE_MS,
        )
        (sight,) = (await look(world, rule)).sights
        (seen,) = sight.observations
        assert seen.finding is Finding.BREACHED
        assert seen.value == pytest.approx(2.0, abs=0.5)


class SlowForDisks:
    """A history without series that does not answer questions about disks."""

    def __init__(self) -> None:
        self.asked = 0

    async def subjects(self, selector: Selector) -> tuple[Subject, ...]:
        if SubjectKind.DISK in selector.kinds:
            self.asked += 1
            await asyncio.Event().wait()
        return ()

    async def query(self, query: RangeQuery) -> RangeAnswer:
        raise AssertionError(query)


async def test_a_rule_whose_numbers_do_not_come_takes_nothing_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alert_numbers, "RULE_TIMEOUT_S", 0.01)
    history = SlowForDisks()
    numbers = AlertNumbers(history, incidents=tuple)
    slow = a_rule(RuleKind.FORECAST, metric="disk_used_bytes", within_ms=DAY_MS)
    other = a_rule(RuleKind.CRASH_LOOP, count=3, window_ms=10 * MINUTE_MS)
    with a_web_world().state.read() as txn:
        facts = read_facts(txn, None, DAY_MS)
    for minutes_later, asked in ((0, 1), (1, 1), (6, 2)):
        then = replace(facts, now_ms=facts.now_ms + minutes_later * MINUTE_MS)
        assert [look.rule for look in await numbers.look([slow, other], then, Book())] == [other]
        assert history.asked == asked


@pytest.mark.parametrize(
    "rule",
    [
        a_rule(RuleKind.CRASH_LOOP, count=3, window_ms=10 * MINUTE_MS),
        a_rule(RuleKind.CRASH_LOOP, count=3, window_ms=30 * DAY_MS),
        a_rule(RuleKind.OUT_OF_MEMORY, count=1, window_ms=13 * HOUR_MS),
        a_rule(RuleKind.ABSENCE, metric="pids", for_ms=30 * DAY_MS),
        a_rule(
            RuleKind.THRESHOLD,
            metric="pids",
            threshold=Threshold(value=1, step_ms=10_000),
            for_ms=30 * DAY_MS,
        ),
        a_rule(
            RuleKind.THRESHOLD,
            metric="pids",
            threshold=Threshold(value=1, step_ms=HOUR_MS),
            looks=60,
            looks_min=3,
        ),
    ],
)
def test_no_rule_asks_for_more_than_one_answer_holds_or_in_steps_a_record_has_not(rule: AlertRule) -> None:
    plan = plan_of(rule)
    now_ms = 1_800_000_000_000
    for query in (query for some in plan.queries((1,), now_ms - plan.lookback_ms, now_ms) for query in some):
        assert query.step_ms is not None
        assert (query.end_ms - query.start_ms) // query.step_ms <= POINTS_MAX
        assert query.resolution is Resolution.RAW or query.step_ms % HOUR_MS == 0


def test_many_series_are_asked_for_in_parts_and_none_is_left_out() -> None:
    threshold = Threshold(value=90, is_percent_of_limit=True)
    plan = plan_of(a_rule(RuleKind.THRESHOLD, metric="memory_bytes", threshold=threshold))
    numbers = tuple(range(1, 2 * SUBJECTS_AT_ONCE + 2))
    asked = plan.queries(numbers, 0, HOUR_MS)
    assert [len(values.selector.subjects) for values, _ in asked] == [SUBJECTS_AT_ONCE, SUBJECTS_AT_ONCE, 1]
    assert sum((values.selector.subjects for values, _ in asked), ()) == numbers

    def wanted(query: RangeQuery) -> tuple[tuple[str, ...], Statistic | None]:
        return query.selector.metrics, query.statistic

    assert [wanted(each) for each in asked[0]] == [
        (("memory_bytes",), Statistic.MEAN),
        (("memory_limit_bytes",), Statistic.LAST),
    ]
