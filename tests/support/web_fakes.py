"""What a web server is given, in memory: the real state machine, hosts made of values, a membership."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web_app import _cached_build_middleware

from cluster.commands import Applied, Envelope, Outcome, Rejected, decode_outcome, encode
from cluster.commands.access import CreateApiToken, CreateUser
from cluster.commands.audit import RecordAudit
from cluster.commands.nodes import InitializeCluster, RegisterNode, RemoveNode
from cluster.identity.api_tokens import format_api_token, new_api_token
from cluster.identity.joining import JoinAnswer, JoinRequest
from cluster.identity.keyring import Keyring
from cluster.identity.passwords import Argon2Cost, hash_password
from cluster.model.access import Role
from cluster.model.adoption import AdoptionQuestion, FoundContainer, HostFound
from cluster.model.audit import AuditEntry, AuditRecord, AuditStamp
from cluster.model.ids import NodeId, PrincipalId
from cluster.model.inventory import (
    Caller,
    ContainerAction,
    ContainerSummary,
    HostInventory,
    HostLive,
    HostRefused,
    HostUnavailable,
    HostView,
    LogLine,
    LogQuery,
)
from cluster.model.node import NodeRole
from cluster.model.readiness import HostQuestion, HostReadiness, ImageAnswer, ImageConfig
from cluster.raft.machine import ReplicatedState
from cluster.raft.raft_thread import NodeStatus, TurnTimes
from cluster.raft.replicator import ReadLevel, ReadPoint
from cluster.raft.types import EngineStatus
from cluster.raft.types import Role as RaftRole
from cluster.store import Committed, ReadTxn, records
from cluster.survey.adopting import is_named
from tests.simulation.memory_store import MemoryStore
from tests.support.fake_clock import FakeClock
from tests.support.fake_desk import FakeDesk
from tests.support.identity_builders import CLUSTER_ID, NOW_MS, a_ca, a_keyring, some_bytes
from tests.support.resource_fakes import FakeResources
from web.ports import (
    AnomalyWatch,
    Exposition,
    ExternalRouter,
    IdentityProviders,
    LogHistory,
    MetricHistory,
    NoAnomalyWatch,
    NoExposition,
    NoExternalRouter,
    NoIdentityProviders,
    NoLogHistory,
    NoMetricHistory,
    NoScalingDesk,
    ScalingDesk,
    Surroundings,
)
from web.server import build_app

PASSWORD = "four unrelated quiet words"
CHEAP = Argon2Cost(memory_kib=8, passes=1, lanes=1)
PASSWORD_HASH = hash_password(PASSWORD, salt=b"0123456789abcdef", cost=CHEAP)
ORIGIN = "https://tower.example:7443"


class FakeIds:
    """Ids and secrets that count up."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):026d}"

    def token_bytes(self, count: int) -> bytes:
        return some_bytes(("token", next(self._numbers)), count)


