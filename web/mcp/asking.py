"""Asking the person at a client whether a plan is carried out, where the client can ask.

The plan is the confirmation: it is kept for who asked, with the tool and the arguments, and is decided once
(`web.tools.approving`). So a state that a client sends back needs to say no more than which plan was shown,
sealed for the same caller, tool and arguments; sent again it finds the plan decided.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Purpose
from cluster.identity.sealing import NONCE_BYTES, open_sealed, seal
from cluster.model.plans import Plan
from web.auth.call import Call
from web.auth.problems import Problem
from web.ports import Surroundings
from web.tools.approving import approve_plan, until_ended
from web.tools.context import Context
from web.tools.plan_tools import PlanReport, report_of
from web.tools.planning import change_words, radius_words
from web.tools.plans import APPROVE, get_plan, rules_in, withdraw_plan
from web.tools.registry import PlanNeeded, ToolResult, result_of
from web.tools.untrusted import cleaned

QUESTION = "approve"
ANSWER_PATIENCE_S = 20.0
_CHANGES_SHOWN = 20
_SCHEMA: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        QUESTION: {
            "type": "boolean",
            "title": "Carry it out",
            "description": "yes: it is done now, once; no: nothing is done",
        }
    },
    "required": [QUESTION],
}
_REPORTS = TypeAdapter(PlanReport)


def may_ask(context: Context, ctx: ServerRequestContext[Any], call: Call) -> bool:
    """Whether the client can ask its person, and that person's answer is enough here."""
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        return False
    with context.surroundings.state.read() as txn:
        rules = rules_in(txn)
    return rules.in_client and not rules.four_eyes and context.authority.could(call, APPROVE).allowed


async def ask(
    context: Context,
    ctx: ServerRequestContext[Any],
    call: Call,
    params: types.CallToolRequestParams,
    needed: PlanNeeded,
) -> ToolResult | types.InputRequiredResult:
    """Have the client ask, and return what came of it; where it answers with a request of its own, the
    question. Raises Problem."""
    message = question_of(needed.plan)
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        question = types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=message, requested_schema=_SCHEMA)
        )
        return types.InputRequiredResult(
            input_requests={QUESTION: question},
            request_state=sealed_state(context.surroundings, call, params, needed.plan.id),
        )
    try:
        answer = await ctx.session.elicit_form(message, _SCHEMA, ctx.request_id)
    except MCPError:
        # It said that it can ask and cannot now: the plan waits, as for any other client.
        return needed.result
    return await _settle(context, call, needed.plan.id, answer)


async def answered(context: Context, call: Call, params: types.CallToolRequestParams) -> ToolResult:
    """Return what comes of the person's answer to `ask`. Raises Problem for an answer to no question."""
    plan_id = opened_state(context.surroundings, call, params)
    answer = (params.input_responses or {}).get(QUESTION)
    if not isinstance(answer, types.ElicitResult):
        raise Problem("invalid", "there is no answer to the question", hint="call the tool again")
    return await _settle(context, call, plan_id, answer)


def question_of(plan: Plan) -> str:
    """Return what the person is asked: what is done, what differs, what is touched."""
    lines = [
        f"{plan.title}: {plan.summary}",
        *map(change_words, plan.changes[:_CHANGES_SHOWN]),
        *radius_words(plan.touches),
        *plan.notes[:5],
        f"Asked for by {plan.tool} in the name of {plan.asker.name}. Carry it out?",
    ]
    return "\n".join(map(cleaned, lines))


async def _settle(context: Context, call: Call, plan_id: str, answer: types.ElicitResult) -> ToolResult:
    if answer.action == "accept" and (answer.content or {}).get(QUESTION) is True:
        await approve_plan(context, call, plan_id, is_asked=True)
        view = await until_ended(context, call, plan_id, patience_s=ANSWER_PATIENCE_S)
        return result_of(_REPORTS, report_of(view))
    if answer.action == "cancel":
        # Nobody has said no: it waits in the dashboard.
        return result_of(_REPORTS, report_of(await get_plan(context, call, plan_id)))
    view = await withdraw_plan(context, call, plan_id, comment="the person at the client said no")
    return result_of(_REPORTS, report_of(view))


def sealed_state(
    surroundings: Surroundings, call: Call, params: types.CallToolRequestParams, plan_id: str
) -> str:
    """Return the state a client sends back with the answer: it opens for the same call of the same caller."""
    sealed = seal(
        plan_id.encode(),
        surroundings.cluster.keyring(),
        purpose=Purpose.SECRETS,
        context=_context_of(call, params.name, params.arguments or {}),
        nonce=surroundings.ids.token_bytes(NONCE_BYTES),
    )
    return base64.urlsafe_b64encode(sealed).decode()


def opened_state(surroundings: Surroundings, call: Call, params: types.CallToolRequestParams) -> str:
    """Return the plan that was shown. Raises Problem for a state of another caller, tool or arguments."""
    try:
        sealed = base64.b64decode((params.request_state or "").encode("ascii"), altchars=b"-_", validate=True)
        return open_sealed(
            sealed,
            surroundings.cluster.keyring(),
            purpose=Purpose.SECRETS,
            context=_context_of(call, params.name, params.arguments or {}),
        ).decode()
    except (ValueError, binascii.Error, SealBroken) as error:
        raise Problem(
            "forbidden",
            "this answer belongs to another question: to another caller, tool or other arguments",
            hint="call the tool again without it",
        ) from error


def _context_of(call: Call, tool: str, arguments: Mapping[str, object]) -> str:
    identity = call.known()
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"mcp-approval/{identity.principal_id}/{identity.token_prefix or identity.issuer}/{tool}/{digest}"
