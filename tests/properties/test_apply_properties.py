"""The state machine under any bytes, any order and any batching."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.audit.trail import verify_trail
from cluster.commands import (
    Applied,
    Code,
    Envelope,
    NewerCommand,
    Rejected,
    access,
    audit,
    decode,
    decode_outcome,
    encode,
    leadership,
    nodes,
    secrets,
    services,
)
from cluster.commands import settings as setting_commands
from cluster.commands.registry import KINDS
from cluster.encoding import pack, unpack
from cluster.model.access import Role
from cluster.model.audit import AuditOutcome, AuditRecord
from cluster.model.ids import JoinTokenId, LoginId, NodeId, PrincipalId, RolloutId, ServiceId, TokenPrefix
from cluster.model.node import NodeFacts, NodeRole, NodeStatus
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.secrets import FILES_MAX, VERSIONS_KEPT, FileKind
from cluster.model.service import DesiredState, FileReference, Observation, ReplicaPhase, ServiceSpec
from cluster.raft.machine import ReplicatedState
from cluster.store import ReadTxn
from cluster.store.records import (
    API_TOKENS,
    API_TOKENS_BY_PRINCIPAL,
    ASSIGNMENTS,
    ASSIGNMENTS_BY_NODE,
    AUDIT,
    FILE_CONTENTS,
    FILE_USERS,
    FILES,
    LOGINS,
    LOGINS_BY_PRINCIPAL,
    NODES,
    PRINCIPALS,
    REVISIONS,
    ROLLOUTS,
    ROLLOUTS_BY_SERVICE,
    SERVICES,
    audit_head,
    principal_by_name,
)
from cluster.store.tables import CLIENT_OUTCOMES, CLIENT_TIMES, CLIENTS, PRINCIPAL_NAMES
from tests.golden.history import STAMP, START_MS, TERM, envelopes
from tests.simulation.memory_store import MemoryStore

GOLDEN = [encode(envelope) for _, envelope in envelopes()]


def a_machine() -> ReplicatedState:
    return ReplicatedState(MemoryStore())


def apply(machine: ReplicatedState, data: bytes, term: int = TERM) -> Applied | Rejected | None:
    """Apply `data`; None when only a newer version can."""
    before = machine.store.applied
    try:
        return decode_outcome(machine.apply_command(machine.applied_index + 1, term, data))
    except NewerCommand:
        assert machine.store.applied == before
        machine.advance(machine.applied_index + 1, term)
        return None


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


# Any commands. Drawn from a seed and with the state at hand, since of blindly drawn ones few would ever
# apply.


class LogWriter:
    """Writes a log as clients and leaders do: repeats, late commands and leaders that were replaced
    included."""

    def __init__(self, seed: int, jumps: tuple[int, ...] = (1, 1, 1, 1, 2, 300)) -> None:
        self.rng = random.Random(seed)
        self._jumps = jumps
        self.machine = a_machine()
        self.log: list[bytes] = []
        self._sequences = {"c1": 0, "c2": 0, "c3": 0}
        self._now_ms = START_MS
        self._term = 1
        self._write(leadership.TakeLeadership(term=1, node_id=self._node()), leader_term=1)

    def write(self, count: int) -> list[bytes]:
        """Return the log of so far with `count` entries more."""
        for _ in range(count):
            match self.rng.randrange(20):
                case 0:
                    self._append(self.rng.choice(self.log))
                case 1:
                    self._write(self._command(), leader_term=self.rng.randint(0, self._term))
                case 2 if self.rng.random() < 0.2:
                    self._term += 1
                    take = leadership.TakeLeadership(term=self._term, node_id=self._node())
                    self._write(take, leader_term=self._term)
                case _:
                    self._write(self._command(), leader_term=self._term)
        return self.log

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
        apply(self.machine, data, term=LOG_TERM)

    def _node(self) -> NodeId:
        return NodeId(self.rng.choice(["n1", "n2", "n3"]))

    def _user(self) -> PrincipalId:
        return PrincipalId(self.rng.choice(["u1", "u2", "u3"]))

    def _version(self, service: ServiceId) -> int | None:
        present = SERVICES.get(self.machine.store.begin(), service)
        return self.rng.choice([None, 0 if present is None else present.version, 1])

    def _command(self) -> Any:
        rng = self.rng
        name = rng.choice(
            [
                "_node_command",
                "_access_command",
                "_service_command",
                "_service_command",
                "_file_command",
                "_other",
            ]
        )
        return rng.choice(getattr(self, name)())()

    def _node_command(self) -> list[Callable[[], Any]]:
        rng, node = self.rng, self._node()
        status = rng.choice([NodeStatus.UP, NodeStatus.SUSPECT, NodeStatus.DOWN])
        later = self._now_ms + rng.choice([-1, 60_000])
        token = JoinTokenId(rng.choice(["t1", "t2"]))
        register = lambda: nodes.RegisterNode(  # noqa: E731 (one of a list of choices)
            node_id=node,
            name=rng.choice(["a", "b", str(node)]),
            address=rng.choice(["a:1", f"{node}:1"]),
            api_address="a:2",
            role=rng.choice(list(NodeRole)),
        )
        return [
            register,
            register,
            lambda: nodes.UpdateNodeFacts(node_id=node, facts=NodeFacts(hostname=rng.choice("xyz"))),
            lambda: nodes.SetNodeStatus(node_id=node, status=status, reason=""),
            lambda: nodes.SetNodeDraining(node_id=node, is_draining=rng.random() < 0.5),
            lambda: nodes.SetNodeMaintenance(
                node_id=node, duration_ms=rng.choice([0, 60_000]), is_given_back=False
            ),
            lambda: nodes.ConfirmNodeFenced(node_id=node),
            lambda: nodes.SetNodeRole(node_id=node, role=rng.choice(list(NodeRole))),
            lambda: nodes.RemoveNode(node_id=NodeId("n3"), reason=""),
            lambda: nodes.CreateJoinToken(
                token_id=token,
                secret_hash=HASH,
                is_learner=False,
                expires_at_ms=later,
                uses=rng.randint(1, 2),
                created_by="u1",
            ),
            lambda: nodes.RedeemJoinToken(token_id=token, node_id=NodeId(rng.choice(["n4", "n5", "n6"]))),
            lambda: nodes.RevokeJoinToken(token_id=token),
            lambda: nodes.RecordCertificate(
                serial=rng.choice(["0a", "0b"]), node_id=node, not_after_ms=later
            ),
        ]

    def _access_command(self) -> list[Callable[[], Any]]:
        rng, user, later = self.rng, self._user(), self._now_ms + 60_000
        role, prefix = rng.choice(list(Role)), TokenPrefix(rng.choice(["p1", "p2"]))
        login = LoginId(rng.choice(["l1", "l2", "l3"]))
        return [
            lambda: access.PutSetupToken(secret_hash=HASH, expires_at_ms=rng.choice([None, later])),
            lambda: access.CreateUser(
                principal_id=user,
                name=rng.choice(["ann", "Ann", str(user)]),
                role=role,
                password_hash=None,
                setup_secret_hash=rng.choice([None, HASH]),
            ),
            lambda: access.SetRole(principal_id=user, role=role),
            lambda: access.SetPassword(principal_id=user, password_hash=None),
            lambda: access.RemoveUser(principal_id=user),
            lambda: access.CreateApiToken(
                prefix=prefix,
                name="",
                secret_hash=HASH,
                principal_id=user,
                role=role,
                scopes=frozenset(),
                expires_at_ms=None,
            ),
            lambda: access.RevokeApiToken(prefix=prefix),
            lambda: access.StartLogin(
                login_id=login,
                principal_id=user,
                secret_hash=HASH,
                idle_expires_at_ms=later,
                expires_at_ms=later,
            ),
            lambda: access.RotateLogin(
                login_id=login,
                expected_generation=rng.randint(0, 1),
                secret_hash=HASH,
                rotated_at_ms=self._now_ms,
                idle_expires_at_ms=later,
            ),
            lambda: access.EndLogin(login_id=login),
        ]

    def _service_command(self) -> list[Callable[[], Any]]:
        rng, service = self.rng, ServiceId(self.rng.choice(["a.x", "b.y"]))
        put = lambda: services.PutService(  # noqa: E731 (one of a list of choices)
            service_id=service,
            project="p",
            name="n",
            spec=ServiceSpec(image=rng.choice(["i:1", "i:2", "i:3"]), **self._references()),
            replicas=rng.randint(0, 3),
            expected_version=self._version(service),
        )
        transition = lambda: self._transition(service)  # noqa: E731 (one of a list of choices)
        return [
            put,
            put,
            lambda: services.RemoveService(service_id=service, expected_version=self._version(service)),
            *(transition for _ in range(6)),
            self._reports,
            self._reports,
        ]

    def _transition(self, service: ServiceId) -> services.CommitTransition:
        rng, txn = self.rng, self.machine.store.begin()
        version = self._version(service)
        numbers = [revision.number for revision in REVISIONS.scan(txn, service)] or [1]
        assigned = ASSIGNMENTS.scan(txn, service)
        orders = [
            services.AssignmentOrder(
                revision=rng.choice(numbers),
                ordinal=rng.randint(0, 1),
                node_id=self._node(),
                desired=rng.choice([DesiredState.STARTED, DesiredState.SERVING]),
            )
            for _ in range(rng.choice([0, 0, 1]))
        ]
        for assignment in assigned:
            if rng.random() < 0.4:
                desired = rng.choice([DesiredState.SERVING, DesiredState.DRAINING, DesiredState.REMOVED])
                if assignment.desired is not DesiredState.REMOVED:
                    key = assignment.key
                    orders.append(
                        services.AssignmentOrder(
                            revision=key.revision, ordinal=key.ordinal, node_id=key.node_id, desired=desired
                        )
                    )
        forget = [
            services.AssignmentRef(revision=a.revision, ordinal=a.ordinal, node_id=a.node_id)
            for a in assigned
            if a.desired is DesiredState.REMOVED and rng.random() < 0.7
        ]
        return services.CommitTransition(
            service_id=service,
            expected_version=rng.randint(0, 3) if version is None else version,
            rollout=self._rollout(service, numbers) if rng.random() < 0.5 else None,
            orders=tuple(orders),
            forget=tuple(forget),
            stable_revision=rng.choice([None, rng.choice(numbers)]),
            is_service_forgotten=rng.random() < 0.15,
        )

    def _rollout(self, service: ServiceId, numbers: list[int]) -> Rollout:
        rng = self.rng
        present = SERVICES.get(self.machine.store.begin(), service)
        under_way = None if present is None else present.rollout_id
        new = RolloutId(f"r{rng.randint(1, 40)}")
        return Rollout(
            id=rng.choice([under_way or new, under_way or new, new]),
            service_id=service,
            from_revision=rng.choice([0, *numbers]),
            to_revision=rng.choice(numbers),
            phase=rng.choice(list(RolloutPhase)),
            step=1,
            started_at_ms=self._now_ms,
            changed_at_ms=self._now_ms,
            deadline_ms=self._now_ms,
        )

    def _reports(self) -> services.ReportAssignments:
        rng, node = self.rng, self._node()
        reports = [
            services.AssignmentReport(
                service_id=assignment.service_id,
                revision=assignment.revision,
                ordinal=assignment.ordinal,
                token=assignment.token - rng.choice([0, 0, 1]),
                observed=Observation(phase=rng.choice(list(ReplicaPhase)), port=rng.randint(0, 9)),
            )
            for assignment in ASSIGNMENTS.scan(self.machine.store.begin())
        ]
        routed, drained = rng.randint(0, 99), rng.randint(0, 99)
        router = services.RouterReport(
            routed_index=routed,
            drained_index=drained,
            # Up to two of the newest, by numbers that are drawn already.
            unrouted=tuple(range(routed - routed % 3 + 1, routed + 1)),
            undrained=tuple(range(drained - drained % 3 + 1, drained + 1)),
        )
        return services.ReportAssignments(
            node_id=node, reports=tuple(reports), router=rng.choice([None, router])
        )

    def _newest(self, kind: FileKind, name: str) -> int:
        present = FILES.get(self.machine.store.begin(), kind.value, "", name)
        return 0 if present is None else present.newest

    def _references(self) -> dict[str, Any]:
        rng, name = self.rng, self.rng.choice(["f1", "f2"])
        key, kind = rng.choice([("secrets", FileKind.SECRET), ("configs", FileKind.CONFIG)])
        version = max(0, self._newest(kind, name) - rng.choice([0, 0, 1, 4]))
        return rng.choice([{}, {key: (FileReference(source=name, target="/f", version=version),)}])

    def _file_command(self) -> list[Callable[[], Any]]:
        rng, name = self.rng, self.rng.choice(["f1", "f2"])
        kind, registry = rng.choice(list(FileKind)), rng.choice(["a.example", "b.example"])
        put = lambda: secrets.PutFile(  # noqa: E731 (one of a list of choices)
            kind=kind,
            name=name,
            version=self._newest(kind, name) + rng.choice([1, 1, 1, 2]),
            content=bytes(40),
            created_by="u1",
        )
        return [
            put,
            put,
            put,
            lambda: secrets.RemoveFile(kind=kind, name=name),
            lambda: secrets.PutRegistryCredential(
                registry=registry, username="u", sealed_password=bytes(40), changed_by="u1"
            ),
            lambda: secrets.RemoveRegistryCredential(registry=registry),
        ]

    def _other(self) -> list[Callable[[], Any]]:
        rng = self.rng
        record = AuditRecord(
            stamp=STAMP, outcome=rng.choice(list(AuditOutcome)), happened_at_ms=self._now_ms, count=2
        )
        return [
            lambda: setting_commands.PutSetting(
                key=rng.choice(["k1", "k2"]),
                value=rng.choice([None, "v"]),
                expected_version=rng.choice([None, 0, 1, 2]),
            ),
            lambda: audit.RecordAudit(records=(record,) * rng.randint(1, 3)),
            lambda: nodes.InitializeCluster(
                cluster_id=rng.choice(["c1", "c2"]), name="n", ca_certificates_pem="pem", sealed_ca_key=b""
            ),
        ]


HASH = b"\x01" * 32
LOG_TERM = 1000


def histories() -> st.SearchStrategy[list[bytes]]:
    return st.builds(
        lambda seed, count: LogWriter(seed).write(count), st.integers(0, 2**32 - 1), st.integers(1, 80)
    )


def test_the_histories_below_reach_every_handler_and_get_through_it() -> None:
    seen: dict[str, set[type]] = {}
    for seed in range(25):
        machine = a_machine()
        for data in LogWriter(seed).write(300):
            name = type(decode(data).command).__name__
            seen.setdefault(name, set()).add(type(apply(machine, data, term=LOG_TERM)))
        check_consistency(machine)
    assert {name for name, outcomes in seen.items() if Applied in outcomes} == {
        kind.cls.__name__ for kind in KINDS
    }


@given(log=histories())
def test_no_history_leads_to_an_internal_error_or_an_inconsistent_state(log: list[bytes]) -> None:
    machine = a_machine()
    for data in log:
        outcome = apply(machine, data, term=LOG_TERM)
        assert not (isinstance(outcome, Rejected) and outcome.code is Code.INTERNAL), outcome
    check_consistency(machine)


@given(log=histories(), flushes=st.lists(st.booleans(), min_size=60, max_size=60), cut=st.integers(0, 80))
def test_replicas_that_batch_differently_or_start_from_a_snapshot_are_equal(
    log: list[bytes], flushes: list[bool], cut: int
) -> None:
    one, two, joined = a_machine(), a_machine(), a_machine()
    for number, data in enumerate(log):
        assert apply(one, data, LOG_TERM) == apply(two, data, LOG_TERM)
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
            apply(joined, data, LOG_TERM)
    for machine in (one, two, joined):
        machine.flush()
    assert rows(one) == rows(two) == rows(joined)


@given(log=st.builds(lambda seed: LogWriter(seed, jumps=(1, 2)).write(60), st.integers(0, 2**32 - 1)))
def test_applying_a_log_twice_changes_no_more_than_applying_it_once(log: list[bytes]) -> None:
    once, twice = a_machine(), a_machine()
    first = [apply(once, data, LOG_TERM) for data in log]
    assert [apply(twice, data, LOG_TERM) for data in log] == first
    assert [apply(twice, data, LOG_TERM) for data in log] == first
    once.flush()
    twice.flush()
    assert without_meta(once) == without_meta(twice)


@given(log=histories())
@settings(max_examples=25)
def test_log_time_and_index_only_rise(log: list[bytes]) -> None:
    machine, before = a_machine(), (0, 0)
    for data in log:
        apply(machine, data, LOG_TERM)
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


def check_consistency(machine: ReplicatedState) -> None:
    """Indexes and records agree, references lead somewhere, the audit tree is over its entries."""
    txn = machine.store.begin()
    assert sorted((a.node_id, a.service_id, a.revision, a.ordinal) for a in ASSIGNMENTS.scan(txn)) == (
        ASSIGNMENTS_BY_NODE.scan(txn)
    )
    assert sorted((login.principal_id, login.id) for login in LOGINS.scan(txn)) == (
        LOGINS_BY_PRINCIPAL.scan(txn)
    )
    assert sorted((token.principal_id, token.prefix) for token in API_TOKENS.scan(txn)) == (
        API_TOKENS_BY_PRINCIPAL.scan(txn)
    )
    assert sorted((rollout.service_id, rollout.id) for rollout in ROLLOUTS.scan(txn)) == sorted(
        (service, rollout) for service, _, rollout in ROLLOUTS_BY_SERVICE.scan(txn)
    )
    principals = PRINCIPALS.scan(txn)
    assert len(txn.scan(PRINCIPAL_NAMES)) == len(principals)
    for principal in principals:
        assert principal_by_name(txn, principal.name) == principal
    for login in LOGINS.scan(txn):
        assert PRINCIPALS.get(txn, login.principal_id) is not None
    members = [node for node in NODES.scan(txn) if node.is_member]
    assert len({node.name for node in members}) == len({node.address for node in members}) == len(members)
    for assignment in ASSIGNMENTS.scan(txn):
        assert REVISIONS.get(txn, assignment.service_id, assignment.revision) is not None
        assert 0 < assignment.token <= txn.applied_index
    for service in SERVICES.scan(txn):
        assert REVISIONS.get(txn, service.id, service.revision) is not None
        running = {
            rollout.id
            for rollout in ROLLOUTS.scan(txn)
            if rollout.service_id == service.id and not rollout.phase.is_terminal
        }
        assert running == ({service.rollout_id} if service.rollout_id else set())
    check_files(txn)
    assert verify_trail(AUDIT.scan(txn), audit_head(txn)).is_intact
    clients = [key for key, _ in txn.scan(CLIENTS)]
    assert sorted(key[8:] for key, _ in txn.scan(CLIENT_TIMES)) == clients
    assert {key[:-3] for key, _ in txn.scan(CLIENT_OUTCOMES)} == set(clients)
