"""From a program's call to a plan that waits for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cluster.commands.plans import MakePlan
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_plan_arguments
from cluster.model.events import clip
from cluster.model.plans import (
    ARGUMENTS_BYTES_MAX,
    LIFE_MS,
    SUMMARY_CHARS_MAX,
    TEXT_CHARS_MAX,
    TOLD_MAX,
    BlastRadius,
    Plan,
    PlanChange,
    PlanState,
)
from cluster.model.secrets import SEALED_EXTRA_BYTES
from cluster.rbac import ACTIONS, Resource, Target
from cluster.rbac.planning import ToolUse, why_planned
from cluster.store import records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.auth.targets import target_of
from web.tools.askers import asker_of
from web.tools.context import Context
from web.tools.plans import rules_in
from web.tools.previewing import Preview, digest_of
from web.tools.times import moment

MAKE = "plan.make"
SKIP = "plan.skip"
DRY_RUN = "dry_run"
"""The argument with which any tool changes nothing."""
PLANS_PATH = "/plans/"
_SHOWN_CHARACTERS_MAX = 200


class Planned(Protocol):
    """Of a tool, what a plan needs to know."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def is_destructive(self) -> bool: ...

    async def foresee(self, context: Context, call: Call, given: Any) -> Preview: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade:
    """What a program is told instead of a result. Differences are `subject field: before -> after`."""

    plan_id: str
    state: PlanState
    why: str
    summary: str
    changes: tuple[str, ...] | None
    touches: tuple[str, ...] | None
    notes: tuple[str, ...] | None
    approve_at: str
    expires_at: str
    next: str


def why_asked(
    context: Context, call: Call, tool: Planned, given: BaseModel, resource: str, *, is_tainted: bool
) -> str | None:
    """Return why a person has to approve this call, None when it may be made at once."""
    with context.surroundings.state.read() as txn:
        rules = rules_in(txn)
        subject = target_of(txn, resource)
    decision = context.authority.decide(call, SKIP, replace(subject, kind=Resource.PLAN))
    use = ToolUse(
        via=call.via,
        is_reading=tool.is_read_only
        or bool(getattr(given, DRY_RUN, False))
        # To take a plan back nobody has to be asked.
        or ACTIONS[tool.action].resource is Resource.PLAN,
        is_destructive=tool.is_destructive,
        is_tainted=is_tainted,
        # Only what somebody wrote down: a token whose scopes do not name it was not asked about plans.
        denial="" if decision.allowed else decision.rule,
    )
    return why_planned(use, rules)


async def make_plan(context: Context, call: Call, tool: Planned, given: BaseModel, why: str) -> Plan:
    """Keep a call for a person to approve; the same one that waits already is that one. Raises Problem.

    What would be refused is refused now.
    """
    surroundings = context.surroundings
    preview = await tool.foresee(context, call, given)
    arguments = canonical(given)
    if len(arguments) + SEALED_EXTRA_BYTES > ARGUMENTS_BYTES_MAX:
        raise Problem(
            "too-large",
            f"the arguments are {len(arguments)} bytes, and a plan keeps {ARGUMENTS_BYTES_MAX // 1024} KiB",
            hint="have a person do it: `tower` and the dashboard take more",
        )
    print_of_it = fingerprint(arguments, preview)
    known = _waiting(context, call, tool, print_of_it)
    if known is not None:
        return known
    plan_id = surroundings.ids.new_id("pl")
    asker = asker_of(call)
    try:
        plan = Plan(
            id=plan_id,
            tool=tool.name,
            title=tool.title,
            asker=asker,
            via=call.via,
            action=preview.action,
            resource=preview.resource,
            summary=clip(preview.summary, SUMMARY_CHARS_MAX),
            sealed_arguments=seal_plan_arguments(
                arguments,
                surroundings.cluster.keyring(),
                plan_id=plan_id,
                tool=tool.name,
                principal_id=asker.principal_id,
                nonce=surroundings.ids.token_bytes(NONCE_BYTES),
            ),
            fingerprint=print_of_it,
            expires_at_ms=surroundings.clock.now_ms() + LIFE_MS,
            told=told(given),
            changes=preview.changes,
            touches=preview.touches,
            notes=preview.notes,
            reason=clip(why, TEXT_CHARS_MAX),
            look_at=clip(preview.look_at, TEXT_CHARS_MAX),
        )
    except ValueError as error:
        raise Problem("invalid", f"this cannot be kept as a plan: {error}") from error

    async def change(permit: Permit) -> None:
        await permit.propose(MakePlan(plan=plan), resource=f"plan:{plan_id}", reason=plan.summary)

    await context.authority.perform(call, MAKE, Target(kind=Resource.PLAN, id=plan_id, name=plan_id), change)
    with surroundings.state.read() as txn:
        return records.PLANS.get(txn, plan_id) or plan


