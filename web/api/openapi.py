"""The description of the interface (OpenAPI 3.1), made from the same declarations that serve it.

`python -m web.api.openapi` prints it; the dashboard's types are generated from that.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from http import HTTPStatus
from types import UnionType
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from web.api.conditions import UNSAFE
from web.api.endpoint import Endpoint, readers_of
from web.auth import cookies
from web.auth.problems import KINDS, TYPE_PREFIX
from web.middleware.answers import PUBLIC, Content, answer
from web.middleware.routes import API, Audience, Route, everybody

_REF = "#/components/schemas/{model}"
_ABOUT = """\
Every host of a cluster serves all of this. Times are Unix epoch milliseconds. Refusals are problem \
documents (RFC 9457) whose type ends in the kind, with a hint at the next step.

Lists are continued with next_cursor. Answers have an ETag: send it as If-None-Match to hear only of \
changes, and as If-Match with a change that is to be made only if nobody was quicker (412 otherwise). \
HEAD is answered as GET.

A POST with the header Idempotency-Key (a UUID, say) is carried out once: the same request with the same \
key is answered with the first one's answer for an hour. Another host, or one that was started since, knows \
from the audit what was changed under a key, and refuses to do it again (409).

How often an account may ask is told by RateLimit and RateLimit-Policy, and with 429 by Retry-After.

What changes is told as it happens by the WebSocket /api/v1/live, and as server-sent events by \
/api/v1/live/events?topics=: alerts, cluster, containers, events, logs, metrics, plans, rollouts, \
seconds, services.\
"""
_HEADERS: dict[str, Any] = {
    name: {
        "name": header,
        "in": "header",
        "required": False,
        "description": what,
        "schema": {"type": "string"},
    }
    for name, header, what in (
        (
            "IfNoneMatch",
            "If-None-Match",
            "an ETag: answer only if it is another now; * with a PUT: only if new",
        ),
        ("IfMatch", "If-Match", "an ETag: change it only if it is as it was read then"),
        ("IdempotencyKey", "Idempotency-Key", "1 to 200 printable characters: carry this out once"),
    )
}
_PARAMETER = re.compile(r"\{(\w+)\}")
_ALWAYS = ("bad-request", "too-many-requests", "internal", "unavailable")
_OF_CHANGES = ("not-committed", "outcome-unknown", "audit-unavailable")
_UNSAFE = frozenset({"POST", "PUT", "DELETE", "PATCH"})


class _Schema(GenerateJsonSchema):
    """Answers hold every field, also those that have a default."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization":
            return True
        return super().field_is_required(field, total)


def describe(endpoints: tuple[Endpoint, ...], *, version: str = "1") -> dict[str, Any]:
    """Return the OpenAPI document."""
    inputs = [endpoint.body for endpoint in endpoints if endpoint.body is not None]
    queries = [endpoint.query for endpoint in endpoints]
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys((*inputs, *queries))], ref_template=_REF
    )
    schemas: dict[str, Any] = dict(definitions.get("$defs", {}))
    paths: dict[str, dict[str, Any]] = {}
    readers = readers_of(endpoints)
    for endpoint in endpoints:
        operation = _operation(endpoint, schemas, has_reader=endpoint.path in readers)
        paths.setdefault(f"{API}{endpoint.path}", {})[endpoint.method.lower()] = operation
    for model in dict.fromkeys(queries):
        # Queries are told parameter by parameter.
        schemas.pop(model.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Control Tower",
            "version": version,
            "description": _ABOUT,
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**dict(sorted(schemas.items())), "Problem": _problem_schema()},
            "parameters": _HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "the access token of a login, or an API token",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookies.ACCESS,
                    "description": f"a browser's login; changes need the header {cookies.CSRF_HEADER} too",
                },
            },
        },
    }


def route(endpoints: tuple[Endpoint, ...]) -> Route:
    """Return the route that serves the document. It is made when it is first asked for."""
    made: list[Content] = []

    async def serve(request: web.Request) -> web.Response:
        if not made:
            # A tenth of a second of work: other requests should not wait for it.
            document = await asyncio.to_thread(describe, endpoints)
            made.append(Content(json.dumps(document).encode()))
        return await answer(request, made[0], cache=PUBLIC)

    return Route(
        method="GET",
        path=f"{API}/openapi.json",
        handler=serve,
        access=everybody(),
        body_bytes_max=0,
        takes_head=True,
    )


def _operation(endpoint: Endpoint, schemas: dict[str, Any], *, has_reader: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [
            *_path_parameters(endpoint),
            *_query_parameters(endpoint),
            *_header_parameters(endpoint, has_reader=has_reader),
        ],
        "responses": _responses(endpoint, schemas),
        "security": [] if endpoint.access.audience is Audience.EVERYBODY else _security(endpoint),
    }
    if endpoint.access.action:
        operation["x-action"] = endpoint.access.action
    if endpoint.also:
        operation["x-also"] = list(endpoint.also)
    if endpoint.body is not None:
        is_needed = any(field.is_required() for field in endpoint.body.model_fields.values())
        operation["requestBody"] = {
            "required": is_needed,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model=endpoint.body.__name__)}}},
        }
    if not operation["parameters"]:
        del operation["parameters"]
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.sub(r"[{}]", "", endpoint.path).replace("-", "/").strip("/").split("/")
    return endpoint.method.lower() + "".join(word.capitalize() for word in words)


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    bearer: dict[str, list[str]] = {"bearer": []}
    return [bearer, {"cookie": []}] if endpoint.access.takes_cookies else [bearer]


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = endpoint.query.model_json_schema(ref_template=_REF)
    required = schema.get("required", ())
    parameters = []
    for name, inner in schema.get("properties", {}).items():
        member = {key: value for key, value in inner.items() if key not in ("title", "description")}
        parameter = {"name": name, "in": "query", "required": name in required, "schema": member}
        if "description" in inner:
            parameter["description"] = inner["description"]
        parameters.append(parameter)
    return parameters


