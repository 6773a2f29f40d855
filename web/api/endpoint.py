"""From a typed function to a route: one declaration gives parsing, checking, answer and description.

A function is given an `Ask` with the body and query already checked against their pydantic models, and
returns a plain value of the declared type, or a response it made itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.middleware.bodies import read_body
from web.middleware.keys import CALL
from web.middleware.routes import API, BODY_BYTES_MAX, Access, Route
from web.tools.context import CONTEXT, Context
from web.tools.validation import problem_of_validation

COMPRESS_FROM_BYTES = 4096

_Body = TypeVar("_Body")
_Query = TypeVar("_Query")


class Nothing(BaseModel, extra="forbid"):
    """No query parameters, or a body that may be left out."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[_Body, _Query]):
    """One request to an endpoint. `path` holds the path's parameters; `request` is for what streams."""

    context: Context
    call: Call
    path: Mapping[str, str]
    body: _Body
    query: _Query
    request: web.Request


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint under /api/v1.

    `answer` is the type of what `run` returns, None for no content, or for responses that `run` makes itself
    (then `media_types` says of what kind). `problems` are the kinds it raises beyond the usual ones. `also`
    are whole paths it answers on too.
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
    media_types: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())
    also: tuple[str, ...] = ()

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
                takes_head=self.method == "GET" and self.answer is not None,
            )
            for path in (f"{API}{self.path}", *self.also)
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        query = _read_query(request, self.query)
        body = await _read_json(request, self.body) if self.body is not None else None
        result = await self.run(
            Ask(request.app[CONTEXT], request[CALL], dict(request.match_info), body, query, request)
        )
        if isinstance(result, web.StreamResponse):
            return result
        if self.answer is None:
            assert result is None, f"{self.path} answers nothing"
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return json_response(self._answers.dump_json(result), status=self.status)


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
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise problem_of_validation(error, known=tuple(model.model_fields)) from error


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
