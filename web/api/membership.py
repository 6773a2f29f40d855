"""Joining and leaving, and the tokens for it."""

from __future__ import annotations

import json
from http import HTTPStatus

from aiohttp import web

from cluster.identity.joining import answer_to_wire, request_from_wire
from cluster.identity.refusal import Refused
from web.api.endpoint import Ask, Endpoint, Nothing, json_response, read_json
from web.api.schemas import JoinTokenBody, PageQuery
from web.auth.problems import Problem
from web.middleware.routes import everybody, needs
from web.tools import join_tokens, leaving
from web.tools.listing import Page, page_of
from web.tools.views import JoinTokenMade, JoinTokenView


async def get_ca(ask: Ask[None, Nothing]) -> web.Response:
    pem = join_tokens.get_ca(ask.context.surroundings)
    if "application/json" in ask.request.headers.get("Accept", ""):
        return json_response(json.dumps({"ca_pem": pem}).encode())
    return web.Response(text=pem, content_type="application/x-pem-file")


async def join(ask: Ask[None, Nothing]) -> web.Response:
    request = request_from_wire(await read_json(ask.request))
    if isinstance(request, Refused):
        ask.context.authority.strangers.count(join_tokens.JOIN, "node", "the join request is malformed")
        raise Problem("invalid", request.reason)
    answer = await join_tokens.join(ask.context, ask.call, request)
    return json_response(json.dumps(answer_to_wire(answer)).encode())


async def leave(ask: Ask[None, Nothing]) -> None:
    await leaving.leave(ask.context, ask.call)


async def list_join_tokens(ask: Ask[None, PageQuery]) -> Page[JoinTokenView]:
    found = await join_tokens.list_join_tokens(ask.context, ask.call)
    return page_of(
        found,
        key=lambda view: (view.created_at_ms, view.id),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
        reverse=True,
    )


async def create_join_token(ask: Ask[JoinTokenBody, Nothing]) -> JoinTokenMade:
    body = ask.body
    return await join_tokens.create_join_token(
        ask.context, ask.call, ttl_s=body.ttl_s, uses=body.uses, is_learner=body.learner
    )


async def revoke_join_token(ask: Ask[None, Nothing]) -> None:
    await join_tokens.revoke_join_token(ask.context, ask.call, ask.path["token"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/ca",
        run=get_ca,
        access=everybody(),
        summary="The CA certificates the cluster trusts (PEM)",
        tag="membership",
        media_types=("application/x-pem-file", "application/json"),
    ),
    Endpoint(
        method="POST",
        path="/join",
        run=join,
        access=everybody(),
        summary="Join the cluster with a join token (between agents)",
        tag="membership",
        media_types=("application/json",),
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/node/leave",
        run=leave,
        access=needs("node.remove"),
        summary="Empty the answering host and take it out of the cluster",
        tag="membership",
        status=HTTPStatus.NO_CONTENT,
        problems=("conflict",),
    ),
    Endpoint(
        method="GET",
        path="/join-tokens",
        run=list_join_tokens,
        access=needs("join-token.read"),
        summary="The join tokens, newest first",
        tag="membership",
        query=PageQuery,
        answer=Page[JoinTokenView],
    ),
    Endpoint(
        method="POST",
        path="/join-tokens",
        run=create_join_token,
        access=needs("join-token.create"),
        summary="Make a join token",
        tag="membership",
        body=JoinTokenBody,
        answer=JoinTokenMade,
        status=HTTPStatus.CREATED,
    ),
    Endpoint(
        method="DELETE",
        path="/join-tokens/{token}",
        run=revoke_join_token,
        access=needs("join-token.revoke"),
        summary="Revoke a join token",
        tag="membership",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