def _header_parameters(endpoint: Endpoint, *, has_reader: bool) -> list[dict[str, Any]]:
    """Return the conditions and the key a request may have."""
    names: tuple[str, ...] = ()
    if endpoint.method == "GET" and endpoint.answer is not None:
        names = ("IfNoneMatch",)
    elif endpoint.method in UNSAFE and has_reader:
        names = ("IfMatch", "IfNoneMatch")
    elif _takes_key(endpoint):
        names = ("IdempotencyKey",)
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _takes_key(endpoint: Endpoint) -> bool:
    return endpoint.method == "POST" and endpoint.access.audience is not Audience.EVERYBODY


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if endpoint.answer is not None:
        schema = _answer_schema(endpoint.answer, schemas)
        responses[str(endpoint.status.value)] = {
            "description": endpoint.status.phrase,
            "content": {"application/json": {"schema": schema}},
        }
        if endpoint.method == "GET":
            responses["304"] = {"description": "It is as If-None-Match says"}
    elif endpoint.media_types:
        schema = {"type": "string"} if endpoint.event is None else _event_schema(endpoint.event, schemas)
        responses["200"] = {
            "description": "OK",
            "content": {media: {"schema": schema} for media in endpoint.media_types},
        }
    else:
        status = HTTPStatus.NO_CONTENT
        responses[str(status.value)] = {"description": status.phrase}
    for status_code, kinds in sorted(_problem_kinds(endpoint).items()):
        responses[str(status_code)] = {
            "description": "; ".join(f"{kind}: {KINDS[kind][1]}" for kind in kinds),
            "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
    return responses


def _problem_kinds(endpoint: Endpoint) -> dict[int, list[str]]:
    kinds = {*_ALWAYS, "invalid", *endpoint.problems}
    if endpoint.access.audience is not Audience.EVERYBODY:
        kinds.add("not-authenticated")
    if endpoint.access.audience is Audience.ALLOWED or endpoint.method in _UNSAFE:
        kinds.add("forbidden")
    if endpoint.method in _UNSAFE:
        kinds.update(_OF_CHANGES)
    if endpoint.method in UNSAFE:
        kinds.add("changed")
    if _takes_key(endpoint):
        kinds.update(("conflict", "done-before"))
    if _PARAMETER.search(endpoint.path):
        kinds.add("not-found")
    if endpoint.body is not None or endpoint.media_types:
        kinds.update(("too-large", "too-slow", "wrong-media-type"))
    by_status: dict[int, list[str]] = {}
    for kind in sorted(kinds):
        by_status.setdefault(KINDS[kind][0], []).append(kind)
    return by_status


def _answer_schema(answer: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = TypeAdapter(answer).json_schema(
        mode="serialization", ref_template=_REF, schema_generator=_Schema
    )
    for name, definition in schema.pop("$defs", {}).items():
        known = schemas.setdefault(name, definition)
        assert known == definition, f"two schemas are called {name}"
    name = _schema_name(answer)
    if name is None:
        return schema
    known = schemas.setdefault(name, schema)
    assert known == schema, f"two schemas are called {name}"
    return {"$ref": _REF.format(model=name)}


def _event_schema(event: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return what each event of a stream is like, its `data` a JSON text."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": _answer_schema(event, schemas),
    }
    return {"type": "object", "properties": {"data": data}, "required": ["data"]}


def _schema_name(answer: Any) -> str | None:
    """`NodeView`, and for `Page[NodeView]` `NodePage`; None for what has no name of its own."""
    arguments = getattr(answer, "__args__", ())
    if isinstance(answer, UnionType):
        return None
    if not arguments:
        return str(answer.__name__)
    if answer.__origin__ is list:
        return None
    return f"{arguments[0].__name__.removesuffix('View')}{answer.__origin__.__name__}"


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    error = {
        "type": "object",
        "properties": {
            "field": text,
            "value": {},
            "rule": text,
            "hint": text,
            "line": {"type": "integer"},
            "column": {"type": "integer"},
            "file": {"type": "string"},
        },
        "required": ["field", "value", "rule", "hint"],
    }
    return {
        "type": "object",
        "description": "Why the answer is no (RFC 9457), and what to do next.",
        "properties": {
            "type": {"type": "string", "enum": [TYPE_PREFIX + kind for kind in KINDS]},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "request_id": text,
            "hint": text,
            "errors": {"type": "array", "items": error},
        },
        "required": ["type", "title", "status", "detail", "instance", "request_id"],
    }


def main() -> None:
    """Print the document."""
    from web.api.routes import ENDPOINTS

    json.dump(describe(ENDPOINTS), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
