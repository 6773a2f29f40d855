"""YAML as plain values that know where they stand. No tag constructs anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import yaml

from cluster.compose.findings import Finding, Severity
from cluster.compose.interpolation import InterpolationRefused, interpolate

TEXT_BYTES_MAX = 1024 * 1024
NODES_MAX = 20_000
REPLACED_CHARS_MAX = 4 * 1024 * 1024
"""Longest text of all values of a file together, variables replaced."""

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_TEXT = f"{_YAML}str"
# What plain YAML is made of; `timestamp` and `value` are text here.
_TAGS = frozenset(
    _YAML + name
    for name in ("null", "bool", "int", "float", "str", "timestamp", "value", "seq", "map", "merge")
)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)")
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}

Scalar = str | int | float | bool | None


class Merging(StrEnum):
    """What a value does to the one of the same place in the files before: Compose's own tags."""

    COMBINE = ""
    RESET = "!reset"
    OVERRIDE = "!override"


class Unreadable(Exception):
    """The text is no document that can be walked; `finding` says where and why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Value:
    """A value, its path from the top, and where it stands in the text of `file`.

    `is_replaced`: variables are in it, so it may be a secret, and is not repeated in findings.
    """

    content: Scalar | list[Value] | dict[str, Value]
    path: str
    line: int
    column: int
    is_replaced: bool = False
    file: str = ""
    merging: Merging = Merging.COMBINE

    def finding(self, rule: str, hint: str = "", severity: Severity = Severity.ERROR) -> Finding:
        return Finding(
            path=self.path,
            rule=rule,
            line=self.line,
            column=self.column,
            hint=hint,
            severity=severity,
            file=self.file,
        )

    def is_not(self, expected: str) -> Finding:
        """What it is instead of `expected`."""
        match self.content:
            case int() | float() | str() if self.is_replaced:
                found = "with its variables replaced this is something else"
            case None:
                found = "there is nothing"
            case bool(flag):
                found = f"this is {str(flag).lower()}"
            case int() | float():
                found = f"this is the number {self.content}"
            case str():
                found = f"this is the text {self.content[:40]!r}"
            case list():
                found = "this is a list"
            case _:
                found = "this is a mapping"
        return self.finding(f"{found}; {expected} is expected")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, and what is wrong with single values of it, which read as nothing."""

    content: Value
    findings: tuple[Finding, ...] = ()


def read(text: str, variables: Mapping[str, str], *, file: str = "") -> Document:
    """The document in `text`, variables replaced. Raises Unreadable."""

    def unreadable(rule: str, *, line: int = 0, column: int = 0, hint: str = "") -> Unreadable:
        return Unreadable(Finding(path="", rule=rule, line=line, column=column, hint=hint, file=file))

    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise unreadable(f"the file is longer than {TEXT_BYTES_MAX // 1024} KiB")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (0, 0) if mark is None else (mark.line + 1, mark.column + 1)
        hint = "indent with spaces, not with tabs" if "'\\t'" in str(error.problem) else ""
        rule = f"not YAML: {error.problem}" + (f", {error.context}" if error.context else "")
        raise unreadable(rule, line=line, column=column, hint=hint) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        raise unreadable(
            f"not YAML: character U+{ord(text[error.position]):04X} is not allowed",
            line=before.count("\n") + 1,
            column=error.position - before.rfind("\n"),
            hint="is it the Compose file you meant?",
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise unreadable(
            "not YAML: it is nested deeper than can be read", hint="50 levels are enough"
        ) from error
    if node is None:
        raise unreadable("the file is empty", hint="it needs at least one service")
    walk = _Walk(variables, file)
    content = walk.value(node, "")
    return Document(content, tuple(walk.findings))


class _Walk:
    def __init__(self, variables: Mapping[str, str], file: str) -> None:
        self._variables = variables
        self._file = file
        self._count = 0
        self._chars_left = REPLACED_CHARS_MAX
        self.findings: list[Finding] = []

    def value(self, node: yaml.Node, path: str, depth: int = 0) -> Value:
        self._count += 1
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        try:
            merging = Merging(node.tag)
        except ValueError:
            merging = Merging.COMBINE
        if merging is Merging.COMBINE and node.tag not in _TAGS:
            tag = str(node.tag).replace(_YAML, "!!")
            raise self._unreadable(node, path, f"the tag {tag} has no meaning here", "leave it out")
        if self._count > NODES_MAX or depth > 50:
            rule = f"aliases and nesting make more than {NODES_MAX} values"
            raise self._unreadable(node, path, rule, "split the file")
        content: Scalar | list[Value] | dict[str, Value]
        is_replaced = False
        if isinstance(node, yaml.ScalarNode):
            is_replaced = "$" in str(node.value)
            content = self._scalar(node, path)
        elif isinstance(node, yaml.SequenceNode):
            content = [
                self.value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)
            ]
        else:
            assert isinstance(node, yaml.MappingNode)
            content = {}
            for key, inner in self._pairs(node, path):
                content[key] = self.value(inner, f"{path}.{key}" if path else key, depth + 1)
        return Value(content, path, line, column, is_replaced, self._file, merging)

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[str, yaml.Node]]:
        own: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key_node, inner in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._unreadable(key_node, path, "a key must be text")
            if key_node.tag == _MERGE:
                for source in inner.value if isinstance(inner, yaml.SequenceNode) else [inner]:
                    if not isinstance(source, yaml.MappingNode):
                        raise self._unreadable(source, path, "<< takes a mapping, or a list of mappings")
                    self._count += 1
                    if self._count > NODES_MAX:
                        raise self._unreadable(source, path, "mappings merge each other without end")
                    for key, value in self._pairs(source, path):
                        merged.setdefault(key, value)
                continue
            key = str(key_node.value)
            if key in own:
                first = own[key].start_mark.line + 1
                raise self._unreadable(
                    key_node, path, f"{key!r} is given twice", f"line {first} has it: keep one of them"
                )
            own[key] = inner
        yield from {**merged, **own}.items()

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Scalar:
        text = str(node.value)
        if "$" in text:
            try:
                text = interpolate(text, self._variables, chars_max=self._chars_left)
            except InterpolationRefused as error:
                self.findings.append(self._unreadable(node, path, str(error)).finding)
                return None
            self._chars_left -= len(text)
        if node.style is not None or (node.tag == _TEXT and text == node.value):
            return text
        lowered = text.lower()
        if lowered in ("", "~", "null"):
            return None
        if lowered in _BOOLEANS:
            return _BOOLEANS[lowered]
        if _INTEGER.fullmatch(text) and len(text) <= 18:
            return int(text)
        if _FLOAT.fullmatch(text) and len(text) <= 32:
            return float(text)
        return text

    def _unreadable(self, node: yaml.Node, path: str, rule: str, hint: str = "") -> Unreadable:
        mark = node.start_mark
        return Unreadable(
            Finding(
                path=path, rule=rule, line=mark.line + 1, column=mark.column + 1, hint=hint, file=self._file
            )
        )
