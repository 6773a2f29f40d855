"""What the rest of the process asks of Raft: propose, read at a level, follow leadership and changes.

Everything is a message to the Raft thread and an answer back, so that Raft could move into a process of
its own. Answers of one turn reach an event loop in one wake-up.

An answer is definite where it can be. `NotCommitted`: the command was not and will not be applied.
`OutcomeUnknown`: it may have been, or may still be; it may be proposed again only as the same command
(same client id and sequence), which is what `Proposer` does until its deadline.
"""

import asyncio
import logging
import math
import random
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final, Protocol

from cluster.raft.leadership import Leadership, LeadershipView
from cluster.raft.membership import MemberChange
from cluster.raft.raft_thread import EngineLike, NodeStatus, RaftThread
from cluster.raft.types import EngineStatus, Outcome, ProposalOutcome, ReadOutcome, Role
from cluster.store import Committed
from cluster.store.protocol import CHANGES_MAX

log = logging.getLogger(__name__)

IN_FLIGHT_MAX: Final = 512
WINDOW: Final = 1000
"""Most commands from the oldest unanswered to the newest. The state machine keeps 1,024 outcomes of a
client.
"""
ATTEMPT_S: Final = 3.0
"""How long one attempt waits for an answer that may never come, before the command is proposed again."""


RETRY_MIN_S: Final = 0.01
RETRY_MAX_S: Final = 0.2


class ReplicationError(Exception):
    """Base of the failures a caller of `Replicator` handles."""


