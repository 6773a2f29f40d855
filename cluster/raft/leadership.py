"""Who leads, as seen from any thread, and waiting for that to change."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeadershipView:
    """One moment. `is_leader`: this node leads `term` and has applied everything committed before it."""

    term: int = 0
    is_leader: bool = False
    leader_id: str | None = None


class Leadership:
    """Fed by the Raft thread, read and awaited from any event loop.

    What is read may be over by the time it is acted on: actions carry the term, and the log refuses an old
    one. Waiting misses nothing: a term that came and went in between counts as lost.
    """

    def __init__(self) -> None:
        self._view = LeadershipView()
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def view(self) -> LeadershipView:
        """All three at one moment."""
        return self._view

    @property
    def term(self) -> int:
        return self._view.term

    @property
    def is_leader(self) -> bool:
        return self._view.is_leader

    @property
    def leader_id(self) -> str | None:
        """The leader this node follows, itself included; None during an election."""
        return self._view.leader_id

    async def wait_until_leader(self) -> int:
        """Return the term once this node leads; at once when it does."""
        return (await self._wait_for(lambda view: view.is_leader)).term

    async def wait_until_lost(self, term: int) -> None:
        """Return once this node does not lead `term` (any more)."""
        await self._wait_for(lambda view: not (view.is_leader and view.term == term))

    async def wait_for_leader(self) -> str:
        """Return the leader's node id once there is one."""
        leader_id = (await self._wait_for(lambda view: view.leader_id is not None)).leader_id
        assert leader_id is not None
        return leader_id

    def publish(self, view: LeadershipView) -> None:
        """Replace the view and wake who waits. For the Raft thread."""
        with self._lock:
            if view == self._view:
                return
            self._view = view
            waiting = list(self._waiting.items())
        for event, loop in waiting:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:
                # That loop is closed, and nobody waits on it any more.
                with self._lock:
                    self._waiting.pop(event, None)

    async def _wait_for(self, condition: Callable[[LeadershipView], bool]) -> LeadershipView:
        changed = asyncio.Event()
        with self._lock:
            self._waiting[changed] = asyncio.get_running_loop()
        try:
            while True:
                # Cleared before looking: a change after the look sets it again.
                changed.clear()
                view = self._view
                if condition(view):
                    return view
                await changed.wait()
        finally:
            with self._lock:
                self._waiting.pop(changed, None)
