"""Simulated links: sessions that keep order and never skip, like TCP, until they end."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.simulation.events import Events

DEAD_PEER_S = 3.0
RECONNECT_S = 0.2


class Way(StrEnum):
    """What happens to what one node sends to another."""

    OPEN = "open"
    STALLED = "stalled"
    """Held back, delivered in order later: a full buffer, a lost packet that is sent again."""
    LOST = "lost"
    """Never arrives; both ends notice after DEAD_PEER_S."""


@dataclass(slots=True)
class _Direction:
    way: Way = Way.OPEN
    held: deque[bytes] = field(default_factory=deque)
    free_at: float = 0.0
    """When the last frame sent arrives: none overtakes it."""
    sending_until: float = 0.0
    latency_s: tuple[float, float] | None = None
    bytes_per_s: float | None = None


@dataclass(slots=True)
class _Pair:
    epoch: int = 0
    is_up: bool = False
    is_blocked: bool = False
    dead_check: int = 0


class Network:
    """All pairs of nodes. `deliver`, `connected` and `disconnected` are told to the receiving node."""

    def __init__(
        self,
        events: Events,
        rng: random.Random,
        latency_s: tuple[float, float],
        deliver: Callable[[str, str, bytes], None],
        connected: Callable[[str, str], None],
        disconnected: Callable[[str, str], None],
    ) -> None:
        self._events = events
        self._rng = rng
        self._latency_s = latency_s
        self._deliver = deliver
        self._connected = connected
        self._disconnected = disconnected
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._directions: dict[tuple[str, str], _Direction] = {}
        self._alive: set[str] = set()
        self.sent = 0

    def start(self, node: str) -> None:
        self._alive.add(node)
        for other in sorted(self._alive):
            if other != node:
                self._reconnect_soon(node, other)

    def stop(self, node: str) -> None:
        """The process is gone: its sockets are reset."""
        self._alive.discard(node)
        self._end_all(node)

    def leave(self, node: str) -> None:
        """The process closes its sockets and has none until `start`; it is told, as its peers are."""
        self._end_all(node)
        self._alive.discard(node)

    def send(self, sender: str, receiver: str, frame: bytes) -> None:
        pair = self._pair(sender, receiver)
        if not pair.is_up:
            return
        self.sent += 1
        direction = self._direction(sender, receiver)
        match direction.way:
            case Way.OPEN:
                self._dispatch(sender, receiver, frame, pair.epoch)
            case Way.STALLED:
                direction.held.append(frame)
            case Way.LOST:
                self._notice_dead_peer(sender, receiver)

    def reset(self, a: str, b: str) -> None:
        """End the session; what is under way in it is lost. A new one follows unless the pair is blocked."""
        self._end(a, b)
        self._reconnect_soon(a, b)

    def block(self, a: str, b: str) -> None:
        """A cut cable, noticed at once or after DEAD_PEER_S."""
        pair = self._pair(a, b)
        pair.is_blocked = True
        if self._rng.random() < 0.5:
            self._end(a, b)
        else:
            self.set_way(a, b, Way.LOST)
            self.set_way(b, a, Way.LOST)

    def unblock(self, a: str, b: str) -> None:
        pair = self._pair(a, b)
        pair.is_blocked = False
        for sender, receiver in ((a, b), (b, a)):
            if self._direction(sender, receiver).way is Way.LOST:
                self.set_way(sender, receiver, Way.OPEN)
        self._reconnect_soon(a, b)

    def set_way(self, sender: str, receiver: str, way: Way) -> None:
        direction = self._direction(sender, receiver)
        before, direction.way = direction.way, way
        if before is Way.LOST and way is not Way.LOST:
            # What was lost leaves a gap, and a session has none.
            self.reset(sender, receiver)
        if way is Way.LOST:
            self._notice_dead_peer(sender, receiver)
        if way is Way.OPEN:
            pair = self._pair(sender, receiver)
            while direction.held:
                self._dispatch(sender, receiver, direction.held.popleft(), pair.epoch)

    def slow_down(
        self,
        sender: str,
        receiver: str,
        *,
        latency_s: tuple[float, float] | None = None,
        bytes_per_s: float | None = None,
    ) -> None:
        """Give one direction a latency or a rate of its own; None is what the others have."""
        direction = self._direction(sender, receiver)
        direction.latency_s, direction.bytes_per_s = latency_s, bytes_per_s

    def heal(self) -> None:
        for a, b in list(self._pairs):
            self.unblock(a, b)
            self.set_way(a, b, Way.OPEN)
            self.set_way(b, a, Way.OPEN)

    def _dispatch(self, sender: str, receiver: str, frame: bytes, epoch: int) -> None:
        direction = self._direction(sender, receiver)
        left = self._events.now
        if direction.bytes_per_s is not None:
            left = max(left, direction.sending_until) + len(frame) / direction.bytes_per_s
            direction.sending_until = left
        arrives = max(direction.free_at, left + self._rng.uniform(*(direction.latency_s or self._latency_s)))
        direction.free_at = arrives

        def arrive() -> None:
            pair = self._pair(sender, receiver)
            if pair.is_up and pair.epoch == epoch:
                self._deliver(sender, receiver, frame)

        self._events.at(arrives, arrive)

    def _notice_dead_peer(self, a: str, b: str) -> None:
        pair = self._pair(a, b)
        if pair.dead_check == pair.epoch:
            return
        pair.dead_check = epoch = pair.epoch

        def check() -> None:
            is_dead = any(self._direction(*way).way is Way.LOST for way in ((a, b), (b, a)))
            if pair.is_up and pair.epoch == epoch and is_dead:
                self._end(a, b)
                self._reconnect_soon(a, b)

        self._events.after(DEAD_PEER_S, check)

    def _end_all(self, node: str) -> None:
        for other in sorted({peer for pair in self._pairs for peer in pair if node in pair} - {node}):
            self._end(node, other)

    def _end(self, a: str, b: str) -> None:
        pair = self._pair(a, b)
        for sender, receiver in ((a, b), (b, a)):
            direction = self._direction(sender, receiver)
            direction.held.clear()
            direction.free_at = direction.sending_until = 0.0
        if not pair.is_up:
            return
        pair.is_up = False
        pair.epoch += 1
        for node, peer in ((a, b), (b, a)):
            if node in self._alive:
                self._disconnected(node, peer)

    def _reconnect_soon(self, a: str, b: str) -> None:
        delay = self._rng.uniform(0.05, RECONNECT_S) + self._latency_s[1]
        self._events.after(delay, lambda: self._connect(a, b))

    def _connect(self, a: str, b: str) -> None:
        pair = self._pair(a, b)
        if pair.is_up or pair.is_blocked or a not in self._alive or b not in self._alive:
            return
        if any(self._direction(*way).way is not Way.OPEN for way in ((a, b), (b, a))):
            self._reconnect_soon(a, b)
            return
        pair.is_up = True
        pair.epoch += 1
        for node, peer in ((a, b), (b, a)):
            self._connected(node, peer)

    def _pair(self, a: str, b: str) -> _Pair:
        key = (a, b) if a < b else (b, a)
        pair = self._pairs.get(key)
        if pair is None:
            pair = self._pairs[key] = _Pair()
        return pair

    def _direction(self, sender: str, receiver: str) -> _Direction:
        direction = self._directions.get((sender, receiver))
        if direction is None:
            direction = self._directions[sender, receiver] = _Direction()
        return direction
