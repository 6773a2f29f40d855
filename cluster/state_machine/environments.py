"""Handlers of the commands on environments: what one requires is there, and comes before it."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.environments import PutEnvironment, RemoveEnvironment
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.environments import ENVIRONMENTS_MAX
from cluster.state_machine.entry import Entry
from cluster.store.records import ENVIRONMENTS, SERVICES, find_environment


def put_environment(entry: Entry, command: PutEnvironment) -> Outcome:
    wanted = command.environment
    known = ENVIRONMENTS.scan(entry.txn)
    if len(known) >= ENVIRONMENTS_MAX and all(each.name != wanted.name for each in known):
        return Rejected(
            f"there are {ENVIRONMENTS_MAX} environments, the most there may be: remove one first",
            Code.INVALID,
        )
    chain = [wanted.name]
    before = wanted.requires
    while before:
        if before in chain:
            circle = " after ".join([*chain, before])
            return Rejected(f"environments would require each other in a circle: {circle}", Code.INVALID)
        chain.append(before)
        found = find_environment(entry.txn, before)
        if found is None:
            return Rejected(
                f"environment {wanted.name} requires {before}, which is not there: put that first",
                Code.NOT_FOUND,
            )
        before = found.requires
    ENVIRONMENTS.put(entry.txn, replace(wanted, changed_at_ms=entry.now_ms))
    return Applied()


def remove_environment(entry: Entry, command: RemoveEnvironment) -> Outcome:
    if ENVIRONMENTS.get(entry.txn, command.name) is None:
        return Rejected(f"there is no environment {command.name} that was put", Code.NOT_FOUND)
    inside = [each.id for each in SERVICES.scan(entry.txn) if each.environment == command.name]
    if inside:
        shown = ", ".join(inside[:5]) + (f" and {len(inside) - 5} more" if len(inside) > 5 else "")
        return Rejected(f"environment {command.name} has services: {shown}; remove them first", Code.IN_USE)
    after = [each.name for each in ENVIRONMENTS.scan(entry.txn) if each.requires == command.name]
    if after:
        return Rejected(
            f"environment {command.name} is required by {', '.join(after)}: change that first", Code.IN_USE
        )
    ENVIRONMENTS.delete(entry.txn, command.name)
    return Applied()
