"""What a question in words asks of the rules, in English or Italian. Pure.

As in `cluster.diagnosis.questions`, a word that fits decides: what is not understood is said to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from cluster.diagnosis.findings import Question
from cluster.diagnosis.questions import question_in

_DAY_HOURS, _WEEK_HOURS = 24, 168
_SPANS = (
    (1, re.compile(r"(?:last|past|ultim[aeio]|scors[aeio])\s+(\d{1,3})\s*(?:h\b|hours?|ore)")),
    (_DAY_HOURS, re.compile(r"(?:last|past|ultim[aeio]|scors[aeio])\s+(\d{1,2})\s*(?:d\b|days?|giorni)")),
)
_MOMENTS = (
    (2 * _DAY_HOURS, re.compile(r"\b(?:yesterday|ieri)\b")),
    (_DAY_HOURS, re.compile(r"\b(?:today|tonight|last night|oggi|stanotte|stamattina)\b")),
    (_WEEK_HOURS, re.compile(r"\b(?:week|settimana)\b")),
)
# Who looks at one thing and says one of these means all of it.
_WHOLE = re.compile(
    r"\b(?:system|cluster|everything|anything|all|hosts|first|"
    r"sistema|tutt[oaie]|host|qualcosa|prim[oa])\b"
)
_POLITE = r"(?:please|ok(?:ay)?|yes|now|then|per favore|s[iì]|va bene|ora|allora)?[,.!]?\s*"
_ASKING = r"(?P<asking>(?:can|could|would) you\s+|puoi\s+|potresti\s+)?"
_REVISION = re.compile(r"(?:revision[ei]?|version[ei]?)\s+(\d{1,9})\b")
_NO_NAMES = frozenset({"it", "that", "this", "to", "a", "alla", "lo", "questo", "please", "now", "ora"})
_NAME = r"(?:\s+(?:the\s+|il\s+|lo\s+|la\s+)?(?:service\s+|servizio\s+|container\s+)?(?P<name>[\w.-]*\w))?"
_DEMANDS = (
    ("do-it", r"(?:do (?:it|that|so)|go ahead|apply (?:it|that)|fix it|proceed|"
     r"fallo|falla|fai|procedi|esegui(?:lo)?|applica(?:lo)?|sistemalo)\b"),
    ("roll-back", r"(?:roll(?:\s?back|\s+it back)|take back|revert|go back|"
     r"torna(?:re)? (?:indietro|alla (?:revisione|versione) precedente)(?: (?:con|per|di))?|"
     r"ripristina(?:re)?|annulla(?:re)? (?:il )?(?:rilascio|deploy)(?: di)?|"
     r"ritira(?:re)?)\b" + _NAME),
    ("scale", r"(?:scale|scala(?:re)?|porta(?:re)?)\b" + _NAME
     + r"\s+(?:to|a|at)\s+(?P<count>\d{1,4})\b"),
    ("restart", r"(?:restart|reboot|riavvia(?:re)?)\b" + _NAME),
)  # fmt: skip


class Demand(StrEnum):
    """What somebody wants to have done. DO_IT: what was advised."""

    DO_IT = "do-it"
    ROLL_BACK = "roll-back"
    SCALE = "scale"
    RESTART = "restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A demand, and of what; `count` is that of replicas, or the revision to go back to."""

    demand: Demand
    name: str = ""
    count: int | None = None


_PATTERNS = tuple(
    (Demand(name), re.compile(rf"^\s*{_POLITE}{_ASKING}{pattern}")) for name, pattern in _DEMANDS
)


def wish_in(text: str) -> Wish | None:
    """Return what somebody wants to have done: a demand begins with its verb, unlike a question about it."""
    lowered = text.lower()
    for demand, pattern in _PATTERNS:
        found = pattern.match(lowered)
        if found is None or ("?" in lowered and found["asking"] is None):
            continue
        name = found.groupdict().get("name") or ""
        number = found.groupdict().get("count")
        if number is None and demand is Demand.ROLL_BACK:
            revision = _REVISION.search(lowered)
            number = None if revision is None else revision[1]
        return Wish(
            demand=demand,
            name="" if name in _NO_NAMES else name,
            count=None if number is None else int(number),
        )
    return None


def asked_in(text: str, earlier: Sequence[str]) -> Question | None:
    """Return what is asked; of a demand, what was asked before it last."""
    if wish_in(text) is None:
        return question_in(text)
    return next((found for each in reversed(earlier) if (found := question_in(each)) is not None), None)


def hours_in(text: str, usual: int) -> int:
    """Return of how many hours back somebody asks."""
    lowered = text.lower()
    for hours, pattern in _SPANS:
        found = pattern.search(lowered)
        if found is not None:
            return min(_WEEK_HOURS, max(1, hours * int(found.group(1))))
    return next((hours for hours, pattern in _MOMENTS if pattern.search(lowered)), usual)


def is_about_everything(text: str) -> bool:
    """Whether a question means the whole cluster, whatever its asker looks at."""
    return _WHOLE.search(text.lower()) is not None


def subject_at(path: str) -> str:
    """Return the service, container or host that a page of the dashboard is about, "" for any other."""
    parts = urlsplit(path)
    match [unquote(part) for part in parts.path.strip("/").split("/")]:
        case ["services", service] if service:
            return service
        case ["containers", _, container] if container:
            return container
        case ["explore"]:
            of = parse_qs(parts.query).get("of", [""])[0]
            # Of several things that are compared none is meant more than the others.
            return "" if "," in of else of.partition(":")[2].rpartition("/")[2]
        case _:
            return ""
