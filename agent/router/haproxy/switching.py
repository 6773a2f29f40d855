"""What is done to HAProxy's servers, slot by slot and in every worker that may still send them requests."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

from agent.ports import Endpoint, SwitchError
from agent.router.haproxy.render import slot_name
from agent.router.haproxy.runtime import RuntimeSocket
from agent.router.haproxy.slots import Slot, SlotState
from agent.router.haproxy.stats import ServerState

log = logging.getLogger(__name__)


def server_name(backend: str, slot: Slot) -> str:
    return f"{backend}/{slot_name(slot.number)}"


class SlotSwitch:
    """Changes one slot at a time; callers keep others from doing the same at once."""

    def __init__(self, runtime: RuntimeSocket) -> None:
        self._runtime = runtime
        self._may_have_old_workers = True
        self._is_reloading = False

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Within it there may be old workers at any moment, and after it until they are seen to be gone."""
        self._may_have_old_workers = self._is_reloading = True
        try:
            yield
        finally:
            self._is_reloading = False

    async def old_workers(self) -> tuple[int, ...]:
        """The workers that finish what they had before a reload."""
        if not self._may_have_old_workers:
            return ()
        old = (await self._runtime.workers()).old
        self._may_have_old_workers = self._is_reloading or bool(old)
        return old

    async def enter(self, server: str, endpoint: Endpoint) -> None:
        """Have it checked, but without traffic."""
        # From maintenance straight to ready, requests would come before the first check.
        await self._runtime.set_state(server, "maint")
        await self._runtime.set_address(server, endpoint.address, endpoint.port)
        await self._runtime.set_weight(server, endpoint.weight)
        await self._runtime.set_state(server, "drain")

    async def open(self, server: str, endpoint: Endpoint) -> None:
        """Let requests reach it."""
        await self._runtime.set_state(server, "ready")
        # A worker that finishes old connections may get one more request on each of them.
        for worker in await self.old_workers():
            await self._in_old_worker(self._open_in(worker, server, endpoint))

    async def _open_in(self, worker: int, server: str, endpoint: Endpoint) -> None:
        await self._runtime.set_state(server, "maint", worker=worker)
        await self._runtime.set_address(server, endpoint.address, endpoint.port, worker=worker)
        await self._runtime.set_state(server, "ready", worker=worker)

    async def close(self, server: str, *, is_by_cookie: bool) -> None:
        """Let no new request reach it. A drained server still gets those that bring its cookie."""
        await self._everywhere(server, "maint" if is_by_cookie else "drain")

    async def take_out(self, server: str) -> None:
        """Nothing new reaches it any more, cookie or not."""
        await self._everywhere(server, "maint")

    async def cut_off(self, server: str) -> None:
        """End what it still serves."""
        await self._runtime.cut_sessions(server)
        for worker in await self.old_workers():
            await self._in_old_worker(self._runtime.cut_sessions(server, worker=worker))

    async def _everywhere(self, server: str, state: str) -> None:
        await self._runtime.set_state(server, state)
        for worker in await self.old_workers():
            await self._in_old_worker(self._runtime.set_state(server, state, worker=worker))

    async def _in_old_worker(self, work: Coroutine[None, None, None]) -> None:
        """An old worker may end at any moment, and need not know the backend."""
        try:
            await work
        except SwitchError as error:
            log.debug("router.old_worker_missed", extra={"reason": str(error)})

    async def mend(self, server: str, slot: Slot, present: ServerState, *, is_by_cookie: bool) -> None:
        """Have HAProxy agree with the slot."""
        endpoint = slot.endpoint
        if endpoint is None or (is_by_cookie and slot.state is SlotState.DRAINING):
            if not present.is_maintenance:
                await self._runtime.set_state(server, "maint")
            return
        wanted = "ready" if slot.state is SlotState.READY else "drain"
        if present.is_maintenance or (present.address, present.port) != (endpoint.address, endpoint.port):
            log.warning("router.slot_mended", extra={"server": server, "replica": endpoint.replica})
            await self.enter(server, endpoint)
            if wanted == "ready":
                await self._runtime.set_state(server, "ready")
        elif present.is_drained is (slot.state is SlotState.READY):
            await self._runtime.set_state(server, wanted)

    async def in_flight(self, backend: str) -> dict[str, int]:
        """Requests under way by server, in the present worker and in old ones."""
        totals = {name: server.in_flight for name, server in (await self._runtime.servers(backend)).items()}
        for worker in await self.old_workers():
            try:
                old = await self._runtime.servers(backend, worker=worker)
            except SwitchError:
                continue  # it has just ended
            for name, server in old.items():
                totals[name] = totals.get(name, 0) + server.in_flight
        return totals

    async def tunnels(self, server: str) -> int:
        """How many of its requests became tunnels, such as websockets, and are open."""
        open_ = (await self._runtime.tunnels()).get(server, 0)
        for worker in await self.old_workers():
            try:
                open_ += (await self._runtime.tunnels(worker=worker)).get(server, 0)
            except SwitchError:
                continue  # it has just ended
        return open_
