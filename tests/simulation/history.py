"""What clients asked and were told, and whether one order of all operations explains it.

Two independent checks. The *witness* check trusts the log indexes the cluster reported, orders all
operations by them and looks for a contradiction with what clients saw and when: complete, and linear in the
history. The *WGL* check (Wing and Gong 1993, with Lowe's memory of states, 2017) trusts nothing but calls
and returns, and searches for an order; it is exponential, so it gets keys with few operations.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from tests.simulation.checker import Violation


class Kind(StrEnum):
    PUT = "put"
    CAS = "cas"
    READ = "read"


@dataclass(slots=True)
class Operation:
    """One operation of one client. `returned_at` stays infinite while the outcome is unknown."""

    client: str
    kind: Kind
    key: str
    called_at: float
    value: str | None = None
    expected: int | None = None
    command: bytes = b""
    returned_at: float = inf
    version: int | None = None
    """PUT, CAS: the version it made, None when it was rejected. READ: the version it saw, 0 for none."""
    seen: str | None = None
    index: int = 0
    is_given_up: bool = False
    """The client went on without an answer; one may still come."""

    @property
    def is_known(self) -> bool:
        return self.returned_at < inf


def check_witness(
    operations: list[Operation], first_index: dict[bytes, int], applied_versions: dict[bytes, int | None]
) -> None:
    """Check every known operation against the order of the log.

    `applied_versions` gives what the state machine said at a command's first application.

    Raises:
        Violation: no order explains what was seen.
    """
    writes: dict[str, list[tuple[int, int, str | None]]] = defaultdict(list)
    for operation in operations:
        if operation.kind is Kind.READ:
            continue
        index = first_index.get(operation.command)
        if index is None:
            if operation.is_known:
                raise Violation(f"lost write: {operation} was acknowledged but is in no log")
            continue
        operation.index = index
        version = applied_versions[operation.command]
        if operation.is_known and version != operation.version:
            raise Violation(f"wrong answer: {operation} was applied as version {version}")
        if version is not None:
            writes[operation.key].append((index, version, operation.value))
    for log in writes.values():
        log.sort()
        versions = [version for _, version, _ in log]
        if versions != list(range(1, len(versions) + 1)):
            raise Violation(f"versions of one key are not consecutive in log order: {versions}")
    for operation in operations:
        if operation.kind is Kind.READ and operation.is_known:
            before = [entry for entry in writes[operation.key] if entry[0] <= operation.index]
            expected = (before[-1][1], before[-1][2]) if before else (0, None)
            if expected != (operation.version, operation.seen):
                raise Violation(f"stale read: {operation} at index {operation.index}, expected {expected}")
    _check_real_time(operations)


def _check_real_time(operations: list[Operation]) -> None:
    """What returned before another was called stands before it in the log; reads stand after what they
    saw.
    """
    by_return = sorted((op for op in operations if op.is_known), key=lambda op: op.returned_at)
    by_call = sorted((op for op in operations if op.index), key=lambda op: op.called_at)
    highest: Operation | None = None
    position = 0
    for later in by_call:
        while position < len(by_return) and by_return[position].returned_at < later.called_at:
            if highest is None or by_return[position].index > highest.index:
                highest = by_return[position]
            position += 1
        if highest is None:
            continue
        is_late_enough = (
            later.index >= highest.index if later.kind is Kind.READ else later.index > highest.index
        )
        if not is_late_enough:
            raise Violation(
                f"real time order: {highest} returned before {later} was called, but stands after it"
            )


State = tuple[int, str | None]


def is_linearizable(operations: list[Operation], *, steps_max: int = 200_000) -> bool | None:
    """Whether some order of one key's operations explains them; None when the search was given up."""
    pending = sorted(operations, key=lambda op: op.called_at)
    everything = (1 << len(pending)) - 1
    known = sum(1 << number for number, op in enumerate(pending) if op.is_known)
    seen: set[tuple[int, State]] = set()
    stack: list[tuple[int, State]] = [(0, (0, None))]
    steps = 0
    while stack:
        done, state = stack.pop()
        if done & known == known:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        steps += 1
        if steps > steps_max:
            return None
        remaining = everything & ~done
        first_return = min(op.returned_at for number, op in enumerate(pending) if remaining >> number & 1)
        for number, op in enumerate(pending):
            if op.called_at > first_return:
                break
            if remaining >> number & 1:
                stack.extend((done | 1 << number, after) for after in _after(op, state))
    return False


def _after(op: Operation, state: State) -> list[State]:
    """The states `op` may lead to from `state`; none when it cannot happen there. An unknown one may also
    not happen.
    """
    version, value = state
    match op.kind:
        case Kind.READ:
            return [state] if not op.is_known or (version, value) == (op.version, op.seen) else []
        case Kind.PUT | Kind.CAS:
            succeeds = op.expected is None or op.expected == version
            if not op.is_known:
                return [state, (version + 1, op.value)] if succeeds else [state]
            if op.version is None:
                return [] if succeeds else [state]
            return [(version + 1, op.value)] if succeeds and op.version == version + 1 else []
