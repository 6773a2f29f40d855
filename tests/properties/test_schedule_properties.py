"""What holds of calendars, windows and schedules, whatever they are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.model.ids import ServiceId
from cluster.model.schedules import Asker, CatchUp, DeploySchedule, ScheduledService
from cluster.model.service import ServiceSpec
from cluster.model.windows import About, ChangeWindow, Freeze, Span, WindowKind
from cluster.schedule import GRACE_MS, check_cron, decide_due, next_fire_ms, standing
from cluster.schedule.cron import last_fire_ms

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
ABOUT = About(service_id="shop.web", project="shop")
YEAR_MS = 365 * 86_400_000


def field(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    return st.one_of(st.just("*"), one, st.integers(2, 12).map(lambda step: f"*/{step}"))


def is_calendar(cron: str) -> bool:
    try:
        check_cron(cron, "UTC")
    except ValueError:
        return False
    return True


crons = (
    st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
    .map(" ".join)
    .filter(is_calendar)
)
zones = st.sampled_from(ZONES)
# Around both changes of clocks, and anywhere.
moments = st.one_of(
    st.integers(1_774_735_200_000 - 7_200_000, 1_774_735_200_000 + 14_400_000),
    st.integers(1_792_886_400_000 - 7_200_000, 1_792_886_400_000 + 14_400_000),
    st.integers(1_700_000_000_000, 1_900_000_000_000),
)
spans = st.builds(
    Span,
    cron=crons,
    duration_ms=st.integers(1, 60 * 24 * 7).map(lambda minutes: minutes * 60_000),
    time_zone=zones,
)
windows = st.builds(ChangeWindow, id=st.just("w"), kind=st.sampled_from(WindowKind), span=spans)
freezes = st.builds(
    lambda start, length: Freeze(id="fr", reason="r", from_ms=start, until_ms=start + length),
    moments,
    st.integers(1, YEAR_MS // 10),
)


@given(crons, zones, moments)
def test_the_next_moment_is_later_and_the_one_after_it_later_still(cron: str, zone: str, at_ms: int) -> None:
    first = next_fire_ms(cron, zone, at_ms)
    assert first is not None
    assert first > at_ms
    second = next_fire_ms(cron, zone, first)
    assert second is not None
    assert second > first


@given(crons, zones, moments, st.floats(0, 0.999))
def test_there_is_no_moment_between_now_and_the_next(cron: str, zone: str, at_ms: int, share: float) -> None:
    following = next_fire_ms(cron, zone, at_ms)
    assert following is not None
    between = at_ms + int((following - at_ms) * share)
    assert next_fire_ms(cron, zone, between) == following


@given(crons, zones, moments, st.integers(1, YEAR_MS // 12))
@settings(max_examples=60)
def test_the_newest_moment_of_a_span_is_in_it_and_none_is_newer(
    cron: str, zone: str, at_ms: int, length_ms: int
) -> None:
    newest = last_fire_ms(cron, zone, at_ms, at_ms + length_ms)
    first = next_fire_ms(cron, zone, at_ms)
    assert first is not None
    if newest is None:
        assert first > at_ms + length_ms
        return
    assert at_ms < newest <= at_ms + length_ms
    following = next_fire_ms(cron, zone, newest)
    assert following is not None
    assert following > at_ms + length_ms


@given(st.lists(windows, max_size=4), st.lists(freezes, max_size=2), moments)
@settings(max_examples=80, deadline=None)
def test_it_is_open_when_it_is_said_to_open_and_not_before_then_at_once(
    some: list[ChangeWindow], frozen: list[Freeze], at_ms: int
) -> None:
    now = standing(ABOUT, some, frozen, at_ms)
    if now.is_open:
        assert now.opens_at_ms is None
        return
    assert now.reason
    if now.opens_at_ms is not None:
        assert now.opens_at_ms > at_ms
        assert standing(ABOUT, some, frozen, now.opens_at_ms).is_open
        assert not standing(ABOUT, some, frozen, now.opens_at_ms - 1).is_open


@given(st.lists(windows, max_size=4), windows, moments)
@settings(max_examples=80, deadline=None)
def test_one_more_window_that_denies_never_opens_anything(
    some: list[ChangeWindow], more: ChangeWindow, at_ms: int
) -> None:
    denying = ChangeWindow(id="d", kind=WindowKind.DENY, span=more.span)
    if standing(ABOUT, [*some, denying], (), at_ms).is_open:
        assert standing(ABOUT, some, (), at_ms).is_open


@given(
    crons,
    zones,
    moments,
    st.sampled_from(CatchUp),
    st.lists(st.integers(1, 7_200_000), min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_a_schedule_moves_on_with_every_decision_and_fires_each_moment_once(
    cron: str, zone: str, at_ms: int, catch_up: CatchUp, steps: list[int]
) -> None:
    service = ScheduledService(
        service_id=ServiceId("shop.web"),
        project="shop",
        name="web",
        spec=ServiceSpec(image="w:1"),
        replicas=1,
    )
    fired: list[int] = []
    due_ms, now_ms = next_fire_ms(cron, zone, at_ms), at_ms
    for step_ms in steps:
        now_ms += step_ms
        schedule = DeploySchedule(
            id="sc_1",
            project="shop",
            services=(service,),
            asker=Asker(name="ann", principal_id="us_ann"),
            cron=cron,
            time_zone=zone,
            catch_up=catch_up,
            next_fire_ms=due_ms,
        )
        due = decide_due(schedule, now_ms)
        if due is None:
            assert due_ms is None or due_ms > now_ms
            continue
        assert due.next_ms is not None
        assert due.next_ms > now_ms, "one decision is enough, however much was missed"
        assert due.due_ms <= due.moment_ms <= now_ms
        if not due.reason:
            assert now_ms - due.moment_ms <= (3_600_000 if catch_up is CatchUp.ONCE else GRACE_MS)
            fired.append(due.moment_ms)
        due_ms = due.next_ms
    assert fired == sorted(set(fired))
