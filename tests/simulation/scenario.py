"""A world without chance: a test says what breaks and when, the checker watches as in every seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.raft import wire
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.types import Message, Outcome, ProposalOutcome, ReadOutcome, Rule, Timing
from tests.simulation.profiles import Profile
from tests.simulation.world import SimNode, World

LAN = (0.001, 0.010)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedProfile(Profile):
    """A profile whose timing is given, not derived."""

    fixed: Timing = field(default_factory=Timing)

    def timing(self) -> Timing:
        return self.fixed


@dataclass(slots=True)
class Asked:
    """A proposal, a membership change or a read, and how it ended, if it has."""

    at: SimNode
    called_at: float
    outcome: ProposalOutcome | ReadOutcome | None = None
    returned_at: float = float("inf")

    @property
    def is_applied(self) -> bool:
        return isinstance(self.outcome, ProposalOutcome) and self.outcome.outcome is Outcome.APPLIED

    @property
    def reason(self) -> str:
        """Why a change was refused, in words."""
        assert isinstance(self.outcome, ProposalOutcome)
        assert self.outcome.outcome is Outcome.REFUSED
        return self.outcome.result.decode()


class Scenario:
    """`off` switches guard rules off; `timings` replace fields of `Timing`."""

    def __init__(
        self,
        nodes: int = 3,
        *,
        off: Iterable[Rule] = (),
        latency_s: tuple[float, float] = LAN,
        seed: int = 1,
        clock_drift: float = 0.0005,
        world: type[World] = World,
        **timings: Any,
    ) -> None:
        profile = FixedProfile(
            name="scenario",
            nodes=nodes,
            latency_min_s=latency_s[0],
            latency_max_s=latency_s[1],
            clock_drift=clock_drift,
            fixed=replace(Timing(), **timings),
        )
        self.world = world(seed, profile, frozenset(off))
        self.sent: list[tuple[float, str, str, Message]] = []
        """Every message, once `listen` was called: (when, sender, receiver, message)."""

    # Time

    @property
    def now(self) -> float:
        return self.world.events.now

    def run(self, seconds: float) -> None:
        self.world.events.run_until(self.now + seconds)

    def until(self, condition: Callable[[], object], *, within_s: float, what: str) -> float:
        """Run until `condition` holds, to the millisecond. Returns how long that took.

        Raises AssertionError, with `what` in it, when it does not in time.
        """
        began = self.now
        while not condition():
            if self.now - began >= within_s:
                raise AssertionError(f"not within {within_s} s: {what}")
            self.run(0.001)
        return self.now - began

    # Nodes

    def node(self, node_id: str) -> SimNode:
        return self.world.nodes[node_id]

    def leader(self) -> SimNode:
        """The ready leader there is now, of the highest term."""
        ready = self.ready_leaders()
        assert ready, "nobody leads"
        return max(ready, key=lambda node: node.engine.status().term)  # type: ignore[union-attr]  # it is up

    def ready_leaders(self) -> list[SimNode]:
        return [node for node in self.world.up() if node.engine is not None and node.engine.status().is_ready]

    def elect(self, within_s: float = 5.0) -> SimNode:
        """Run until somebody leads and is ready."""
        self.until(self.ready_leaders, within_s=within_s, what="a leader that is ready")
        return self.leader()

    def elect_node(self, node_id: str) -> SimNode:
        """Have this node lead, by transfers."""
        self.elect()
        node = self.node(node_id)
        for _ in range(10):
            leader = self.leader()
            if leader is node:
                self.run(0.5)
                if self.leader() is node:
                    return node
                continue
            self.act(leader, lambda leader=leader: leader.engine.transfer_leadership(node_id))
            self.run(2.0)
            self.elect()
        raise AssertionError(f"{node_id} does not get to lead")

    def others(self, *but: SimNode) -> list[SimNode]:
        return [node for node in self.world.nodes.values() if node not in but]

    def act(self, node: SimNode, work: Callable[[], object]) -> None:
        """Run `work` in the node's process and have a turn follow."""
        node.do(lambda: (work(), None)[1])

    # Requests

    def propose(self, node: SimNode, value: str = "x") -> Asked:
        asked = Asked(node, self.now)
        assert node.engine is not None
        engine = node.engine
        self.act(node, lambda: engine.propose(value.encode(), lambda outcome: self._end(asked, outcome)))
        return asked

    def read(self, node: SimNode) -> Asked:
        asked = Asked(node, self.now)
        assert node.engine is not None
        engine = node.engine
        self.act(node, lambda: engine.read_index(lambda outcome: self._end(asked, outcome)))
        return asked

    def change(self, node: SimNode, op: MemberOp, node_id: str) -> Asked:
        asked = Asked(node, self.now)
        assert node.engine is not None
        engine = node.engine
        change = MemberChange(op, node_id, "" if op is MemberOp.REMOVE else f"{node_id}:7444")
        self.act(node, lambda: engine.change_members(change, lambda outcome: self._end(asked, outcome)))
        return asked

    def commit(self, value: str = "x", within_s: float = 5.0) -> Asked:
        """Propose at whoever leads, again and again, until it is applied there."""
        until = self.now + within_s
        while self.now < until:
            leader = self.world.leader()
            if leader is not None:
                asked = self.propose(leader, value)
                self.until(
                    lambda asked=asked: asked.outcome is not None,
                    within_s=until - self.now,
                    what=f"an answer for {value}",
                )
                if asked.is_applied:
                    return asked
            self.run(0.05)
        raise AssertionError(f"not within {within_s} s: {value} is committed")

    def load(self, rate: float, seconds: float, *, value_bytes: int = 20) -> list[Asked]:
        """Propose at whoever leads, `rate` times a second, for as long, without waiting."""
        asked: list[Asked] = []
        for number in range(int(rate * seconds)):
            leader = self.world.leader()
            if leader is not None and not leader.is_paused:
                asked.append(self.propose(leader, f"{number}".ljust(value_bytes, ".")))
            self.run(1 / rate)
        return asked

    def join(self, *, as_voter: bool = True, within_s: float = 10.0) -> SimNode:
        """Add a node with an empty disk, as a learner and then as a voter."""
        node = self.world.new_node()
        self.run(0.5)
        added = self.change(self.leader(), MemberOp.LEARNER, node.node_id)
        self.until(lambda: added.is_applied, within_s=within_s, what="the learner is a member")
        if as_voter:
            self.until(lambda: self.has_all(node), within_s=within_s, what="the learner caught up")
            voter = self.change(self.leader(), MemberOp.VOTER, node.node_id)
            self.until(lambda: voter.is_applied, within_s=within_s, what="the learner votes")
        return node

    def _end(self, asked: Asked, outcome: ProposalOutcome | ReadOutcome) -> None:
        asked.outcome, asked.returned_at = outcome, self.now

    # Links

    def cut(self, a: str | SimNode, b: str | SimNode) -> None:
        """Cut the cable between two nodes; both notice at once."""
        pair = self.world.network._pair(_id(a), _id(b))
        pair.is_blocked = True
        self.world.network._end(_id(a), _id(b))

    def heal(self, a: str | SimNode, b: str | SimNode) -> None:
        self.world.network.unblock(_id(a), _id(b))

    def isolate(self, node: SimNode, *, but: Iterable[str] = ()) -> None:
        for other in self.others(node):
            if other.node_id not in but:
                self.cut(node, other)

    def rejoin(self, node: SimNode) -> None:
        for other in self.others(node):
            self.heal(node, other)

    def drop(self, condition: Callable[[str, str, Message], bool]) -> Callable[[], None]:
        """Lose the messages for which `condition(sender, receiver, message)` holds, until the returned
        function is called. Sessions do not notice, so this is for messages whose loss is survivable.
        """
        network = self.world.network
        send = network.send

        def filtered(sender: str, receiver: str, frame: bytes) -> None:
            if not condition(sender, receiver, wire.decode(frame)):
                send(sender, receiver, frame)

        network.send = filtered  # type: ignore[method-assign]  # a seam of this test support

        def restore() -> None:
            network.send = send  # type: ignore[method-assign]  # as above

        return restore

    def tamper(self, change: Callable[[Message], Message | None]) -> list[Message]:
        """Change the first message for which `change` returns another. The returned list has it then."""
        network = self.world.network
        send = network.send
        changed: list[Message] = []

        def tampered(sender: str, receiver: str, frame: bytes) -> None:
            other = None if changed else change(wire.decode(frame))
            if other is not None:
                changed.append(other)
                frame = wire.encode(other)
            send(sender, receiver, frame)

        network.send = tampered  # type: ignore[method-assign]  # a seam of this test support
        return changed

    def listen(self) -> None:
        """Keep every message sent from now on in `sent`."""
        self.drop(self._note)

    def _note(self, sender: str, receiver: str, message: Message) -> bool:
        self.sent.append((self.now, sender, receiver, message))
        return False

    # States

    def has_all(self, node: SimNode) -> bool:
        """Whether `node` has applied everything anyone has, and agrees."""
        highest = self.world.checker.highest_applied
        return (
            node.store.applied.index == highest
            and node.store.applied.state_hash == self.world.checker.state_hashes.get(highest)
        )

    def converge(self, within_s: float, *nodes: SimNode) -> float:
        """Run until `nodes` (all, without any) have everything, and nothing is in flight."""
        expected = list(nodes) or self.world.up()

        def has_converged() -> bool:
            return all(map(self.has_all, expected)) and not any(
                node.journal is not None and node.journal.last_index > node.store.applied.index
                for node in expected
            )

        return self.until(has_converged, within_s=within_s, what="everyone has everything")

    @property
    def leaders(self) -> int:
        """How many terms had a leader."""
        return len(self.world.checker.leaders)


def _id(node: str | SimNode) -> str:
    return node if isinstance(node, str) else node.node_id
