"""This host's router as the state wants it: which replicas get requests, which finish theirs, which are gone.

The loop: read what is wanted, hand each replica's wish to its lane, and report up to which change the router
is there, and with which exceptions. The leader stops an old replica only when every live router has said so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.follow.assignments_reports import HostReports, RouterProgress, SharedState
from agent.follow.routing_lane import Lane
from agent.follow.routing_split import Splits
from agent.follow.routing_wishes import Place, Wish, Wishes, WishKind, read_wishes
from agent.router.protocol import Router, ServerCertificate
from cluster.model.service import ROUTER_EXCEPTIONS_MAX
from cluster.model.strategy import Colour
from cluster.store import Committed, tables

log = logging.getLogger(__name__)

GATHER_S = 0.005
CHECK_S = 1.0
HOLD_S = 10.0
"""How long a replica that serves here goes on because others of its service do not yet."""
GONE_POLL_S = 0.02
GONE_TIMEOUT_S = 60.0
SILENT_ROUTER_S = 10.0
"""A router that has been down for so long is not waited for: no request passes through it."""

_TABLES = frozenset({tables.ASSIGNMENTS.name, tables.SERVICES.name, tables.ROUTE_CERTIFICATES.name})


class Certificates(Protocol):
    """What HTTPS is served with on this host."""

    changed: asyncio.Event

    def current(self) -> tuple[ServerCertificate, ...]: ...


class Routing:
    """Directs this host's router, for one event loop."""

    def __init__(
        self,
        *,
        state: SharedState,
        router: Router,
        reports: HostReports,
        clock: Clock,
        certificates: Certificates | None = None,
    ) -> None:
        self._state = state
        self._router = router
        self._reports = reports
        self._certificates = certificates
        self._clock = clock
        self._lanes: dict[Place, Lane] = {}
        self._has_news = asyncio.Event()
        self._has_progress = asyncio.Event()
        self._splits = Splits(router, clock, self._has_progress)
        self._wishes: Wishes | None = None
        self._held_since_s: dict[Place, float] = {}
        self._serving_since_s: float | None = None

    async def run(self) -> NoReturn:
        """Direct it for ever; the router itself is run by someone else."""
        end = self._state.subscribe(self._on_committed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._report(), name="router-progress")
                group.create_task(self._splits.run(), name="router-splits")
                self._has_news.set()
                while True:
                    await self._has_news.wait()
                    # One transition changes several replicas, and one flush holds several transitions.
                    await self._clock.sleep(GATHER_S)
                    self._has_news.clear()
                    self._follow(group)
        finally:
            end()
        raise AssertionError("unreachable")

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table in _TABLES for table, _ in committed.changed):
            self._has_news.set()

    def _follow(self, group: asyncio.TaskGroup) -> None:
        with self._state.read() as txn:
            wishes = read_wishes(txn)
        self._wishes = wishes
        certificates = () if self._certificates is None else self._certificates.current()
        self._router.configure(wishes.routes, certificates)
        self._splits.want(wishes.splits)
        inside = self._inside()
        if not inside and not self._lanes and self._is_silent():
            self._tell()  # there is none, or it never came up: nothing can be brought in force
            return
        opening = self._opening(wishes)
        for place in sorted(self._lanes.keys() | inside | wishes.places.keys()):
            wish = wishes.places.get(place)
            lane = self._lanes.get(place)
            if lane is None and place not in inside and (wish is None or wish.kind is not WishKind.OPEN):
                continue  # the router never knew it: what is wanted is so already
            if self._is_held(place, wish, lane, opening):
                continue
            if lane is None:
                lane = self._lanes[place] = Lane(place, self._router, self._clock, self._has_progress)
                lane.want(wish)
                group.create_task(self._drive(place, lane), name=f"route-{place.replica}")
            else:
                lane.want(wish)
        for place in self._held_since_s.keys() - inside - self._lanes.keys():
            del self._held_since_s[place]
        self._tell()

    def _opening(self, wishes: Wishes) -> frozenset[str]:
        """The services with a replica that is to get requests here and does not yet."""
        return frozenset(
            place.service
            for place, wish in wishes.places.items()
            if wish.kind is WishKind.OPEN
            and ((lane := self._lanes.get(place)) is None or lane.routed != wish)
        )

    def _is_held(self, place: Place, wish: Wish | None, lane: Lane | None, opening: frozenset[str]) -> bool:
        """Whether a replica that is to leave goes on for now.

        The leader orders one replica out when the next one serves on every live host. A host that was away
        sees both at once, and would have nobody to send requests to in between.
        """
        is_leaving = wish is None or wish.kind is WishKind.DRAIN
        serves = lane is None or (lane.routed == lane.wish and lane.serves)
        if not (is_leaving and serves and place.service in opening):
            self._held_since_s.pop(place, None)
            return False
        now_s = self._clock.monotonic_s()
        return now_s - self._held_since_s.setdefault(place, now_s) < HOLD_S

    def _inside(self) -> frozenset[Place]:
        return frozenset(
            Place(service, Colour(colour), replica) for service, colour, replica in self._router.replicas()
        )

    async def _drive(self, place: Place, lane: Lane) -> None:
        await lane.run()
        if self._lanes.get(place) is lane:
            del self._lanes[place]

    # ---- what the leader waits for ------------------------------------------------------------

    async def _report(self) -> NoReturn:
        while True:
            await self._clock.wait(self._has_progress, CHECK_S)
            self._has_progress.clear()
            if self._held_since_s:
                self._has_news.set()
            if self._certificates is not None and self._certificates.changed.is_set():
                self._certificates.changed.clear()
                self._has_news.set()
            self._tell()

    def _tell(self) -> None:
        self._notice_start()
        progress = self._progress()
        if progress is not None:
            self._reports.note_router(progress)

    def _notice_start(self) -> None:
        """A router that was started, or started again, is told at once what it missed."""
        condition = self._router.condition
        if condition.is_serving and condition.since_s != self._serving_since_s:
            self._serving_since_s = condition.since_s
            # Where it was silent nothing was handed to a lane, so no lane would say what it lags behind with.
            self._wishes = None
            self._has_news.set()
            self._splits.retry()
            for lane in self._lanes.values():
                lane.retry()

    def _progress(self) -> RouterProgress | None:
        wishes = self._wishes
        has_served = self._serving_since_s is not None
        is_silent = self._is_silent()
        if wishes is None or not (has_served or is_silent):
            return None  # nothing was ever routed by this run of it
        if not self._inside() <= self._lanes.keys() | self._held_since_s.keys():
            # It was found running, with what an earlier run of the agent had put there.
            self._has_news.set()
            return None
        unrouted_tokens, undrained_tokens = (set(), set()) if is_silent else self._lagging(wishes)
        routed_index, unrouted = _reach(wishes.index, unrouted_tokens)
        drained_index, undrained = _reach(wishes.index, undrained_tokens)
        return RouterProgress(
            routed_index=routed_index,
            drained_index=drained_index,
            unrouted=unrouted,
            undrained=undrained,
            routed_tokens=_done(wishes.routed_tokens - unrouted_tokens, routed_index),
            drained_tokens=_done(wishes.drained_tokens - undrained_tokens, drained_index),
            has_served=has_served,
        )

    def _lagging(self, wishes: Wishes) -> tuple[set[int], set[int]]:
        """The changes that are not in force for new requests, and those whose requests are not done."""
        unrouted = self._splits.lagging()
        undrained: set[int] = set()
        for place in self._held_since_s:
            held = wishes.places.get(place)
            if held is not None:
                unrouted.add(held.token)
                undrained.add(held.token)
        for lane in self._lanes.values():
            wish = lane.wish
            if wish is None:
                continue
            if lane.routed != wish:
                unrouted.add(wish.token)
            if wish.kind is WishKind.DRAIN and lane.drained != wish:
                undrained.add(wish.token)
        return unrouted, undrained

    def _is_silent(self) -> bool:
        condition = self._router.condition
        return not condition.is_serving and self._clock.monotonic_s() - condition.since_s >= SILENT_ROUTER_S

    # ---- what this host's own replicas wait for -------------------------------------------------

    async def until_gone(self, service: str, replica: str) -> None:
        """Return once no request comes to the replica through this router, after a minute in any case.

        Its container may then be stopped, also when its removal was ordered while this host was away.
        """
        deadline_s = self._clock.monotonic_s() + GONE_TIMEOUT_S
        while self._clock.monotonic_s() < deadline_s and not self._is_silent():
            # A router that is still coming up may have it from an earlier run of the agent.
            if self._router.condition.is_serving and not self._has_inside(service, replica):
                return
            await self._clock.sleep(GONE_POLL_S)

    def _has_inside(self, service: str, replica: str) -> bool:
        return any(place.service == service and place.replica == replica for place in self._inside())


def _reach(index: int, lagging: set[int]) -> tuple[int, tuple[int, ...]]:
    """How far a report may go with no more exceptions than one may name, and those."""
    tokens = sorted(lagging)
    if len(tokens) > ROUTER_EXCEPTIONS_MAX:
        index = tokens[ROUTER_EXCEPTIONS_MAX] - 1
    return index, tuple(tokens[:ROUTER_EXCEPTIONS_MAX])


def _done(tokens: frozenset[int], index: int) -> frozenset[int]:
    return frozenset(token for token in tokens if token <= index)
