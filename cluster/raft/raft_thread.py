"""The thread a Raft node lives in: its event loop runs sockets and timers, and one engine turn per wake-up.

Inputs gather (messages, proposals of other threads, timers) and one turn takes them all, so that a loaded
node writes its log once for many proposals. Everything of the node (engine, journal, state, sockets) is
made, used and closed in this thread; other threads hand in work through a bounded inbox and read what is
published.

A full disk is a state: the node hands over leadership, refuses writes, keeps answering local reads and
tries again. Every other failure of a turn ends the node through `on_fatal`: it can no longer keep its
promises.
"""

import asyncio
import contextlib
import logging
import math
import random
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias

from cluster.raft.log_types import LogStorageFull
from cluster.raft.membership import MemberChange, Membership
from cluster.raft.session import Refusal
from cluster.raft.tls import TlsProvider
from cluster.raft.transport import SessionStatus, Transport, TransportSettings
from cluster.raft.types import (
    EngineStatus,
    Message,
    Outcome,
    ProposalOutcome,
    ReadOutcome,
    Role,
    Timing,
)
from cluster.store import Committed, StoreFull

log = logging.getLogger(__name__)

TURN_BOUNDS_S: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
INBOX_ITEMS_MAX: Final = 8192
INBOX_BYTES_MAX: Final = 64 * 1024 * 1024
URGENT: Final = frozenset({"append_entries", "next_node_idx", "request_vote", "response_vote", "timeout_now"})
RETRY_MIN_S: Final = 0.25
RETRY_MAX_S: Final = 2.0
SESSIONS_PUBLISHED_S: Final = 0.5

OnProposal: TypeAlias = Callable[[ProposalOutcome], None]
OnRead: TypeAlias = Callable[[ReadOutcome], None]
Send: TypeAlias = Callable[[str, Message], None]
Clock: TypeAlias = Callable[[], float]


class RaftThreadError(Exception):
    """The node could not be started or stopped; the text says why."""


class EngineLike(Protocol):
    """What the thread asks of `cluster.raft.engine.Engine`."""

    @property
    def members(self) -> Membership: ...
    def peer_connected(self, peer: str) -> None: ...
    def peer_disconnected(self, peer: str) -> None: ...
    def receive(self, peer: str, message: Message) -> None: ...
    def propose(self, command: bytes, on_result: OnProposal) -> None: ...
    def read_index(self, on_result: OnRead) -> None: ...
    def change_members(self, change: MemberChange, on_result: OnProposal) -> None: ...
    def transfer_leadership(self, target: str | None) -> bool: ...
    def turn(self) -> None: ...
    def next_wakeup(self) -> float: ...
    def status(self) -> EngineStatus: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftParts:
    """What the factory makes inside the thread."""

    engine: EngineLike
    close: Callable[[], None]
    """Closes journal and state; called once, in the thread, after the last turn."""
    subscribe: Callable[[Callable[[Committed], None]], Callable[[], None]] | None = None
    """The store's feed of committed changes."""


