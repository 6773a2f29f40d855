"""Things that go wrong, at random, at the rates of the profile."""

from __future__ import annotations

import random

from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.types import Outcome, ProposalOutcome
from tests.simulation.network import Way
from tests.simulation.world import SimNode, World

STEP_S = 0.1


class Faults:
    """Breaks a world until `stop`, and heals it then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(f"faults-{world.seed}")
        self.is_stopped = False
        self._restarts: set[str] = set()
        world.crash_listeners.append(self._restart_later)
        self._schedule()

    def stop(self) -> None:
        """Mend everything: all links, all nodes that are not removed."""
        self.is_stopped = True
        world = self.world
        world.network.heal()
        for node in world.nodes.values():
            node.log.is_full = node.store.full = False
            node.log.forgive()
            node.resume()
            if not node.is_up and not node.is_retired:
                node.start()

    def stop_for_a_core(self) -> list[str]:
        """Mend a bare majority and leave the rest dead. Returns the majority."""
        voters = sorted(self.world.members().voters) or sorted(self.world.founders)
        core = self.rng.sample(voters, len(voters) // 2 + 1)
        self.is_stopped = True
        self.world.counts["healed as a bare majority"] += 1
        for node in list(self.world.nodes.values()):
            if node.node_id not in core:
                node.is_retired = True
                node.crash(is_power_cut=False)
        self.stop()
        return core

    def _schedule(self) -> None:
        self.world.events.after(STEP_S, self._step)

    def _step(self) -> None:
        if self.is_stopped:
            return
        profile = self.world.profile
        for rate, fault in (
            (profile.kills, self._kill_one),
            (profile.power_cuts, self._cut_power),
            (profile.write_interrupts, self._interrupt_write),
            (profile.all_killed, self._kill_all),
            (profile.cuts, self._cut_link),
            (profile.one_way_cuts, self._cut_one_way),
            (profile.isolations, self._isolate_one),
            (profile.bridges, self._leave_a_bridge),
            (profile.stalls, self._stall_one_way),
            (profile.pauses, self._pause_one),
            (profile.transfers, self._transfer_leadership),
            (profile.changes, self._change_members),
            (profile.disk_full, self._fill_disk),
        ):
            if self.rng.random() < rate * STEP_S:
                self.world.counts[fault.__name__.removeprefix("_").replace("_", " ")] += 1
                fault()
        self._schedule()

    def _kill_one(self) -> None:
        self._any_node().crash(is_power_cut=False)

    def _cut_power(self) -> None:
        self._any_node().crash(is_power_cut=True)

    def _interrupt_write(self) -> None:
        self._any_node().log.interrupt_next()

    def _kill_all(self) -> None:
        is_power_cut = self.rng.random() < 0.5
        for node in self.world.up():
            node.crash(is_power_cut=is_power_cut)

    def _restart_later(self, node: SimNode) -> None:
        if node.node_id in self._restarts or self.is_stopped:
            return
        self._restarts.add(node.node_id)

        def restart() -> None:
            self._restarts.discard(node.node_id)
            if not self.is_stopped and not node.is_up and not node.is_retired:
                node.start()

        self.world.events.after(self.rng.uniform(0.05, 2 * self.world.profile.restart_after_s), restart)

    def _cut_link(self) -> None:
        a, b = self._two_nodes()
        if self.rng.random() < 0.3:
            self.world.network.reset(a, b)
            return
        self.world.network.block(a, b)
        self.world.events.after(self.rng.uniform(0.2, 5), lambda: self.world.network.unblock(a, b))

    def _cut_one_way(self) -> None:
        a, b = self._two_nodes()
        self.world.network.set_way(a, b, Way.LOST)
        self.world.events.after(self.rng.uniform(0.5, 5), lambda: self.world.network.unblock(a, b))

    def _isolate_one(self) -> None:
        leader = self.world.leader()
        node = leader if leader is not None and self.rng.random() < 0.5 else self._any_node()
        lonely = node.node_id
        others = [node_id for node_id in self.world.nodes if node_id != lonely]
        for other in others:
            self.world.network.block(lonely, other)

        def rejoin() -> None:
            for other in others:
                self.world.network.unblock(lonely, other)

        self.world.events.after(self.rng.uniform(0.5, 6), rejoin)

    def _leave_a_bridge(self) -> None:
        """Two halves that only one node can talk to."""
        ids = sorted(self.world.nodes)
        bridge = self.rng.choice(ids)
        rest = [node_id for node_id in ids if node_id != bridge]
        self.rng.shuffle(rest)
        half = len(rest) // 2
        pairs = [(a, b) for a in rest[:half] for b in rest[half:]]
        for a, b in pairs:
            self.world.network.block(a, b)

        def rejoin() -> None:
            for a, b in pairs:
                self.world.network.unblock(a, b)

        self.world.events.after(self.rng.uniform(1, 6), rejoin)

    def _stall_one_way(self) -> None:
        a, b = self._two_nodes()
        self.world.network.set_way(a, b, Way.STALLED)
        self.world.events.after(
            self.rng.uniform(0.3, 2.8), lambda: self.world.network.set_way(a, b, Way.OPEN)
        )

    def _pause_one(self) -> None:
        self._any_node().pause(self.rng.choice((0.3, 1.0, 2.5, 5.0)))

    def _transfer_leadership(self) -> None:
        leader = self.world.leader()
        if leader is not None:
            leader.do(lambda: _transfer(leader))

    def _fill_disk(self) -> None:
        node = self._any_node()
        which = self.rng.choice(("log", "state"))
        if which == "log":
            node.log.is_full = True
        else:
            node.store.full = True

        def free() -> None:
            node.log.is_full = node.store.full = False

        self.world.events.after(self.rng.uniform(0.5, 3), free)

    def _change_members(self) -> None:
        world = self.world
        nodes = world.up()
        if not nodes:
            return
        members = world.members()
        roll = self.rng.random()
        if roll < 0.35 and len(world.nodes) < world.profile.nodes + world.profile.spares:
            joining = world.new_node().node_id
            change = MemberChange(MemberOp.LEARNER, joining, f"{joining}:7444")
        elif roll < 0.75 and members.learners:
            change = MemberChange(MemberOp.VOTER, self.rng.choice(sorted(members.learners)))
        elif len(members.voters) > 2:
            change = MemberChange(MemberOp.REMOVE, self.rng.choice(sorted(members.voters)))
        else:
            return

        def note(result: ProposalOutcome) -> None:
            if result.outcome is Outcome.APPLIED:
                world.counts[f"changes: {change.op}"] += 1
            elif result.outcome is Outcome.REFUSED:
                world.counts["changes refused"] += 1

        for node in self.rng.sample(nodes, min(2, len(nodes))):
            node.do(lambda node=node: node.engine.change_members(change, note))  # type: ignore[misc]

    def _any_node(self) -> SimNode:
        return self.rng.choice([node for node in self.world.nodes.values() if not node.is_retired])

    def _two_nodes(self) -> tuple[str, str]:
        a, b = self.rng.sample(sorted(self.world.nodes), 2)
        return a, b


def _transfer(node: SimNode) -> None:
    assert node.engine is not None
    if node.engine.transfer_leadership(None):
        node.world.counts["transfers begun"] += 1
