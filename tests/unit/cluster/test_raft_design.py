"""The hazards that cluster/raft/DESIGN.md claims to meet, and the tests it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from cluster.raft.types import Rule

ROOT = Path(__file__).parents[3]
DESIGN = ROOT / "cluster" / "raft" / "DESIGN.md"
NUMBERS = [*range(1, 19), *range(20, 28), *range(30, 35), *range(40, 45)]


def rows() -> list[list[str]]:
    """The table's rows as (number, hazard, cure, tests)."""
    lines = DESIGN.read_text().splitlines()
    return [line.strip("|").split("|") for line in lines if re.match(r"\| H\d+ \|", line)]


def functions_in(stem: str) -> set[str]:
    """The test functions of the one test file of that name."""
    [path] = (ROOT / "tests").rglob(f"{stem}.py")
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_hazard_stands_in_the_table_once() -> None:
    assert [row[0].strip() for row in rows()] == [f"H{number}" for number in NUMBERS]
    mentions = re.findall(r"\bH\d+\b", DESIGN.read_text())
    assert sorted(mentions) == sorted(f"H{number}" for number in NUMBERS)


def test_every_hazard_has_a_cure_and_a_test_that_exists() -> None:
    for number, hazard, cure, shown_by in rows():
        assert hazard.strip(), number
        assert cure.strip(), number
        named = re.findall(r"`(\w+)::(\w+)`", shown_by)
        assert named, f"{number} names no test"
        for stem, name in named:
            assert name in functions_in(stem), f"{number}: {stem} has no {name}"


def test_every_hazard_is_named_by_a_test_that_says_so() -> None:
    """In a docstring, so that a test that fails tells which hazard is back."""
    said = set()
    for path in (ROOT / "tests" / "unit" / "cluster").glob("test_raft_hazards_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                said |= set(re.findall(r"\bH\d+\b", ast.get_docstring(node) or ""))
    said |= set(re.findall(r"\bH\d+\b", (ROOT / "tests/simulation/test_failover.py").read_text()))
    assert {f"H{number}" for number in NUMBERS} - said == set()


def test_rules_that_the_design_names_exist() -> None:
    named = set(re.findall(r"`([A-Z_]{6,})`", DESIGN.read_text()))
    assert named
    assert named <= {rule.name for rule in Rule}
