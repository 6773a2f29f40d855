"""Walking a document: what is wrong is collected, and a part with a finding reads as its default."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeAlias, TypeVar

from cluster.compose.document import Value
from cluster.compose.findings import Finding, Severity
from cluster.compose.merging import split_pair
from cluster.compose.values import parse_duration_ms
from cluster.compose.vocabulary import Section

T = TypeVar("T")

_HIDDEN = "the variable's value"
# A shorter text would be found in the words of many a rule.
_TELLING_CHARS = 4
# What a rule shows of values: quoted, or a number.
_SHOWN = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?<![\w.])-?[0-9][0-9.]*(?![\w.])")

Read: TypeAlias = Callable[[Value], T]
"""Reads one value; what is wrong goes to the reader's findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A key that has no effect, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one mapping, all of them known to its section."""

    at: Value
    section: Section
    _content: dict[str, Value]

    def value(self, key: str) -> Value | None:
        """What stands under `key`; None where there is nothing."""
        assert key in self.section.known, f"{key} is not in the vocabulary of {self.section.name}"
        found = self._content.get(key)
        # What a variable that is not set left behind has its finding already.
        return None if found is None or found.content is None else found

    def get(self, key: str, read: Read[T], default: T) -> T:
        found = self.value(key)
        return default if found is None else read(found)

    def find(self, key: str, read: Read[T]) -> T | None:
        found = self.value(key)
        return None if found is None else read(found)

    def items(self, key: str, read: Read[tuple[T, ...]]) -> tuple[T, ...]:
        found = self.value(key)
        return () if found is None else read(found)

    def first(self, *keys: str) -> Value | None:
        """The value of the first of the keys that is there: two names of one thing."""
        return next((found for found in map(self.value, keys) if found is not None), None)