class FakeState:
    """The real state machine over a store in memory.

    `failures` are raised by the next proposals, `audit_failures` by the next records of their own;
    `read_failure` by every linearizable read.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.store = MemoryStore()
        self.machine = ReplicatedState(self.store)
        self.failures: list[Exception] = []
        self.audit_failures: list[Exception] = []
        self.read_failure: Exception | None = None
        self.before_linearizable: Callable[[], None] = lambda: None
        self.proposed: list[object] = []
        self.leader_term = 0
        self._clock = clock
        self._sequence = 0
        self._applied = asyncio.Event()

    def read(self) -> AbstractContextManager[ReadTxn]:
        return self.store.read()

    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint:
        await asyncio.sleep(0)
        if level is ReadLevel.LINEARIZABLE:
            if self.read_failure is not None:
                raise self.read_failure
            self.before_linearizable()
        return ReadPoint(self.store.flushed_index, 0, level)

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        return self.store.subscribe(lambda committed: loop.call_soon(callback, committed) and None)

    async def propose(
        self, command: object, *, audit: AuditStamp | None = None, timeout_s: float = 10.0
    ) -> Outcome:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return self.apply(command, audit=audit)

    async def record_audit(self, record: AuditRecord) -> None:
        if self.audit_failures:
            raise self.audit_failures.pop(0)
        await self.propose(RecordAudit(records=(record,)))

    async def until_proposed(self, kind: type[Any]) -> None:
        """Return once a command of that kind was applied."""
        while not any(isinstance(command, kind) for command in self.proposed):
            self._applied.clear()
            await self._applied.wait()

    def apply(self, command: object, *, audit: AuditStamp | None = None) -> Outcome:
        """Apply a command now, as if it were committed."""
        self._sequence += 1
        data = encode(
            Envelope(
                client_id="web.test",
                sequence=self._sequence,
                time_ms=self._clock.now_ms(),
                leader_term=self.leader_term,
                audit=audit,
                command=command,
            )
        )
        outcome = decode_outcome(self.machine.apply_command(self.machine.applied_index + 1, 1, data))
        self.machine.flush()
        self.proposed.append(command)
        self._applied.set()
        return outcome

    def must(self, command: object) -> Any:
        outcome = self.apply(command)
        assert isinstance(outcome, Applied), outcome
        return outcome.result

    def knows(self, name: str) -> bool:
        """Whether there is an account of that name."""
        with self.read() as txn:
            return records.principal_by_name(txn, name) is not None

    def audit(self) -> list[AuditEntry]:
        with self.read() as txn:
            return records.AUDIT.scan(txn)


@dataclass(slots=True)
class FakeHosts:
    """Hosts as lists of containers. `failures` by (node id, what is done) are raised once.

    `said` is what a host says before a deployment, where it is not that all is well; `silent` hosts say
    nothing. `strangers` are containers that could become services.
    """

    inventories: dict[str, HostInventory] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, HostLive] = field(default_factory=dict)
    seconds: dict[str, HostLive] = field(default_factory=dict)
    watched: int = 0
    lines: list[LogLine] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    failure: Exception | None = None
    acted: list[tuple[str, str, ContainerAction, bool, Caller]] = field(default_factory=list)
    log_queries: list[LogQuery] = field(default_factory=list)
    more_lines: asyncio.Event = field(default_factory=asyncio.Event)
    said: dict[str, HostReadiness] = field(default_factory=dict)
    silent: dict[str, HostUnavailable] = field(default_factory=dict)
    questions: list[Mapping[str, HostQuestion]] = field(default_factory=list)
    strangers: dict[str, tuple[FoundContainer, ...]] = field(default_factory=dict)
    tried: list[tuple[str, str, str]] = field(default_factory=list)
    login_failure: HostRefused | HostUnavailable | None = None
    now_ms: Callable[[], int] = lambda: NOW_MS

    async def views(self) -> Sequence[HostView]:
        await asyncio.sleep(0)
        return [
            HostView(
                node_id=NodeId(node_id),
                inventory=inventory,
                age_ms=0,
                problem=self.problems.get(node_id, ""),
            )
            for node_id, inventory in sorted(self.inventories.items())
        ]

    async def live(self) -> Sequence[HostLive]:
        await asyncio.sleep(0)
        return [numbers for _, numbers in sorted(self.numbers.items())]

    async def watch(self, moments: int) -> Sequence[HostLive]:
        await asyncio.sleep(0)
        self.watched += 1
        return [
            replace(
                host,
                times_ms=host.times_ms[-moments:],
                series=tuple(replace(each, values=each.values[-moments:]) for each in host.series),
            )
            for _, host in sorted(self.seconds.items())
        ]

    async def act(
        self, node_id: str, container_id: str, action: ContainerAction, *, caller: Caller, force: bool = False
    ) -> None:
        await asyncio.sleep(0)
        self._fail()
        self.acted.append((node_id, container_id, action, force, caller))

    async def inspect(self, node_id: str, container_id: str, *, caller: Caller) -> Mapping[str, object]:
        await asyncio.sleep(0)
        self._fail()
        return {"id": container_id, "environment": ["SECRET"], "networks": [{"name": "bridge"}]}

    @asynccontextmanager
    async def logs(
        self, node_id: str, container_id: str, query: LogQuery, *, caller: Caller
    ) -> AsyncIterator[AsyncIterator[LogLine]]:
        await asyncio.sleep(0)
        self._fail()
        self.log_queries.append(query)

        async def read() -> AsyncIterator[LogLine]:
            for line in self.lines:
                yield line
            if query.is_following:
                await self.more_lines.wait()
                self._fail()

        reading = read()
        try:
            yield reading
        finally:
            await reading.aclose()

    async def image_digest(self, image: str) -> str:
        await asyncio.sleep(0)
        self._fail()
        return self.digests.get(image, "")

    async def check_login(self, registry: str, username: str, password: str) -> str:
        await asyncio.sleep(0)
        self.tried.append((registry, username, password))
        if self.login_failure is not None:
            raise self.login_failure
        return "Login Succeeded"

    async def adoptable(
        self, question: AdoptionQuestion, node_ids: Sequence[str]
    ) -> Mapping[str, HostFound | HostUnavailable]:
        await asyncio.sleep(0)
        return {
            node_id: self.silent.get(node_id)
            or HostFound(
                containers=tuple(
                    each
                    for each in self.strangers.get(node_id, ())
                    if any(is_named(each, name) for name in question.names)
                )
            )
            for node_id in node_ids
        }

    async def readiness(
        self, questions: Mapping[str, HostQuestion]
    ) -> Mapping[str, HostReadiness | HostUnavailable]:
        await asyncio.sleep(0)
        self.questions.append(questions)
        return {
            node_id: self.silent.get(node_id) or self._ready(node_id, question)
            for node_id, question in questions.items()
        }

    def _ready(self, node_id: str, question: HostQuestion) -> HostReadiness:
        said = self.said.get(node_id, HostReadiness(node_id=node_id, at_ms=0))
        answers = {answer.image: answer for answer in said.images}
        return replace(
            said,
            at_ms=said.at_ms or self.now_ms(),
            platform=said.platform or "linux/amd64",
            free_bytes=100 << 30 if said.free_bytes is None else said.free_bytes,
            router=said.router or "haproxy",
            images=tuple(
                answers.get(
                    image,
                    ImageAnswer(
                        image=image, is_here=True, size_bytes=1, config=ImageConfig(command=("serve",))
                    ),
                )
                for image in question.images
            ),
        )

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


class FakeCluster:
    """One voter that leads, unless `engine` says otherwise."""

    def __init__(self, state: FakeState) -> None:
        self._state = state
        self._keyring = a_keyring()
        self.cluster_id = CLUSTER_ID
        self.node_id = "nd_1"
        self.version = "1.2.3"
        self.not_ready: str | None = None
        self.disk_full: str | None = None
        self.join_answer: JoinAnswer | str = "this is not the token of this cluster"
        self.joins: list[tuple[JoinRequest, str]] = []
        self.transfers: list[str | None] = []
        self.failure: Exception | None = None
        self.engine = EngineStatus(
            node_id=self.node_id,
            role=RaftRole.LEADER,
            term=3,
            leader_id=self.node_id,
            commit_index=40,
            applied_index=40,
            last_index=42,
            first_index=1,
            log_bytes=1000,
            voters={"nd_1": "h1.example:7444", "nd_2": "h2.example:7444", "nd_3": "h3.example:7444"},
            match_index={"nd_2": 41, "nd_3": 30},
            is_ready=True,
            has_quorum=True,
        )

    def status(self) -> NodeStatus:
        return NodeStatus(
            engine=self.engine,
            incarnation="in1",
            sessions=(),
            trouble={},
            refusals={},
            disk_full=self.disk_full,
            turn_times=TurnTimes(bounds_s=(), counts=(), sum_s=0.0, longest_s=0.0),
        )

    def is_ready(self) -> str | None:
        return self.not_ready

    def keyring(self) -> Keyring:
        return self._keyring

    async def join(self, request: JoinRequest, *, ip: str) -> JoinAnswer | str:
        await asyncio.sleep(0)
        self.joins.append((request, ip))
        return self.join_answer

    async def remove_node(self, node_id: str, *, audit: AuditStamp) -> Outcome:
        self._fail()
        command = RemoveNode(node_id=NodeId(node_id), reason="removed")
        return await self._state.propose(command, audit=audit)

    async def transfer_leadership(self, target: str | None) -> None:
        await asyncio.sleep(0)
        self._fail()
        self.transfers.append(target)
        self.engine = replace(self.engine, leader_id=target or "nd_2", role=RaftRole.FOLLOWER)

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


@dataclass(slots=True, kw_only=True)
class WebWorld:
    """One node's surroundings, and the values in them a test changes."""

    clock: FakeClock
    ids: FakeIds
    state: FakeState
    hosts: FakeHosts
    cluster: FakeCluster
    origins: tuple[str, ...] = (ORIGIN,)
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    body_bytes_max: int = 8 * 1024 * 1024
    resources: FakeResources = field(default_factory=FakeResources)
    desk: FakeDesk = field(default_factory=FakeDesk)
    router: ExternalRouter = field(default_factory=NoExternalRouter)
    scaling: ScalingDesk = field(default_factory=NoScalingDesk)
    history: MetricHistory = field(default_factory=NoMetricHistory)
    anomalies: AnomalyWatch = field(default_factory=NoAnomalyWatch)
    exposition: Exposition = field(default_factory=NoExposition)
    providers: IdentityProviders = field(default_factory=NoIdentityProviders)
    logs: LogHistory = field(default_factory=NoLogHistory)

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            clock=self.clock,
            ids=self.ids,
            state=self.state,
            hosts=self.hosts,
            resources=self.resources,
            desk=self.desk,
            cluster=self.cluster,
            public_origins=self.origins,
            trusted_proxies=self.trusted_proxies,
            request_body_bytes_max=self.body_bytes_max,
            router=self.router,
            scaling=self.scaling,
            history=self.history,
            anomalies=self.anomalies,
            exposition=self.exposition,
            providers=self.providers,
            logs=self.logs,
        )

    def add_user(self, name: str, role: Role) -> PrincipalId:
        """Make an account whose password is PASSWORD."""
        principal_id = PrincipalId(f"us_{name}")
        self.state.must(
            CreateUser(principal_id=principal_id, name=name, role=role, password_hash=PASSWORD_HASH)
        )
        return principal_id

    def add_api_token(
        self, owner: PrincipalId, role: Role = Role.OPERATOR, *, expires_at_ms: int | None = None
    ) -> str:
        """Make the token `ci` of an account; returns it as a program sends it."""
        plain, record = new_api_token(
            prefix_seed=some_bytes("prefix", 5),
            secret=some_bytes("secret", 32),
            name="ci",
            principal_id=owner,
            role=role,
            scopes=frozenset(),
            now_ms=self.clock.now_ms(),
            expires_at_ms=expires_at_ms,
        )
        self.state.must(
            CreateApiToken(
                prefix=record.prefix,
                name=record.name,
                secret_hash=record.secret_hash,
                principal_id=record.principal_id,
                role=record.role,
                scopes=record.scopes,
                expires_at_ms=record.expires_at_ms,
            )
        )
        return format_api_token(plain)


