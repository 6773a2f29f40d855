"""From exceptions to problem documents. What went wrong inside is logged, never shown."""

from __future__ import annotations

import json
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from cluster.history.errors import HistoryError
from cluster.identity.errors import IdentityError
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadUnavailable
from cluster.store import StoreError
from web.auth.problems import Problem
from web.middleware.challenges import challenge
from web.middleware.keys import CALL, STARTED
from web.middleware.methods import allowed

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_KIND_OF_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    413: "too-large",
    415: "wrong-media-type",
}
_KIND_OF_REFUSAL = {"not-found": "not-found", "conflict": "conflict", "refused": "refused"}


@web.middleware
async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem document whatever goes wrong further in."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem_response(request, _of_http(request, error), error)
    except Exception as error:
        problem = problem_of(error, request_id=request[CALL].request_id)
        if STARTED in request:
            return _cut(request)
        return problem_response(request, problem)


def problem_of(error: Exception, *, request_id: str) -> Problem:
    """Return what a caller is told of `error`; what nobody foresaw is logged under the request's id."""
    match error:
        case Problem():
            return error
        case ExceptionGroup(exceptions=(only,)):
            return problem_of(only, request_id=request_id)
        case ConnectionError():
            return Problem("bad-request", "the connection broke off")
        case NotCommitted():
            return Problem(
                "not-committed",
                f"nothing was changed: {error.reason}",
                hint="try again in a moment; `tower status` shows whether the cluster has a quorum",
                retry_after_s=2,
            )
        case OutcomeUnknown():
            return Problem(
                "outcome-unknown",
                f"this may have taken effect, or may still: {error}",
                hint="look at what you wanted to change before you repeat it; `tower audit` lists what was"
                " done, and `tower status` shows whether the cluster has a quorum",
            )
        case ReadUnavailable():
            return Problem("unavailable", str(error), hint="try again in a moment", retry_after_s=2)
        case TimeoutError():
            return Problem("unavailable", "this took too long and was given up", retry_after_s=5)
        case HostUnavailable():
            return Problem("host-unavailable", str(error), retry_after_s=5)
        case HostRefused():
            return Problem(_KIND_OF_REFUSAL.get(error.code, "refused"), str(error))
        case StoreError():
            log.error("http.store_failed", extra={"request_id": request_id}, exc_info=error)
            return Problem("unavailable", "this node cannot read its state now", retry_after_s=5)
        case HistoryError():
            log.warning("http.history_failed", extra={"request_id": request_id, "reason": str(error)})
            return Problem("unavailable", str(error), retry_after_s=5)
        case IdentityError():
            log.error("http.identity_failed", extra={"request_id": request_id}, exc_info=error)
            return Problem("unavailable", "this node cannot use its keys now", retry_after_s=5)
        case _:
            log.error("http.failed", extra={"request_id": request_id}, exc_info=error)
            return Problem(
                "internal",
                "this is a defect of Control Tower, not of your request",
                hint=f"the agent's log of this host has it under the request id {request_id}",
            )


def problem_response(
    request: web.Request, problem: Problem, http: web.HTTPException | None = None
) -> web.Response:
    """Return the answer that tells of `problem`."""
    document = problem.to_json(instance=request.path, request_id=request[CALL].request_id)
    response = web.Response(
        status=problem.status,
        # A path may hold what is not UTF-8; as an escape it can be sent.
        body=json.dumps(document).encode("ascii"),
        content_type=MEDIA_TYPE,
    )
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = challenge(request)
    if isinstance(http, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = allowed(http)
    return response


def _cut(request: web.Request) -> web.StreamResponse:
    """End a stream that broke, so that its reader does not take it for whole."""
    if request.transport is not None:
        request.transport.abort()
    return request[STARTED]


def _of_http(request: web.Request, error: web.HTTPException) -> Problem:
    kind = _KIND_OF_STATUS.get(error.status, "bad-request" if error.status < 500 else "unavailable")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return Problem(kind, f"{request.method} is not for this address; it takes {allowed(error)}")
    if kind == "not-found":
        return Problem(
            kind, "there is nothing at this address", hint="GET /api/v1/openapi.json lists what there is"
        )
    return Problem(kind, error.text or error.reason)