class NotCommitted(ReplicationError):
    """The command was not applied and will not be. `may_retry`: proposing it again may succeed soon."""

    def __init__(self, reason: str, *, may_retry: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_retry = may_retry


class OutcomeUnknown(ReplicationError):
    """The command may have been applied, or may still be. Ask again only with the same command id."""


class ReadUnavailable(ReplicationError):
    """A linearizable read could not be confirmed in time; a local read would have answered."""


class ReadLevel(StrEnum):
    """`local`: what this node has, with its age. `linearizable`: everything committed before the read
    began.
    """

    LOCAL = "local"
    LINEARIZABLE = "linearizable"


@dataclass(frozen=True, slots=True)
class ReadPoint:
    """A read transaction opened now sees at least `applied_index`.

    `age_ms`: for how long this node may have missed changes; 0 for a linearizable read, None when this
    node has never been up to date since it started.
    """

    applied_index: int
    age_ms: int | None
    level: ReadLevel


@dataclass(frozen=True, slots=True)
class CommandId:
    """What makes a command recognisable when it comes twice."""

    client_id: str
    sequence: int


class Replicator(Protocol):
    """The replicated log as other code sees it. Coroutines run on any event loop."""

    @property
    def leadership(self) -> Leadership: ...

    async def propose(self, command: bytes, *, timeout_s: float) -> bytes:
        """Return the state machine's answer once `command` is applied on this node.

        Raises NotCommitted or OutcomeUnknown.
        """
        ...

    async def read(self, level: ReadLevel, *, timeout_s: float) -> ReadPoint:
        """Return what a read transaction opened afterwards sees. Raises ReadUnavailable."""
        ...

    def status(self) -> NodeStatus:
        """Return this node's view of itself and its cluster."""
        ...

    def lease_until_s(self) -> float | None:
        """Until when (engine's clock) no other node can lead; None when this node does not surely lead."""
        ...

    async def change_members(self, change: MemberChange, *, timeout_s: float) -> None:
        """Return once the change is committed and applied here.

        Raises NotCommitted with the reason of a refusal, or OutcomeUnknown.
        """
        ...

    async def transfer_leadership(self, target: str | None = None, *, timeout_s: float) -> None:
        """Return once this node does not lead any more; at once when it did not. `target` None: the member
        that is furthest. Raises NotCommitted when nobody can take over now.
        """
        ...

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call `callback` on this event loop after changes became visible to readers; returns what ends it.

        Changes are merged while the loop is busy, never lost.
        """
        ...


class _Outbox:
    """Answers on their way from the Raft thread to one event loop: one wake-up per turn, one timer for
    all.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._answers: list[tuple[asyncio.Future[Any], object]] = []
        # Touched by the loop only.
        self._deadlines: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def future(self, timeout_s: float) -> asyncio.Future[Any]:
        """A future for one answer. It raises OutcomeUnknown after `timeout_s`, or when the node stops.

        `done_with` it must follow.
        """
        loop = self.loop
        future = loop.create_future()
        deadline = self._deadlines[future] = loop.time() + timeout_s
        if deadline < self._timer_at:
            self._set_timer(deadline)
        return future

    def done_with(self, future: asyncio.Future[Any]) -> None:
        self._deadlines.pop(future, None)

    def put(self, future: asyncio.Future[Any], answer: object) -> None:
        """In the Raft thread."""
        self._answers.append((future, answer))

    def put_now(self, future: asyncio.Future[Any], answer: object) -> None:
        """In any thread, for an answer that is no turn's."""
        self._call(_resolve, [(future, answer)])

    def flush(self) -> bool:
        """In the Raft thread. Returns whether the loop still lives."""
        if not self._answers:
            return not self.loop.is_closed()
        answers, self._answers = self._answers, []
        return self._call(_resolve, answers)

    def give_up(self) -> None:
        """In the Raft thread: no answer comes any more."""
        self._call(self._fail, math.inf, "this node stopped before the answer came")

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._fail(self.loop.time(), "no answer came in time")
        waiting = [deadline for future, deadline in self._deadlines.items() if not future.done()]
        if waiting:
            self._set_timer(min(waiting))

    def _fail(self, until: float, reason: str) -> None:
        for future, deadline in self._deadlines.items():
            if deadline <= until and not future.done():
                future.set_exception(OutcomeUnknown(reason))

    def _call(self, callback: Callable[..., None], *args: object) -> bool:
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # The loop was closed with its callers: nobody waits.
            return False
        return True


def _resolve(answers: list[tuple[asyncio.Future[Any], object]]) -> None:
    for future, answer in answers:
        if not future.done():
            future.set_result(answer)


class _Subscription:
    """Committed changes on their way to one callback on one loop, merged while it is busy."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[Committed], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._lock = threading.Lock()
        self._waiting: Committed | None = None
        self.is_active = True

    def put(self, committed: Committed) -> None:
        """In the Raft thread."""
        with self._lock:
            is_first = self._waiting is None
            self._waiting = committed if self._waiting is None else _merged(self._waiting, committed)
        if is_first:
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                self.is_active = False

    def _deliver(self) -> None:
        with self._lock:
            committed, self._waiting = self._waiting, None
        if committed is not None and self.is_active:
            self._callback(committed)


def _merged(earlier: Committed, later: Committed) -> Committed:
    changed = earlier.changed | later.changed
    if earlier.is_everything or later.is_everything or len(changed) > CHANGES_MAX:
        return Committed(later.index, frozenset(), is_everything=True)
    return Committed(later.index, changed)


class RaftReplicator:
    """`Replicator` over a `RaftThread` in this process. Make it before the thread is started."""

    def __init__(self, thread: RaftThread) -> None:
        self.leadership = Leadership()
        self._thread = thread
        self._lock = threading.Lock()
        self._outboxes: dict[int, _Outbox] = {}
        """By thread: asking asyncio for the running loop costs a system call (getpid) in Python 3.11."""
        self._flush_order: list[_Outbox] = []
        self._subscriptions: list[_Subscription] = []
        self._reads: list[tuple[_Outbox, asyncio.Future[Any]]] = []
        self._caught_up_at: float | None = None
        self._is_stopped = False
        thread.add_listener(self)

    async def propose(self, command: bytes, *, timeout_s: float) -> bytes:
        outbox = self._outbox()
        future = outbox.future(timeout_s)
        try:
            refusal = self._thread.propose(command, partial(outbox.put, future))
            if refusal is not None:
                raise NotCommitted(refusal, may_retry=not self._is_stopped)
            return _result(await future)
        finally:
            outbox.done_with(future)

    async def read(self, level: ReadLevel, *, timeout_s: float) -> ReadPoint:
        if level is ReadLevel.LOCAL:
            return self._local_point()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        delay_s = 0.01
        while True:
            # A read index is asked for anew each time: an old one would not cover what was committed since.
            index = await self._read_index(deadline - loop.time())
            if index >= 0:
                return ReadPoint(index, 0, ReadLevel.LINEARIZABLE)
            if loop.time() + delay_s >= deadline:
                raise ReadUnavailable(f"no leader confirmed the read within {timeout_s:g} s")
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, 0.1)

    def status(self) -> NodeStatus:
        return self._thread.status()

    def lease_until_s(self) -> float | None:
        return self._thread.engine_status().lease_until

    async def change_members(self, change: MemberChange, *, timeout_s: float) -> None:
        outbox = self._outbox()
        future = outbox.future(timeout_s)

        def work(engine: EngineLike) -> None:
            engine.change_members(change, partial(outbox.put, future))

        try:
            self._submit(work)
            _result(await future)
        finally:
            outbox.done_with(future)

    async def transfer_leadership(self, target: str | None = None, *, timeout_s: float) -> None:
        view = self.leadership.view
        if not view.is_leader or target == view.leader_id:
            return
        outbox = self._outbox()
        future = outbox.future(timeout_s)

        def work(engine: EngineLike) -> None:
            outbox.put(future, engine.transfer_leadership(target))

        try:
            self._submit(work)
            async with asyncio.timeout(timeout_s):
                if not await future:
                    if target is None:
                        reason = "no other voter can lead now: none is connected and has caught up"
                    else:
                        reason = f"{target} cannot lead now: it is not connected or has not caught up"
                    raise NotCommitted(reason, may_retry=True)
                await self.leadership.wait_until_lost(view.term)
        except (TimeoutError, OutcomeUnknown) as error:
            raise NotCommitted(f"leadership was not handed over within {timeout_s:g} s") from error
        finally:
            outbox.done_with(future)

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        subscription = _Subscription(asyncio.get_running_loop(), callback)
        with self._lock:
            self._subscriptions = [*self._subscriptions, subscription]

        def end() -> None:
            subscription.is_active = False
            with self._lock:
                self._subscriptions = [other for other in self._subscriptions if other is not subscription]

        return end

    # -- in the Raft thread

    def committed(self, committed: Committed) -> None:
        for subscription in self._subscriptions:
            subscription.put(committed)

    def after_turn(self, status: EngineStatus, caught_up_at: float) -> None:
        self._caught_up_at = caught_up_at
        self.leadership.publish(
            LeadershipView(
                term=status.term,
                is_leader=status.role is Role.LEADER and status.is_ready,
                leader_id=status.leader_id,
            )
        )
        for outbox in self._flush_order:
            if not outbox.flush():
                self._forget(outbox)

    def stopped(self) -> None:
        self._is_stopped = True
        self.leadership.publish(LeadershipView(self.leadership.term))
        for outbox in self._flush_order:
            outbox.give_up()

    # -- inside

    def _outbox(self) -> _Outbox:
        thread = threading.get_ident()
        outbox = self._outboxes.get(thread)
        if outbox is None or not outbox.loop.is_running():
            outbox = _Outbox(asyncio.get_running_loop())
            with self._lock:
                self._outboxes[thread] = outbox
                self._flush_order = [*self._flush_order, outbox]
        return outbox

    def _forget(self, outbox: _Outbox) -> None:
        with self._lock:
            self._flush_order = [other for other in self._flush_order if other is not outbox]
            for thread in [thread for thread, other in self._outboxes.items() if other is outbox]:
                del self._outboxes[thread]

    def _submit(self, work: Callable[[EngineLike], None]) -> None:
        refusal = self._thread.submit(work)
        if refusal is not None:
            raise NotCommitted(refusal, may_retry=not self._is_stopped)

    def _local_point(self) -> ReadPoint:
        caught_up_at = self._caught_up_at
        age_ms = None
        if caught_up_at is not None and caught_up_at > float("-inf"):
            age_ms = max(0, round((self._thread.clock() - caught_up_at) * 1000))
        return ReadPoint(self._thread.engine_status().applied_index, age_ms, ReadLevel.LOCAL)

    async def _read_index(self, timeout_s: float) -> int:
        """One attempt; negative when it was refused or not answered in time."""
        outbox = self._outbox()
        future = outbox.future(timeout_s)
        with self._lock:
            is_first = not self._reads
            self._reads.append((outbox, future))
        if is_first:
            refusal = self._thread.submit(self._start_reads)
            if refusal is not None:
                for waiting_outbox, waiting in self._take_reads():
                    waiting_outbox.put_now(waiting, ReadOutcome(-1))
                raise ReadUnavailable(refusal)
        try:
            outcome: ReadOutcome = await future
        except OutcomeUnknown as error:
            if self._is_stopped:
                raise ReadUnavailable(str(error)) from error
            return -1
        finally:
            outbox.done_with(future)
        return outcome.index

    def _start_reads(self, engine: EngineLike) -> None:
        """In the Raft thread: one read index for all that asked before it is asked for."""
        reads = self._take_reads()

        def answer(outcome: ReadOutcome) -> None:
            for outbox, future in reads:
                outbox.put(future, outcome)

        engine.read_index(answer)

    def _take_reads(self) -> list[tuple[_Outbox, asyncio.Future[Any]]]:
        with self._lock:
            reads, self._reads = self._reads, []
        return reads


def _result(outcome: ProposalOutcome) -> bytes:
    """The answer of an applied command. Raises NotCommitted or OutcomeUnknown for any other outcome."""
    if outcome.outcome is Outcome.APPLIED:
        return outcome.result
    match outcome.outcome:
        case Outcome.NO_LEADER:
            raise NotCommitted(
                "no leader is known here: an election is under way or the quorum is lost", may_retry=True
            )
        case Outcome.NOT_LEADER:
            raise NotCommitted("leadership is changing hands", may_retry=True)
        case Outcome.OVERLOADED:
            raise NotCommitted("too many proposals are under way: try again in a moment", may_retry=True)
        case Outcome.REFUSED:
            raise NotCommitted(outcome.result.decode("utf-8", "replace"))
        case Outcome.DISCARDED:
            raise NotCommitted("another leader's entry took the place of the command", may_retry=True)
        case Outcome.UNKNOWN:
            raise OutcomeUnknown("leadership was lost before the command's entry was known to be committed")


_CLIENT_ID = re.compile(r"[!-~]{1,64}")


class Proposer:
    """Numbers this process's commands and proposes each until its outcome is known or its time is up.

    For one event loop. At most `IN_FLIGHT_MAX` commands are under way, and none is numbered further ahead
    of the oldest unanswered one than the state machine remembers; callers beyond that wait, first come
    first served.
    """

    def __init__(self, replicator: Replicator, *, node_id: str, incarnation: str, rng: random.Random) -> None:
        self._replicator = replicator
        self._client_id = f"{node_id}.{incarnation}"
        if not _CLIENT_ID.fullmatch(self._client_id):
            raise ValueError(
                f"client id {self._client_id!r}: node id and incarnation together are at most 63"
                " printable ASCII characters without spaces"
            )
        self._rng = rng
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sequence = 0
        self._unanswered: set[int] = set()
        self._oldest = 1
        """No command below it is unanswered."""
        self._waiting: deque[asyncio.Future[int]] = deque()

    @property
    def depth(self) -> int:
        """How many commands are under way or wait for their turn."""
        return len(self._unanswered) + len(self._waiting)

    async def propose(self, build: Callable[[CommandId], bytes], *, timeout_s: float) -> bytes:
        """Return the state machine's answer to the command that `build` makes for its id.

        `build` is called once, so that every attempt proposes the same bytes. Raises NotCommitted when
        the command was surely not applied, OutcomeUnknown when the time was up before that could be told.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        deadline = self._loop.time() + timeout_s
        if self._waiting or not self._has_room():
            sequence = await self._take_number(timeout_s)
        else:
            sequence = self._number()
        try:
            command = build(CommandId(self._client_id, sequence))
            try:
                return await self._replicator.propose(command, timeout_s=min(ATTEMPT_S, timeout_s))
            except ReplicationError as error:
                return await self._propose_again(error, command, deadline)
        finally:
            self._release(sequence)

    async def _propose_again(self, failure: ReplicationError, command: bytes, deadline: float) -> bytes:
        """Propose until the outcome is known or the time is up; `failure` is how the first attempt ended."""
        loop = asyncio.get_running_loop()
        unknown: OutcomeUnknown | None = None
        failures = 0
        while True:
            if isinstance(failure, OutcomeUnknown):
                unknown = failure
            elif not (isinstance(failure, NotCommitted) and failure.may_retry):
                if unknown is None:
                    raise failure
                # Only this attempt was refused; an earlier one may have been applied.
                raise OutcomeUnknown(f"{unknown}; then: {failure}") from failure
            delay_s = self._rng.uniform(0.5, 1.0) * min(RETRY_MAX_S, RETRY_MIN_S * 2**failures)
            failures = min(failures + 1, 10)
            if loop.time() + delay_s >= deadline:
                if unknown is not None:
                    raise OutcomeUnknown(f"the time is up: {unknown}") from failure
                raise failure
            await asyncio.sleep(delay_s)
            try:
                attempt_s = min(ATTEMPT_S, deadline - loop.time())
                return await self._replicator.propose(command, timeout_s=attempt_s)
            except ReplicationError as error:
                failure = error

    async def _take_number(self, timeout_s: float) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                return await turn
        except BaseException as error:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled():
                # The number was given just as the caller left.
                self._release(turn.result())
            if isinstance(error, TimeoutError):
                raise NotCommitted(
                    f"{len(self._unanswered)} commands of this node were under way for {timeout_s:g} s",
                    may_retry=True,
                ) from error
            raise

    def _has_room(self) -> bool:
        if len(self._unanswered) >= IN_FLIGHT_MAX:
            return False
        return self._sequence + 1 - self._oldest < WINDOW

    def _number(self) -> int:
        self._sequence += 1
        self._unanswered.add(self._sequence)
        return self._sequence

    def _release(self, sequence: int) -> None:
        self._unanswered.remove(sequence)
        while self._oldest <= self._sequence and self._oldest not in self._unanswered:
            self._oldest += 1
        while self._waiting and self._has_room():
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._number())