def a_web_world(*, nodes: int = 3, now_ms: int = NOW_MS) -> WebWorld:
    """Return a cluster of `nodes` hosts named h1, h2, ..., of which nd_1 serves and leads."""
    clock = FakeClock(now_ms=now_ms)
    state = FakeState(clock)
    world = WebWorld(
        clock=clock,
        ids=FakeIds(),
        state=state,
        hosts=FakeHosts(now_ms=clock.now_ms),
        cluster=FakeCluster(state),
    )
    state.must(
        InitializeCluster(
            cluster_id=CLUSTER_ID,
            name="prod",
            ca_certificates_pem=a_ca().certificate_pem,
            sealed_ca_key=b"sealed",
        )
    )
    for number in range(1, nodes + 1):
        node_id = NodeId(f"nd_{number}")
        state.must(
            RegisterNode(
                node_id=node_id,
                name=f"h{number}",
                address=f"h{number}.example:7444",
                api_address=f"h{number}.example:7443",
                role=NodeRole.VOTER,
            )
        )
        world.hosts.inventories[node_id] = HostInventory(node_id=node_id)
    return world


def a_container(name: str, **fields: Any) -> ContainerSummary:
    defaults: dict[str, Any] = {
        "id": some_bytes(("container", name), 32).hex(),
        "name": name,
        "image": "registry.example/web:1",
        "state": "running",
        "status": "Up 3 minutes",
        "health": "healthy",
        "created_at_ms": NOW_MS - 180_000,
        "image_labels": (),
    }
    return ContainerSummary(**{**defaults, **fields})


def put_containers(world: WebWorld, node_id: str, *containers: ContainerSummary) -> None:
    """Have a host list these containers."""
    world.hosts.inventories[node_id] = HostInventory(node_id=NodeId(node_id), containers=containers)


@asynccontextmanager
async def serving(world: WebWorld, **options: Any) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Serve the world on a local port, without TLS. The client keeps no cookies."""
    app = build_app(world.surroundings, **{"password_cost": CHEAP, **options})
    client = TestClient(TestServer(app, host="127.0.0.1"))
    await client.start_server()
    try:
        yield client
    finally:
        await client.close()
        # aiohttp remembers the last thousand handlers with their applications: gigabytes, after all tests.
        _cached_build_middleware.cache_clear()


async def log_in(
    client: TestClient[web.Request, web.Application], name: str, password: str = PASSWORD
) -> dict[str, str]:
    """Return the headers of a program that logged in."""
    response = await client.post(
        "/api/v1/auth/login", json={"name": name, "password": password, "mode": "token"}
    )
    answer = await response.json()
    assert response.status == 200, answer
    return {"Authorization": f"Bearer {answer['access_token']}"}


def rejected(outcome: Outcome) -> Rejected:
    assert isinstance(outcome, Rejected), outcome
    return outcome
