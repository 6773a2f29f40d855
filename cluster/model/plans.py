"""Plans: what a program wants to have done, kept until a person has said yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from cluster.model import rules
from cluster.model.schedules import Asker

PLANS_PREFIX = "plans."
LIFE_MS = 24 * 3_600_000
"""So long a plan waits: what was looked at yesterday is not what is approved today."""
RUN_MS_MAX = 120_000
"""An approved plan ends within this. One that has not is not known to have: its node is gone, or cut off."""
OPEN_MAX = 100
OPEN_OF_ASKER_MAX = 20
"""A program that asks again and again must not fill the list for everybody."""
ENDED_KEPT = 200
ENDED_KEPT_MS = 30 * 24 * 3_600_000
ARGUMENTS_BYTES_MAX = 256 * 1024
SUMMARY_CHARS_MAX = 400
CHANGES_MAX = 200
NOTES_MAX = 50
TOUCHED_MAX = 100
TOLD_MAX = 32
TEXT_CHARS_MAX = 600


class PlanState(StrEnum):
    """How far a plan is. WAITING and RUNNING are open, the rest is for good.

    STALE: what it was made against is not so any more. UNKNOWN: it was begun, and nobody can say how it
    ended. EXPIRED and UNKNOWN are told from the time as well (`Plan.state_at`).
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    STALE = "stale"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        return self in (PlanState.WAITING, PlanState.RUNNING)


class PlanVerdict(StrEnum):
    """What ends the waiting. APPROVE begins the plan at once: none is approved and not begun."""

    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    SET_ASIDE = "set-aside"
    """The world has changed, or whoever asked for it may not any more."""


class PlanDemand(StrEnum):
    """Which tools that change something become plans when a program calls them."""

    NONE = "none"
    DESTRUCTIVE = "destructive"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """The settings. Each is stored under `plans.<field>`.

    `four_eyes`: nobody approves what was asked for in their own name. `in_client`: the person at an MCP
    client may approve there, when the client can ask.
    """

    required: PlanDemand = PlanDemand.DESTRUCTIVE
    four_eyes: bool = False
    in_client: bool = True


_TRUTHS = {"true": True, "false": False}


def plan_rules(values: Mapping[str, str]) -> PlanRules:
    """Return the rules of stored settings. Raises ValueError naming the key, the value and the rule."""
    given: dict[str, object] = {}
    for each in fields(PlanRules):
        key = f"{PLANS_PREFIX}{each.name}"
        text = values.get(key)
        if text is None:
            continue
        known: Mapping[str, object] = (
            {demand.value: demand for demand in PlanDemand} if each.name == "required" else _TRUTHS
        )
        if text not in known:
            raise ValueError(f"{key} {text[:40]!r}: one of {', '.join(known)}")
        given[each.name] = known[text]
    return PlanRules(**given)  # type: ignore[arg-type]  # the keys are its fields, the values of their types


def default_plan_values() -> dict[str, str]:
    """Return the settings as they are by default, by key."""
    rules_ = PlanRules()
    return {
        f"{PLANS_PREFIX}required": rules_.required.value,
        f"{PLANS_PREFIX}four_eyes": str(rules_.four_eyes).lower(),
        f"{PLANS_PREFIX}in_client": str(rules_.in_client).lower(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """One difference: of `subject`, "" for the whole, `field` from `before` to `after`. None: not set.

    `effect` says what it costs, as the differences of a deployment do.
    """

    subject: str = ""
    field: str
    before: str | None = None
    after: str | None = None
    effect: str = ""

    def __post_init__(self) -> None:
        for name in ("subject", "field", "effect"):
            rules.check_text(f"change {name}", getattr(self, name), 256)
        for name, value in (("before", self.before), ("after", self.after)):
            if value is not None:
                rules.check_text(f"change {name}", value, TEXT_CHARS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """What is touched, by name. `left_out` counts what did not fit."""

    services: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    left_out: int = 0

    def __post_init__(self) -> None:
        for name in ("services", "containers", "hosts", "routes"):
            values: tuple[str, ...] = getattr(self, name)
            rules.check_count(f"touches {name}", values, TOUCHED_MAX)
            for value in values:
                rules.check_text(f"touches {name}", value, 256, chars_min=1)
        rules.check_range("touches left_out", self.left_out, 0, 2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One call of a tool, and what is going to come of it.

    `sealed_arguments` are canonical JSON, sealed for this plan: a Compose file may hold anything. They go
    when the plan ends. `told` are the arguments as people are shown them. `fingerprint` is of what the plan
    was made against: with another one at the time of approval it is stale. `action` and `resource` are what
    whoever asks and whoever approves must both be allowed. Times are log time. `node_id` is where it runs;
    `outcome` says how it ended, `look_at` where to look when that is not known.
    """

    id: str
    tool: str
    title: str
    asker: Asker
    via: str
    action: str
    resource: str
    summary: str
    sealed_arguments: bytes = field(repr=False)
    fingerprint: str
    expires_at_ms: int
    told: tuple[tuple[str, str], ...] = ()
    changes: tuple[PlanChange, ...] = ()
    touches: BlastRadius = field(default_factory=BlastRadius)
    notes: tuple[str, ...] = ()
    reason: str = ""
    look_at: str = ""
    made_at_ms: int = 0
    state: PlanState = PlanState.WAITING
    version: int = 1
    decided_by: str = ""
    decided_by_principal: str = ""
    decided_through: str = ""
    decided_at_ms: int | None = None
    comment: str = ""
    node_id: str = ""
    ended_at_ms: int | None = None
    outcome: str = ""

    def __post_init__(self) -> None:
        rules.check_id("plan id", self.id)
        rules.check_id("tool", self.tool)
        rules.check_text("title", self.title, 128)
        rules.check_text("via", self.via, 32, chars_min=1)
        rules.check_text("action", self.action, 128, chars_min=1)
        rules.check_text("resource", self.resource, 512, chars_min=1)
        rules.check_text("summary", self.summary, SUMMARY_CHARS_MAX, chars_min=1)
        if len(self.sealed_arguments) > ARGUMENTS_BYTES_MAX:
            raise ValueError(
                f"arguments: {len(self.sealed_arguments)} bytes; {ARGUMENTS_BYTES_MAX} are kept at most"
            )
        rules.check_text("fingerprint", self.fingerprint, 128)
        rules.check_count("changes", self.changes, CHANGES_MAX)
        rules.check_count("notes", self.notes, NOTES_MAX)
        rules.check_pairs("told", self.told, TOLD_MAX, TEXT_CHARS_MAX)
        for note in self.notes:
            rules.check_text("note", note, TEXT_CHARS_MAX)
        rules.check_text("reason", self.reason, TEXT_CHARS_MAX)
        rules.check_text("look_at", self.look_at, TEXT_CHARS_MAX)
        rules.check_text("decided by", self.decided_by, 128)
        rules.check_text("comment", self.comment, TEXT_CHARS_MAX)
        rules.check_text("outcome", self.outcome, 2000)

    def state_at(self, now_ms: int) -> PlanState:
        """Return how far it is at a moment: nobody has to write down that time has passed."""
        if self.state is PlanState.WAITING and now_ms >= self.expires_at_ms:
            return PlanState.EXPIRED
        if self.state is PlanState.RUNNING and now_ms >= (self.decided_at_ms or 0) + RUN_MS_MAX:
            return PlanState.UNKNOWN
        return self.state


def plan_arguments_context(plan_id: str, tool: str, principal_id: str) -> str:
    """The place the arguments of a plan are sealed for: another plan, tool or asker does not open them."""
    return f"plan/{plan_id}/{tool}/{principal_id}"
