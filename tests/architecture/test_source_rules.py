"""The project's own code keeps the rules, and the rules report what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.repository import PACKAGES, ROOT, python_files
from tests.architecture.source_rules import (
    assertionless_tests,
    noqa_without_reason,
    over_all,
    sleeping_calls,
    tasks_outside_a_group,
    type_ignore_without_reason,
)

HERE = Path("x.py")


def test_every_lint_suppression_names_its_code_and_gives_a_reason() -> None:
    findings = over_all(python_files(*PACKAGES, "tests", "packaging"), noqa_without_reason, ROOT)
    assert not findings, findings


def test_every_type_suppression_of_the_product_gives_a_reason() -> None:
    findings = over_all(python_files(*PACKAGES), type_ignore_without_reason, ROOT)
    assert not findings, findings


def test_unit_and_property_tests_do_not_sleep() -> None:
    quick = python_files("tests/unit", "tests/properties", "tests/architecture", "tests/simulation")
    findings = over_all(quick, sleeping_calls, ROOT)
    assert not findings, findings


def test_every_test_asserts_something() -> None:
    findings = over_all(python_files("tests"), assertionless_tests, ROOT)
    assert not findings, findings


def test_every_task_lives_in_a_task_group() -> None:
    findings = over_all(python_files(*PACKAGES), tasks_outside_a_group, ROOT)
    assert not findings, findings


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in python_files("tests") if path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: S104",
        "# noqa: S104 -",
        "# NOQA: S104, S105",
        "# type: ignore",
        "# type: ignore[misc]",
        "# type: ignore[misc]  # x",
    ],
)
def test_a_suppression_without_code_or_reason_is_reported(comment: str) -> None:
    assert len(findings_of_both(comment)) == 1


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S104 - inside the host's own network",
        "# noqa: N802, N803  # overrides by mangled name",
        "# noqa: S104  (refused, not bound)",
        "# type: ignore[import-untyped]  # ships no types",
    ],
)
def test_a_suppression_with_code_and_reason_is_not_reported(comment: str) -> None:
    assert findings_of_both(comment) == []


def findings_of_both(comment: str) -> list[str]:
    line = f"bind()  {comment}\n"
    return [*noqa_without_reason(HERE, line), *type_ignore_without_reason(HERE, line)]


@pytest.mark.parametrize("call", ["time.sleep(1)", "asyncio.sleep(0.01)", "asyncio.sleep(delay)"])
def test_a_sleep_is_reported(call: str) -> None:
    assert len(list(sleeping_calls(HERE, call))) == 1


@pytest.mark.parametrize("call", ["asyncio.sleep(0)", "clock.sleep(5)", "time.monotonic()"])
def test_a_turn_of_the_loop_and_a_fake_clock_are_not_sleeping(call: str) -> None:
    assert list(sleeping_calls(HERE, call)) == []


@pytest.mark.parametrize("body", ["pass", "run()", "with suppress(ValueError):\n        run()"])
def test_a_test_without_assertion_is_reported(body: str) -> None:
    assert len(list(assertionless_tests(HERE, f"async def test_it():\n    {body}\n"))) == 1


@pytest.mark.parametrize(
    "body",
    [
        "assert x",
        "with pytest.raises(ValueError):\n        run()",
        "check_invariants(cluster)",
        "suite.assert_equal(a, b)",
        "run_state_machine_as_test(Machine)",
        "await_both()\n\ndef await_both():\n    follow()\n\ndef follow():\n    assert done",
    ],
)
def test_a_test_with_assertion_is_not_reported(body: str) -> None:
    assert list(assertionless_tests(HERE, f"def test_it():\n    {body}\n")) == []


@pytest.mark.parametrize(
    "call", ["loop.create_task(f())", "self._loop.create_task(f())", "get_event_loop().create_task(f())"]
)
def test_a_task_of_the_bare_loop_is_reported(call: str) -> None:
    assert len(list(tasks_outside_a_group(HERE, call))) == 1


def test_a_task_of_a_group_is_not_reported() -> None:
    assert list(tasks_outside_a_group(HERE, "group.create_task(f())")) == []
