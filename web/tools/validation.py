"""From what pydantic says is wrong to what a person is told."""

from __future__ import annotations

import re

from pydantic import ValidationError

from web.auth.problems import FieldError, Problem

ERRORS_MAX = 50
_VALUE_CHARACTERS_MAX = 100
_SECRET_FIELDS = frozenset(
    {
        "password",
        "current_password",
        "token",
        "refresh_token",
        "compose",
        "files",
        "variables",
        "value",
        "value_base64",
    }
)


def problem_of_validation(error: ValidationError, *, known: tuple[str, ...] = ()) -> Problem:
    """Return the problem that names each wrong field; `known` are the fields there are, as a hint."""
    details = error.errors(include_url=False, include_context=False)
    if details[0]["type"] == "json_invalid":
        return Problem("bad-request", f"the body is not JSON: {details[0]['msg'].partition(': ')[2]}")
    errors = [
        FieldError(
            field=".".join(str(part)[:80] for part in detail["loc"]) or "body",
            rule=_rule(detail["msg"]),
            # A field that is not known may be a misspelt secret.
            value=None if detail["type"] == "extra_forbidden" else _shown(detail["loc"], detail["input"]),
            hint=_hint(detail["type"], known),
        )
        for detail in details[:ERRORS_MAX]
    ]
    more = f", and {len(details) - 1} more" if len(details) > 1 else ""
    return Problem("invalid", f"{errors[0].field}: {errors[0].rule}{more}", errors=errors)


# What pydantic says, in the words of the rest of the product.
_WORDS = (
    (r"^Value error, ", ""),
    (r"^Field required$", "is missing"),
    (r"^Extra inputs are not permitted$", "is not known"),
    (r"^String should have at least 1 character$", "must not be empty"),
    (r"^(String|List|Dictionary) should have", "must have"),
    (r"^Input should be", "must be"),
    (r"greater than or equal to", "at least"),
    (r"less than or equal to", "at most"),
)


def _rule(message: str) -> str:
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message


def _hint(kind: str, known: tuple[str, ...]) -> str:
    if kind != "extra_forbidden":
        return ""
    return f"known are {', '.join(known)}" if known else "there are no fields here"


def _shown(place: tuple[int | str, ...], value: object) -> str | int | float | bool | None:
    if any(part in _SECRET_FIELDS for part in place):
        return None
    if isinstance(value, str):
        return value[:_VALUE_CHARACTERS_MAX]
    if isinstance(value, bool | int | float) and abs(value) < 2**53:
        return value
    return None
