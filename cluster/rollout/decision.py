"""What a decision is: one change to commit, and when to decide again."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.experiment import Targeting
from cluster.model.ids import ServiceId
from cluster.model.rollout import Rollout
from cluster.model.service import AssignmentKey, DesiredState, Kept
from cluster.model.strategy import Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The state wanted of one replica on one host; `colour` counts when that is a new one."""

    key: AssignmentKey
    desired: DesiredState
    colour: Colour = Colour.BLUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Everything to commit for one service, as one, against `expected_version`.

    The fields are those of the command `CommitTransition`, which says what each means.
    """

    service_id: ServiceId
    expected_version: int
    rollout: Rollout | None = None
    orders: tuple[Order, ...] = ()
    forget: tuple[AssignmentKey, ...] = ()
    stable_revision: int | None = None
    is_service_forgotten: bool = False
    green_permille: int | None = None
    kept: Kept | None = None
    is_kept_ended: bool = False
    targeting: Targeting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The change to commit, if any. When there is none, what would bring one about.

    `wake_at_ms`: decide again then even if nothing happens. `awaits_routers`: the next report of a router
    may matter. `blocked`: for people, what cannot be done at the moment and why.
    """

    transition: Transition | None = None
    wake_at_ms: int | None = None
    awaits_routers: bool = False
    blocked: tuple[str, ...] = ()
