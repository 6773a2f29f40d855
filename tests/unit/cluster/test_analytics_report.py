"""Reports as Markdown, HTML and CSV, whatever is in them; capacity in words."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from cluster.analytics.capacity import Amount, HostRoom, in_all
from cluster.analytics.report import Chart, Figure, Report, Section, Table, to_csv, to_markdown
from cluster.analytics.report_html import draw, to_html
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_capacity import tell_loss, tell_more, tell_room
from cluster.analytics.series import HOUR_MS, Values

EN, IT = Language.EN, Language.IT
GIB = 1024.0**3
EVIL = '=cmd|"</td><script>alert(1)</script>`*_[x](javascript:1)'


def a_chart(values: Values, **fields: Any) -> Chart:
    times = HOUR_MS * np.arange(len(values), dtype=np.int64)
    return Chart(title="h1: memory", unit="bytes", times_ms=times, values=values, **fields)


def a_report(name: str, *, charts: tuple[Chart, ...] = ()) -> Report:
    return Report(
        title=name,
        subtitle=name,
        language="en",
        made_at_ms=0,
        sections=(
            Section(
                heading=name,
                sentences=(name,),
                table=Table(columns=(name, "b"), rows=((name, name),)),
                charts=charts,
            ),
            Section(heading="nothing", empty=name),
        ),
        figures=(Figure(subject=name, kind="host", metric=name, unit="", name="level", value=1.5),),
    )


@given(st.one_of(st.just(EVIL), st.text(max_size=60)))
@settings(max_examples=40, deadline=None)
def test_whatever_a_name_is_it_is_text_in_every_form(name: str) -> None:
    report = a_report(name)
    page = to_html(report)
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", page))
    assert tags <= {
        "html", "head", "meta", "title", "style", "body", "header", "h", "p", "main", "section", "ul", "li",
        "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    markdown = to_markdown(report)
    assert not re.search(r"(?<!\\)[<`\[]", markdown)
    for line in markdown.splitlines():
        assert line.startswith(("#", "-", "|")) or not re.match(r"\s*(#|---|\|)", line)
    for row in csv.reader(io.StringIO(to_csv(report))):
        assert len(row) == 6
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


@given(
    of_numpy.arrays(
        np.float64,
        st.integers(0, 60),
        elements=st.one_of(st.floats(-1e12, 1e12), st.just(float("nan"))),
    )
)
@example(np.array([-1.2e9, -2.2e9]))
@example(np.zeros(3))
@settings(max_examples=40, deadline=None)
def test_whatever_was_measured_there_is_a_drawing(values: Values) -> None:
    drawn = ET.fromstring(draw(a_chart(values), EN))  # noqa: S314 (it is our own)
    assert drawn.tag == "svg"
    for line in drawn.iter("polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 640
            assert -1 <= y <= 181


def test_a_gap_is_a_gap_and_what_is_ahead_is_drawn_with_its_interval_and_limit() -> None:
    values = np.array([1.0, 2.0, float("nan"), 2.0, 3.0])
    ahead = HOUR_MS * np.arange(5, 8, dtype=np.int64)
    expected = np.array([3.0, 3.5, 4.0])
    chart = a_chart(
        values,
        ahead_ms=ahead,
        expected=expected,
        low=expected - 1,
        high=expected + 1,
        levels=(("limit", 5.0), ("far away", 1e9)),
    )
    drawn = ET.fromstring(draw(chart, EN))  # noqa: S314 (it is our own)
    kinds = [line.attrib["class"] for line in drawn.iter("polyline")]
    assert kinds == ["line", "line", "ahead"]
    assert len(list(drawn.iter("polygon"))) == 1
    assert [line.attrib["class"] for line in drawn.iter("line")].count("limit") == 1
    assert "5 B" not in [text.text for text in drawn.iter("text") if text.text == "limit"]


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    page = to_html(a_report("all", charts=(a_chart(np.arange(9.0)),)))
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page)
    assert '<html lang="en">' in page


# ---- capacity in words


def a_room(name: str, *, used: float | None = 2 * GIB) -> HostRoom:
    return HostRoom(
        node_id=name,
        name=name,
        size=Amount(cpu_cores=4.0, memory_bytes=8 * GIB),
        used=Amount(cpu_cores=1.0 if used is not None else None, memory_bytes=used),
        reserved=Amount(cpu_cores=0.0, memory_bytes=0.0),
    )


def test_room_is_told_with_the_size_it_is_of() -> None:
    assert tell_room(EN, a_room("h1")) == ("h1 has 6 GiB and 3 processors free, of 8 GiB and 4 processors",)
    assert tell_room(IT, a_room("h1")) == ("h1: liberi 6 GiB e 3 processori, su 8 GiB e 4 processori",)
    tight = tell_room(EN, a_room("h1", used=7.5 * GIB))[1]
    assert tight == "h1 is short of room: 94 % of its memory in its worst hours"
    assert "not known yet" in tell_room(EN, a_room("h1", used=None))[0]


def test_room_of_a_busy_host_is_rounded_as_a_person_does_and_to_no_more_than_there_is() -> None:
    busy = replace(a_room("h1"), used=Amount(cpu_cores=3.9963, memory_bytes=2 * GIB))
    assert tell_room(EN, busy)[0] == "h1 has 6 GiB and 0 processors free, of 8 GiB and 4 processors"
    less = replace(a_room("h1"), used=Amount(cpu_cores=0.31, memory_bytes=2 * GIB))
    assert "3.6 processors free" in tell_room(EN, less)[0]


def test_room_told_from_a_few_hours_says_so() -> None:
    new = replace(a_room("h1"), hours_known=3)
    assert tell_room(EN, new)[1:] == ("h1 was measured for 3 h so far: worse hours may come",)
    assert tell_room(IT, new)[1:] == ("h1: misure per 3 h finora: possono venire ore peggiori",)
    assert len(tell_room(EN, replace(new, hours_known=24))) == 1
    assert in_all([new, replace(new, hours_known=400)]).hours_known == 400


@pytest.mark.parametrize(
    ("staying", "tight", "said"),
    [
        (0, (), "without h1, its replicas (3) find room on the others"),
        (
            2,
            (),
            "without h1, not all of its replicas find another host (2 of 3 do not): no room",
        ),
        (0, ("h2",), "without h1, h2 would be short of room"),
    ],
)
def test_a_loss_is_told(staying: int, tight: tuple[str, ...], said: str) -> None:
    told = tell_loss(EN, "h1", replicas=3, staying=staying, reason="no room", tight=tight)
    assert told == said[0].upper() + said[1:]


def test_more_replicas_that_do_not_all_fit_are_told_with_the_reason() -> None:
    said = tell_more(EN, "shop.web", asked=3, hosts=("h1",), reason="no room", tight=("h1",))
    assert said == (
        "There is room for 1 of 3 more of shop.web; then: no room",
        "Then h1 would be short of room",
    )
