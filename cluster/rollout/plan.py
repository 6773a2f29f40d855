"""The orders of one decision as they come together, and what would make the next one."""

from __future__ import annotations

from cluster.model.experiment import Targeting
from cluster.model.service import Assignment, AssignmentKey, DesiredState, Kept
from cluster.model.strategy import WHOLE_PERMILLE, Colour
from cluster.rollout.decision import Order
from cluster.rollout.slots import gives_room_at_ms, takes_room
from cluster.rollout.view import Occupying, ServiceView, is_removal_confirmed

DRAIN_MARGIN_MS = 1_000
"""How much longer than the drain time a router has to say that it is over."""


class Plan:
    """Orders and removals of records, gathered during one decision. Nothing in the view changes.

    `green_permille`, `targeting`, `kept` and `is_kept_ended` are those of the transition that comes of it.
    `started` is what the replicas ordered so far will take up on their hosts.
    """

    def __init__(self, view: ServiceView, now_ms: int) -> None:
        self.view = view
        self.now_ms = now_ms
        self.forget: list[AssignmentKey] = []
        self._blocked: dict[str, list[int]] = {}
        self.wake_at_ms: int | None = None
        self.awaits_routers = False
        self.green_permille: int | None = None
        self.targeting: Targeting | None = None
        self.kept: Kept | None = None
        self.is_kept_ended = False
        self.started: list[Occupying] = []
        self._orders: dict[AssignmentKey, Order] = {}

    @property
    def orders(self) -> tuple[Order, ...]:
        return tuple(
            sorted(
                self._orders.values(),
                key=lambda order: (order.key.ordinal, order.key.revision, order.key.node_id),
            )
        )

    @property
    def blocked(self) -> tuple[str, ...]:
        """What cannot be done at the moment, for people; replicas with one reason together."""
        return tuple(
            f"{'replica' if len(ordinals) == 1 else 'replicas'} {', '.join(map(str, ordinals))}: {reason}"
            for reason, ordinals in self._blocked.items()
        )

    def block(self, ordinal: int, reason: str) -> None:
        self._blocked.setdefault(reason, []).append(ordinal)

    def order(self, copy: Assignment, desired: DesiredState) -> None:
        if copy.desired is not desired:
            self._orders[copy.key] = Order(key=copy.key, desired=desired, colour=copy.colour)

    def start(self, key: AssignmentKey, colour: Colour, takes: Occupying) -> None:
        """Order a new replica, counted to `colour`."""
        self._orders[key] = Order(key=key, desired=DesiredState.STARTED, colour=colour)
        self.started.append(takes)

    def share(self, colour: Colour, permille: int, targeting: Targeting | None = None) -> None:
        """Give `colour` its share of the requests, and the other one the rest, but for what is targeted."""
        green_permille = permille if colour is Colour.GREEN else WHOLE_PERMILLE - permille
        split = self.view.service.split
        if (green_permille, targeting) != (split.green_permille, split.targeting):
            self.green_permille, self.targeting = green_permille, targeting
            self.awaits_routers = True

    def is_ordered(self, copy: Assignment) -> bool:
        return copy.key in self._orders

    def wake_at(self, at_ms: int) -> None:
        """Decide again at `at_ms`, which is in the future."""
        self.wake_at_ms = at_ms if self.wake_at_ms is None else min(self.wake_at_ms, at_ms)

    def is_due(self, at_ms: int) -> bool:
        """Whether `at_ms` has come; if not, the next decision is no later."""
        if self.now_ms >= at_ms:
            return True
        self.wake_at(at_ms)
        return False

    def is_routed(self, copy: Assignment) -> bool:
        if self.view.is_routed_everywhere(copy):
            return True
        self.awaits_routers = True
        return False

    def is_split_everywhere(self) -> bool:
        if self.view.is_split_everywhere():
            return True
        self.awaits_routers = True
        return False

    def takes_room(self, copy: Assignment) -> bool:
        if not takes_room(self.view, copy, self.now_ms):
            return False
        if self.view.is_fenced:
            self.lingers(copy)
        elif copy.desired is DesiredState.REMOVED:
            self.wake_at(gives_room_at_ms(self.view, copy))
        return True

    def lingers(self, copy: Assignment) -> bool:
        """Whether a fenced copy may still run out of sight; if so, the next decision is when that ends."""
        if not self.view.may_linger(copy):
            return False
        ends_ms = self.view.lease_ends_ms.get(copy.node_id)
        if ends_ms is not None and self.view.stops_by_itself(copy):
            self.wake_at(ends_ms)
        return True

    def block_stranded(self, copy: Assignment) -> None:
        """Say what a copy on a host that is down is waited for."""
        host = self.view.name_of(copy.node_id)
        if not self.lingers(copy):
            reason = f"waits for {host}, which is down: its volume is there"
        elif self.view.stops_by_itself(copy):
            reason = f"waits until {host}, which is down, has surely stopped it: it never runs twice"
        else:
            reason = (
                f"may still run on {host}, which is down: it never runs twice, and starts elsewhere only once"
                f" `tower node fence {host}` says that it does not"
            )
        self.block(copy.ordinal, reason)

    def retire(self, copy: Assignment) -> None:
        """Take one step towards this copy's end: out of the router, drained, removed."""
        view = self.view
        if view.is_gone(copy.node_id):
            self.order(copy, DesiredState.REMOVED)
            if not self.lingers(copy):
                self.forget.append(copy.key)
        elif not view.is_alive(copy.node_id) or not view.is_routed(copy.revision):
            self.order(copy, DesiredState.REMOVED)
        elif copy.desired is DesiredState.SERVING and copy.observed.phase.is_running:
            self.order(copy, DesiredState.DRAINING)
            self.awaits_routers = True
        elif copy.desired is DesiredState.DRAINING and copy.observed.phase.is_running:
            if view.is_drained_everywhere(copy) or self.is_due(self.drained_at_ms(copy)):
                self.order(copy, DesiredState.REMOVED)
            else:
                self.awaits_routers = True
        else:
            self.order(copy, DesiredState.REMOVED)

    def drained_at_ms(self, copy: Assignment) -> int:
        """When requests in flight have had their time."""
        return copy.changed_at_ms + self.view.service.policy.longest_drain_ms + DRAIN_MARGIN_MS

    def can_forget(self, copy: Assignment) -> bool:
        """Whether nothing of a copy that is ordered removed is left, or ever will be seen of it."""
        return is_removal_confirmed(copy) or (self.view.is_gone(copy.node_id) and not self.lingers(copy))
