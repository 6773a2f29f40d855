"""The assistant: questions in words, answered as a stream of events, and the caller's conversations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from cluster.analytics.sentences import Language, choose_language
from web.api.answer_stream import EVENT_STREAM, stream_answer
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.languages import LanguageQuery, language_of
from web.api.schemas import Schema
from web.assistant import history
from web.assistant.desk import DESK
from web.assistant.views import AnswerEvent, AssistantView, ConversationTold, ConversationView
from web.middleware.routes import needs
from web.tools.listing import Page

QUESTION_CHARACTERS_MAX = 4000


class QuestionBody(Schema):
    """What is asked. `language` is that of the answer; without it as Accept-Language has it. `looking_at` is
    the path of the dashboard's page that the asker has open."""

    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=QUESTION_CHARACTERS_MAX, strip_whitespace=True),
    ]
    language: Language | None = None
    looking_at: Annotated[str, StringConstraints(max_length=512, pattern=r"^(/[^\x00-\x1f\x7f]*)?$")] = Field(
        default="", examples=["/services/shop.web"]
    )


async def get_assistant(ask: Ask[None, LanguageQuery]) -> AssistantView:
    return await ask.request.app[DESK].standing(ask.call, language_of(ask.request, ask.query))


async def list_conversations(ask: Ask[None, Nothing]) -> Page[ConversationView]:
    return Page(items=await history.list_conversations(ask.context, ask.call))


async def get_conversation(ask: Ask[None, Nothing]) -> ConversationTold:
    return await history.get_conversation(ask.context, ask.call, ask.path["conversation"])


async def forget_conversation(ask: Ask[None, Nothing]) -> None:
    await history.forget_conversation(ask.context, ask.call, ask.path["conversation"])


async def begin_conversation(ask: Ask[QuestionBody, Nothing]) -> web.StreamResponse:
    return await _answer(ask, None)


async def ask_on(ask: Ask[QuestionBody, Nothing]) -> web.StreamResponse:
    return await _answer(ask, ask.path["conversation"])


async def _answer(ask: Ask[QuestionBody, Nothing], conversation: str | None) -> web.StreamResponse:
    body = ask.body
    language = body.language or choose_language(ask.request.headers.get("Accept-Language", ""))
    answering = ask.request.app[DESK].asking(
        ask.call, conversation, text=body.text, language=language, looking_at=body.looking_at
    )
    return await stream_answer(ask, answering)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/assistant",
        run=get_assistant,
        access=needs("assistant.read"),
        summary="Who answers questions, and how many tokens the caller may still use today",
        tag="assistant",
        query=LanguageQuery,
        answer=AssistantView,
        is_kept=False,
    ),
    Endpoint(
        method="GET",
        path="/assistant/conversations",
        run=list_conversations,
        access=needs("assistant.read"),
        summary="The caller's conversations, the newest first",
        tag="assistant",
        answer=Page[ConversationView],
        is_kept=False,
    ),
    Endpoint(
        method="GET",
        path="/assistant/conversations/{conversation}",
        run=get_conversation,
        access=needs("assistant.read"),
        summary="One conversation, with what was asked and answered",
        tag="assistant",
        answer=ConversationTold,
        is_kept=False,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/assistant/conversations/{conversation}",
        run=forget_conversation,
        access=needs("assistant.forget"),
        summary="Forget a conversation",
        tag="assistant",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/assistant/conversations",
        run=begin_conversation,
        access=needs("assistant.ask"),
        summary="Ask something anew; the answer comes as events, and ends with the connection",
        tag="assistant",
        body=QuestionBody,
        media_types=(EVENT_STREAM,),
        event=AnswerEvent,
        problems=("conflict", "unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/assistant/conversations/{conversation}/exchanges",
        run=ask_on,
        access=needs("assistant.ask"),
        summary="Ask something more; the answer comes as events, and ends with the connection",
        tag="assistant",
        body=QuestionBody,
        media_types=(EVENT_STREAM,),
        event=AnswerEvent,
        problems=("not-found", "conflict", "unavailable"),
    ),
)
