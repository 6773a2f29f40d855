"""Questions to ask next, taken out of a text that comes in pieces; and what an answer may still cost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.assistant.answering import Meter
from web.assistant.followups import CLOSING, OPENING, FollowUps
from web.assistant.spending import REQUEST_TOKENS_MAX, REQUEST_TOKENS_MIN, Spending


def read(*pieces: str) -> tuple[str, tuple[str, ...]]:
    """What is shown of a text, and its questions."""
    follow_ups = FollowUps()
    shown = "".join(map(follow_ups.feed, pieces)) + follow_ups.flush()
    return shown, follow_ups.questions


@given(st.lists(st.integers(0, 120)), st.booleans())
def test_wherever_a_text_is_cut_the_same_is_shown_and_suggested(cuts: list[int], is_closed: bool) -> None:
    text = f"a < b, <next, and more.\n{OPENING}\nWhy?\n- How <much>?\n{CLOSING if is_closed else ''}"
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(ends)]
    assert read(*pieces) == ("a < b, <next, and more.\n", ("Why?", "How <much>?"))


@given(st.text(alphabet="<next-quios>/ \n"))
def test_a_text_without_a_list_is_shown_whole(text: str) -> None:
    if OPENING not in text:
        assert read(*text) == (text, ())


def test_what_may_be_a_list_is_held_until_it_is_known() -> None:
    follow_ups = FollowUps()
    assert follow_ups.feed("All is well <next-q") == "All is well "
    assert follow_ups.feed("uarter") == "<next-quarter"


def test_what_comes_behind_a_list_is_shown_and_the_last_list_counts() -> None:
    first, last = (f"{OPENING}\n{question}\n{CLOSING}" for question in ("Why?", "How?"))
    assert read(f"one {first} two {last} three") == ("one  two  three", ("How?",))


@pytest.mark.parametrize(
    ("listed", "questions"),
    [
        ("", ()),
        ("\n\n  \n", ()),
        ("1. a?\n2) b?\n* c?\n• d?", ("a?", "b?", "c?")),
        ("a?\na?\nb?", ("a?", "b?")),
        ("x" * 201 + "\na?", ("a?",)),
        ("hid\u200bden \x1b[31mred\x1b[0m?", ("hidden red?",)),
    ],
)
def test_questions_are_few_short_and_plain(listed: str, questions: tuple[str, ...]) -> None:
    assert read(f"{OPENING}{listed}{CLOSING}") == ("", questions)


# ---- what is spent


def test_a_request_reads_what_was_read_and_written_before_and_what_is_new() -> None:
    spending = Spending(20_000, Meter())
    assert spending.begin(3_000) == REQUEST_TOKENS_MAX
    spending.count(4_000)
    spending.count(6_000)
    assert spending.spent == 6_000
    # 6,000 are spent, 6,000 and 1,000 new ones would be read again.
    assert spending.begin(3_000) == 7_000
    spending.count(7_500)
    assert spending.spent == 13_500
    assert spending.begin(0) is None


def test_what_is_written_counts_while_it_is_written_and_then_by_what_it_was() -> None:
    meter = Meter()
    spending = Spending(20_000, meter)
    spending.begin(0)
    spending.count(1_000)
    for _ in range(4):
        spending.count_text(100)
    assert meter.tokens == 1_133
    spending.count(1_080)
    assert (meter.tokens, spending.spent) == (1_080, 1_080)


@given(st.integers(0, 50_000), st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 9_000)), max_size=8))
def test_no_request_begins_that_could_not_fit(left: int, requests: list[tuple[int, int]]) -> None:
    spending = Spending(left, Meter())
    for new_characters, cost in requests:
        before = spending.spent
        room = spending.begin(new_characters)
        if room is None:
            assert spending.spent == before
            return
        assert REQUEST_TOKENS_MIN <= room <= REQUEST_TOKENS_MAX
        assert before + new_characters // 3 + room <= left
        spending.count(cost)
        assert spending.spent == before + cost
