"""Answers by a model behind Anthropic's Messages API, which looks things up with the registry's tools.

The only module that imports the SDK (a second, and tens of MB): it is itself imported when first needed.

One answer is a few requests. Each sends everything so far, streams what the model writes, and ends with the
tools the model wants to call; their results go into the next. The loop is ours, and not the SDK's runner,
for every call has to go through the registry, as its asker, and nothing that went wrong there may reach the
model as an exception's text.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import anthropic
import httpx2
from anthropic import AsyncAnthropic
from anthropic.types import (
    ContentBlock,
    Message,
    MessageParam,
    TextBlockParam,
    ToolParam,
    ToolResultBlockParam,
    Usage,
)

from cluster.analytics.sentences import Language
from cluster.model.events import clip
from web.assistant.answer import TOOLS_SHOWN_MAX
from web.assistant.answering import Ended, Ending, Part, Question, Said, Suggested
from web.assistant.endings import REASONS
from web.assistant.followups import FollowUps
from web.assistant.instructions import EARLIER_MAX, INSTRUCTIONS, asked, said_before
from web.assistant.references import references_of
from web.assistant.spending import Spending
from web.assistant.tool_calls import CALL_TIMEOUT_S, NOT_MADE, ReferencesOf, ToolCalls, Wanted, told
from web.auth.call import Call
from web.tools.catalog import REGISTRY
from web.tools.context import Context
from web.tools.registry import Tool, ToolRegistry
from web.tools.untrusted import cleaned

ROUNDS_MAX = 12
RETRIES_MAX = 2
"""By the SDK, of requests that were refused before anything was streamed."""
TIMEOUT = httpx2.Timeout(connect=10.0, read=60.0, write=30.0, pool=10.0)
"""`read` is between two pieces of a stream, which has pings while the model thinks."""
_SAID_CHARACTERS_MAX = 200
_KEY_FORM = re.compile(r"[!-~]+")
_CACHED: Any = {"type": "ephemeral"}

# What the SDK raises: its own errors, the transport's while a stream is read, and those of Python where what
# comes is no stream of messages.
_FAILURES = (
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RuntimeError,
)

_REASON_OF_TYPE = {
    "authentication_error": "key",
    "permission_error": "key",
    "billing_error": "billing",
    "not_found_error": "model",
    "rate_limit_error": "busy",
    "overloaded_error": "overloaded",
    "timeout_error": "slow",
    "api_error": "trouble",
}
_REASON_OF_STATUS = {
    401: "key",
    402: "billing",
    403: "key",
    404: "model",
    408: "slow",
    413: "window",
    429: "busy",
    504: "slow",
    529: "overloaded",
}

_log = logging.getLogger(__name__)


class _Broken(Exception):
    """The model cannot be asked, or stopped answering. `reason` is a key of `REASONS`."""

    def __init__(self, reason: str, *, said: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.said = said


class ByModel:
    """Answers with one model and one key. `key_secret` names the secret that holds the key."""

    def __init__(
        self,
        *,
        key: str,
        key_secret: str,
        model: str,
        base_url: str,
        references_of: ReferencesOf = references_of,
        registry: ToolRegistry = REGISTRY,
        timeout: httpx2.Timeout = TIMEOUT,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        # A file that was put as a secret ends with a line break, which no header may hold.
        self._key = key.strip()
        self._key_secret = key_secret
        self._model = model
        self._base_url = base_url
        self._references_of = references_of
        self._registry = registry
        self._timeout = timeout
        self._call_timeout_s = call_timeout_s

    @property
    def name(self) -> str:
        """The model."""
        return self._model

    async def answer(self, context: Context, call: Call, question: Question) -> AsyncGenerator[Part, None]:
        """Return the parts of an answer; see `Answerer`."""
        spending = Spending(question.tokens_left, question.meter)
        try:
            # Certificates are read from disk.
            client = await asyncio.to_thread(self._connect)
            async with client, aclosing(self._rounds(client, context, call, question, spending)) as parts:
                async for part in parts:
                    yield part
        except _Broken as broken:
            how = Ending.CUT_SHORT if broken.reason == "window" else Ending.FAILED
            yield self._ended(how, broken.reason, question.language, spending, said=broken.said)

    async def _rounds(
        self, client: AsyncAnthropic, context: Context, call: Call, question: Question, spending: Spending
    ) -> AsyncGenerator[Part, None]:
        """Ask, run the tools that are wanted, ask again, until the model has answered or may not go on."""
        calls = ToolCalls(
            context,
            call,
            registry=self._registry,
            references_of=self._references_of,
            # An answer may quote what a container wrote, and it stands in what the model is told.
            is_tainted=bool(question.earlier),
            timeout_s=self._call_timeout_s,
        )
        tools = _described(calls.tools)
        messages = _messages_of(question)
        follow_ups = FollowUps()
        new_characters = len(json.dumps([tools, messages])) + len(INSTRUCTIONS)
        has_said = False
        how, reason = Ending.CUT_SHORT, "calls"

        for remaining in reversed(range(ROUNDS_MAX)):
            max_tokens = spending.begin(new_characters)
            if max_tokens is None:
                how, reason = Ending.CUT_SHORT, "budget"
                break
            message: Message | None = None
            is_first_text = True
            streaming = self._stream(
                client,
                tools=tools,
                messages=messages,
                max_tokens=max_tokens,
                may_call=remaining > 0 and calls.may_go_on,
            )
            async with aclosing(streaming) as events:
                async for event in events:
                    match event:
                        case str():
                            spending.count_text(len(event))
                            shown = follow_ups.feed(event)
                            if shown:
                                # What was said before a look-up and after it are paragraphs of their own.
                                yield Said(text=f"\n\n{shown}" if has_said and is_first_text else shown)
                                is_first_text, has_said = False, True
                        case Usage():
                            spending.count(_tokens_in(event))
                        case Message():
                            message = event
            if held := follow_ups.flush():
                yield Said(text=held)
                has_said = True
            if message is None:
                raise _Broken("dropped")

            wanted = _wanted_in(message.content)
            match message.stop_reason:
                case "end_turn" | "stop_sequence":
                    how, reason = (Ending.ANSWERED, "") if has_said else (Ending.FAILED, "silent")
                    break
                case "refusal":
                    how, reason = Ending.REFUSED, "refused"
                    break
                case "max_tokens":
                    # A call at its end may lack some of its arguments: none of this message is made.
                    how, reason = Ending.CUT_SHORT, "length"
                    break
                case "model_context_window_exceeded":
                    how, reason = Ending.CUT_SHORT, "window"
                    break
                case "tool_use" if wanted:
                    pass
                case "pause_turn":
                    pass
                case _:
                    raise _Broken("malformed")

            content = _kept(message.content)
            if content:
                messages.append({"role": "assistant", "content": content})
            new_characters = 0
            if message.stop_reason == "tool_use":
                taken = calls.take(wanted) if remaining else ()
                for each in taken:
                    yield calls.announce(each)
                answers = await calls.run(taken)
                for answer in answers:
                    yield answer
                results: list[ToolResultBlockParam] = [
                    {
                        "type": "tool_result",
                        "tool_use_id": answer.id,
                        "content": told(answer),
                        "is_error": answer.is_error,
                    }
                    for answer in answers
                ]
                results += [
                    {"type": "tool_result", "tool_use_id": each.id, "content": NOT_MADE, "is_error": True}
                    for each in wanted[len(taken) :]
                ]
                messages.append({"role": "user", "content": results})
                new_characters = len(json.dumps(results))

        if how is Ending.ANSWERED and follow_ups.questions:
            yield Suggested(questions=follow_ups.questions)
        yield self._ended(how, reason, question.language, spending)

    async def _stream(
        self,
        client: AsyncAnthropic,
        *,
        tools: Sequence[ToolParam],
        messages: Sequence[MessageParam],
        max_tokens: int,
        may_call: bool,
    ) -> AsyncGenerator[str | Usage | Message, None]:
        """Return what a request streams: pieces of text, what it has cost so far, and the message once it is
        whole. Raises _Broken."""
        system: list[TextBlockParam] = [{"type": "text", "text": INSTRUCTIONS, "cache_control": _CACHED}]
        try:
            async with client.messages.stream(
                model=self._model,
                max_tokens=max_tokens,
                system=system,
                tools=tools,
                # Who may look up no more has to say what was found. Without tools there is nothing to choose.
                tool_choice=anthropic.omit if may_call or not tools else {"type": "none"},
                messages=messages,
                cache_control=_CACHED,
            ) as stream:
                async for event in stream:
                    match event.type:
                        case "text":
                            yield event.text
                        case "message_start":
                            yield event.message.usage
                        case "message_stop":
                            yield event.message.usage
                            yield event.message
                        case _:
                            pass
        except _FAILURES as error:
            raise self._why_broken(error) from error

    def _connect(self) -> AsyncAnthropic:
        if not _KEY_FORM.fullmatch(self._key):
            # No header takes it, and the error about that would quote it.
            raise _Broken("key")
        try:
            return AsyncAnthropic(
                api_key=self._key,
                base_url=self._base_url,
                timeout=self._timeout,
                max_retries=RETRIES_MAX,
                open_telemetry=False,
            )
        except _FAILURES as error:
            raise self._why_broken(error) from error

    def _why_broken(self, error: Exception) -> _Broken:
        """Return an SDK's failure as what its asker is told. Its text may hold the key: it is not used."""
        status = error.status_code if isinstance(error, anthropic.APIStatusError) else None
        broken = self._meaning_of(error)
        _log.warning(
            "assistant.model_failed",
            extra={
                "reason": broken.reason,
                "error": type(error).__name__,
                "status": status,
                "model": self._model,
                "model_request_id": getattr(error, "request_id", None),
            },
        )
        return broken

    def _meaning_of(self, error: Exception) -> _Broken:
        match error:
            case anthropic.APIStatusError():
                reason = _REASON_OF_TYPE.get(error.type or "") or _REASON_OF_STATUS.get(error.status_code)
                if reason is not None:
                    return _Broken(reason)
                if error.status_code >= 500:
                    return _Broken("trouble")
                said = error.api_message if isinstance(error.api_message, str) else str(error.status_code)
                # A gateway between us and the API may quote what it was sent.
                said = said.replace(self._key, "[redacted]") if self._key else said
                return _Broken("request", said=clip(cleaned(said), _SAID_CHARACTERS_MAX))
            case anthropic.APITimeoutError() | httpx2.TimeoutException():
                return _Broken("slow")
            case anthropic.APIConnectionError():
                return _Broken("unreachable")
            case httpx2.TransportError():
                return _Broken("dropped")
            case _:
                return _Broken("malformed")

    def _ended(
        self, how: Ending, reason: str, language: Language, spending: Spending, *, said: str = ""
    ) -> Ended:
        values = {
            "calls": str(TOOLS_SHOWN_MAX),
            "secret": self._key_secret,
            "model": self._model,
            "host": _host_in(self._base_url),
            "said": said,
        }
        words = REASONS.say(language, reason, **values) if reason else ""
        return Ended(how=how, reason=words, tokens=spending.spent)


