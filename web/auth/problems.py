"""What a caller is told when the answer is no (RFC 9457, problem details).

Every surface raises `Problem`; the error middleware writes it as `application/problem+json`, and a tool call
as text. A problem says what was wrong and what to do next, and never holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

TYPE_PREFIX = "urn:tower:problem:"

KINDS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "bad-request": (400, "The request cannot be read"),
        "not-authenticated": (401, "Not logged in"),
        "forbidden": (403, "Not allowed"),
        "not-found": (404, "Not found"),
        "method-not-allowed": (405, "Method not allowed"),
        "too-slow": (408, "The request took too long to arrive"),
        "conflict": (409, "Not possible as things are"),
        "ambiguous": (409, "More than one fits"),
        "done-before": (409, "Done before under this key"),
        "changed": (412, "Changed since it was read"),
        "too-large": (413, "The request is too large"),
        "wrong-media-type": (415, "Wrong content type"),
        "wrong-host": (421, "Not a host of this cluster"),
        "invalid": (422, "Something in the request is not right"),
        "refused": (422, "The host refuses"),
        "too-many-requests": (429, "Too many requests"),
        "internal": (500, "Something failed here"),
        "unavailable": (503, "Not available at the moment"),
        "not-committed": (503, "The cluster cannot decide this now"),
        "host-unavailable": (503, "The host cannot be asked"),
        "audit-unavailable": (503, "The audit cannot be written"),
        "outcome-unknown": (504, "It is not known whether this took effect"),
    }
)
"""Status and title of every kind of problem. Names are part of the interface: append only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with what was sent. `value` is left out for secrets and long values.

    `file` is the name of the text that `line` and `column` are in, "" for the only one.
    """

    field: str
    rule: str
    value: str | int | float | bool | None = None
    hint: str = ""
    line: int | None = None
    column: int | None = None
    file: str = ""


class Problem(Exception):
    """The request is answered with this instead of what it asked for."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        hint: str = "",
        errors: Sequence[FieldError] = (),
        retry_after_s: int | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = KINDS[kind]
        self.detail = detail
        self.hint = hint
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})

    def to_json(self, *, instance: str, request_id: str) -> dict[str, object]:
        """Return the members of the problem document."""
        document: dict[str, object] = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id,
        }
        if self.hint:
            document["hint"] = self.hint
        if self.errors:
            document["errors"] = [_error_to_json(error) for error in self.errors]
        return {**document, **self.extra}


def invalid(field: str, rule: str, *, value: str | int | None = None, hint: str = "") -> Problem:
    """Return the problem of one wrong field."""
    error = FieldError(field=field, rule=rule, value=value, hint=hint)
    return Problem("invalid", f"{field}: {rule}", errors=(error,))


def _error_to_json(error: FieldError) -> dict[str, object]:
    members: dict[str, object] = {
        "field": error.field,
        "value": error.value,
        "rule": error.rule,
        "hint": error.hint,
    }
    if error.line is not None:
        members["line"] = error.line
    if error.column is not None:
        members["column"] = error.column
    if error.file:
        members["file"] = error.file
    return members
