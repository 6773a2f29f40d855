"""Variables: how they are replaced in values, and how files of them are read."""

from __future__ import annotations

import pytest

from cluster.compose.dotenv import EnvFileRefused, parse_env
from cluster.compose.interpolation import InterpolationRefused, interpolate, mentioned
from tests.support.compose_kit import a_file, refused

KNOWN = {"A": "a", "EMPTY": "", "SECRET": "hunter2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}", "a-a"),
        ("$$A $$ ${EMPTY}", "$A $ "),
        ("${M:-d}${M-d}${EMPTY:-d}${EMPTY-d}", "ddd"),
        ("${A:+r}${A+r}${EMPTY:+r}${EMPTY+r}${M+r}", "rrr"),
        ("${A:?why}${EMPTY?why}", "a"),
        ("${M:-${N:-${O:-${A}}}}", "a"),
        ("${M:-x{y}z}", "x{y}z"),
        ("${M:-$$x}", "$x"),
        ("${A:-${NOT_SET}}", "a"),
        ("${M+${NOT_SET}}", ""),
        ("{a} } {", "{a} } {"),
    ],
)
def test_every_form_of_a_reference_is_replaced(text: str, expected: str) -> None:
    assert interpolate(text, KNOWN) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$", r"write \$\$"),
        ("cost: $5", r"write \$\$"),
        ("${ A}", r"write \$\$"),
        ("${A", "no operator"),
        ("${A:-x", "no closing brace"),
        ("${A!x}", "no operator"),
        ("${M}", "M is not set"),
        ("${EMPTY:?name the ${SECRET}}", r"EMPTY is not set: name the \$\{SECRET\}"),
        ("${M?}", "it must be set"),
        ("${M:-" * 20 + "x" + "}" * 20, "go deeper"),
    ],
)
def test_a_reference_that_cannot_be_replaced_is_refused_without_any_value(text: str, words: str) -> None:
    with pytest.raises(InterpolationRefused, match=words) as refusal:
        interpolate(text, KNOWN)
    assert "hunter2" not in str(refusal.value)


def test_a_value_cannot_be_blown_up() -> None:
    with pytest.raises(InterpolationRefused, match="too long"):
        interpolate("$BIG" * 2000, {"BIG": "x" * 1000})


def test_all_values_of_a_file_together_cannot_be_blown_up() -> None:
    lines = "\n".join(f"x-{n}: $BIG" for n in range(100))
    findings = refused(a_file() + lines, variables={"BIG": "x" * 64 * 1024})
    assert "too long" in findings[0].rule


def test_the_names_a_text_may_refer_to_are_found() -> None:
    assert set(mentioned("$A ${B:-$C} $$D ${E?x}")) == {"A", "B", "C", "E"}


def test_a_file_of_variables_is_read_as_compose_does() -> None:
    text = """\ufeff# comment
PLAIN=value # comment
HASH=a#b
EMPTY=
export EXPORTED=1
COLON: yes
SINGLE='as $A \\n is'
DOUBLE="with $A,\\n\\"quoted\\" and \\$5"
LINES="one
two"
REFERS=${PLAIN}-${M:-d}
ALONE
LAST=end"""
    assert parse_env(text, KNOWN) == {
        "PLAIN": "value",
        "HASH": "a#b",
        "EMPTY": "",
        "EXPORTED": "1",
        "COLON": "yes",
        "SINGLE": "as $A \\n is",
        "DOUBLE": 'with a,\n"quoted" and $5',
        "LINES": "one\ntwo",
        "REFERS": "value-d",
        "ALONE": None,
        "LAST": "end",
    }


def test_a_raw_file_is_taken_as_it_is() -> None:
    assert parse_env("A='$X' # y\nB=\"\n", {}, is_raw=True) == {"A": "'$X' # y", "B": '"'}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("A=1\nsome words\n", 2, "write NAME=value"),
        ("1A=1", 1, "write NAME=value"),
        ("A='open\nB=2", 1, "not closed"),
        ('A=1\nB="x" y', 2, "behind the closing quote"),
        ("A=1\n\nB=${hunter2", 3, "no operator"),
        ("A=${M}", 1, "M is not set"),
        ("\n".join(f"A{n}=1" for n in range(1001)), 1001, "more than 1000"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(text: str, line: int, words: str) -> None:
    with pytest.raises(EnvFileRefused, match=words) as refusal:
        parse_env(text, {})
    assert refusal.value.line == line


def test_lines_after_one_of_several_are_counted_right() -> None:
    with pytest.raises(EnvFileRefused) as refusal:
        parse_env('A="1\n2\n3"\nB C', {})
    assert refusal.value.line == 4
