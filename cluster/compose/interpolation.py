"""Variables in values: the syntax of the Compose Specification, section "Interpolation"."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$)"
    r"|(?P<named>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-?+])(?P<argument>(?:[^{}]|\{[^{}]*\})*))?\}"
    r"|(?P<malformed>))"
)
DEPTH_MAX = 5


class InterpolationRefused(Exception):
    """A reference is malformed, or a variable that must be set is not. Never holds a variable's value."""


def interpolate(text: str, variables: Mapping[str, str], *, depth: int = 0) -> str:
    """Replace `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`,
    `${NAME?message}`, `${NAME:+other}`, `${NAME+other}` and `$$`.

    Raises InterpolationRefused.
    """
    if "$" not in text:
        return text
    if depth > DEPTH_MAX:
        raise InterpolationRefused(f"defaults within defaults go deeper than {DEPTH_MAX}")

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if match["malformed"] is not None:
            raise InterpolationRefused("'$' begins no variable here: write $$ for a dollar sign")
        name = match["named"] or match["braced"]
        operator, argument = match["operator"] or "", match["argument"] or ""
        value = variables.get(name)
        is_there = value is not None and (value != "" or not operator.startswith(":"))
        match operator[-1:]:
            case "-":
                return (
                    value
                    if is_there and value is not None
                    else interpolate(argument, variables, depth=depth + 1)
                )
            case "?":
                if not is_there or value is None:
                    message = argument or "it must be set"
                    raise InterpolationRefused(f"variable {name} is not set: {message}")
                return value
            case "+":
                return interpolate(argument, variables, depth=depth + 1) if is_there else ""
            case _:
                if value is None:
                    raise InterpolationRefused(
                        f"variable {name} is not set: give it, or a default with ${{{name}:-default}}"
                    )
                return value

    return _REFERENCE.sub(replace, text)
