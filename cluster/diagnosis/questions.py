"""Which question somebody asks in words, English or Italian. Pure."""

from __future__ import annotations

import re

from cluster.diagnosis.findings import Question

# The first that fits: "restarts since the deploy, and is slow" is about restarting.
_SIGNS = (
    (
        Question.RESTARTS,
        r"restart|crash|keeps? (?:dying|ending|stopping)|exit code|oom|riavvi|si ferma|muore",
    ),
    (
        Question.DEPLOY_FAILED,
        r"deploy|roll(?:ed)?.?(?:out|back)|release|rilasci|distribu|canary|blue.?green|revision",
    ),
    (
        Question.RUNS_OUT,
        r"run(?:s|ning)? out|capacity|fill(?:s|ing)? up|how long|enough (?:room|space|memory)|disk full|full|"
        r"esaur|finir|capacit|spazio|basta",
    ),
    (
        Question.SLOW,
        r"slow|latency|lag|performance|hang|time(?:d)? ?out|busy|lent|latenz|prestazion|carico|blocc",
    ),
    (Question.HEALTH, r"health|well|wrong|ok\b|problem|status|stato|bene|salute|succede|what(?:'s| is) up"),
)


def question_in(text: str) -> Question | None:
    """Return what is asked, None when it cannot be told."""
    lowered = text.lower()
    return next((question for question, signs in _SIGNS if re.search(signs, lowered)), None)


def names_in(text: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return the known names that a question has in it as words, the longest first."""
    words = set(re.findall(r"[\w.:/-]*\w", text.lower()))
    return tuple(
        sorted((name for name in known if name.lower() in words), key=lambda name: (-len(name), name))
    )
