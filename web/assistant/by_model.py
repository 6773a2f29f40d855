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
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import anthropic
import httpx2
from anthropic import AsyncAnthropic
from anthropic.types import (
    CacheControlEphemeralParam,
    ContentBlock,
    Message,
    MessageParam,
    TextBlockParam,
    ToolChoiceParam,
    ToolParam,
    ToolResultBlockParam,
    ToolUseBlock,
    Usage,
)

from cluster.analytics.sentences import Language
from cluster.model.events import clip
from web.assistant.answer import TOOLS_SHOWN_MAX
from web.assistant.answering import Ended, Ending, Part, Question, Said, Suggested, ToolAnswered
from web.assistant.endings import REASONS
from web.assistant.followups import FollowUps
from web.assistant.instructions import INSTRUCTIONS, asked, said_before
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
_CACHED: CacheControlEphemeralParam = {"type": "ephemeral"}
_SYSTEM: list[TextBlockParam] = [{"type": "text", "text": INSTRUCTIONS, "cache_control": _CACHED}]

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

_Event = str | Usage | Message
"""A piece of text, what the request has cost so far, the message once it is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What differs between the requests of an answer."""

    tools: Sequence[ToolParam]
    tool_choice: ToolChoiceParam | anthropic.Omit
    messages: Sequence[MessageParam]
    max_tokens: int


_Requests = Callable[[_Request], AsyncGenerator[_Event, None]]
"""Makes a request and streams what comes. Raises _Broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How an answer ends. `reason` is a key of `REASONS`, and `said` what the API itself says."""

    how: Ending
    reason: str = ""
    said: str = ""


