"""Variables in values: the syntax of the Compose Specification, section "Interpolation"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_MENTIONED = re.compile(r"\$(?:\$|\{?([A-Za-z_][A-Za-z0-9_]*))")
DEPTH_MAX = 8
RESULT_CHARS_MAX = 1024 * 1024
"""Longest value after replacement: a short text can name a long variable many times."""


class InterpolationRefused(Exception):
    """A reference is malformed, or a variable that must be set is not. Never holds a variable's value."""


def mentioned(text: str) -> Iterator[str]:
    """Yield the names of variables a text may refer to, some of them perhaps only in comments."""
    for match in _MENTIONED.finditer(text):
        if match[1]:
            yield match[1]


def interpolate(text: str, variables: Mapping[str, str], *, chars_max: int = RESULT_CHARS_MAX) -> str:
    """Replace `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`,
    `${NAME?message}`, `${NAME:+other}`, `${NAME+other}` and `$$`. Defaults, messages and others may hold
    references themselves.

    Raises InterpolationRefused.
    """
    if "$" not in text:
        return text
    found, end = _Scanner(text, variables, chars_max).run(0, depth=0, is_needed=True)
    assert end == len(text)
    return found


class _Scanner:
    """One pass over the text: nothing is looked at twice, however the braces nest."""

    def __init__(self, text: str, variables: Mapping[str, str], chars_max: int) -> None:
        self._text = text
        self._variables = variables
        self._chars_left = chars_max

    def run(self, position: int, *, depth: int, is_needed: bool) -> tuple[str, int]:
        """Return what stands from `position` to the closing brace (at depth 0: to the end), and its place.

        What is not needed, the default of a variable that is set, is only read for its braces.
        """
        if depth > DEPTH_MAX:
            raise InterpolationRefused(f"defaults within defaults go deeper than {DEPTH_MAX}")
        text, parts = self._text, list[str]()
        braces = 0
        while position < len(text):
            character = text[position]
            if character == "$":
                part, position = self._reference(position, depth=depth, is_needed=is_needed)
                parts.append(part)
                continue
            if depth and character == "{":
                braces += 1
            elif depth and character == "}":
                if not braces:
                    return "".join(parts), position
                braces -= 1
            end = position + 1
            while end < len(text) and text[end] not in "${}":
                end += 1
            parts.append(self._counted(text[position:end]) if is_needed else "")
            position = end
        if depth:
            raise InterpolationRefused("'${' has no closing brace")
        return "".join(parts), position

    def _reference(self, position: int, *, depth: int, is_needed: bool) -> tuple[str, int]:
        text = self._text
        if text.startswith("$$", position):
            return "$", position + 2
        is_braced = text.startswith("${", position)
        name = _NAME.match(text, position + (2 if is_braced else 1))
        if name is None:
            raise InterpolationRefused("'$' begins no variable here: write $$ for a dollar sign")
        value = self._variables.get(name[0])
        if not is_braced:
            return self._plain(name[0], value, is_needed=is_needed), name.end()
        if text.startswith("}", name.end()):
            return self._plain(name[0], value, is_needed=is_needed), name.end() + 1
        operator = _OPERATOR.match(text, name.end())
        if operator is None:
            raise InterpolationRefused(
                f"'${{{name[0]}' goes on with what is no operator: there are :- - :? ? :+ and +"
            )
        is_there = value is not None and (value != "" or not operator[0].startswith(":"))
        is_used = is_needed and operator[0][-1] != "?" and is_there == (operator[0][-1] == "+")
        argument, end = self.run(operator.end(), depth=depth + 1, is_needed=is_used)
        if not is_needed:
            return "", end + 1
        if operator[0][-1] == "+":
            return (argument if is_there else ""), end + 1
        if is_there and value is not None:
            return self._counted(value), end + 1
        if operator[0][-1] == "?":
            # As it is written: another variable in it may hold a secret.
            message = text[operator.end() : end] or "it must be set"
            raise InterpolationRefused(f"variable {name[0]} is not set: {message}")
        return argument, end + 1

    def _plain(self, name: str, value: str | None, *, is_needed: bool) -> str:
        if not is_needed:
            return ""
        if value is None:
            raise InterpolationRefused(
                f"variable {name} is not set: give it, or a default with ${{{name}:-default}}"
            )
        return self._counted(value)

    def _counted(self, part: str) -> str:
        self._chars_left -= len(part)
        if self._chars_left < 0:
            raise InterpolationRefused("with its variables replaced the text is too long")
        return part
