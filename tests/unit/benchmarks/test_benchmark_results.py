"""The file of results: what is written, and that a run replaces only what it measured."""

from __future__ import annotations

import pytest

from tests.benchmarks.results import Circumstances, Finding, Row, merged, percentile, section, spread

WHERE = Circumstances(
    date="2026-11-30 12:00 UTC",
    command="make bench",
    machine="2 cores of X, 4 GiB",
    load_before=0.26,
    duration_s=12.4,
)
FINDING = Finding(
    title="Failover",
    how="Killed.",
    anchor="Swarm",
    rows=(Row(what="p50", ours="1.0 s", target="< 2 s", anchor="9 s"), Row(what="p95", ours="1 | 2")),
    notes=("A note.",),
)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(1, 1.0), (50, 50.0), (50.5, 51.0), (95, 95.0), (99.5, 100.0), (100, 100.0)],
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    percent: float, expected: float
) -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, percent) == expected


def test_every_percentile_of_one_value_is_that_value() -> None:
    assert {percentile([7.0], percent) for percent in (0.1, 50, 100)} == {7.0}


@pytest.mark.parametrize(("values", "percent"), [([], 50.0), ([1.0], 0.0), ([1.0], 100.5)])
def test_a_percentile_that_means_nothing_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percent"):
        percentile(values, percent)


def test_few_values_are_all_shown_and_many_are_summed_up() -> None:
    assert spread([1.0, 2.5], "s") == "1.00, 2.50 s"
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0], "s", 1) == "p50 3.0 s, p95 5.0 s, max 5.0 s (5 times)"


def test_a_section_has_figure_target_and_anchor_side_by_side_and_says_where_it_was_measured() -> None:
    assert section("failover", FINDING, WHERE).splitlines() == [
        "<!-- begin failover -->",
        "## Failover",
        "",
        "Killed.",
        "",
        "| | Control Tower | target | Swarm |",
        "|---|---|---|---|",
        "| p50 | 1.0 s | < 2 s | 9 s |",
        "| p95 | 1 \\| 2 | - | - |",
        "",
        "- A note.",
        "",
        "2026-11-30 12:00 UTC, `make bench`, 12 s; 2 cores of X, 4 GiB; 1-minute load before it 0.3.",
        "<!-- end failover -->",
    ]


def test_what_a_program_printed_is_kept_as_it_is() -> None:
    shown = section("log", Finding(title="Log", how="Written.", verbatim="a  1\nb  2\n"), WHERE)
    assert "```\na  1\nb  2\n```\n" in shown


def test_a_partial_run_replaces_its_own_section_only_and_keeps_the_order() -> None:
    order = ("a", "b", "c")
    first = merged("", {"c": _named("c", "old"), "a": _named("a", "old")}, order)
    second = merged(first, {"b": _named("b", "new"), "a": _named("a", "new")}, order)
    assert _words(second) == ["a new", "b new", "c old"]
    assert second.startswith("# Results of the benchmarks\n")


def test_merging_nothing_new_changes_nothing() -> None:
    text = merged("", {"a": section("a", FINDING, WHERE), "b": _named("b", "x")}, ("a", "b"))
    assert merged(text, {}, ("a", "b")) == text


def test_the_section_of_a_benchmark_that_is_no_more_goes() -> None:
    text = merged("", {"a": _named("a", "old"), "b": _named("b", "old")}, ("a", "b"))
    assert _words(merged(text, {}, ("b",))) == ["b old"]


def _named(name: str, word: str) -> str:
    return section(name, Finding(title="T", how=f"says {name} {word}"), WHERE)


def _words(text: str) -> list[str]:
    return [line.removeprefix("says ") for line in text.splitlines() if line.startswith("says ")]
