"""The state machine under any bytes, any order and any batching."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.audit.trail import verify_trail
from cluster.commands import Applied, Code, Rejected, decode, encode
from cluster.commands.registry import KINDS
from cluster.encoding import pack, unpack
from cluster.model.autoscaling import SCALINGS_KEPT
from cluster.model.environments import ENVIRONMENTS_MAX
from cluster.model.ids import service_id_of
from cluster.model.node import NodeStatus
from cluster.model.schedules import SCHEDULES_MAX
from cluster.model.secrets import FILES_MAX, VERSIONS_KEPT, FileKind
from cluster.model.windows import FREEZES_MAX, WINDOWS_MAX
from cluster.raft.machine import ReplicatedState
from cluster.store import ReadTxn
from cluster.store.records import (
    API_TOKENS,
    API_TOKENS_BY_PRINCIPAL,
    ASSIGNMENTS,
    ASSIGNMENTS_BY_NODE,
    AUDIT,
    CERTIFICATES,
    ENVIRONMENTS,
    FILE_CONTENTS,
    FILE_USERS,
    FILES,
    FREEZES,
    LOGINS,
    LOGINS_BY_PRINCIPAL,
    NODES,
    PRINCIPALS,
    REVISIONS,
    ROLLOUTS,
    ROLLOUTS_BY_SERVICE,
    ROUTERS,
    SCHEDULES,
    SERVICES,
    WATCHES,
    WINDOWS,
    audit_head,
    find_environment,
    principal_by_name,
)
from cluster.store.tables import CLIENT_OUTCOMES, CLIENT_TIMES, CLIENTS, PRINCIPAL_NAMES
from tests.golden.history import envelopes
from tests.properties.log_writer import LogWriter, a_machine, apply
from tests.simulation.memory_store import MemoryStore

GOLDEN = [encode(envelope) for _, envelope in envelopes()]


# Any bytes


@given(data=st.binary(max_size=200))
def test_any_bytes_have_an_outcome(data: bytes) -> None:
    outcome = apply(a_machine(), data)
    assert outcome is None or isinstance(outcome, Rejected)


@st.composite
def mutated_bytes(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(GOLDEN)))
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["flip", "set", "delete", "insert", "cut"])):
            case "flip":
                data[position] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[position] = draw(st.integers(0, 255))
            case "delete" if len(data) > 1:
                del data[position]
            case "insert":
                data[position:position] = draw(st.binary(min_size=1, max_size=4))
            case "cut" if position:
                del data[position:]
            case _:
                pass
    return bytes(data)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated_values(draw: st.DrawFn) -> bytes:
    """A golden command with one value somewhere inside it replaced."""
    array = _as_lists(unpack(draw(st.sampled_from(GOLDEN))))
    target = array
    while True:
        position = draw(st.integers(0, len(target) - 1))
        inner = target[position]
        if isinstance(inner, list) and inner and draw(st.booleans()):
            target = inner
            continue
        target[position] = draw(PLAIN)
        return pack(array)


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


@given(data=st.lists(mutated_bytes() | mutated_values(), min_size=1, max_size=10))
def test_damaged_commands_have_an_outcome_and_are_never_an_internal_error(data: list[bytes]) -> None:
    machine = a_machine()
    for one in GOLDEN:
        apply(machine, one)
    for one in data:
        outcome = apply(machine, one)
        assert not (isinstance(outcome, Rejected) and outcome.code is Code.INTERNAL), outcome
    check_consistency(machine)


# Any commands


def histories() -> st.SearchStrategy[list[bytes]]:
    return st.builds(
        lambda seed, count: LogWriter(seed).write(count), st.integers(0, 2**32 - 1), st.integers(1, 150)
    )


def test_the_histories_below_reach_every_handler_and_get_through_it() -> None:
    seen: dict[str, set[type]] = {}
    for seed in range(40):
        machine = a_machine()
        for data in LogWriter(seed).write(400):
            name, outcome = type(decode(data).command).__name__, apply(machine, data)
            assert not (isinstance(outcome, Rejected) and outcome.code is Code.INTERNAL), outcome
            seen.setdefault(name, set()).add(type(outcome))
        check_consistency(machine)
    assert {name for name, outcomes in seen.items() if Applied in outcomes} == {
        kind.cls.__name__ for kind in KINDS
    }


@given(log=histories())
def test_no_history_leads_to_an_internal_error_or_an_inconsistent_state(log: list[bytes]) -> None:
    machine = a_machine()
    for data in log:
        outcome = apply(machine, data)
        assert not (isinstance(outcome, Rejected) and outcome.code is Code.INTERNAL), outcome
    check_consistency(machine)


@given(log=histories(), flushes=st.lists(st.booleans(), min_size=60, max_size=60), cut=st.integers(0, 150))
def test_replicas_that_batch_differently_or_start_from_a_snapshot_are_equal(
    log: list[bytes], flushes: list[bool], cut: int
) -> None:
    one, two, joined = a_machine(), a_machine(), a_machine()
    for number, data in enumerate(log):
        assert apply(one, data) == apply(two, data)
        if flushes[number % len(flushes)]:
            one.flush()
        if number == min(cut, len(log) - 1):
            one.flush()
            one.prepare_snapshot()
            source = one.take_snapshot()
            assert source is not None
            sink = joined.begin_install(source.index, source.term, source.size)
            sink.write(0, source.read(0, source.size))
            sink.finish(source.sha256)
        elif number > cut:
            apply(joined, data)
    for machine in (one, two, joined):
        machine.flush()
    assert rows(one) == rows(two) == rows(joined)


@given(log=st.builds(lambda seed: LogWriter(seed, jumps=(1, 2)).write(60), st.integers(0, 2**32 - 1)))
def test_applying_a_log_twice_changes_no_more_than_applying_it_once(log: list[bytes]) -> None:
    once, twice = a_machine(), a_machine()
    first = [apply(once, data) for data in log]
    assert [apply(twice, data) for data in log] == first
    assert [apply(twice, data) for data in log] == first
    once.flush()
    twice.flush()
    assert without_meta(once) == without_meta(twice)


@given(log=histories())
@settings(max_examples=25)
def test_log_time_and_index_only_rise(log: list[bytes]) -> None:
    machine, before = a_machine(), (0, 0)
    for data in log:
        apply(machine, data)
        now = (machine.store.applied.index, machine.store.applied.log_time_ms)
        assert now[0] == before[0] + 1
        assert now[1] >= before[1]
        before = now


def rows(machine: ReplicatedState) -> list[tuple[bytes, bytes]]:
    assert isinstance(machine.store, MemoryStore)
    return machine.store.stored_range(b"", b"\xff", None, reverse=False)


def without_meta(machine: ReplicatedState) -> list[tuple[bytes, bytes]]:
    return [row for row in rows(machine) if row[0][0] > 2]


def check_files(txn: ReadTxn) -> None:
    """Contents are those of the versions kept, and who uses what is what revisions say."""
    files = FILES.scan(txn)
    assert len(files) <= FILES_MAX
    kept = [
        (file.kind, file.environment, file.name, version.number)
        for file in files
        for version in file.versions
    ]
    assert kept == [
        (each.kind, each.environment, each.name, each.version) for each in FILE_CONTENTS.scan(txn)
    ]
    for file in files:
        numbers = [version.number for version in file.versions]
        assert numbers == sorted(set(numbers))[-VERSIONS_KEPT:]
        assert all(number <= file.newest for number in numbers)
    assert sorted(FILE_USERS.scan(txn)) == sorted(
        (kind.value, each.environment, each.source, each.version, revision.service_id, revision.number)
        for revision in REVISIONS.scan(txn)
        for kind, references in (
            (FileKind.SECRET, revision.spec.secrets),
            (FileKind.CONFIG, revision.spec.configs),
        )
        for each in references
    )


def check_hosts(txn: ReadTxn) -> None:
    """Members differ in name and address; what is kept of hosts goes when they leave."""
    nodes = {node.id: node for node in NODES.scan(txn)}
    members = [node for node in nodes.values() if node.is_member]
    assert len({node.name for node in members}) == len({node.address for node in members}) == len(members)
    for node in nodes.values():
        assert not (node.is_fenced and node.status in (NodeStatus.UP, NodeStatus.SUSPECT))
        assert node.labels == tuple(sorted(dict(node.labels).items()))
        if not node.is_member:
            assert ROUTERS.get(txn, node.id) is None
            assert CERTIFICATES.scan(txn, node.id) == []
    assert {router.node_id for router in ROUTERS.scan(txn)} <= nodes.keys()


def check_accounts(txn: ReadTxn) -> None:
    assert sorted((login.principal_id, login.id) for login in LOGINS.scan(txn)) == (
        LOGINS_BY_PRINCIPAL.scan(txn)
    )
    assert sorted((token.principal_id, token.prefix) for token in API_TOKENS.scan(txn)) == (
        API_TOKENS_BY_PRINCIPAL.scan(txn)
    )
    principals = PRINCIPALS.scan(txn)
    assert len(txn.scan(PRINCIPAL_NAMES)) == len(principals)
    for principal in principals:
        assert principal_by_name(txn, principal.name) == principal
    owners = {login.principal_id for login in LOGINS.scan(txn)}
    owners |= {token.principal_id for token in API_TOKENS.scan(txn)}
    assert owners <= {principal.id for principal in principals}


def check_services(txn: ReadTxn) -> None:
    """What a service names is there, and nothing is left of one that is not."""
    services = {service.id: service for service in SERVICES.scan(txn)}
    for revision in REVISIONS.scan(txn):
        assert 0 < revision.number <= services[revision.service_id].newest_revision
    for service in services.values():
        named = {service.revision, service.stable_revision} - {0}
        if service.kept is not None:
            named.add(service.kept.revision)
        assert named <= {revision.number for revision in REVISIONS.scan(txn, service.id)}
        assert service.split.token <= txn.applied_index
        assert service.attempt.number > 0
        assert len(service.scalings) <= SCALINGS_KEPT
        if service.environment:
            assert find_environment(txn, service.environment) is not None
            assert service.id == service_id_of(service.project, service.name, service.environment)


def check_assignments(txn: ReadTxn) -> None:
    """They lead to a revision and a host, and no container is two of them."""
    assignments = ASSIGNMENTS.scan(txn)
    assert sorted((a.node_id, a.service_id, a.revision, a.ordinal) for a in assignments) == (
        ASSIGNMENTS_BY_NODE.scan(txn)
    )
    for assignment in assignments:
        assert SERVICES.get(txn, assignment.service_id) is not None
        assert REVISIONS.get(txn, assignment.service_id, assignment.revision) is not None
        assert NODES.get(txn, assignment.node_id) is not None
        assert 0 < assignment.token <= txn.applied_index
    adopted = [assignment.adopted_id for assignment in assignments if assignment.adopted_id]
    assert len(set(adopted)) == len(adopted)


def check_rollouts(txn: ReadTxn) -> None:
    """A service names the one that is under way, whose revisions are there."""
    rollouts = ROLLOUTS.scan(txn)
    assert sorted((rollout.service_id, rollout.id) for rollout in rollouts) == sorted(
        (service, rollout) for service, _, rollout in ROLLOUTS_BY_SERVICE.scan(txn)
    )
    under_way = [rollout for rollout in rollouts if not rollout.phase.is_terminal]
    assert {service.id: service.rollout_id for service in SERVICES.scan(txn) if service.rollout_id} == {
        rollout.service_id: rollout.id for rollout in under_way
    }
    assert len({rollout.service_id for rollout in under_way}) == len(under_way)
    for rollout in rollouts:
        assert SERVICES.get(txn, rollout.service_id) is not None
    for rollout in under_way:
        for number in {rollout.from_revision, rollout.to_revision} - {0}:
            assert REVISIONS.get(txn, rollout.service_id, number) is not None


def check_environments(txn: ReadTxn) -> None:
    """What one requires is there, and no environment comes before itself."""
    assert len(ENVIRONMENTS.scan(txn)) <= ENVIRONMENTS_MAX
    for environment in ENVIRONMENTS.scan(txn):
        before, chain = environment.requires, {environment.name}
        while before:
            assert before not in chain
            chain.add(before)
            found = find_environment(txn, before)
            assert found is not None
            before = found.requires


def check_calendar(txn: ReadTxn) -> None:
    """A schedule's moments were dealt with once each, the next is a later one; a watch is of a service that
    is there, and tried no digest twice.
    """
    assert len(SCHEDULES.scan(txn)) <= SCHEDULES_MAX
    for schedule in SCHEDULES.scan(txn):
        moments = [run.due_ms for run in schedule.runs if run.due_ms is not None]
        if schedule.next_fire_ms is not None:
            moments.append(schedule.next_fire_ms)
        assert moments == sorted(set(moments))
    for watch in WATCHES.scan(txn):
        assert SERVICES.get(txn, watch.service_id) is not None
        assert len(set(watch.tried)) == len(watch.tried)
        assert bool(watch.digest) == bool(watch.first_seen_ms)
    assert len(WINDOWS.scan(txn)) <= WINDOWS_MAX
    assert len(FREEZES.scan(txn)) <= FREEZES_MAX


def check_clients(txn: ReadTxn) -> None:
    clients = [key for key, _ in txn.scan(CLIENTS)]
    assert sorted(key[8:] for key, _ in txn.scan(CLIENT_TIMES)) == clients
    assert {key[:-3] for key, _ in txn.scan(CLIENT_OUTCOMES)} == set(clients)


def check_consistency(machine: ReplicatedState) -> None:
    """Indexes and records agree, references lead somewhere, the audit tree is over its entries."""
    txn = machine.store.begin()
    for check in (
        check_hosts,
        check_accounts,
        check_services,
        check_assignments,
        check_rollouts,
        check_environments,
        check_files,
        check_calendar,
        check_clients,
    ):
        check(txn)
    assert verify_trail(AUDIT.scan(txn), audit_head(txn)).is_intact
