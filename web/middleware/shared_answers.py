"""Answers that are the same for many callers, made once in a quarter of a second.

What hosts run is asked of them anew for each list, and a list of a hundred containers takes milliseconds to
make; a thousand callers a second would be a thousand times that. An answer stands for those who ask in the
next moment, never for one who changed something here since.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from aiohttp import web

from web.middleware.answers import Content
from web.ports import Clock

ANSWERS_MAX = 256
BYTES_MAX = 32 * 1024 * 1024


class _Answer:
    __slots__ = ("content", "made_at_s", "making")

    def __init__(self) -> None:
        self.content: Content | None = None
        self.made_at_s = float("-inf")
        self.making = asyncio.Lock()


class SharedAnswers:
    """The answers of one node, by what was asked. `fresh_s` 0: none is given twice."""

    def __init__(self, clock: Clock, *, fresh_s: float) -> None:
        self._clock = clock
        self._fresh_s = fresh_s
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._changes = 0

    async def get(self, asked: Hashable, make: Callable[[], Awaitable[Content]]) -> Content:
        """Return the answer to `asked`, made by `make` where there is none that is fresh.

        Those who ask meanwhile wait for it. Raises what `make` raises.
        """
        answer = self._answers.get(asked)
        if answer is None:
            answer = self._answers[asked] = _Answer()
            self._make_room()
        else:
            self._answers.move_to_end(asked)
        content = self._fresh(answer)
        if content is not None:
            return content
        async with answer.making:
            content = self._fresh(answer)
            if content is not None:
                return content
            began_s, changes = self._clock.monotonic_s(), self._changes
            content = await make()
            if changes == self._changes:
                # What an answer that was begun before a change says may be from before it.
                answer.content, answer.made_at_s = content, began_s
            return content

    def forget(self) -> None:
        """Have everything made anew: something was changed here."""
        self._changes += 1
        self._answers.clear()

    def _fresh(self, answer: _Answer) -> Content | None:
        is_fresh = self._clock.monotonic_s() - answer.made_at_s < self._fresh_s
        return answer.content if is_fresh else None

    def _make_room(self) -> None:
        size = sum(len(each.content.body) for each in self._answers.values() if each.content is not None)
        while len(self._answers) > ANSWERS_MAX or (size > BYTES_MAX and len(self._answers) > 1):
            _, oldest = self._answers.popitem(last=False)
            size -= 0 if oldest.content is None else len(oldest.content.body)


SHARED = web.AppKey("shared_answers", SharedAnswers)
