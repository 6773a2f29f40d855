"""One message about a topic, encoded once for everybody and once for each way of narrowing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from web.live.topics import ANYTHING, Filter
from web.tools.visibility import EVERYTHING, Sight

VARIANTS_MAX = 256
"""So many narrowed encodings of one message are kept; beyond that they are made for each client."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a topic a client is told: what it asked for, of what it sees."""

    filter: Filter = ANYTHING
    sight: Sight = EVERYTHING
    only_new: bool = False

    @property
    def is_everything(self) -> bool:
        return self == _ALL


_ALL = Wish()

Encoder = Callable[[Wish], str | None]
"""Gives the members of a message, as the inside of a JSON object; None when it has nothing for the wish."""


class News:
    """What is told at one moment. `position` is where the topic has come to with it."""

    __slots__ = ("_encode", "_known", "_texts", "position")

    def __init__(self, position: str, encode: Encoder) -> None:
        self.position = position
        self._encode = encode
        self._known: dict[Wish, str | None] = {}
        self._texts: dict[tuple[str, Wish], str | None] = {}

    @property
    def size(self) -> int:
        """How many characters it has for those who are told everything."""
        return len(self.members(_ALL) or "")

    def members(self, wish: Wish) -> str | None:
        """Return the members of the message for a wish, None when there is nothing in it for that one."""
        try:
            return self._known[wish]
        except KeyError:
            members = self._encode(wish)
            if len(self._known) < VARIANTS_MAX:
                self._known[wish] = members
            return members

    def text(self, name: str, wish: Wish) -> str | None:
        """Return the message as it is sent under a name, None when there is nothing in it for the wish."""
        try:
            return self._texts[name, wish]
        except KeyError:
            members = self.members(wish)
            text = None if members is None else text_of(name, self.position, members)
            if len(self._texts) < VARIANTS_MAX:
                self._texts[name, wish] = text
            return text


def text_of(name: str, position: str, members: str, *, has_gap: bool = False) -> str:
    """Return a message as it is sent. Positions need no escapes."""
    gap = '"gap":true,' if has_gap else ""
    return f'{{"topic":"{name}","position":"{position}",{gap}{members}}}'