RaftFactory: TypeAlias = Callable[[Send, Clock], RaftParts]
"""Opens storage and makes the engine, given how it sends and tells the time. Runs in the Raft thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPort:
    """How a node meets its peers. `seeds` are peers to dial besides the members (a joining node has none
    yet).
    """

    cluster_id: str
    listen: str
    tls: TlsProvider
    seeds: Mapping[str, str] = field(default_factory=dict)
    may_connect: Callable[[str], bool] | None = None
    """Whose sessions are allowed, called in the Raft thread. By default whoever has a certificate of the
    cluster: a node that was away may have to hear a leader it does not know yet, and the engine judges
    the messages.
    """
    settings: TransportSettings = field(default_factory=TransportSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTimes:
    """How long turns took: `counts[i]` of them at most `bounds_s[i]`, the last count those above every
    bound.
    """

    bounds_s: Sequence[float]
    counts: Sequence[int]
    sum_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """A node seen from outside its thread, as of its last turn."""

    engine: EngineStatus
    incarnation: str
    sessions: Sequence[SessionStatus]
    trouble: Mapping[str, str]
    """Why there is no session with a peer."""
    refusals: Mapping[str, Refusal]
    """Peers that do not let this node in, and why."""
    disk_full: str | None
    """Why writes are refused at the moment."""
    turn_times: TurnTimes


class TurnListener(Protocol):
    """Told in the Raft thread after each turn; must be quick and not raise."""

    def after_turn(self, status: EngineStatus, caught_up_at: float) -> None:
        """`caught_up_at` is the engine's clock when this node last had applied all it knew to be
        committed.
        """

    def committed(self, committed: Committed) -> None:
        """Readers now see these changes."""

    def stopped(self) -> None:
        """No turn follows."""


Work: TypeAlias = Callable[[EngineLike], None]
Proposal: TypeAlias = tuple[bytes, OnProposal]


class _Inbox:
    """Proposals and other work of other threads: bounded, taken in one go, with one wake-up per batch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[Work | Proposal] = []
        self._bytes = 0
        self._wake: Callable[[], None] | None = None
        self._is_open = True

    def open(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wake = wake
            is_waiting = bool(self._items)
        if is_waiting:
            wake()

    def put(self, item: Work | Proposal, size_bytes: int = 0) -> str | None:
        """Returns why the item is refused, if it is."""
        with self._lock:
            if not self._is_open:
                return "this node is stopping"
            if len(self._items) >= INBOX_ITEMS_MAX or self._bytes + size_bytes > INBOX_BYTES_MAX:
                return "too many proposals wait for this node: try again in a moment"
            is_first = not self._items
            self._items.append(item)
            self._bytes += size_bytes
            wake = self._wake
        if is_first and wake is not None:
            wake()
        return None

    def take(self) -> list[Work | Proposal]:
        with self._lock:
            items, self._items = self._items, []
            self._bytes = 0
        return items

    def close(self) -> list[Work | Proposal]:
        with self._lock:
            self._is_open = False
            self._wake = None
        return self.take()


class RaftThread:
    """One node of the cluster, running. Methods may be called from any thread unless they say otherwise."""

    def __init__(
        self,
        *,
        node_id: str,
        incarnation: str,
        build: RaftFactory,
        port: PeerPort,
        timing: Timing,
        data_path: str,
        on_fatal: Callable[[BaseException], None],
        on_identity_conflict: Callable[[str, str], None],
        rng: random.Random,
        now_ms: Callable[[], int],
        clock: Clock = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        use_uvloop: bool = True,
    ) -> None:
        """`on_fatal(error)` and `on_identity_conflict(node_id, reason)` are called in the Raft thread.
        `clock` is the engine's: it counts time asleep, so that no lease outlives a suspended machine.
        `data_path` is where the log and the state are, for messages. `rng` is used in the Raft thread
        from `start` on.
        """
        self.node_id = node_id
        self.incarnation = incarnation
        self.timing = timing
        self.clock = clock
        self._build = build
        self._port = port
        self._data_path = data_path
        self._on_fatal = on_fatal
        self._on_identity_conflict = on_identity_conflict
        self._rng = rng
        self._now_ms = now_ms
        self._use_uvloop = use_uvloop
        self._inbox = _Inbox()
        self._listeners: list[TurnListener] = []
        self._thread = threading.Thread(target=self._run, name=f"raft-{node_id}", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._parts: RaftParts | None = None
        self._transport: Transport | None = None
        self._stopping: asyncio.Event | None = None
        self._not_leading: asyncio.Event | None = None
        self._status: EngineStatus | None = None
        self._caught_up_at = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._is_turn_due = False
        self._is_fatal = False
        self._disk_full: str | None = None
        self._retry_delay_s = 0.0
        self._retry_at = -math.inf
        self._refusals: dict[str, Refusal] = {}
        self._counts = [0] * (len(TURN_BOUNDS_S) + 1)
        self._turns_s = 0.0
        self._longest_s = 0.0
        self._warned_at = -math.inf
        self._sessions: Sequence[SessionStatus] = ()
        self._trouble: Mapping[str, str] = {}

    # -- any thread

    def add_listener(self, listener: TurnListener) -> None:
        """Before `start`."""
        assert not self._ready.is_set()
        self._listeners.append(listener)

    def start(self, timeout_s: float = 60.0) -> None:
        """Start and return once the port is open and the engine is made. Blocks: not for an event loop's
        thread.

        Raises whatever the factory raises, ListenFailed, or RaftThreadError when it takes longer.
        """
        self._thread.start()
        if not self._ready.wait(timeout_s):
            raise RaftThreadError(
                f"the Raft node did not start within {timeout_s:g} s; its log may be very long"
            )
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self, timeout_s: float = 10.0) -> None:
        """Hand over leadership, send and write what is pending, close, end the thread. Idempotent; blocks."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and self._thread.is_alive():
            try:
                loop.call_soon_threadsafe(stopping.set)
            except RuntimeError:
                log.debug("raft.already_stopped", extra={"node_id": self.node_id})
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                raise RaftThreadError(f"the Raft thread did not end within {timeout_s:g} s")

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive() and self._ready.is_set() and not self._is_fatal

    @property
    def address(self) -> tuple[str, int]:
        """Where the peer port is bound, once started."""
        assert self._transport is not None
        return self._transport.address

    @property
    def disk_full(self) -> str | None:
        """Why writes are refused, while the disk is full."""
        return self._disk_full

    def submit(self, work: Callable[[EngineLike], None], size_bytes: int = 0) -> str | None:
        """Have `work` run in the Raft thread before the next turn. Returns why not, if it is refused.

        What raises inside is fatal. `work` may be called a last time with an engine that makes no more
        turns: then nothing it starts is answered.
        """
        return self._inbox.put(work, size_bytes)

    def propose(self, command: bytes, on_result: OnProposal) -> str | None:
        """Propose; `on_result` is called in the Raft thread. Returns why nothing was proposed, if so."""
        return self._inbox.put((command, on_result), len(command))

    def engine_status(self) -> EngineStatus:
        """The engine as of its last turn."""
        assert self._status is not None, "start() comes first"
        return self._status

    def status(self) -> NodeStatus:
        """Everything an operator may ask: the engine as of its last turn, the sessions of the last second."""
        return NodeStatus(
            engine=self.engine_status(),
            incarnation=self.incarnation,
            sessions=self._sessions,
            trouble=self._trouble,
            refusals=dict(self._refusals),
            disk_full=self._disk_full,
            turn_times=TurnTimes(
                bounds_s=TURN_BOUNDS_S,
                counts=tuple(self._counts),
                sum_s=self._turns_s,
                longest_s=self._longest_s,
            ),
        )

    # -- the Raft thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory(self._use_uvloop)) as runner:
                runner.run(self._main())
        except Exception as error:  # the outermost loop of this thread
            self._fail(error)
        finally:
            self._inbox.close()
            for listener in self._listeners:
                listener.stopped()
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        self._stopping, self._not_leading = asyncio.Event(), asyncio.Event()
        port = self._port
        self._transport = Transport(
            node_id=self.node_id,
            cluster_id=port.cluster_id,
            incarnation=self.incarnation,
            listen=port.listen,
            tls=port.tls,
            addresses=self._addresses,
            may_connect=port.may_connect if port.may_connect is not None else _anyone,
            owner=self,
            rng=self._rng,
            now_ms=self._now_ms,
            settings=port.settings,
        )
        try:
            self._transport.bind()
            self._parts = self._build(self._send, self.clock)
        except Exception as error:
            self._transport.close()
            self._failure = error
            return
        try:
            self._status = self._parts.engine.status()
            if self._parts.subscribe is not None:
                for listener in self._listeners:
                    self._parts.subscribe(listener.committed)
            self._inbox.open(self._wake)
            self._schedule_turn()
            self._publish_sessions()
            self._ready.set()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self._transport.run(), name="raft-transport")
                await self._stopping.wait()
                if not self._is_fatal:
                    await self._hand_over(self._parts.engine)
                running.cancel()
        finally:
            self._is_fatal = True
            self._transport.close()
            self._parts.close()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error in a callback that nobody awaits is a mistake of ours: as loud as one in a turn."""
        self._fail(context.get("exception") or RaftThreadError(context["message"]))

    def _send(self, peer: str, message: Message) -> None:
        """Queue `message`; what another node's disk waits for leaves at once.

        Entries leave before this node flushes its own log, acknowledgements and the news of many committed
        entries before it applies them and flushes its state, so that the nodes' disks and processors work
        at the same time. The rest leaves at the end of the turn.
        """
        assert self._transport is not None
        self._transport.send(peer, message)
        if message["type"] in URGENT:
            self._transport.flush()

    def _addresses(self) -> Mapping[str, str]:
        """Voters keep a session with everyone, learners with the voters: entries come from nobody else."""
        assert self._parts is not None
        members = self._parts.engine.members
        if self.node_id in members.learners:
            return {**self._port.seeds, **members.voters}
        return {**self._port.seeds, **members.voters, **members.learners}

    def _wake(self) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._schedule_turn)
        except RuntimeError:
            log.debug("raft.already_stopped", extra={"node_id": self.node_id})

    def _schedule_turn(self) -> None:
        """Have one turn made after everything that is ready to be read has been."""
        if not self._is_turn_due:
            self._is_turn_due = True
            assert self._loop is not None
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_turn_due = False
        if self._is_fatal:
            return
        assert self._parts is not None
        assert self._transport is not None
        engine = self._parts.engine
        started = time.perf_counter()
        try:
            self._take_in(engine, self._inbox.take())
            self._make_turn(engine)
            self._publish(engine.status())
            self._transport.flush()
            self._arm_timer(engine)
        except Exception as error:
            self._fail(error)
        self._observe(time.perf_counter() - started)

    def _take_in(self, engine: EngineLike, items: list[Work | Proposal]) -> None:
        disk_full = self._disk_full
        for item in items:
            if not isinstance(item, tuple):
                item(engine)
            elif disk_full is None:
                engine.propose(*item)
            else:
                item[1](ProposalOutcome(Outcome.REFUSED, result=disk_full.encode()))

    def _make_turn(self, engine: EngineLike) -> None:
        if self._disk_full is not None and self.clock() < self._retry_at:
            return
        try:
            engine.turn()
        except (LogStorageFull, StoreFull) as error:
            self._stay_full(engine, error)
        else:
            if self._disk_full is not None:
                self._disk_full = None
                log.info("raft.disk_has_room", extra={"node_id": self.node_id, "path": self._data_path})
                assert self._transport is not None
                self._transport.resume()

    def _stay_full(self, engine: EngineLike, error: Exception) -> None:
        """Let another node lead, take no part, and try again later.

        Taking no part bounds what gathers in memory: nothing can be acknowledged, so nothing is received.
        """
        assert self._transport is not None
        if self._disk_full is None:
            self._disk_full = f"disk full on {self.node_id}: free space in {self._data_path}"
            self._retry_delay_s = RETRY_MIN_S
            log.error(
                "raft.disk_full",
                extra={"node_id": self.node_id, "path": self._data_path, "reason": str(error)},
            )
            if engine.transfer_leadership(None):
                # What the log does not have to hold first may still leave, the order to take over included.
                with contextlib.suppress(LogStorageFull, StoreFull):
                    engine.turn()
            self._transport.flush()
            self._transport.pause(self._disk_full)
        else:
            self._retry_delay_s = min(2 * self._retry_delay_s, RETRY_MAX_S)
        self._retry_at = self.clock() + self._retry_delay_s

    def _publish(self, status: EngineStatus) -> None:
        if self._disk_full is not None:
            # Its turns do not complete, so it would not notice that it was deposed.
            status = replace(status, is_ready=False, lease_until=None)
        self._status = status
        if status.applied_index >= status.commit_index:
            # A leader that stepped down last heard another before it led, and knew everything since.
            self._caught_up_at = max(self._caught_up_at, status.heard_leader_at)
        if status.role is not Role.LEADER:
            assert self._not_leading is not None
            self._not_leading.set()
        for listener in self._listeners:
            listener.after_turn(status, self._caught_up_at)

    def _publish_sessions(self) -> None:
        assert self._transport is not None
        assert self._loop is not None
        if not self._is_fatal:
            self._sessions = self._transport.status()
            self._trouble = self._transport.trouble()
            self._loop.call_later(SESSIONS_PUBLISHED_S, self._publish_sessions)

    def _arm_timer(self, engine: EngineLike) -> None:
        assert self._loop is not None
        wake_at = self._retry_at if self._disk_full is not None else engine.next_wakeup()
        delay_s = wake_at - self.clock()
        if delay_s <= 0:
            self._schedule_turn()
        elif self._timer is None or wake_at < self._timer_at:
            # A timer that fires earlier is left alone: its turn finds little to do and sets the next one.
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = wake_at
            self._timer = self._loop.call_later(delay_s, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._schedule_turn()

    def _observe(self, turn_s: float) -> None:
        self._counts[bisect_left(TURN_BOUNDS_S, turn_s)] += 1
        self._turns_s += turn_s
        self._longest_s = max(self._longest_s, turn_s)
        if turn_s > self.timing.election_min_s / 4:
            now = time.perf_counter()
            if now - self._warned_at >= 1.0:
                self._warned_at = now
                log.warning(
                    "raft.turn_slow",
                    extra={
                        "node_id": self.node_id,
                        "turn_ms": round(turn_s * 1000),
                        "limit_ms": round(self.timing.election_min_s * 250),
                    },
                )

    async def _hand_over(self, engine: EngineLike) -> None:
        """Make the last turns: take what was submitted, let another node lead, send what is pending."""
        assert self._not_leading is not None
        self._take_in(engine, self._inbox.close())
        self._turn()
        if self.engine_status().role is Role.LEADER and engine.transfer_leadership(None):
            self._not_leading.clear()
            self._turn()
            try:
                async with asyncio.timeout(self.timing.transfer_s):
                    await self._not_leading.wait()
            except TimeoutError:
                log.warning("raft.leadership_not_handed_over", extra={"node_id": self.node_id})
        self._turn()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._is_fatal = True
            self._failure = error
            log.critical("raft.fatal", extra={"node_id": self.node_id, "reason": str(error)}, exc_info=error)
            self._on_fatal(error)
        if self._stopping is not None:
            self._stopping.set()

    # -- TransportOwner, in the Raft thread

    def peer_connected(self, peer: str) -> None:
        self._refusals.pop(peer, None)
        self._tell_engine(lambda engine: engine.peer_connected(peer))

    def peer_disconnected(self, peer: str) -> None:
        self._tell_engine(lambda engine: engine.peer_disconnected(peer))

    def messages_received(self, peer: str, messages: list[Message]) -> None:
        def receive(engine: EngineLike) -> None:
            for message in messages:
                engine.receive(peer, message)

        self._tell_engine(receive)

    def identity_conflict(self, node_id: str, reason: str) -> None:
        log.error("raft.identity_conflict", extra={"node_id": node_id, "reason": reason})
        self._on_identity_conflict(node_id, reason)

    def refused(self, peer: str, refusal: Refusal) -> None:
        self._refusals[peer] = refusal

    def _tell_engine(self, tell: Callable[[EngineLike], None]) -> None:
        if self._is_fatal:
            return
        assert self._parts is not None
        try:
            tell(self._parts.engine)
        except Exception as error:
            self._fail(error)
            return
        self._schedule_turn()


def _anyone(peer: str) -> bool:
    return True


def _loop_factory(use_uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not use_uvloop:
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
