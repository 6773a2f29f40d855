"""The keeper's loop: read the lease, know what runs, stop it when the lease runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from agent.keeper.docker_api import DockerApi, EngineAway
from agent.keeper.lease_file import Lease, LeaseUnreadable, read_lease
from agent.keeper.policy import LABEL_CLUSTER, LABEL_FENCED, STRICT, Due, what_is_due
from agent.keeper.processes import HeldProcesses

log = logging.getLogger("keeper")

TICK_MS = 250
LOOK_MS = 2_000
"""How often what runs is asked of the engine while nothing is due."""
LAPSED_LOOK_MS = 1_000
"""How often while the lease has run out: somebody may start one by hand."""


class Keeper:
    """One host's keeper; call `tick` about every `TICK_MS`. `now_ms` is CLOCK_BOOTTIME."""

    def __init__(
        self,
        directory: Path,
        *,
        now_ms: Callable[[], int],
        boot_id: str,
        open_engine: Callable[[str], DockerApi] = DockerApi,
    ) -> None:
        self._directory = directory
        self._now_ms = now_ms
        self._boot_id = boot_id
        self._open_engine = open_engine
        self._lease: Lease | None = None
        self._held = HeldProcesses()
        self._looked_at_ms: int | None = None
        self._due = Due.NOTHING
        self._problem = ""

    def tick(self) -> None:
        """Look once, and act. Never raises for what the engine or the file does."""
        lease = self._read()
        if lease is None or not lease.is_guarding:
            self._due = Due.NOTHING
            return
        due = what_is_due(lease, self._now_ms(), self._boot_id)
        if due is not self._due:
            self._due = due
            self._looked_at_ms = None
            if due is not Due.NOTHING:
                log.warning(
                    "the host's lease runs out unanswered: fenced containers have %s coming", due.value
                )
        if due is Due.KILL:
            # First what needs no engine: it may hang, or be away.
            self._report("killed", self._held.kill())
        if self._is_time_to_look(due):
            self._looked_at_ms = self._now_ms()
            self._look(self._open_engine(lease.docker_socket), lease, due)

    def close(self) -> None:
        self._held.close()

    def _read(self) -> Lease | None:
        try:
            found = read_lease(self._directory)
        except LeaseUnreadable as error:
            self._note(str(error))
            return self._lease
        # One that disappears while containers run ends nothing: what was granted last still counts.
        if found is not None:
            self._lease = found
        return self._lease

    def _is_time_to_look(self, due: Due) -> bool:
        if self._looked_at_ms is None:
            return True
        if due is Due.STOP:
            return False  # asked once: to many programs a second signal means at once
        every_ms = LOOK_MS if due is Due.NOTHING else LAPSED_LOOK_MS
        return self._now_ms() - self._looked_at_ms >= every_ms

    def _look(self, engine: DockerApi, lease: Lease, due: Due) -> None:
        labels = {LABEL_FENCED: STRICT, LABEL_CLUSTER: lease.cluster_id}
        try:
            running = engine.running(labels)
            self._held.hold(running)
            for container in running:
                if due is Due.KILL:
                    engine.kill(container.id)
                elif due is Due.STOP:
                    engine.kill(container.id, signal=container.stop_signal)
        except EngineAway as error:
            self._note(str(error))
            if due is not Due.NOTHING:
                self._looked_at_ms = None  # again with the next tick
            return
        self._note("")
        if due is not Due.NOTHING:
            word = "killed" if due is Due.KILL else "asked to stop"
            self._report(word, [container.name for container in running])

    def _report(self, what: str, containers: list[str]) -> None:
        if containers:
            log.warning("%s, as this host has no lease: %s", what, ", ".join(containers))

    def _note(self, problem: str) -> None:
        if problem and not self._problem:
            log.warning("cannot look after fenced containers: %s", problem)
        elif self._problem and not problem:
            log.warning("looks after fenced containers again")
        self._problem = problem
