"""What surfaces show of plans."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.plans import BlastRadius, Plan, PlanChange, PlanState


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan. `arguments` are as people are shown them: long text is left out, values of mappings too.

    `via` is the surface it was asked through, `reason` why a person is asked, `look_at` a tool and its
    arguments that show what became of it. `can` are the verdicts the caller may give: approve, refuse,
    withdraw; `why_not` says why they may not approve one that waits.
    """

    id: str
    version: int
    state: PlanState
    tool: str
    title: str
    action: str
    resource: str
    summary: str
    asked_by: str
    token_prefix: str | None
    via: str
    reason: str
    made_at_ms: int
    expires_at_ms: int
    arguments: dict[str, str]
    changes: tuple[PlanChange, ...]
    touches: BlastRadius
    notes: tuple[str, ...]
    look_at: str
    decided_by: str | None
    decided_through: str | None
    decided_at_ms: int | None
    comment: str
    ended_at_ms: int | None
    outcome: str
    can: tuple[str, ...] = ()
    why_not: str = ""


_SAID = {
    PlanState.UNKNOWN: "it was begun, and nobody can say how it ended: look at what it touches before asking"
    " for it again",
    PlanState.EXPIRED: "nobody decided in time: ask for it anew if it is still wanted",
}


def plan_view(plan: Plan, now_ms: int, *, can: tuple[str, ...] = (), why_not: str = "") -> PlanView:
    """Return a plan as it is at a moment."""
    state = plan.state_at(now_ms)
    return PlanView(
        id=plan.id,
        version=plan.version,
        state=state,
        tool=plan.tool,
        title=plan.title,
        action=plan.action,
        resource=plan.resource,
        summary=plan.summary,
        asked_by=plan.asker.name,
        token_prefix=plan.asker.token_prefix or None,
        via=plan.via,
        reason=plan.reason,
        made_at_ms=plan.made_at_ms,
        expires_at_ms=plan.expires_at_ms,
        arguments=dict(plan.told),
        changes=plan.changes,
        touches=plan.touches,
        notes=plan.notes,
        look_at=plan.look_at,
        decided_by=plan.decided_by or None,
        decided_through=plan.decided_through or None,
        decided_at_ms=plan.decided_at_ms,
        comment=plan.comment,
        ended_at_ms=plan.ended_at_ms,
        outcome=plan.outcome or _SAID.get(state, ""),
        can=can,
        why_not=why_not,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNews:
    """How far an open plan is."""

    id: str
    version: int
    state: PlanState
    summary: str
    asked_by: str
    services: tuple[str, ...]


def plan_news(plan: Plan, now_ms: int) -> PlanNews:
    return PlanNews(
        id=plan.id,
        version=plan.version,
        state=plan.state_at(now_ms),
        summary=plan.summary,
        asked_by=plan.asker.name,
        services=plan.touches.services,
    )
