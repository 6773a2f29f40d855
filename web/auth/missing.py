"""That there is no such thing: the same words whether there is none, or one the caller may not know of."""

from __future__ import annotations

from web.auth.problems import Problem

_HINTS = {
    "container": "`tower ps --all` lists the containers",
    "service": "`tower services` lists them; an id is <project>.<service>",
    "rollout": "`tower rollout list` shows those that are remembered: the last 20 of each service",
}
_MORE = {"rollout": ", and no service of that name"}


def missing(kind: str, reference: str, *, hint: str = "") -> Problem:
    """Return the problem (404)."""
    return Problem(
        "not-found",
        f"there is no {kind} {reference[:80]!r}{_MORE.get(kind, '')}",
        hint=hint or _HINTS.get(kind, ""),
    )
