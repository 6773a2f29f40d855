"""Where questions are asked: one answer at a time to each account, and a bounded number at one host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from aiohttp import web

from cluster.analytics.sentences import Language, Text
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadUnavailable
from web.assistant.answer import Answer
from web.assistant.answering import Answerer, Part, Question
from web.assistant.choosing import Standing, standing_of
from web.assistant.history import ASK, READ, Place, keep_exchange, place_of
from web.assistant.kept import Content, joined
from web.assistant.views import AssistantView, Began, NoModel
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.context import Context

log = logging.getLogger(__name__)

VIA = "assistant"
AT_ONCE_MAX = 8
_LOOKS = 3
"""So many looks for a reader are waited for, before who asks meanwhile is refused."""
_STOP_PATIENCE_S = 5.0
"""An answer that was stopped has ended by then: all that is left is to keep it."""

_NOT_KEPT = Text(
    "this exchange is not in your history: {reason}", "questo scambio non è nella cronologia: {reason}"
)
_FORGOTTEN = Text(
    "the conversation was forgotten meanwhile", "la conversazione è stata eliminata nel frattempo"
)

Choosing = Callable[[Context, Standing], Awaitable[tuple[Answerer, NoModel | None]]]


class AnswerDesk:
    """The answers that are being made at this host."""

    def __init__(self, context: Context, choose: Choosing) -> None:
        self._context = context
        self._choose = choose
        self._answers: dict[str, Answer | None] = {}
        """By account; None: it is about to begin."""
        self._uncounted: dict[str, int] = {}
        """What answers cost that could not be kept, by account: without a quorum nothing is free."""

    async def standing(self, call: Call, language: Language) -> AssistantView:
        """Return who would answer a caller now. Raises Problem."""
        await self._context.authority.require(call, READ, "assistant")
        account = call.known().principal_id
        found = self._standing(call)
        return AssistantView(
            answerer=found.answerer,
            model=found.rules.model,
            no_model=found.no_model,
            hint=found.hint(language),
            tokens_per_day=found.rules.tokens_per_day,
            tokens_used=found.tokens_used,
            tokens_left=found.tokens_left,
            day_ends_ms=found.day_ends_ms,
            is_answering=account in self._answers,
        )

    @asynccontextmanager
    async def asking(
        self, call: Call, conversation: str | None, *, text: str, language: Language, looking_at: str = ""
    ) -> AsyncIterator[tuple[Began, Answer]]:
        """Begin an answer; leaving stops it if it has not ended. It is kept either way.

        Raises Problem: 403, 404 for a conversation that is not the caller's, 409 while another answer to the
        caller is being made, 503 when this host makes as many as it may.
        """
        await self._context.authority.require(call, ASK, "assistant")
        account = call.known().principal_id
        await self._take_turn(account)
        try:
            began, answer = await self._begin(call, conversation, text, language, looking_at)
            # Anew: to choose who answers takes a moment, in which this host may have begun to stop.
            self._context.background.check_room()
            self._answers[account] = answer
            self._context.background.start(self._run(account, answer), name="assistant-answer")
        except BaseException:
            del self._answers[account]
            raise
        try:
            yield began, answer
        finally:
            if not answer.ended.is_set():
                answer.stop()

    async def _take_turn(self, account: str) -> None:
        present = self._answers.get(account)
        if present is not None:
            # That its reader is gone is noticed a moment later.
            await _wait_for(present, _LOOKS * self._context.pace.answer_look_s)
            if present.is_stopping:
                await _wait_for(present, _STOP_PATIENCE_S)
        if account in self._answers:
            raise Problem(
                "conflict",
                "an answer to you is being made already",
                hint="wait for it, or stop it by closing its connection",
                retry_after_s=2,
            )
        if len(self._answers) >= AT_ONCE_MAX:
            raise Problem(
                "unavailable",
                f"{AT_ONCE_MAX} answers are being made at this host, which is the most at once",
                hint="ask again in a moment, or another host",
                retry_after_s=10,
            )
        self._answers[account] = None

    async def _begin(
        self, call: Call, conversation: str | None, text: str, language: Language, looking_at: str
    ) -> tuple[Began, Answer]:
        context = self._context
        place = place_of(context, call, conversation)
        standing = self._standing(call)
        answerer, no_model = await self._choose(context, standing)
        now_ms = context.surroundings.clock.now_ms()
        question = Question(
            text=text,
            language=language,
            now_ms=now_ms,
            looking_at=looking_at,
            earlier=place.earlier,
            tokens_left=standing.tokens_left,
        )
        content = Content(
            question=text, language=language, looking_at=looking_at, answerer=answerer.name, parts=()
        )

        async def keep(parts: tuple[Part, ...], tokens: int) -> str:
            return await self._keep(call, place, replace(content, parts=joined(parts)), now_ms, tokens)

        began = Began(
            conversation=place.conversation_id,
            number=place.number,
            answerer=answerer.name,
            no_model=no_model,
        )
        # Every call of it is recorded as the assistant's, and what would change something becomes a plan.
        return began, Answer(context, replace(call, via=VIA), answerer, question, keep)

    async def _run(self, account: str, answer: Answer) -> None:
        try:
            await answer.run()
        finally:
            del self._answers[account]

    async def _keep(self, call: Call, place: Place, content: Content, asked_at_ms: int, tokens: int) -> str:
        account = place.principal_id
        owed = tokens + self._uncounted.pop(account, 0)
        try:
            was_kept = await keep_exchange(
                self._context, call, place, content, asked_at_ms=asked_at_ms, tokens=owed
            )
        except (Problem, NotCommitted, OutcomeUnknown, ReadUnavailable) as error:
            if not isinstance(error, OutcomeUnknown) and owed:
                self._uncounted[account] = owed
            reason = error.detail if isinstance(error, Problem) else str(error)
            log.warning("assistant.not_kept", extra={"request_id": call.request_id, "reason": reason})
            return _NOT_KEPT.in_language(content.language).format(reason=reason)
        if was_kept:
            return ""
        forgotten = _FORGOTTEN.in_language(content.language)
        return _NOT_KEPT.in_language(content.language).format(reason=forgotten)

    def _standing(self, call: Call) -> Standing:
        uncounted = self._uncounted.get(call.known().principal_id, 0)
        return standing_of(self._context, call, uncounted=uncounted)


async def _wait_for(answer: Answer, patience_s: float) -> None:
    """Return when an answer has ended, or has not within a time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await answer.ended.wait()


DESK = web.AppKey("assistant_desk", AnswerDesk)
