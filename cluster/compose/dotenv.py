"""Files of variables, as Compose reads `.env` and `env_file`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cluster.compose.interpolation import InterpolationRefused, interpolate

_KEY = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?P<sign>[=:]?)[ \t]*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
VARIABLES_MAX = 1000


class EnvFileRefused(Exception):
    """A line that is none of a file of variables; `line` counts from 1. Never holds a value."""

    def __init__(self, line: int, rule: str) -> None:
        super().__init__(f"line {line}: {rule}")
        self.line = line
        self.rule = rule


def parse_env(text: str, variables: Mapping[str, str], *, is_raw: bool = False) -> dict[str, str | None]:
    """Return the variables in `text`, in its order; None for a name without a value.

    `NAME=value`, unquoted up to ` #`, in 'single quotes' as it is, or in "double quotes" with escapes, both
    over several lines if need be. But in single quotes `${...}` is replaced, from `variables` and from the
    lines before. `is_raw` takes everything behind the sign as it is.

    Raises EnvFileRefused.
    """
    found: dict[str, str | None] = {}
    position, line = 0, 1
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        stripped = text[position:end].strip()
        if not stripped or stripped.startswith("#"):
            position, line = end + 1, line + 1
            continue
        key = _KEY.match(text, position, end)
        if key is None or (not key["sign"] and key.end() != end):
            raise EnvFileRefused(line, "write NAME=value, a name of letters, digits and _")
        if len(found) >= VARIABLES_MAX:
            raise EnvFileRefused(line, f"more than {VARIABLES_MAX} variables")
        if not key["sign"]:
            found[key["name"]] = None
            position, line = end + 1, line + 1
            continue
        quote = text[key.end() : key.end() + 1]
        if not is_raw and quote in ("'", '"'):
            value, after = _quoted(text, key.end(), line)
            rest = text[after : text.find("\n", after) if "\n" in text[after:] else len(text)]
            if rest.strip() and not rest.lstrip().startswith("#"):
                raise EnvFileRefused(line, "something stands behind the closing quote")
            next_position = after + len(rest) + 1
        else:
            value = text[key.end() : end]
            if not is_raw:
                value = re.split(r"(?:^|[ \t])#", value, maxsplit=1)[0].strip()
            next_position = end + 1
        if not is_raw and quote != "'" and "$" in value:
            known = {**variables, **{name: known for name, known in found.items() if known is not None}}
            try:
                value = interpolate(value, known)
            except InterpolationRefused as error:
                raise EnvFileRefused(line, str(error)) from error
        found[key["name"]] = value
        line += text.count("\n", position, next_position)
        position = next_position
    return found


def _quoted(text: str, start: int, line: int) -> tuple[str, int]:
    """The content of the quotes at `start`, and the position behind them."""
    quote, parts, position = text[start], list[str](), start + 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return "".join(parts), position + 1
        if character == "\\" and quote == '"' and position + 1 < len(text):
            escaped = text[position + 1]
            # "\$" is a dollar sign that begins no variable.
            parts.append("$$" if escaped == "$" else _ESCAPES.get(escaped, "\\" + escaped))
            position += 2
            continue
        parts.append(character)
        position += 1
    raise EnvFileRefused(line, "the quote is not closed")
