"""From a typed function to a route: one declaration gives parsing, checking, answer and description.

A function is given an `Ask` with the body and query already checked against their pydantic models, and
returns a plain value of the declared type, or a response it made itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from cluster.raft.replicator import OutcomeUnknown
from web.api.conditions import is_conditional, require_match
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.middleware.answers import NO_STORE, REVALIDATED, Content, answer
from web.middleware.bodies import read_body
from web.middleware.errors import problem_of, problem_response
from web.middleware.idempotency import (
    HEADER,
    REPEATS,
    Outcome,
    fingerprint_of,
    key_in,
    request_id_of,
)
from web.middleware.keys import CALL
from web.middleware.routes import API, BODY_BYTES_MAX, Access, Route
from web.middleware.shared_answers import SHARED
from web.tools.context import CONTEXT, Context
from web.tools.repeats import refuse_done
from web.tools.validation import problem_of_validation

COMPRESS_FROM_BYTES = 4096

_Body = TypeVar("_Body")
_Query = TypeVar("_Query")


class Nothing(BaseModel, extra="forbid"):
    """No query parameters, or a body that may be left out."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[_Body, _Query]):
    """One request to an endpoint. `path` holds the path's parameters; `request` is for what streams.

    `expected_version` is the one that If-Match named and found; null: any.
    """

    context: Context
    call: Call
    path: Mapping[str, str]
    body: _Body
    query: _Query
    request: web.Request
    expected_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint under /api/v1.

    `answer` is the type of what `run` returns, None for no content, or for responses that `run` makes itself
    (then `media_types` says of what kind, and `event` is the type of the events of a stream). `is_streamed`:
    `run` reads the body as it comes. `problems` are the kinds it raises beyond the usual ones. `also` are
    whole paths it answers on too. `version` takes from the answer what If-Match compares. `is_kept` false: it
    holds secrets, which no browser should write to its disk. `shared` says of a request what its answer
    depends on besides the path, None: on the caller alone; for a moment the answer is given to all who ask
    the same.
    """

    method: str
    path: str
    run: Callable[[Ask[Any, Any]], Awaitable[object]]
    access: Access
    summary: str
    tag: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] = Nothing
    answer: Any = None
    status: HTTPStatus = HTTPStatus.OK
    body_bytes_max: int = BODY_BYTES_MAX
    is_streamed: bool = False
    media_types: tuple[str, ...] = ()
    event: Any = None
    problems: tuple[str, ...] = field(default=())
    also: tuple[str, ...] = ()
    version: Callable[[Any], int] | None = None
    is_kept: bool = True
    shared: Callable[[Ask[Any, Any]], Hashable] | None = None

    @cached_property
    def _answers(self) -> TypeAdapter[Any]:
        # Made at the first answer: a start should not wait for forty of them.
        return TypeAdapter(self.answer)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes to register."""
        return tuple(
            Route(
                method=self.method,
                path=path,
                handler=self._handle,
                access=self.access,
                body_bytes_max=self.body_bytes_max,
                is_streamed=self.is_streamed,
                takes_head=self.method == "GET" and self.answer is not None,
            )
            for path in (f"{API}{self.path}", *self.also)
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and HEADER in request.headers and request[CALL].identity is not None:
            return await self._handle_once(request)
        return await self._answer(request)

    async def _handle_once(self, request: web.Request) -> web.StreamResponse:
        """Carry out a request that has a key, or give the answer of the first one of it again."""
        call, key = request[CALL], key_in(request)
        assert key is not None, "the header is there"
        account = call.known().principal_id
        repeats = request.app[REPEATS]
        known = repeats.begin(account, key, fingerprint_of(request, await read_body(request)))
        if known is not None:
            return web.Response(
                status=known.status,
                body=known.body,
                headers={**dict(known.headers), "Idempotency-Replayed": "true"},
            )
        request[CALL] = replace(call, request_id=request_id_of(account, key))
        outcome: Outcome | None = None
        try:
            await refuse_done(request.app[CONTEXT], request[CALL].request_id)
            response = await self._answer(request)
            if type(response) is web.Response and isinstance(response.body, bytes | None):
                outcome = _outcome_of(response)
            return response
        except OutcomeUnknown as error:
            # It may have been done, and must not be again: that is what its repeats are told, too.
            problem = problem_response(request, problem_of(error, request_id=request[CALL].request_id))
            outcome = _outcome_of(problem)
            return problem
        finally:
            # Without an outcome nothing was done, and trying again under the same key is right.
            repeats.end(account, key, outcome)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = _read_query(request, self.query)
        body = await _read_json(request, self.body) if self.body is not None else None
        ask = Ask(request.app[CONTEXT], request[CALL], dict(request.match_info), body, query, request)
        if is_conditional(request):
            ask = replace(ask, expected_version=await self._check_condition(ask))
        depends_on = None if self.shared is None else self.shared(ask)
        if depends_on is not None:
            content = await request.app[SHARED].get((self.path, depends_on), lambda: self.content(ask))
            return await self._respond(request, content)
        result = await self.run(ask)
        if isinstance(result, web.StreamResponse):
            return result
        if self.answer is None:
            assert result is None, f"{self.path} answers nothing"
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return await self._respond(request, self._content_of(result))

    async def content(self, ask: Ask[Any, Any]) -> Content:
        """Return the answer to a request."""
        return self._content_of(await self.run(ask))

    def _content_of(self, result: object) -> Content:
        version = None if self.version is None else self.version(result)
        return Content(self._answers.dump_json(result), version=version)

    async def _respond(self, request: web.Request, content: Content) -> web.Response:
        is_read = self.method == "GET"
        return await answer(
            request,
            content,
            status=self.status,
            cache=REVALIDATED if is_read and self.is_kept else NO_STORE,
            # What is kept to be given again must do for whoever asks.
            is_compressed=is_read or HEADER not in request.headers,
        )

    async def _check_condition(self, ask: Ask[Any, Any]) -> int | None:
        """Return the version of what is to be changed. Raises Problem (412) when it is not as is wanted."""
        reader = ask.request.app[READERS].get(self.path)
        if reader is None:
            raise Problem("changed", "nothing at this address is read under a tag", hint="leave If-Match out")
        names = reader.query.model_fields
        query = reader.query.model_validate(
            {name: value for name, value in ask.request.query.items() if name in names}
        )
        try:
            present = await reader.content(replace(ask, body=None, query=query))
        except Problem as problem:
            if problem.status != HTTPStatus.NOT_FOUND:
                raise
            present = None
        require_match(ask.request, present)
        return None if present is None or "If-Match" not in ask.request.headers else present.version


READERS = web.AppKey("readers", dict[str, Endpoint])
"""By path, the endpoints that say how something is: what conditions of changes are compared with."""


def readers_of(endpoints: Iterable[Endpoint]) -> dict[str, Endpoint]:
    """Return those of `endpoints` that a condition can be compared with."""
    return {each.path: each for each in endpoints if each.method == "GET" and each.answer is not None}


def _outcome_of(response: web.Response) -> Outcome:
    kept = ("Content-Type", "Cache-Control", "ETag", "Retry-After")
    body = response.body
    assert body is None or isinstance(body, bytes), "a payload is not kept"
    return Outcome(
        status=response.status,
        body=body or b"",
        headers=tuple((name, response.headers[name]) for name in kept if name in response.headers),
    )


def json_response(content: bytes, *, status: int = 200) -> web.Response:
    """Return JSON, compressed where that is worth it."""
    response = web.Response(body=content, status=status, content_type="application/json")
    if len(content) >= COMPRESS_FROM_BYTES:
        response.enable_compression()
    return response


async def read_json(request: web.Request) -> object:
    """Return the body's JSON value, unchecked. Raises Problem."""
    _require_json(request)
    try:
        return json.loads(await read_body(request))
    except (ValueError, RecursionError) as error:
        raise Problem("bad-request", "the body is not JSON") from error


async def _read_json(request: web.Request, model: type[BaseModel]) -> BaseModel:
    content = await read_body(request)
    if not content:
        # A body of which everything may be left out may be left out.
        content = b"{}"
    else:
        _require_json(request)
        _refuse_duplicates(content)
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise problem_of_validation(error, known=tuple(model.model_fields)) from error


def _refuse_duplicates(content: bytes) -> None:
    """A field that is there twice means one thing to us and perhaps another to what checked it on the way.

    Raises Problem. What is no JSON is left to who reads it.
    """

    def checked(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)[:80]
            raise Problem(
                "invalid",
                f"{twice}: given twice",
                errors=(FieldError(field=twice, rule="give it once"),),
            )

    try:
        json.loads(content, object_pairs_hook=checked)
    except (ValueError, RecursionError):
        return


def _read_query(request: web.Request, model: type[BaseModel]) -> BaseModel:
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise Problem(
                "invalid",
                f"{name[:80]}: given twice",
                errors=(FieldError(field=name[:80], rule="give it once"),),
            )
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise problem_of_validation(error, known=tuple(model.model_fields)) from error


def _require_json(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise Problem(
            "wrong-media-type",
            f"the body is {request.content_type}, and application/json is needed",
            hint="send Content-Type: application/json",
        )
