"""What `agent.router.haproxy.switching` knows of old workers."""

from __future__ import annotations

from pathlib import Path

from agent.router.haproxy.runtime import RuntimeSocket
from agent.router.haproxy.stats import Workers
from agent.router.haproxy.switching import SlotSwitch


class Master(RuntimeSocket):
    """Answers which old workers there are, as it is told."""

    def __init__(self) -> None:
        super().__init__(Path("worker.sock"), Path("master.sock"))
        self.old: tuple[int, ...] = ()
        self.questions = 0

    async def workers(self) -> Workers:
        self.questions += 1
        return Workers(master=1, present=(2,), old=self.old, failed_reloads=0)


async def test_old_workers_are_asked_for_only_while_there_may_be_any() -> None:
    master = Master()
    switch = SlotSwitch(master)
    assert await switch.old_workers() == ()
    assert await switch.old_workers() == ()
    assert master.questions == 1


async def test_a_drain_that_looks_during_a_reload_does_not_hide_the_worker_it_leaves_behind() -> None:
    master = Master()
    switch = SlotSwitch(master)
    with switch.reloading():
        assert await switch.old_workers() == (), "the new worker has not come up yet"
    master.old = (3,)
    assert await switch.old_workers() == (3,)
    master.old = ()
    assert await switch.old_workers() == ()