def fingerprint(arguments: bytes, preview: Preview) -> str:
    """Return what tells this call, on the world as it was previewed, from every other."""
    return digest_of(arguments, preview.action, preview.resource, preview.against)


def canonical(given: BaseModel) -> bytes:
    """Return arguments as one text: equal ones have equal bytes."""
    return json.dumps(
        given.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def told(given: BaseModel) -> tuple[tuple[str, str], ...]:
    """Return the arguments that are not left at their defaults, as people are shown them.

    Of mappings only the keys: values for a Compose file are secrets as often as not. Of files and long text
    the length.
    """
    shown = {
        name: clip(_shown(getattr(given, name), given.model_dump(mode="json")[name]), TEXT_CHARS_MAX)
        for name, field in type(given).model_fields.items()
        if field.get_default(call_default_factory=True) in (PydanticUndefined, None)
        or getattr(given, name) != field.get_default(call_default_factory=True)
    }
    return tuple(sorted((name, text) for name, text in shown.items() if text))[:TOLD_MAX]


def _shown(value: object, plain: object) -> str:
    if value is None:
        return ""
    if isinstance(plain, str):
        # What has lines is a file, and may hold anything.
        is_short = len(plain) <= _SHOWN_CHARACTERS_MAX and "\n" not in plain
        return plain if is_short else f"({len(plain)} characters)"
    if isinstance(plain, Mapping):
        return ", ".join(sorted(map(str, plain)))
    text = json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"({len(text)} characters)"


def plan_made(plan: Plan) -> PlanMade:
    """Return what the program that asked is told."""
    return PlanMade(
        plan_id=plan.id,
        state=plan.state,
        why=plan.reason,
        summary=plan.summary,
        changes=tuple(map(change_words, plan.changes[:20])) or None,
        touches=radius_words(plan.touches) or None,
        notes=plan.notes[:10] or None,
        approve_at=f"{PLANS_PATH}{plan.id}",
        expires_at=moment(plan.expires_at_ms),
        next=f"nothing was done yet. Tell the person you work for: to approve it, open {PLANS_PATH}{plan.id}"
        f" in the dashboard, or run `tower plan approve {plan.id}`. Then call get-plan with plan={plan.id}."
        " Do not ask for it again.",
    )


def change_words(change: PlanChange) -> str:
    """Return one difference in words."""
    subject = f"{change.subject} " if change.subject else ""
    before, after = (("not set" if value is None else value) for value in (change.before, change.after))
    return f"{subject}{change.field}: {before} -> {after}" + (f" ({change.effect})" if change.effect else "")


def radius_words(touches: BlastRadius) -> tuple[str, ...]:
    """Return what is touched, a line for each kind."""
    groups = {
        "services": touches.services,
        "containers": touches.containers,
        "hosts": touches.hosts,
        "routes": touches.routes,
    }
    lines = [f"{kind}: {', '.join(names)}" for kind, names in groups.items() if names]
    return (*lines, *((f"and {touches.left_out} more",) if touches.left_out else ()))


def _waiting(context: Context, call: Call, tool: Planned, print_of_it: str) -> Plan | None:
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        found = records.PLANS.scan(txn)
    for plan in found:
        if (
            plan.state_at(now_ms) is PlanState.WAITING
            and plan.asker == asker_of(call)
            and plan.tool == tool.name
            and plan.fingerprint == print_of_it
        ):
            return plan
    return None
