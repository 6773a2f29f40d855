"""One answer as it is made: told part by part to who reads it, and kept whatever way it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from cluster.analytics.sentences import Language, Text
from web.assistant.answering import Answerer, Ended, Ending, Part, Question, Said, Suggested, ToolCalled
from web.auth.call import Call
from web.tools.context import Context

log = logging.getLogger(__name__)

UNREAD_MAX = 64
"""So many parts wait for their reader; then the answer waits."""
TOOLS_SHOWN_MAX = 12
CHARACTERS_MAX = 400_000
"""Of all parts together. What a model writes in a minute is a tenth of it."""

_LATE = Text("it took more than {seconds} seconds", "ha richiesto più di {seconds} secondi")
_LONG = Text("it grew too long", "è diventata troppo lunga")
_CALLS = Text("it called more than {most} tools", "ha chiamato più di {most} strumenti")
_WRONG = Text(
    "something went wrong on the way (request {request}); ask again",
    "qualcosa è andato storto (richiesta {request}); chiedere di nuovo",
)
_UNFINISHED = Text("it ended without an end; ask again", "si è interrotta senza una fine; chiedere di nuovo")

Keeping = Callable[[tuple[Part, ...], int], Awaitable[str]]
"""Keeps the parts and counts the tokens; returns what the reader is to hear of it, "" when all is well."""


@dataclass(frozen=True, slots=True)
class _Stop:
    reason: str


class Answer:
    """`run` makes it, `next` reads it, `stop` ends it early. `ended` is set when nothing of it is left."""

    def __init__(
        self, context: Context, call: Call, answerer: Answerer, question: Question, keep: Keeping
    ) -> None:
        self._context = context
        self._call = call
        self._answerer = answerer
        self._question = question
        self._keep = keep
        self._parts: list[Part] = []
        self._unread: asyncio.Queue[Part] = asyncio.Queue(UNREAD_MAX)
        self._taking: asyncio.Task[Ended] | None = None
        self._stop: _Stop | None = None
        self.ended = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stop is not None

    async def next(self) -> Part:
        """Return the next part; after an `Ended` there is none."""
        return await self._unread.get()

    def stop(self, reason: str = "") -> None:
        """End it: its reader wants no more, or may not read on. Nothing is left to do for who calls this."""
        if self._stop is None:
            self._stop = _Stop(reason)
            # Nobody takes what waits, and what is told last needs room.
            while not self._unread.empty():
                self._unread.get_nowait()
            if self._taking is not None:
                self._taking.cancel()

    async def run(self) -> None:
        """Make it and keep it. Raises nothing but CancelledError."""
        try:
            ended = await self._made()
            note = await self._keep((*self._parts, ended), max(ended.tokens, self._question.meter.tokens))
            if note:
                await self._tell(Said(text=f"\n\n*{note}*"))
            await self._tell(ended)
        finally:
            self.ended.set()

    async def _made(self) -> Ended:
        async with asyncio.TaskGroup() as group:
            self._taking = group.create_task(self._take(), name="assistant-parts")
            if self._stop is not None:
                self._taking.cancel()
        if self._taking.cancelled():
            reason = "" if self._stop is None else self._stop.reason
            return self._cost(Ending.STOPPED, reason)
        return self._taking.result()

    async def _take(self) -> Ended:
        """Take parts until one ends the answer, or a limit does."""
        limit_s = self._context.pace.answer_s
        try:
            async with asyncio.timeout(limit_s), self._opened() as parts:
                return await self._take_from(parts)
        except TimeoutError:
            return self._cost(Ending.CUT_SHORT, self._say(_LATE.fill(seconds=f"{limit_s:.0f}")))
        except Exception:
            # Whoever makes answers raises nothing; a mistake of ours must not end without a word.
            log.exception("assistant.answer_broke", extra={"request_id": self._call.request_id})
            return self._cost(Ending.FAILED, self._say(_WRONG.fill(request=self._call.request_id)))

    def _opened(self) -> aclosing[AsyncGenerator[Part, None]]:
        parts: AsyncIterator[Part] = self._answerer.answer(self._context, self._call, self._question)
        return aclosing(cast("AsyncGenerator[Part, None]", parts))

    async def _take_from(self, parts: AsyncIterator[Part]) -> Ended:
        tools, characters = 0, 0
        async for part in parts:
            if isinstance(part, Ended):
                return part
            tools += isinstance(part, ToolCalled)
            if tools > TOOLS_SHOWN_MAX:
                return self._cost(Ending.CUT_SHORT, self._say(_CALLS.fill(most=TOOLS_SHOWN_MAX)))
            characters += _characters_of(part)
            if characters > CHARACTERS_MAX:
                return self._cost(Ending.CUT_SHORT, self._say(_LONG))
            self._parts.append(part)
            await self._tell(part)
        return self._cost(Ending.FAILED, self._say(_UNFINISHED))

    async def _tell(self, part: Part) -> None:
        if self._stop is None:
            await self._unread.put(part)
        elif not self._unread.full():
            self._unread.put_nowait(part)

    def _cost(self, how: Ending, reason: str) -> Ended:
        return Ended(how=how, reason=reason, tokens=self._question.meter.tokens)

    def _say(self, text: Text) -> str:
        return text.in_language(self.language)

    @property
    def language(self) -> Language:
        return self._question.language


def _characters_of(part: Part) -> int:
    match part:
        case Suggested():
            return sum(map(len, part.questions))
        case ToolCalled() | Ended():
            return len(repr(part))
        case _:
            return len(part.text)
