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
_MERGE = "tag:yaml.org,2002:merge"
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
    """A value, its path from the top, and where it stands in the text."""

    content: Scalar | list[Value] | dict[str, Value]
    path: str
    line: int
    column: int

    def finding(self, rule: str, hint: str = "") -> Finding:
        return Finding(path=self.path, rule=rule, line=self.line, column=self.column, hint=hint)

    @property
    def kind(self) -> str:
        """What it is, for a person."""
        match self.content:
            case None:
                return "nothing"
            case bool():
                return "true or false"
            case int() | float():
                return "a number"
            case str():
                return "text"
            case list():
                return "a list"
            case _:
                return "a mapping"


def read(text: str, variables: Mapping[str, str]) -> Value:
    """The document in `text`, variables replaced. Raises Unreadable."""
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise Unreadable(Finding(path="", rule=f"the file is longer than {TEXT_BYTES_MAX // 1024} KiB"))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (0, 0) if mark is None else (mark.line + 1, mark.column + 1)
        raise Unreadable(
            Finding(path="", rule=f"not YAML: {error.problem}", line=line, column=column)
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable(
            Finding(path="", rule="not YAML: characters or nesting that cannot be read")
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
        if self._count > NODES_MAX or depth > 50:
            rule = f"aliases and nesting make more than {NODES_MAX} values"
            raise Unreadable(Finding(path=path, rule=rule, line=line, column=column))
        if isinstance(node, yaml.ScalarNode):
            return Value(self._scalar(node, path), path, line, column)
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
                raise Unreadable(_at(key_node, path, f"{key!r} is given twice"))
            own[key] = inner
        yield from {**merged, **own}.items()

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Scalar:
        try:
            text = interpolate(str(node.value), self._variables)
        except InterpolationRefused as error:
            raise Unreadable(_at(node, path, str(error))) from error
        if node.style is not None:
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


def _at(node: yaml.Node, path: str, rule: str) -> Finding:
    mark = node.start_mark
    return Finding(path=path, rule=rule, line=mark.line + 1, column=mark.column + 1)
