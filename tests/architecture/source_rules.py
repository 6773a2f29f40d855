"""Rules over source text that no linter has. Each returns its findings as `path:line: what is wrong`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Set
from functools import cache
from pathlib import Path

Rule = Callable[[Path, str], Iterator[str]]

# A suppression names its codes, and says why in words after them.
_NOQA = re.compile(r"#\s*noqa\b(?P<rest>.*)", re.IGNORECASE)
_TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?P<rest>.*)")
_CODES = re.compile(r"^:?\s*(\[[a-z0-9, -]+\]|[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)")
_WORDS = re.compile(r"[A-Za-z']{2,}.*[A-Za-z']{2,}")

_SLEEPS = {("time", "sleep"), ("asyncio", "sleep")}
_PYTEST_CHECKS = {"raises", "warns", "fail", "RaisesGroup"}
_ASSERTING_NAME = re.compile(
    r"^_?(assert|check)(_|$)|^(until|wait_until|eventually|run_state_machine_as_test)$"
)


def noqa_without_reason(path: Path, text: str) -> Iterator[str]:
    """`noqa` comments that name no code or give no reason."""
    return _without_reason(_NOQA, path, text)


def type_ignore_without_reason(path: Path, text: str) -> Iterator[str]:
    """`type: ignore` comments that name no code or give no reason."""
    return _without_reason(_TYPE_IGNORE, path, text)


def sleeping_calls(path: Path, text: str) -> Iterator[str]:
    """Calls of time.sleep or asyncio.sleep with anything but a literal 0."""
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Call) and _dotted(node.func) in _SLEEPS and not _is_zero(node.args):
            yield f"{path}:{node.lineno}: sleeps; wait for an event, or advance a fake clock"


def assertionless_tests(path: Path, text: str) -> Iterator[str]:
    """Test functions in which nothing can fail but an accident.

    What can: an assertion, pytest's own checks, a wait for a condition, playwright's expect(...).to_..., a
    call of something named assert_... or check_..., and a call of a function of the same file in which
    something can.
    """
    functions = [
        node for node in ast.walk(_tree(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    asserting: set[str] = set()
    while found := {
        function.name
        for function in functions
        if function.name not in asserting and any(_asserts(part, asserting) for part in ast.walk(function))
    }:
        asserting |= found
    for function in functions:
        if function.name.startswith("test_") and function.name not in asserting:
            yield f"{path}:{function.lineno}: {function.name} asserts nothing"


def tasks_outside_a_group(path: Path, text: str) -> Iterator[str]:
    """`loop.create_task(...)`, which the linter's ban on asyncio.create_task does not see."""
    for node in ast.walk(_tree(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        name = _dotted(owner.func)[-1] if isinstance(owner, ast.Call) else _dotted(owner)[-1]
        if node.func.attr == "create_task" and "loop" in name:
            yield f"{path}:{node.lineno}: a task of the bare loop; start it in an asyncio.TaskGroup"


def over_all(paths: Iterable[Path], rule: Rule, root: Path) -> str:
    """Every finding of `rule` in the files at `paths`, one a line, with paths shown relative to `root`."""
    return "\n".join(finding for path in paths for finding in rule(path.relative_to(root), path.read_text()))


@cache
def _tree(text: str) -> ast.Module:
    """Parsed once for every rule."""
    return ast.parse(text)


def _without_reason(comment: re.Pattern[str], path: Path, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        match = comment.search(line)
        # Prose about the comments themselves, as in backticks, is no comment.
        if match is None or line[: match.start()].rstrip().endswith(("`", '"', "'")):
            continue
        codes = _CODES.match(match["rest"])
        if codes is None:
            yield f"{path}:{number}: names no code"
        elif not _WORDS.search(match["rest"][codes.end() :]):
            yield f"{path}:{number}: gives no reason after {codes[0].strip(': ')}"


def _dotted(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Attribute):
        return (*_dotted(node.value), node.attr)
    return (node.id,) if isinstance(node, ast.Name) else ("",)


def _is_zero(arguments: list[ast.expr]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], ast.Constant) and arguments[0].value == 0


def _asserts(node: ast.AST, asserting: Set[str]) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    if _is_browser_check(node.func):
        return True
    name = _dotted(node.func)
    if _ASSERTING_NAME.match(name[-1]) or name[-1] in asserting:
        return True
    return name[0] == "pytest" and name[-1] in _PYTEST_CHECKS


def _is_browser_check(function: ast.expr) -> bool:
    """`expect(...).to_be_visible`: what playwright waits for and fails without."""
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call)):
        return False
    return _dotted(function.value.func)[-1] == "expect"