class _Broken(Exception):
    """The model cannot be asked, or stopped answering."""

    def __init__(self, reason: str, *, said: str = "") -> None:
        super().__init__(reason)
        how = Ending.CUT_SHORT if reason == "window" else Ending.FAILED
        self.end = _End(how=how, reason=reason, said=said)


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
        calls = ToolCalls(
            context,
            call,
            registry=self._registry,
            references_of=self._references_of,
            # An answer may quote what a container wrote, and it stands in what the model is told.
            is_tainted=bool(question.earlier),
            timeout_s=self._call_timeout_s,
        )
        try:
            # Certificates are read from disk.
            client = await asyncio.to_thread(self._connect)
            async with client:
                rounds = _Rounds(self._requests(client), calls, question, spending)
                async with aclosing(rounds.parts()) as parts:
                    async for part in parts:
                        yield part
                end = rounds.end
        except _Broken as broken:
            end = broken.end
        yield self._ended(end, question.language, spending)

    def _requests(self, client: AsyncAnthropic) -> _Requests:
        async def events_of(request: _Request) -> AsyncGenerator[_Event, None]:
            try:
                async with client.messages.stream(
                    model=self._model,
                    max_tokens=request.max_tokens,
                    system=_SYSTEM,
                    tools=request.tools,
                    tool_choice=request.tool_choice,
                    messages=request.messages,
                    cache_control=_CACHED,
                ) as stream:
                    async for event in stream:
                        match event.type:
                            case "text":
                                # JSON may hold half of a character, which nobody who is told takes.
                                yield event.text.encode("utf-8", "replace").decode("utf-8")
                            case "message_start":
                                yield event.message.usage
                            case "message_stop":
                                yield event.message.usage
                                yield event.message
                            case _:
                                pass
            except _FAILURES as error:
                raise self._why_broken(error) from error

        return events_of

    def _connect(self) -> AsyncAnthropic:
        if not _KEY_FORM.fullmatch(self._key):
            # No header takes it, and the error about that would quote it.
            raise _Broken("key")
        try:
            return AsyncAnthropic(
                api_key=self._key,
                base_url=self._base_url,
                timeout=self._timeout,
                # What is asked goes where an administrator said, and nowhere a server there would send it.
                http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
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
                "reason": broken.end.reason,
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
                if error.status_code < 400:
                    # It sends us elsewhere, where nothing goes.
                    return _Broken("malformed")
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

    def _ended(self, end: _End, language: Language, spending: Spending) -> Ended:
        values = {
            "calls": str(TOOLS_SHOWN_MAX),
            "secret": self._key_secret,
            "model": self._model,
            "host": _host_in(self._base_url),
            "said": end.said,
        }
        words = REASONS.say(language, end.reason, **values) if end.reason else ""
        return Ended(how=end.how, reason=words, tokens=spending.spent)


class _Rounds:
    """One answer: ask, make the calls that are wanted, ask again, until the model has answered or may not go
    on. Afterwards `end` says which."""

    def __init__(self, requests: _Requests, calls: ToolCalls, question: Question, spending: Spending) -> None:
        self._requests = requests
        self._calls = calls
        self._spending = spending
        self._tools = _described(calls.tools)
        self._messages = _messages_of(question)
        self._follow_ups = FollowUps()
        self._has_said = False
        self.end = _End(how=Ending.CUT_SHORT, reason="calls")

    async def parts(self) -> AsyncGenerator[Part, None]:
        """Return the parts but for the last. Raises _Broken."""
        new_characters = len(json.dumps([self._tools, self._messages])) + len(INSTRUCTIONS)
        for rounds_left in reversed(range(ROUNDS_MAX)):
            max_tokens = self._spending.begin(new_characters)
            if max_tokens is None:
                self.end = _End(how=Ending.CUT_SHORT, reason="budget")
                return
            message: Message | None = None
            may_call = rounds_left > 0 and self._calls.may_go_on
            async with aclosing(self._requests(self._request(max_tokens, may_call=may_call))) as events:
                async for event in events:
                    match event:
                        case str():
                            self._spending.count_text(len(event))
                            if shown := self._follow_ups.feed(event):
                                yield Said(text=shown)
                                self._has_said = True
                        case Usage():
                            self._spending.count(_tokens_in(event))
                        case Message():
                            message = event
            if held := self._follow_ups.flush():
                yield Said(text=held)
                self._has_said = True
            if message is None:
                raise _Broken("dropped")
            if end := self._end_of(message):
                self.end = end
                break

            if content := _kept(message.content):
                self._messages.append({"role": "assistant", "content": content})
            new_characters = 0
            if wanted := _wanted_in(message.content):
                taken = self._calls.take(wanted) if may_call else ()
                for each in taken:
                    yield self._calls.announce(each)
                answers = await self._calls.run(taken)
                for answer in answers:
                    yield answer
                results = _results_of(answers, wanted[len(taken) :])
                self._messages.append({"role": "user", "content": results})
                self._has_said = False
                new_characters = len(json.dumps(results))
        if self.end.how is Ending.ANSWERED and self._follow_ups.questions:
            yield Suggested(questions=self._follow_ups.questions)

    def _request(self, max_tokens: int, *, may_call: bool) -> _Request:
        return _Request(
            tools=self._tools,
            # Who may call no more has to say what was found. Without tools there is nothing to choose.
            tool_choice=anthropic.omit if may_call or not self._tools else {"type": "none"},
            messages=self._messages,
            max_tokens=max_tokens,
        )

    def _end_of(self, message: Message) -> _End | None:
        """How a message ends the answer, None where it goes on."""
        match message.stop_reason:
            case "end_turn" | "stop_sequence" if self._has_said:
                return _End(how=Ending.ANSWERED)
            case "end_turn" | "stop_sequence":
                return _End(how=Ending.FAILED, reason="silent")
            case "refusal":
                return _End(how=Ending.REFUSED, reason="refused")
            case "max_tokens":
                # A call at its end may lack some of its arguments: none of this message is made.
                return _End(how=Ending.CUT_SHORT, reason="length")
            case "model_context_window_exceeded":
                return _End(how=Ending.CUT_SHORT, reason="window")
            case "tool_use" if _wanted_in(message.content):
                return None
            case "pause_turn":
                return None
            case _:
                raise _Broken("malformed")


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
    for exchange in question.earlier:
        before, answer = said_before(exchange)
        messages += [{"role": "user", "content": before}, {"role": "assistant", "content": answer}]
    return [*messages, {"role": "user", "content": asked(question)}]


def _kept(content: Sequence[ContentBlock]) -> list[ContentBlock]:
    """A message's blocks as they came, signatures of thoughts included.

    But for what the API does not take back: text of spaces alone, and arguments that are none.
    """
    return [
        block.model_copy(update={"input": {}})
        if block.type == "tool_use" and _arguments_in(block) is None
        else block
        for block in content
        if block.type != "text" or block.text.strip()
    ]


def _wanted_in(content: Sequence[ContentBlock]) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(id=block.id, tool=block.name, arguments=_arguments_in(block))
        for block in content
        if block.type == "tool_use"
    )


def _arguments_in(block: ToolUseBlock) -> Mapping[str, object] | None:
    """The arguments of a call, None for what is no object of JSON: the SDK reads NaN and half characters."""
    try:
        json.dumps(block.input, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return None
    return block.input if isinstance(block.input, dict) else None


def _results_of(answers: Sequence[ToolAnswered], not_made: Sequence[Wanted]) -> list[ToolResultBlockParam]:
    """The results of one message's calls, for the one message that answers them."""
    results: list[ToolResultBlockParam] = [
        {
            "type": "tool_result",
            "tool_use_id": answer.id,
            "content": told(answer),
            "is_error": answer.is_error,
        }
        for answer in answers
    ]
    return results + [
        {"type": "tool_result", "tool_use_id": each.id, "content": NOT_MADE, "is_error": True}
        for each in not_made
    ]


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
