"""Experiments (A/B tests): a second revision beside the stable one, and which requests are its.

Variant a is the stable revision, variant b the one that is tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from cluster.model import rules
from cluster.model.strategy import DAY_MS, SECOND_MS, WHOLE_PERMILLE, Colour

MATCHES_MAX = 8
VALUE_CHARS_MAX = 128
DURATION_MS_MAX = 365 * DAY_MS
COOKIE_S_MAX = DURATION_MS_MAX // SECOND_MS
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_COOKIE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VALUE = re.compile(rf"[A-Za-z0-9._~:/@+=!*()-]{{1,{VALUE_CHARS_MAX}}}")
# What routers set or take away themselves, or tell services apart by.
_RESERVED_HEADERS = frozenset({"host", "cookie", "connection", "x-forwarded-for", "x-forwarded-proto"})
RESERVED_PREFIXES = ("tower-", "tower_", "x-tower-")


class Variant(StrEnum):
    """Of an experiment: A is the stable revision, B the one that is tried."""

    A = "a"
    B = "b"


class MatchKind(StrEnum):
    """Where in a request a match looks."""

    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Requests whose header or cookie `name` is `value`, case counts in the value.

    Both are written into routers' configurations, so they have no character that means something there.
    """

    kind: MatchKind
    name: str
    value: str

    def __post_init__(self) -> None:
        is_header = self.kind is MatchKind.HEADER
        if not (_HEADER if is_header else _COOKIE).fullmatch(self.name):
            chars = "letters, digits, _ and -" if is_header else "letters, digits, _ . and -"
            raise ValueError(f"{self.kind} name {self.name!r}: 1 to 64 {chars} are needed")
        lower = self.name.lower()
        if lower.startswith(RESERVED_PREFIXES) or (is_header and lower in _RESERVED_HEADERS):
            raise ValueError(f"{self.kind} name {self.name!r}: routers use it themselves; choose another")
        if not _VALUE.fullmatch(self.value):
            chars = "letters, digits and . _ ~ : / @ + = ! * ( ) -"
            raise ValueError(f"{self.kind} value {self.value!r}: 1 to {VALUE_CHARS_MAX} {chars} are needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Targeting:
    """What a router does besides sharing by chance: any of `matches` leads to `colour`.

    With `cookie` a visitor is assigned once: routers keep what was thrown for him in a cookie of that name,
    for `cookie_s` seconds.
    """

    colour: Colour
    matches: tuple[Match, ...] = ()
    cookie: str = ""
    cookie_s: int = 0

    def __post_init__(self) -> None:
        rules.check_count("matches", self.matches, MATCHES_MAX)
        if self.cookie and not _COOKIE.fullmatch(self.cookie):
            raise ValueError(f"cookie {self.cookie!r}: 1 to 64 letters, digits, _ . and - are needed")
        rules.check_range("cookie_s", self.cookie_s, 0, COOKIE_S_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is asked for. Any of `matches` leads to b; of all other requests b gets `permille`.

    With `is_sticky` a visitor stays on his side. b has `replicas`, at most as many as a. It lasts `for_ms`
    from when every router follows it, or until `until_ms` (log time); with neither until a person ends it.
    `keep` is the variant that is kept at that date.
    """

    replicas: int
    matches: tuple[Match, ...] = ()
    permille: int = 0
    is_sticky: bool = False
    for_ms: int = 0
    until_ms: int = 0
    keep: Variant = Variant.A

    def __post_init__(self) -> None:
        rules.check_range("replicas", self.replicas, 1, 1000)
        rules.check_count("matches", self.matches, MATCHES_MAX)
        rules.check_range("permille", self.permille, 0, WHOLE_PERMILLE - 1)
        rules.check_range("until_ms", self.until_ms, 0, 2**53)
        if not (self.matches or self.permille):
            raise ValueError("permille 0 without a header or cookie: b would get no requests")
        if self.is_sticky and not self.permille:
            raise ValueError("permille 0 with is_sticky: nobody is assigned by chance who could stay")
        if self.for_ms:
            rules.check_range("for_ms", self.for_ms, SECOND_MS, DURATION_MS_MAX)
            if self.until_ms:
                raise ValueError("for_ms and until_ms: give one of the two")

    def ends_at_ms(self, began_at_ms: int) -> int | None:
        """Return when it ends by itself, None while that is not known or when it never does.

        `began_at_ms` is 0 while it has not begun.
        """
        if self.until_ms:
            return self.until_ms
        return began_at_ms + self.for_ms if self.for_ms and began_at_ms else None

    def targeting(self, colour: Colour, number: int) -> Targeting | None:
        """Return what routers do, with `colour` for b; `number` tells a service's experiments apart.

        Each has a cookie of its own: who was on b's side in an earlier one is not therefore in this one.
        """
        if not (self.matches or self.is_sticky):
            return None
        cookie = f"tower-experiment-{number}" if self.is_sticky else ""
        duration_ms = self.for_ms or DURATION_MS_MAX
        return Targeting(
            colour=colour,
            matches=self.matches,
            cookie=cookie,
            cookie_s=-(-duration_ms // SECOND_MS) if cookie else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRun:
    """An experiment under way, or ended: then `keep` says which variant was kept.

    `began_at_ms` is when every router followed it for the first time, 0 before. `ended_by` is the person who
    ended it, "" when its date did, or when it never began.
    """

    plan: Experiment
    began_at_ms: int = 0
    keep: Variant | None = None
    ended_at_ms: int = 0
    ended_by: str = ""

    def __post_init__(self) -> None:
        rules.check_text("ended by", self.ended_by, 128)

    @property
    def is_over(self) -> bool:
        """Whether it is decided which variant is kept."""
        return self.keep is not None
