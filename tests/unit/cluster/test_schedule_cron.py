"""When cron expressions fire, also in the nights in which the clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster.schedule import check_cron, next_fire_ms
from cluster.schedule.cron import last_fire_ms

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def fires(cron: str, zone: str, after: str, count: int) -> list[str]:
    found, at_ms = [], ms(after)
    for _ in range(count):
        following = next_fire_ms(cron, zone, at_ms)
        assert following is not None
        at_ms = following
        found.append(datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%M"))
    return found


def test_an_expression_is_read_in_its_time_zone() -> None:
    assert fires("30 3 * * *", BERLIN, "2026-07-01T00:00+00:00", 2) == ["07-01 01:30", "07-02 01:30"]
    assert fires("30 3 * * *", BERLIN, "2026-12-01T00:00+00:00", 1) == ["12-01 02:30"]
    assert fires("0 9 * * MON-FRI", "UTC", "2026-11-27T09:00+00:00", 1) == ["11-30 09:00"]


def test_the_moment_itself_is_not_after_itself() -> None:
    assert fires("0 0 * * *", "UTC", "2026-01-01T00:00+00:00", 1) == ["01-02 00:00"]


def test_a_time_that_the_change_of_clocks_skips_fires_at_the_change() -> None:
    # At 02:00 the clocks of 29 March 2026 go to 03:00, which is 01:00 UTC.
    assert fires("30 2 * * *", BERLIN, "2026-03-28T12:00+00:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_a_time_that_comes_twice_fires_at_the_first() -> None:
    # At 03:00 the clocks of 25 October 2026 go back to 02:00: 02:30 is 00:30 and 01:30 UTC.
    assert fires("30 2 * * *", BERLIN, "2026-10-24T12:00+00:00", 2) == ["10-25 00:30", "10-26 01:30"]
    assert fires("30 2 * * *", BERLIN, "2026-10-25T00:45+00:00", 1) == ["10-26 01:30"]


def test_what_goes_by_elapsed_time_does_so_when_the_clocks_are_changed() -> None:
    assert fires("*/30 * * * *", BERLIN, "2026-10-25T00:00+00:00", 4) == [
        "10-25 00:30",
        "10-25 01:00",
        "10-25 01:30",
        "10-25 02:00",
    ]
    assert fires("*/30 * * * *", BERLIN, "2026-03-29T00:30+00:00", 2) == ["03-29 01:00", "03-29 01:30"]


def test_clocks_that_are_changed_by_half_an_hour_hide_nothing() -> None:
    # On 5 April 2026 the clocks of Lord Howe Island go from 02:00 back to 01:30, which is 15:00 UTC.
    assert fires("* 2 * * SUN", "Australia/Lord_Howe", "2026-04-04T12:00+00:00", 1) == ["04-04 15:30"]


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("* * * *", "UTC", "five fields"),
        ("0 0 0 * * *", "UTC", "five fields"),
        ("61 * * * *", "UTC", "minute"),
        ("0 0 30 2 *", "UTC", "day-of-month"),
        ("0 0 * * *", "Europe/Atlantis", "Europe/Atlantis"),
        ("0 0 * * *", "../../etc/passwd", "not known"),
    ],
)
def test_what_is_no_calendar_is_refused_with_the_rule(cron: str, zone: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_cron(cron, zone)


def test_the_newest_moment_in_a_span_is_found() -> None:
    start, end = ms("2026-10-01T00:00+00:00"), ms("2026-10-31T00:00+00:00")
    assert last_fire_ms("* * * * *", BERLIN, start, end) == end
    assert last_fire_ms("30 3 * * *", "UTC", start, end) == ms("2026-10-30T03:30+00:00")
    assert last_fire_ms("0 0 1 1 *", "UTC", start, end) is None
    assert last_fire_ms("0 0 * * *", "UTC", end, end) is None
