"""Who belongs to the cluster: voters, learners, and ids that may never return.

A membership is the fold of the changes in the log over a base, and is in force as soon as a change
is *in* the log, committed or not (Ongaro 2014, section 4.1). One change at a time; each moves one node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from cluster.encoding import EncodingError, pack, unpack
from cluster.raft.types import COMMAND_MEMBERSHIP, Entry

VOTERS_MAX = 5
REMOVED_REMEMBERED = 1024

_EMPTY: Mapping[str, str] = MappingProxyType({})


class MemberOp(StrEnum):
    """A change of one node's part in the cluster."""

    LEARNER = "learner"
    VOTER = "voter"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One change. `address` is "host:port" of the node's Raft listener; unused when removing."""

    op: MemberOp
    node_id: str
    address: str = ""

    def encode(self) -> bytes:
        """The log entry's command, type byte included."""
        return bytes((COMMAND_MEMBERSHIP,)) + pack([self.op.value, self.node_id, self.address])


def decode_change(command: bytes) -> MemberChange | None:
    """The change a membership entry carries; None for other entries and for bytes that are none."""
    if not command or command[0] != COMMAND_MEMBERSHIP:
        return None
    try:
        match unpack(command[1:]):
            case [str(op), str(node_id), str(address)]:
                return MemberChange(MemberOp(op), node_id, address)
            case _:
                return None
    except (EncodingError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Membership:
    """Node ids to addresses. An id is in at most one of the three."""

    voters: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    learners: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    removed: tuple[str, ...] = ()

    def after(self, change: MemberChange) -> Membership:
        """The membership with `change` made. Total: a change that fits nowhere changes nothing."""
        node_id, address = change.node_id, change.address
        voters, learners = dict(self.voters), dict(self.learners)
        match change.op:
            case MemberOp.LEARNER | MemberOp.VOTER if node_id in self.removed:
                return self
            case MemberOp.LEARNER if node_id in voters:
                voters[node_id] = address
            case MemberOp.LEARNER:
                learners[node_id] = address
            case MemberOp.VOTER:
                known = learners.pop(node_id, voters.get(node_id, ""))
                voters[node_id] = address or known
            case MemberOp.REMOVE if node_id in voters or node_id in learners:
                voters.pop(node_id, None)
                learners.pop(node_id, None)
                removed = (*self.removed, node_id)[-REMOVED_REMEMBERED:]
                return Membership(voters, learners, removed)
            case MemberOp.REMOVE:
                return self
        return Membership(voters, learners, self.removed)

    def after_entries(self, entries: Iterable[Entry]) -> Membership:
        """The membership after the membership entries among `entries`, in order."""
        members = self
        for command, _, _ in entries:
            change = decode_change(command)
            if change is not None:
                members = members.after(change)
        return members

    def refuse(self, change: MemberChange, *, leader_id: str) -> str | None:
        """Why `change` may not be made now, in words for a person; None when it may."""
        node_id = change.node_id
        match change.op:
            case MemberOp.REMOVE if node_id == leader_id:
                return f"{node_id} is the leader: transfer leadership before removing it"
            case MemberOp.REMOVE if node_id not in self.voters and node_id not in self.learners:
                return f"{node_id} is not a member"
            case MemberOp.REMOVE if set(self.voters) == {node_id}:
                return f"{node_id} is the only voter: a cluster keeps at least one"
            case MemberOp.LEARNER | MemberOp.VOTER if node_id in self.removed:
                return f"{node_id} was removed, and an id never returns: join again to get a new one"
            case MemberOp.VOTER if node_id in self.voters:
                return f"{node_id} votes already"
            case MemberOp.VOTER if node_id not in self.learners:
                return f"{node_id} must join as a learner before it may vote"
            case MemberOp.VOTER if len(self.voters) >= VOTERS_MAX:
                return (
                    f"there are {len(self.voters)} voters and at most {VOTERS_MAX}: {node_id} stays a learner"
                )
            case _:
                return None

    def address_of(self, node_id: str) -> str | None:
        return self.voters.get(node_id) or self.learners.get(node_id)

    @property
    def quorum(self) -> int:
        """How many voters make a majority."""
        return len(self.voters) // 2 + 1

    def encode(self) -> bytes:
        """Deterministic bytes: ids sorted, so that equal memberships are equal everywhere."""
        return pack(
            [
                [[node_id, self.voters[node_id]] for node_id in sorted(self.voters)],
                [[node_id, self.learners[node_id]] for node_id in sorted(self.learners)],
                list(self.removed),
            ]
        )


def decode_membership(data: bytes) -> Membership:
    """The inverse of `Membership.encode`; no bytes are the empty membership.

    Raises:
        EncodingError: the bytes are not a membership.
    """
    if not data:
        return Membership()
    match unpack(data):
        case [(*voters,), (*learners,), (*removed,)]:
            return Membership(
                _addresses(voters), _addresses(learners), tuple(str(node_id) for node_id in removed)
            )
        case _:
            raise EncodingError("not a membership: expected [voters, learners, removed]")


def _addresses(pairs: list[object]) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for pair in pairs:
        match pair:
            case [str(node_id), str(address)]:
                addresses[node_id] = address
            case _:
                raise EncodingError("not a membership: expected pairs of id and address")
    return addresses
