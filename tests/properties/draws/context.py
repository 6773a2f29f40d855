"""What a draw goes by: chance, the state and the time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from cluster.model.ids import NodeId, PrincipalId, ServiceId, service_id_of
from cluster.store import ReadTxn
from cluster.store.records import NODES, PRINCIPALS, SERVICES

_T = TypeVar("_T")
HASH = b"\x01" * 32
Choices: TypeAlias = list[Callable[[], Any]]
"""Ways to make a command; one that is there twice is twice as likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A service as commands name it."""

    project: str
    name: str
    environment: str = ""

    @property
    def id(self) -> ServiceId:
        return service_id_of(self.project, self.name, self.environment)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of every command that puts it."""
        return {
            "service_id": self.id,
            "project": self.project,
            "name": self.name,
            "environment": self.environment,
        }


NAMED = (
    Named(project="p", name="a"),
    Named(project="p", name="b"),
    Named(project="p", name="c", environment="qa"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """`txn` reads what the next entry would see."""

    rng: random.Random
    txn: ReadTxn
    now_ms: int

    def mostly(self, some: Sequence[_T], others: Sequence[_T]) -> _T:
        """One of `some`, if there are any, and now and then one of `others` all the same."""
        return self.rng.choice(some if some and self.rng.random() < 0.85 else others)

    def node(self) -> NodeId:
        """Mostly a member."""
        members = [node.id for node in NODES.scan(self.txn) if node.is_member]
        return self.mostly(members, [NodeId("n1"), NodeId("n2"), NodeId("n3")])

    def user(self) -> PrincipalId:
        """Mostly one who is there."""
        present = [principal.id for principal in PRINCIPALS.scan(self.txn)]
        return self.mostly(present, [PrincipalId(f"u{number}") for number in (1, 2, 3)])

    def soon(self) -> int:
        """A time that comes while the log goes on, or after it."""
        return self.now_ms + self.rng.choice([60_000, 3_600_000, 3_600_000])

    def named(self) -> Named:
        """Mostly a service that is there."""
        present = [named for named in NAMED if SERVICES.get(self.txn, named.id) is not None]
        return self.mostly(present, NAMED)

    def version(self, service: ServiceId) -> int | None:
        """A version to expect: mostly the present one or any."""
        version = self.present_version(service)
        return self.rng.choice([None, version, version, version, 1])

    def present_version(self, service: ServiceId) -> int:
        present = SERVICES.get(self.txn, service)
        return 0 if present is None else present.version