def _described(tools: Sequence[Tool]) -> list[ToolParam]:
    """Tools as the API takes them, by name: the same list has the same bytes, and is kept by its cache."""
    described: list[ToolParam] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in tools
    ]
    if described:
        described[-1]["cache_control"] = _CACHED
    return described


def _messages_of(question: Question) -> list[MessageParam]:
    messages: list[MessageParam] = []
    for exchange in question.earlier[-EARLIER_MAX:]:
        before, answer = said_before(exchange)
        messages += [{"role": "user", "content": before}, {"role": "assistant", "content": answer}]
    return [*messages, {"role": "user", "content": asked(question)}]


def _kept(content: Sequence[ContentBlock]) -> list[ContentBlock]:
    """A message's blocks as they came, signatures of thoughts included.

    But for what the API does not take back: empty text, and arguments that are no object.
    """
    return [
        block.model_copy(update={"input": {}})
        if block.type == "tool_use" and not isinstance(block.input, dict)
        else block
        for block in content
        if block.type != "text" or block.text
    ]


def _wanted_in(content: Sequence[ContentBlock]) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(id=block.id, tool=block.name, arguments=block.input)
        for block in content
        if block.type == "tool_use"
    )


def _tokens_in(usage: Usage) -> int:
    return (
        usage.input_tokens
        + usage.output_tokens
        + (usage.cache_creation_input_tokens or 0)
        + (usage.cache_read_input_tokens or 0)
    )


def _host_in(base_url: str) -> str:
    """The host of an address, without a login that may stand in it."""
    try:
        return httpx2.URL(base_url).host or "?"
    except (httpx2.InvalidURL, ValueError, TypeError):
        return "?"
