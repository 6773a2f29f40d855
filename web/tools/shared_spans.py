"""Answers about spans of the recorded history that many ask for alike, each read once for all of them.

Every open dashboard asks how the last day was, every minute, and that is read from a day of every container.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar, cast

ANSWERS_MAX = 8

_Answer = TypeVar("_Answer")


class SharedSpans:
    """The answers of one node: what they depend on of who asks is a part of what is asked."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, object] = OrderedDict()
        self._making = asyncio.Lock()

    async def get(self, asked: Hashable, make: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Return the answer to `asked`, made by `make` where nobody asked it yet, one at a time.

        `asked` says of which moments it is, and always comes with the same `make`. Raises what `make` raises.
        """
        async with self._making:
            if asked not in self._answers:
                self._answers[asked] = await make()
                if len(self._answers) > ANSWERS_MAX:
                    self._answers.popitem(last=False)
            return cast(_Answer, self._answers[asked])
