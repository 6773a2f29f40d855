"""A replica of the state in memory, and commands to give it."""

from __future__ import annotations

from typing import Any

from cluster.commands import Applied, Envelope, Outcome, Rejected, decode_outcome, encode
from cluster.commands.access import CreateUser
from cluster.commands.leadership import TakeLeadership
from cluster.commands.nodes import RegisterNode
from cluster.commands.services import PutService
from cluster.model.access import Role
from cluster.model.audit import AuditStamp
from cluster.model.ids import NodeId, PrincipalId, ServiceId
from cluster.model.node import NodeRole
from cluster.model.plans import BlastRadius, Plan
from cluster.model.schedules import Asker
from cluster.model.service import Route, ServiceSpec
from cluster.raft.machine import ReplicatedState
from cluster.store import ReadTxn, Store
from tests.simulation.memory_store import MemoryStore

START_MS = 1_800_000_000_000


class Replica:
    """Applies commands one after the other, as a node does. Each is new unless `sequence` says otherwise."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self.machine = ReplicatedState(self.store)
        self.term = 1
        self.leader_term = 0
        self.now_ms = START_MS
        self._sequences: dict[str, int] = {}

    @property
    def index(self) -> int:
        return self.machine.applied_index

    @property
    def txn(self) -> ReadTxn:
        """What the next entry would see."""
        return self.store.begin()

    def envelope(
        self, command: Any, *, client: str = "client", sequence: int | None = None, **fields: Any
    ) -> bytes:
        if sequence is None:
            sequence = self._sequences[client] = self._sequences.get(client, 0) + 1
        fields = {"time_ms": self.now_ms, "leader_term": self.leader_term, **fields}
        return encode(Envelope(client_id=client, sequence=sequence, command=command, **fields))

    def apply_bytes(self, data: bytes) -> Outcome:
        return decode_outcome(self.machine.apply_command(self.index + 1, self.term, data))

    def apply(self, command: Any, **fields: Any) -> Outcome:
        return self.apply_bytes(self.envelope(command, **fields))

    def must(self, command: Any, **fields: Any) -> Any:
        """Apply a command that must succeed; returns its result."""
        outcome = self.apply(command, **fields)
        assert isinstance(outcome, Applied), outcome
        return outcome.result

    def refusal(self, command: Any, **fields: Any) -> Rejected:
        """Apply a command that must be rejected; returns why."""
        outcome = self.apply(command, **fields)
        assert isinstance(outcome, Rejected), outcome
        return outcome

    def lead(self, node: str = "n1") -> None:
        """Take up leadership in a new term; what follows is sent by that leader."""
        self.term += 1
        self.leader_term = self.term
        self.must(TakeLeadership(term=self.term, node_id=NodeId(node)))


def a_stamp(**fields: Any) -> AuditStamp:
    defaults: dict[str, Any] = {
        "principal": "u1",
        "principal_name": "ann",
        "action": "service.deploy",
        "resource": "service:shop.web",
        "is_allowed": True,
        "reason": "role admin includes service.deploy",
        "ip": "192.0.2.7",
        "user_agent": "tower/1",
        "duration_ms": 3,
        "request_id": "rq1",
        "node": "n1",
    }
    return AuditStamp(**{**defaults, **fields})


def a_node(node: str = "n1", **fields: Any) -> RegisterNode:
    defaults: dict[str, Any] = {
        "node_id": NodeId(node),
        "name": f"host-{node}",
        "address": f"{node}.example:7444",
        "api_address": f"{node}.example:7443",
        "role": NodeRole.VOTER,
    }
    return RegisterNode(**{**defaults, **fields})


def a_user(user: str = "u1", role: Role = Role.ADMIN, **fields: Any) -> CreateUser:
    defaults: dict[str, Any] = {
        "principal_id": PrincipalId(user),
        "name": f"name-{user}",
        "role": role,
        "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
    }
    return CreateUser(**{**defaults, **fields})


def a_spec(image: str = "registry.example/web:1", **fields: Any) -> ServiceSpec:
    defaults: dict[str, Any] = {"image": image, "route": Route(host="shop.example", port=8080)}
    return ServiceSpec(**{**defaults, **fields})


def a_service(service: str = "shop.web", **fields: Any) -> PutService:
    project, _, name = service.partition(".")
    defaults: dict[str, Any] = {
        "service_id": ServiceId(service),
        "project": project,
        "name": name,
        "spec": a_spec(),
        "replicas": 2,
    }
    return PutService(**{**defaults, **fields})


def a_plan(plan_id: str = "pl_1", *, asker: str = "ann", **fields: Any) -> Plan:
    """A plan of one who asks through MCP, to scale a service."""
    defaults: dict[str, Any] = {
        "id": plan_id,
        "tool": "scale-service",
        "title": "Scale a service",
        "asker": Asker(name=asker, principal_id=f"us_{asker}"),
        "via": "mcp",
        "action": "service.scale",
        "resource": "service:shop.web",
        "summary": "shop.web goes from 2 to 3 replicas",
        "sealed_arguments": b"sealed",
        "fingerprint": "f",
        "expires_at_ms": START_MS + 3_600_000,
        "touches": BlastRadius(services=("shop.web",)),
    }
    return Plan(**{**defaults, **fields})