@dataclass(slots=True)
class Reader:
    """Reads values of one project."""

    findings: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)

    def refuse(self, value: Value, rule: str, hint: str = "") -> None:
        self.findings.append(_without_variables(value, rule, hint))

    def mismatch(self, value: Value, expected: str) -> None:
        """The value is of another kind than `expected`."""
        # That a variable in it is not set is said already.
        if value.content is not None or not value.is_replaced:
            self.findings.append(value.is_not(expected))

    def warn(self, value: Value, rule: str, hint: str = "") -> None:
        self.warnings.append(replace(_without_variables(value, rule, hint), severity=Severity.WARNING))

    def ignore(self, value: Value, reason: str) -> None:
        self.ignored.append(Ignored(path=value.path, reason=reason))

    def keys(self, value: Value, section: Section) -> Keys | None:
        """The mapping's keys, or None where it is none. Those that are not known are findings."""
        content = self.mapping(value)
        if content is None:
            return None
        for key, inner in content.items():
            if key in section.known or (section.is_open and key.startswith("x-")):
                continue
            if key in section.ignored:
                self.ignore(inner, section.ignored[key])
            elif key in section.refused:
                self.refuse(inner, f"{key!r} is refused: {section.refused[key]}")
            else:
                self._unknown(inner, key, section)
        return Keys(value, section, content)

    def _unknown(self, value: Value, key: str, section: Section) -> None:
        names = [*section.known, *section.ignored, *section.refused]
        close = difflib.get_close_matches(key, names, 1, 0.7)
        rule = f"{key!r} is not known"
        if close:
            self.refuse(value, rule, f"did you mean {close[0]}?")
        elif len(section.known) <= 16:
            self.refuse(value, rule, f"there are {', '.join(sorted(section.known))}")
        else:
            self.refuse(value, rule, "check the spelling; x-... keys are free")

    def mapping(self, value: Value) -> dict[str, Value] | None:
        if isinstance(value.content, dict):
            return value.content
        if value.content is not None:
            self.mismatch(value, "a mapping")
        return None

    def each(self, value: Value, read: Read[T | None]) -> tuple[T, ...]:
        """A list's items; those that read as None are left out."""
        if not isinstance(value.content, list):
            self.mismatch(value, "a list")
            return ()
        return tuple(item for item in map(read, value.content) if item is not None)

    def one_or_each(self, value: Value, read: Read[T | None]) -> tuple[T, ...]:
        """A list's items, or the one that stands there without a list."""
        if isinstance(value.content, list):
            return self.each(value, read)
        item = read(value)
        return () if item is None else (item,)

    def texts(self, value: Value) -> tuple[str, ...]:
        return self.each(value, self.text)

    def one_or_texts(self, value: Value) -> tuple[str, ...]:
        return self.one_or_each(value, self.text)

    def text(self, value: Value) -> str:
        match value.content:
            case str(text):
                return text
            case bool(flag):
                return "true" if flag else "false"
            case int() | float():
                return str(value.content)
            case _:
                self.mismatch(value, "text")
                return ""

    def count(self, value: Value) -> int:
        match value.content:
            case bool():
                pass
            case int(number):
                return number
            case str(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20:
                return int(text)
        self.mismatch(value, "a whole number")
        return 0

    def flag(self, value: Value) -> bool:
        if isinstance(value.content, bool):
            return value.content
        self.mismatch(value, "true or false")
        return False

    def choice(self, value: Value, choices: Mapping[str, T], default: T) -> T:
        """The meaning of one of the words."""
        is_one = not isinstance(value.content, dict | list)
        text = self.text(value)
        if is_one and text in choices:
            return choices[text]
        if is_one:
            given = "the variable's value" if value.is_replaced else repr(text[:40])
            *others, last = choices
            words = f"{', '.join(others)} or {last}" if others else last
            self.refuse(value, f"{given}: {words} is expected")
        return default

    def duration_ms(self, value: Value) -> int:
        return self.measured(value, parse_duration_ms, 0)

    def measured(self, value: Value, measure: Callable[[str], T], default: T) -> T:
        if isinstance(value.content, dict | list):
            self.mismatch(value, "text")
            return default
        text = self.text(value)
        built = self.built(value, lambda: measure(text))
        return default if built is None else built

    def built(self, value: Value, build: Callable[[], T]) -> T | None:
        """What `build` makes of values; its ValueError is a finding here."""
        try:
            return build()
        except ValueError as error:
            self.refuse(value, str(error))
            return None

    def pairs(self, value: Value) -> dict[str, Value]:
        """The entries of a mapping or of a list of `NAME=value`, each value where it stands.

        A name alone has None as its content.
        """
        pairs: dict[str, Value] = {}
        if isinstance(value.content, dict):
            return value.content
        if not isinstance(value.content, list):
            self.mismatch(value, "a mapping or a list of NAME=value")
            return pairs
        for item in value.content:
            name, content = split_pair(self.text(item))
            if name:
                pairs[name] = replace(item, content=content)
        return pairs

    def sorted_pairs(self, value: Value) -> tuple[tuple[str, str], ...]:
        """Pairs for a specification; a name alone has an empty text."""
        texts = {
            name: "" if inner.content is None else self.text(inner)
            for name, inner in self.pairs(value).items()
        }
        return tuple(sorted(texts.items()))


def _without_variables(value: Value, rule: str, hint: str) -> Finding:
    """The finding without what variables put into the value, or parts of it: it may be a secret."""
    secret = {content.lower() for content in _replaced_in(value) if content}
    if not secret:
        return value.finding(rule, hint)

    def hide(match: re.Match[str]) -> str:
        shown = match[0].strip("'\"").lower()
        is_secret = any(shown in content or content in shown for content in secret)
        return _HIDDEN if is_secret and shown else match[0]

    rule = _SHOWN.sub(hide, rule)
    for content in secret:
        if len(content) >= _TELLING_CHARS:
            rule = re.sub(re.escape(content), _HIDDEN, rule, flags=re.IGNORECASE)
            hint = "" if content in hint.lower() else hint
    return value.finding(rule, hint)


def _replaced_in(value: Value) -> Iterator[str]:
    if isinstance(value.content, dict | list):
        inner = value.content.values() if isinstance(value.content, dict) else value.content
        for each in inner:
            yield from _replaced_in(each)
    elif value.is_replaced and value.content is not None:
        yield str(value.content)


class Parts(Generic[T]):
    """A frozen dataclass, put together field by field: each is checked where its value stands.

    `first` are the fields without a default, until their own values are set.
    """

    def __init__(self, reader: Reader, cls: type[T], **first: Any) -> None:
        self._reader = reader
        self._cls = cls
        self._first = first
        self._fields: dict[str, Any] = {}

    @property
    def is_touched(self) -> bool:
        """Whether anything was set."""
        return bool(self._fields)

    def has(self, field_name: str) -> bool:
        return field_name in self._fields

    def read(self, field_name: str, value: Value | None, read: Read[Any]) -> None:
        """Set the field to what `read` makes of the value, where there is one."""
        if value is not None:
            before = len(self._reader.findings)
            found = read(value)
            if len(self._reader.findings) == before:
                self.set(field_name, found, value)

    def set(self, field_name: str, content: Any, value: Value) -> None:
        """Set the field to `content`, which stands at `value`."""
        self.set_all({field_name: content}, value)

    def set_all(self, fields: Mapping[str, Any], value: Value) -> None:
        """Set fields that are only right together."""
        if self._reader.built(value, lambda: self._cls(**{**self._first, **fields})) is not None:
            self._fields.update(fields)

    def make(self, at: Value) -> T:
        """The whole, which may break rules that its fields alone do not; then its finding is at `at`."""
        made = self._reader.built(at, lambda: self._cls(**{**self._first, **self._fields}))
        return self._cls(**self._first) if made is None else made
