"""What people are told, in English and Italian, with numbers no more exact than they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.analytics import sentences_profile, sentences_trend
from cluster.analytics.comparison import compare_with_usual
from cluster.analytics.exhaustion import Outlook, find_exhaustion
from cluster.analytics.forecast import forecast_day
from cluster.analytics.pace import Shape
from cluster.analytics.profile import RULES, Symptom, find_bottlenecks
from cluster.analytics.sentences import (
    Language,
    Phrasebook,
    Text,
    about_days,
    amount,
    between,
    choose_language,
    noun,
    number,
)
from cluster.analytics.sentences_profile import tell_bottleneck
from cluster.analytics.sentences_trend import (
    Topic,
    tell_comparison,
    tell_exhaustion,
    tell_path,
    tell_trend,
)
from cluster.analytics.trend import find_trend
from cluster.model.metrics import METRICS
from tests.support.series_kit import days_of, hourly

EN, IT = Language.EN, Language.IT
MONGO = Topic(name="MongoDB", metric="memory_bytes", unit="bytes")
FRONTEND = Topic(name="Frontend-1", metric="memory_bytes", unit="bytes")
GIB = 1024.0**3


def test_growth_of_last_week_is_told_as_people_say_it() -> None:
    trend = find_trend(hourly(GIB * 1.15 ** (days_of(21) / 7)))
    assert tell_trend(EN, MONGO, trend)[0] == "MongoDB memory grew 15 % last week"
    assert tell_trend(IT, MONGO, trend)[0] == "La memoria di MongoDB: +15 % nell'ultima settimana"


def test_what_rises_is_told_to_be_where_it_is_now() -> None:
    trend = find_trend(hourly(GIB * (50 + days_of(14))))
    assert "It rises by 1.7 % a day, and is at 63.5 GiB" in tell_trend(EN, MONGO, trend)


def test_when_a_share_of_memory_is_reached_is_told_in_days() -> None:
    found = find_exhaustion(hourly(100 + 2.0 * days_of(14)), 100 + 28 + 24)
    assert tell_exhaustion(EN, FRONTEND, found, 90) == ("Frontend-1 reaches 90 % RAM in ~12 days",)
    assert tell_exhaustion(IT, FRONTEND, found, 90) == (
        "Frontend-1 raggiunge il 90 % della RAM fra ~12 giorni",
    )
    assert "l'80 %" in tell_exhaustion(IT, FRONTEND, found, 80)[0]


def test_a_range_is_told_with_its_reason() -> None:
    at = days_of(30)
    found = find_exhaustion(hourly(30 + np.where(at < 18, at, 18 + 2 * (at - 18))), 92)
    assert found.is_range
    assert found.shape is Shape.ACCELERATING
    first, second = tell_exhaustion(EN, FRONTEND, found, 100)
    assert first == "Frontend-1 reaches 100 % RAM in 10 to 16 days"
    assert "grew faster in the last week" in second


def test_a_range_of_growth_by_a_share_is_told_with_its_reason() -> None:
    found = find_exhaustion(hourly(10 * 1.3 ** (days_of(28) / 7)), 10 * 1.3**8)
    first, second = tell_exhaustion(EN, FRONTEND, found, 100)
    assert first == "Frontend-1 reaches 100 % RAM in 28 to 50 days"
    assert second.startswith("A range, because it grows by a share of what there is")
    assert "al passo di oggi" in tell_exhaustion(IT, FRONTEND, found, 100)[1]


def test_what_is_full_by_then_is_told_with_its_size_and_no_more() -> None:
    disk = Topic(name="/srv", metric="disk_used_bytes", unit="bytes")
    trend = find_trend(hourly(GIB * (50 + days_of(14))), ceiling=84 * GIB)
    assert tell_trend(EN, disk, trend)[-1] == "Expected in a month: 84 GiB, full by then"
    assert "full" not in tell_trend(EN, disk, trend)[-2]
    assert tell_trend(IT, disk, trend)[-1].endswith("84 GiB, a quel punto non resta spazio")


def test_processors_at_their_most_are_not_full() -> None:
    trend = find_trend(hourly(50 + 2 * days_of(14)), ceiling=100.0)
    topic = Topic(name="h1", metric="cpu_percent", unit="percent")
    assert tell_trend(EN, topic, trend)[-1] == "Expected in a month: 100 %"


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("outlook", [each for each in Outlook if each is not Outlook.FILLING])
def test_whatever_becomes_of_the_room_there_is_a_sentence(language: Language, outlook: Outlook) -> None:
    values = {
        Outlook.FULL: (np.full(200, 9.0), 5.0),
        Outlook.FAR: (np.linspace(3, 9, 240), 1e9),
        Outlook.FLAT: (np.full(240, 9.0), 10.0),
        Outlook.SHRINKING: (np.linspace(9, 3, 240), 10.0),
        Outlook.INSUFFICIENT: (np.full(30, 9.0), 10.0),
        Outlook.NO_LIMIT: (np.full(30, 9.0), None),
    }
    found = find_exhaustion(hourly(values[outlook][0]), values[outlook][1])
    assert found.outlook is outlook
    (said,) = tell_exhaustion(language, FRONTEND, found, 90)
    assert len(said) > 20


def test_busy_processors_are_told_of_the_hour_they_were_busy_in() -> None:
    found = find_exhaustion(hourly([97.0]), 90.0)
    topic = Topic(name="h1", metric="cpu_percent", unit="percent")
    assert tell_exhaustion(EN, topic, found, 90) == (
        "h1 used more than 90 % of the processors in its last hour",
    )
    assert tell_exhaustion(IT, topic, found, 90) == ("h1 ha superato il 90 % dei processori nell'ultima ora",)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("hours", [0, 1, 30, 24 * 9])
def test_what_cannot_be_concluded_is_said(language: Language, hours: int) -> None:
    series = hourly([5.0] * hours)
    trend = tell_trend(language, MONGO, find_trend(series))
    path = tell_path(language, MONGO, forecast_day(series), hours_known=series.hours_known)
    compared = tell_comparison(language, MONGO, compare_with_usual(series))
    assert trend
    assert path
    if language is EN:
        expected = {
            0: ("nothing was measured", "nothing was measured", "0 of 3 days before"),
            1: ("1 of 7 days", "known so far: 1 h", "0 of 3 days before"),
            30: ("1 of 7 days", "takes a week of samples", "0 of 3 days before"),
            216: ("is stable at 5 B", "in 9 of 10 hours", "was as usual"),
        }[hours]
        for part, said in zip(expected, (" ".join(trend), " ".join(path), compared), strict=True):
            assert part.lower() in said.lower()


@pytest.mark.parametrize("language", list(Language))
def test_every_bottleneck_has_words_for_what_is_seen_and_what_helps(language: Language) -> None:
    for rule in RULES:
        (found,) = find_bottlenecks({rule.metric: hourly([rule.high] * 24)})
        words = tell_bottleneck(language, "h1", found)
        assert "h1" in words.description
        assert words.fix
    assert {rule.symptom for rule in RULES} | {Symptom.SLOW} == set(Symptom)


def test_every_metric_has_a_name_in_both_languages() -> None:
    told = [metric for metric in METRICS if metric.is_more_worse is not None and metric.number < 80]
    for metric in told:
        assert noun(metric.name).it.startswith(("il ", "la ", "lo ", "l'")), metric.name
        assert not noun(metric.name).it.startswith("la metrica"), metric.name


def test_a_text_that_forgets_a_value_in_one_language_is_no_phrasebook() -> None:
    with pytest.raises(AssertionError):
        Phrasebook({"key": Text("{name} is full", "è pieno")})
    assert sentences_trend.BOOK.keys
    assert sentences_profile.BOOK.keys


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", EN),
        ("it", IT),
        ("it-IT,it;q=0.9,en;q=0.8", IT),
        ("en-GB,it;q=0.9", EN),
        ("de, it;q=0.3", IT),
        ("it;q=0, en;q=0.1", EN),
        ("IT-CH", IT),
        ("it;q=nan", EN),
        ("*", EN),
        (";;;,q=,it;q=2", EN),
    ],
)
def test_the_language_is_what_the_reader_prefers_of_those_there_are(header: str, language: Language) -> None:
    assert choose_language(header) is language


@given(st.text(max_size=200))
def test_whatever_a_browser_sends_there_is_a_language(header: str) -> None:
    assert choose_language(header) in Language


@pytest.mark.parametrize(
    ("value", "unit", "english", "italian"),
    [
        (1.5 * GIB, "bytes", "1.5 GiB", "1,5 GiB"),
        (1023.4 * 1024**2, "bytes", "1,023 MiB", "1.023 MiB"),
        (1023.6 * 1024**2, "bytes", "1 GiB", "1 GiB"),
        (0, "bytes", "0 B", "0 B"),
        (2048, "bytes/s", "2 KiB/s", "2 KiB/s"),
        (97.04, "percent", "97 %", "97 %"),
        (0.04567, "percent", "0.0457 %", "0,0457 %"),
        (12345, "count", "12,345", "12.345"),
        (250.2, "ms", "250 ms", "250 ms"),
        (-3.5, "celsius", "-3.5 °C", "-3,5 °C"),
        (float("nan"), "bytes", "?", "?"),
        (1e-9, "", "0", "0"),
    ],
)
def test_numbers_have_the_digits_that_count(value: float, unit: str, english: str, italian: str) -> None:
    assert amount(EN, value, unit) == english
    assert amount(IT, value, unit) == italian


@pytest.mark.parametrize(
    ("days", "english", "italian"),
    [
        (0.01, "~1 hour", "~1 ora"),
        (0.75, "~18 hours", "~18 ore"),
        (12.3, "~12 days", "~12 giorni"),
        (100, "~3 months", "~3 mesi"),
        (364, "~12 months", "~12 mesi"),
    ],
)
def test_a_forecast_is_no_more_exact_than_it_is(days: float, english: str, italian: str) -> None:
    assert about_days(EN, days) == english
    assert about_days(IT, days) == italian


@pytest.mark.parametrize(
    ("low", "high", "english", "italian"),
    [
        (9, 14, "9 to 14 days", "9-14 giorni"),
        (0.5, 3, "12 hours to 3 days", "12 ore - 3 giorni"),
        (9, 9.2, "~9 days", "~9 giorni"),
        (9, None, "9 days or later", "9 giorni o più tardi"),
        (1, 90, "24 hours to 3 months", "24 ore - 3 mesi"),
    ],
)
def test_ranges_of_time_name_their_unit_once(low: float, high: float, english: str, italian: str) -> None:
    assert between(EN, low, high) == english
    assert between(IT, low, high) == italian


@given(st.floats(-1e30, 1e30))
def test_a_number_that_is_shown_is_the_number(value: float) -> None:
    shown = float(number(EN, value).replace(",", ""))
    assert shown == pytest.approx(value, rel=0.006, abs=1e-6)
