"""Run one seed from the first event to the last check."""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.commands import Applied, decode_outcome
from cluster.raft.types import Outcome, RaftError, Rule
from tests.simulation.checker import Violation
from tests.simulation.clients import Clients
from tests.simulation.faults import Faults
from tests.simulation.history import check_witness, is_linearizable
from tests.simulation.profiles import Profile, draw
from tests.simulation.world import SimNode, World

LEADER_WITHIN_S = 10.0
COMMIT_WITHIN_S = 4.0
WGL_OPERATIONS_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one seed went. `violation` is empty for a good run; equal runs have equal fingerprints."""

    seed: int
    profile: str
    digest: str = ""
    """Of the whole profile: a seed means another run once its profile is drawn differently."""
    violation: str = ""
    leader_after_heal_s: float = 0.0
    fingerprint: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def run_seed(
    seed: int, *, profile: Profile | None = None, switched_off: frozenset[Rule] = frozenset()
) -> Report:
    """Run `seed`; the same seed gives the same report."""
    logger = logging.getLogger("cluster")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        return _run_seed(seed, profile or draw(seed), switched_off)
    finally:
        # The tests that follow in this process may be about what is logged.
        logger.setLevel(level)


def _run_seed(seed: int, profile: Profile, switched_off: frozenset[Rule]) -> Report:
    run = _Run(World(seed, profile, switched_off))
    violation = ""
    try:
        run.go()
    except (Violation, RaftError) as error:
        violation = f"{type(error).__name__}: {error}"
    except Exception as error:
        # A node that dies of an accident is a failure of the seed like any other, and says where.
        where = traceback.extract_tb(error.__traceback__)[-1]
        violation = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    return run.report(violation)


class _Run:
    def __init__(self, world: World) -> None:
        self.world = world
        self.clients = Clients(world)
        self.faults = Faults(world)
        self.leader_after_heal_s = 0.0

    def go(self) -> None:
        world, profile = self.world, self.world.profile
        world.events.run_until(profile.faults_s)
        if self.faults.rng.random() < 0.3:
            core = self.faults.stop_for_a_core()
        else:
            self.faults.stop()
            core = []
        self._require_leader()
        self._require_commit()
        self.clients.is_stopped = True
        self._require_convergence(core)
        self._require_answers()
        self._check_history()

    def _require_leader(self) -> None:
        world = self.world
        healed_at = world.events.now
        while world.events.now < healed_at + LEADER_WITHIN_S:
            world.events.run_until(world.events.now + 0.05)
            leader = world.leader()
            if leader is not None and leader.engine is not None and leader.engine.status().is_ready:
                self.leader_after_heal_s = world.events.now - healed_at
                return
        raise Violation(f"liveness: no ready leader {LEADER_WITHIN_S} s after every fault was mended")

    def _require_commit(self) -> None:
        world = self.world
        outcomes: list[Outcome] = []
        asked_at = world.events.now
        while world.events.now < asked_at + COMMIT_WITHIN_S:
            leader = world.leader()
            if leader is not None and leader.engine is not None:
                leader.engine.propose(b"liveness", lambda result: outcomes.append(result.outcome))
                leader.turn_soon()
            world.events.run_until(world.events.now + 0.7)
            if Outcome.APPLIED in outcomes:
                return
        raise Violation(
            f"liveness: nothing committed within {COMMIT_WITHIN_S} s of having a leader: {outcomes}"
        )

    def _require_convergence(self, core: list[str]) -> None:
        world = self.world
        healed_at = world.events.now
        while world.events.now < healed_at + world.profile.heal_s:
            world.events.run_until(world.events.now + 0.25)
            if self._has_converged(core):
                return
        states = {node.node_id: (node.store.applied.index, node.is_retired) for node in world.up()}
        raise Violation(f"liveness: not converged {world.profile.heal_s} s after healing: {states}")

    def _has_converged(self, core: list[str]) -> bool:
        members = self.world.members()
        expected = core or [*members.voters, *members.learners]
        nodes = [
            self.world.nodes[node_id] for node_id in expected if not self.world.nodes[node_id].is_retired
        ]
        reached = {(node.store.flushed_index, node.store.applied.state_hash) for node in nodes if node.is_up}
        in_flight = any(_uncommitted(node) for node in nodes)
        return (
            len(reached) == 1 and len(nodes) == len([node for node in nodes if node.is_up]) and not in_flight
        )

    def _require_answers(self) -> None:
        self.world.events.run_until(self.world.events.now + 3)
        if self.clients.unanswered:
            waiting = [(node.node_id, incarnation) for node, incarnation in self.clients.unanswered.values()]
            raise Violation(
                f"liveness: {len(waiting)} proposals or reads were never answered, at {waiting[:5]}"
            )

    def _check_history(self) -> None:
        checker = self.world.checker
        versions: dict[bytes, int | None] = {}
        for command, index in checker.first_index.items():
            decoded = decode_outcome(checker.applied[index][2])
            versions[command] = decoded.result if isinstance(decoded, Applied) else None
        operations = self.clients.operations
        check_witness(operations, checker.first_index, versions)
        by_key = defaultdict(list)
        for operation in operations:
            by_key[operation.key].append(operation)
        for key, of_key in by_key.items():
            if len(of_key) <= WGL_OPERATIONS_MAX and is_linearizable(of_key) is False:
                raise Violation(f"not linearizable (WGL): {key}")

    def report(self, violation: str) -> Report:
        world, checker = self.world, self.world.checker
        operations = self.clients.operations
        last_hash = checker.state_hashes.get(max(checker.state_hashes, default=0), b"")
        counts = {
            **world.counts,
            "events": world.events.count,
            "messages": world.network.sent,
            "entries applied": checker.highest_applied,
            "operations": len(operations),
            "operations acknowledged": sum(operation.is_known for operation in operations),
            "leaders": len(checker.leaders),
        }
        return Report(
            seed=world.seed,
            profile=world.profile.name,
            digest=world.profile.digest,
            violation=violation,
            leader_after_heal_s=round(self.leader_after_heal_s, 3),
            fingerprint=f"{world.events.count}-{world.network.sent}-{last_hash.hex()[:16]}",
            counts=counts,
        )


def _uncommitted(node: SimNode) -> bool:
    if node.engine is None or node.journal is None:
        return False
    return bool(node.engine._core.node.raftLastApplied < node.journal.last_index)
