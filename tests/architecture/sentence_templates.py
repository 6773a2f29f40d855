"""The sentences that modules make for people, as templates: what varies in them is a numbered placeholder.

A sentence is any string with words in it, except where its place says that nobody is to read it: docstrings,
log lines, what a defect raises, what is compared with, looked up, or split by. So a new sentence is found
wherever it is made, and what is found without being one is named as an exception.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WORD = re.compile(r"[A-Za-z]{2,}")
# A named one is filled in later, by `format` or `replace`.
_PLACEHOLDER = re.compile(r"\{(?:\d+|[a-z_]+)\}")

_LOGGERS = {"log", "_log", "logger", "_logger", "logging"}
# Raised for a defect of the program, or while what a file or a message holds is read.
_DEFECTS = {"AssertionError", "KeyError", "NotImplementedError", "RuntimeError", "TypeError", "ValueError"}
# Whose arguments are patterns or names, and no text.
_NOT_TEXT_FOR = {
    "compile",
    "getLogger",
    "TypeVar",
    "NewType",
    "cast",
    "assert_never",
    "startswith",
    "endswith",
}
# How many sentences one string with alternatives in it may be.
_ALTERNATIVES_MAX = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence, and where it is made."""

    template: str
    path: Path
    line: int


def templates_in(path: Path, text: str) -> Iterator[Found]:
    """Every sentence that the module makes, in the order of its lines."""
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not _is_text(node) or _is_part(node, parents) or _is_for_programs(node, parents):
            continue
        assert isinstance(node, ast.expr)
        for template in _templates(node):
            if _is_prose(template):
                yield Found(template, path, node.lineno)


def normal(template: str) -> str:
    """The template as a catalogue has it: placeholders numbered anew, without what only joins it to others.

    A space in front is kept: what starts with one is said of what stands before it (" on {0}").
    """
    isolated = template.rstrip(" \n").rstrip(";,:").lstrip("\n")
    isolated = isolated.lstrip(";,: ") if isolated[:1] in ";,:" else isolated
    isolated = isolated if not isolated.startswith("  ") else isolated.lstrip()
    numbers = itertools.count()
    return _PLACEHOLDER.sub(lambda _: f"{{{next(numbers)}}}", isolated)


def _is_prose(template: str) -> bool:
    """Whether it has two words, or one beside a placeholder."""
    literal = _PLACEHOLDER.sub("", template)
    words = _WORD.findall(literal)
    return " " in literal and len(words) + (literal != template) >= 2 and bool(words)


def _templates(node: ast.expr) -> Iterator[str]:
    """The string with every choice of its alternatives that are mere words, such as an "s" for several."""
    choices = list(_pieces(node))
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _ALTERNATIVES_MAX:
        choices = [choice if len(choice) == 1 else (None,) for choice in choices]
    seen = set()
    for chosen in itertools.product(*choices):
        numbers = itertools.count()
        whole = "".join(piece if piece is not None else f"{{{next(numbers)}}}" for piece in chosen)
        if (template := normal(whole)) not in seen:
            seen.add(template)
            yield template


def _pieces(node: ast.expr) -> Iterator[tuple[str | None, ...]]:
    """What the string is put together from: its possible texts, or None for what varies."""
    match node:
        case ast.Constant(value=str(text)):
            yield (text,)
        case ast.JoinedStr(values=values):
            for value in values:
                yield from _pieces(value)
        case ast.FormattedValue(value=ast.IfExp(body=body, orelse=orelse)) if _is_word(body) and _is_word(
            orelse
        ):
            yield (_word(body), _word(orelse))
        case ast.BinOp(op=ast.Add(), left=left, right=right) if _is_text(node):
            yield from _pieces(left)
            yield from _pieces(right)
        case _:
            yield (None,)


def _is_text(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _is_text(left) or _is_text(right)
        case _:
            return False


def _is_word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value


def _word(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)


def _is_part(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether it is a literal piece of a larger string, which is looked at as a whole."""
    parent = parents[node]
    if isinstance(parent, ast.JoinedStr):
        return True
    return isinstance(parent, ast.BinOp) and _is_text(parent)


def _is_for_programs(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    parent = parents[node]
    match parent:
        case ast.Expr() | ast.Compare() | ast.Subscript() | ast.Assert() | ast.FormattedValue():
            return True
        case ast.Call(func=func) if (
            _name(func) in _NOT_TEXT_FOR or _is_logger(func) or _name(func) in _DEFECTS
        ):
            return True
        case ast.Attribute():
            # "; ".join(...)
            return True
        case _:
            return False


def _name(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def _is_logger(func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in _LOGGERS
