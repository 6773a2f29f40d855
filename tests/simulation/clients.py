"""Clients that write, compare-and-set and read, retry under the same number, and remember what they were
told.
"""

from __future__ import annotations

import random

from cluster.commands import Applied, Envelope, decode_outcome, encode
from cluster.commands.settings import PutSetting
from cluster.raft.types import Outcome, ProposalOutcome, ReadOutcome
from cluster.store.records import SETTINGS
from tests.simulation.checker import Violation
from tests.simulation.history import Kind, Operation
from tests.simulation.world import SimNode, World

ATTEMPT_S = 2.0
GIVE_UP_S = 6.0
RETRY_S = 0.15
OPERATIONS_PER_KEY = 60


class Clients:
    """All clients of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(f"clients-{world.seed}")
        self.operations: list[Operation] = []
        self.unanswered: dict[int, tuple[SimNode, int]] = {}
        self.is_stopped = False
        self._attempts = 0
        self._versions: dict[str, int] = {}
        self._outcomes: dict[bytes, bytes] = {}
        world.crash_listeners.append(self._forget_attempts_at)
        for number in range(world.profile.clients):
            self._think(f"client-{number}", 1)

    def _think(self, client: str, sequence: int) -> None:
        pause = self.rng.expovariate(self.world.profile.proposals / self.world.profile.clients)
        self.world.events.after(pause, lambda: self._begin(client, sequence))

    def _begin(self, client: str, sequence: int) -> None:
        if self.is_stopped:
            return
        key = f"key-{self.rng.randrange(3)}-{len(self.operations) // (3 * OPERATIONS_PER_KEY)}"
        if self.rng.random() < self.world.profile.reads:
            operation = Operation(client, Kind.READ, key, self.world.events.now)
        else:
            is_cas = self.rng.random() < 0.3
            value = f"{client}-{sequence}-".ljust(
                self.rng.randrange(8, self.world.profile.value_bytes_max), "x"
            )
            expected = self._versions.get(key, 0) if is_cas else None
            envelope = Envelope(
                client_id=client,
                sequence=sequence,
                time_ms=int(self.world.events.now * 1000),
                leader_term=0,
                audit=None,
                command=PutSetting(key=key, value=value, expected_version=expected),
            )
            kind = Kind.CAS if is_cas else Kind.PUT
            operation = Operation(client, kind, key, self.world.events.now, value, expected, encode(envelope))
        self.operations.append(operation)
        self._attempt(operation, sequence)

    def _attempt(self, operation: Operation, sequence: int) -> None:
        world = self.world
        if operation.is_known:
            return
        if world.events.now - operation.called_at > GIVE_UP_S:
            operation.is_given_up = True
            self._think(operation.client, sequence + 1)
            return
        nodes = [node for node in world.up() if node.engine and node.node_id in node.engine.members.voters]
        if not nodes:
            world.events.after(RETRY_S, lambda: self._attempt(operation, sequence))
            return
        node = self.rng.choice(nodes)
        self._attempts += 1
        attempt = self._attempts
        self.unanswered[attempt] = (node, node.incarnation)
        state = {"is_over": False}

        def again() -> None:
            if not state["is_over"]:
                state["is_over"] = True
                self._attempt(operation, sequence)

        world.events.after(ATTEMPT_S, again)

        def retry_soon() -> None:
            world.events.after(RETRY_S, again)

        def proposed(outcome: ProposalOutcome) -> None:
            self.unanswered.pop(attempt, None)
            world.counts[f"proposals: {outcome.outcome.name.lower()}"] += 1
            if outcome.outcome is not Outcome.APPLIED:
                retry_soon()
                return
            self._compare_with_first(operation, outcome.result)
            if not operation.is_known:
                state["is_over"] = True
                decoded = decode_outcome(outcome.result)
                operation.version = decoded.result if isinstance(decoded, Applied) else None
                if operation.version is not None:
                    self._versions[operation.key] = operation.version
                self._finish(operation, sequence)

        def confirmed(outcome: ReadOutcome) -> None:
            self.unanswered.pop(attempt, None)
            world.counts["reads confirmed" if outcome.is_confirmed else "reads refused"] += 1
            if not outcome.is_confirmed:
                retry_soon()
            elif not operation.is_known:
                state["is_over"] = True
                self._read(operation, node)
                self._finish(operation, sequence)

        def act() -> None:
            assert node.engine is not None
            if operation.kind is Kind.READ:
                node.engine.read_index(confirmed)
            else:
                node.engine.propose(operation.command, proposed)

        node.do(act)

    def _read(self, operation: Operation, node: SimNode) -> None:
        with node.store.read() as txn:
            operation.index = txn.applied_index
            setting = SETTINGS.get(txn, operation.key)
        operation.version, operation.seen = 0, None
        if setting is not None:
            operation.version, operation.seen = setting.version, setting.value

    def _compare_with_first(self, operation: Operation, result: bytes) -> None:
        if operation.command in self._outcomes:
            self.world.counts["retries answered like the first time"] += 1
        known = self._outcomes.setdefault(operation.command, result)
        if known != result:
            raise Violation(f"exactly once: {operation} was answered {known!r} and {result!r}")

    def _finish(self, operation: Operation, sequence: int) -> None:
        operation.returned_at = self.world.events.now
        if not operation.is_given_up:
            self._think(operation.client, sequence + 1)

    def _forget_attempts_at(self, node: SimNode) -> None:
        for attempt in [attempt for attempt, (at, _) in self.unanswered.items() if at is node]:
            del self.unanswered[attempt]
