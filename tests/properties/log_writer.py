"""Writes logs as clients and leaders do, for tests of what holds of any log."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cluster.commands import (
    Applied,
    Envelope,
    NewerCommand,
    Rejected,
    decode_outcome,
    encode,
    leadership,
)
from cluster.raft.machine import ReplicatedState
from tests.golden.history import STAMP, START_MS
from tests.properties.draws.accounts import account_commands
from tests.properties.draws.alerts import alert_commands
from tests.properties.draws.assistant import assistant_commands
from tests.properties.draws.calendar import schedule_commands, watch_commands, window_commands
from tests.properties.draws.cluster import cluster_commands, environment_commands
from tests.properties.draws.context import Choices, Draw
from tests.properties.draws.exports import export_commands
from tests.properties.draws.files import file_commands, sealed_commands
from tests.properties.draws.hosts import host_commands, join_commands
from tests.properties.draws.metrics import metric_commands
from tests.properties.draws.plans import plan_commands
from tests.properties.draws.rollouts import rollout_commands
from tests.properties.draws.services import service_commands
from tests.properties.draws.sign_in import sign_in_commands
from tests.properties.draws.webhooks import webhook_commands
from tests.simulation.memory_store import MemoryStore

LOG_TERM = 1000
"""The Raft term of every entry; the terms that leaders name are in the commands."""

GROUPS: tuple[tuple[Callable[[Draw], Choices], int], ...] = (
    (host_commands, 4),
    (join_commands, 2),
    (account_commands, 6),
    (sign_in_commands, 5),
    (service_commands, 6),
    (rollout_commands, 8),
    (file_commands, 4),
    (sealed_commands, 1),
    (cluster_commands, 1),
    (environment_commands, 1),
    (schedule_commands, 3),
    (window_commands, 1),
    (watch_commands, 2),
    (metric_commands, 3),
    (alert_commands, 3),
    (webhook_commands, 3),
    (export_commands, 1),
    (plan_commands, 3),
    (assistant_commands, 1),
)
"""Draws, and how often each is made. Those that need others before them are made more often."""


def a_machine() -> ReplicatedState:
    return ReplicatedState(MemoryStore())


def apply(machine: ReplicatedState, data: bytes, term: int = LOG_TERM) -> Applied | Rejected | None:
    """Apply `data`; None when only a newer version can."""
    before = machine.store.applied
    try:
        return decode_outcome(machine.apply_command(machine.applied_index + 1, term, data))
    except NewerCommand:
        assert machine.store.applied == before
        machine.advance(machine.applied_index + 1, term)
        return None


class LogWriter:
    """Repeats, late commands and leaders that were replaced are among what it writes."""

    def __init__(self, seed: int, jumps: tuple[int, ...] = (1, 1, 1, 1, 2, 300)) -> None:
        self.rng = random.Random(seed)
        self._jumps = jumps
        self.machine = a_machine()
        self.log: list[bytes] = []
        self._sequences = {"c1": 0, "c2": 0, "c3": 0}
        self._now_ms = START_MS
        self._term = 0
        self._take_leadership()

    def write(self, count: int) -> list[bytes]:
        """Return the log of so far with `count` entries more."""
        for _ in range(count):
            match self.rng.randrange(20):
                case 0:
                    self._append(self.rng.choice(self.log))
                case 1:
                    self._write(self._command(), leader_term=self.rng.randint(0, self._term))
                case 2 if self.rng.random() < 0.2:
                    self._take_leadership()
                case _:
                    self._write(self._command(), leader_term=self._term)
        return self.log

    def _take_leadership(self) -> None:
        self._term += 1
        take = leadership.TakeLeadership(term=self._term, node_id=self._draw().node())
        self._write(take, leader_term=self._term)

    def _command(self) -> Any:
        groups, weights = zip(*GROUPS, strict=True)
        (group,) = self.rng.choices(groups, weights)
        return self.rng.choice(group(self._draw()))()

    def _draw(self) -> Draw:
        return Draw(rng=self.rng, txn=self.machine.store.begin(), now_ms=self._now_ms)

    def _write(self, command: Any, *, leader_term: int) -> None:
        rng = self.rng
        client = rng.choice(list(self._sequences))
        self._sequences[client] += rng.choice(self._jumps)
        self._now_ms += rng.choice([0, 1, 1000, 30_000])
        envelope = Envelope(
            client_id=client,
            sequence=self._sequences[client],
            time_ms=self._now_ms - rng.choice([0, 0, 5000]),
            leader_term=leader_term,
            audit=rng.choice([None, STAMP]),
            command=command,
        )
        self._append(encode(envelope))

    def _append(self, data: bytes) -> None:
        self.log.append(data)
        apply(self.machine, data)
