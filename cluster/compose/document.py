"""YAML as plain values that know where they stand. No tags are followed, nothing is constructed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from cluster.compose.findings import Finding
from cluster.compose.interpolation import InterpolationRefused, interpolate

TEXT_BYTES_MAX = 1024 * 1024
NODES_MAX = 20_000
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


class Unreadable(Exception):
    """The text is no document that can be walked; `finding` says where and why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Value:
    """A value, its path from the top, and where it stands in the text.

    `is_replaced`: variables are in it, so it may be a secret, and is not repeated in findings.
    """

    content: Scalar | list[Value] | dict[str, Value]
    path: str
    line: int
    column: int
    is_replaced: bool = False

    def finding(self, rule: str, hint: str = "") -> Finding:
        return Finding(path=self.path, rule=rule, line=self.line, column=self.column, hint=hint)

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


def read(text: str, variables: Mapping[str, str]) -> Value:
    """The document in `text`, variables replaced. Raises Unreadable."""
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise Unreadable(Finding(path="", rule=f"the file is longer than {TEXT_BYTES_MAX // 1024} KiB"))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (0, 0) if mark is None else (mark.line + 1, mark.column + 1)
        hint = "indent with spaces, not with tabs" if "'\\t'" in str(error.problem) else ""
        rule = f"not YAML: {error.problem}" + (f", {error.context}" if error.context else "")
        raise Unreadable(Finding(path="", rule=rule, line=line, column=column, hint=hint)) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        raise Unreadable(
            Finding(
                path="",
                rule=f"not YAML: character U+{ord(text[error.position]):04X} is not allowed",
                line=before.count("\n") + 1,
                column=error.position - before.rfind("\n"),
                hint="is it the Compose file you meant?",
            )
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable(
            Finding(
                path="", rule="not YAML: it is nested deeper than can be read", hint="50 levels are enough"
            )
        ) from error
    if node is None:
        raise Unreadable(Finding(path="", rule="the file is empty", hint="it needs at least one service"))
    return _Walk(variables).value(node, "")


class _Walk:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._count = 0

    def value(self, node: yaml.Node, path: str, depth: int = 0) -> Value:
        self._count += 1
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if node.tag not in _TAGS:
            tag = str(node.tag).replace(_YAML, "!!")
            raise Unreadable(_at(node, path, f"the tag {tag} has no meaning here", "leave it out"))
        if self._count > NODES_MAX or depth > 50:
            rule = f"aliases and nesting make more than {NODES_MAX} values"
            raise Unreadable(_at(node, path, rule, "split the file"))
        if isinstance(node, yaml.ScalarNode):
            is_replaced = "$" in str(node.value)
            return Value(self._scalar(node, path), path, line, column, is_replaced)
        if isinstance(node, yaml.SequenceNode):
            items = [self.value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
            return Value(items, path, line, column)
        assert isinstance(node, yaml.MappingNode)
        content: dict[str, Value] = {}
        for key, inner in self._pairs(node, path):
            content[key] = self.value(inner, f"{path}.{key}" if path else key, depth + 1)
        return Value(content, path, line, column)

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[str, yaml.Node]]:
        own: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key_node, inner in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise Unreadable(_at(key_node, path, "a key must be text"))
            if key_node.tag == _MERGE:
                for source in inner.value if isinstance(inner, yaml.SequenceNode) else [inner]:
                    if not isinstance(source, yaml.MappingNode):
                        raise Unreadable(_at(source, path, "<< takes a mapping, or a list of mappings"))
                    self._count += 1
                    if self._count > NODES_MAX:
                        raise Unreadable(_at(source, path, "mappings merge each other without end"))
                    for key, value in self._pairs(source, path):
                        merged.setdefault(key, value)
                continue
            key = str(key_node.value)
            if key in own:
                first = own[key].start_mark.line + 1
                raise Unreadable(
                    _at(key_node, path, f"{key!r} is given twice", f"line {first} has it: keep one of them")
                )
            own[key] = inner
        yield from {**merged, **own}.items()

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Scalar:
        try:
            text = interpolate(str(node.value), self._variables)
        except InterpolationRefused as error:
            raise Unreadable(_at(node, path, str(error))) from error
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


def _at(node: yaml.Node, path: str, rule: str, hint: str = "") -> Finding:
    mark = node.start_mark
    return Finding(path=path, rule=rule, line=mark.line + 1, column=mark.column + 1, hint=hint)
