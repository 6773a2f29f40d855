"""What differs between two looks at a list, for everybody and for those who see or want a part of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from web.live.news import Encoder, News

_Key = TypeVar("_Key")
_View = TypeVar("_View")

KEPT_MAX = 64
KEPT_CHARACTERS_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[_Key, _View]):
    """What came or changed, what went, and how that was `before`."""

    changed: Mapping[_Key, _View]
    gone: tuple[_Key, ...]
    before: Mapping[_Key, _View]

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone)

    def narrowed(self, fits: Callable[[_View], bool]) -> tuple[tuple[_View, ...], tuple[_Key, ...]]:
        """Return what came, changed or went among what fits; what fits no longer has gone, too."""
        changed = tuple(view for view in self.changed.values() if fits(view))
        left = [
            key
            for key, view in self.changed.items()
            if key in self.before and fits(self.before[key]) and not fits(view)
        ]
        return changed, tuple(left + [key for key in self.gone if fits(self.before[key])])


def change_between(
    before: Mapping[_Key, _View],
    now: Mapping[_Key, _View],
    look: Callable[[_View], object] = lambda view: view,
) -> Change[_Key, _View]:
    """Return what differs; `look` leaves out what is no news."""
    changed = {key: view for key, view in now.items() if key not in before or look(before[key]) != look(view)}
    gone = tuple(key for key in before if key not in now)
    return Change(
        changed=changed, gone=gone, before={key: before[key] for key in (*changed, *gone) if key in before}
    )


class Recently:
    """The last messages of a topic by number, for those who come back after a broken connection.

    Positions are "<epoch>.<number>"; the epoch is of one start of one agent, since another one counts anew.
    """

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._number = 0
        self._kept: deque[News] = deque()
        self._size = 0

    @property
    def position(self) -> str:
        return f"{self._epoch}.{self._number}"

    def add(self, encode: Encoder) -> News:
        """Return the next message; the oldest ones make room."""
        self._number += 1
        news = News(self.position, encode)
        self._kept.append(news)
        self._size += news.size
        while len(self._kept) > KEPT_MAX or (self._size > KEPT_CHARACTERS_MAX and len(self._kept) > 1):
            self._size -= self._kept.popleft().size
        return news

    def since(self, position: str) -> Sequence[News] | None:
        """Return what was told after `position`; None when that is not known any more."""
        epoch, _, number = position.rpartition(".")
        if epoch != self._epoch or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        missed = self._number - int(number)
        if not 0 <= missed <= len(self._kept):
            return None
        return list(self._kept)[len(self._kept) - missed :]
