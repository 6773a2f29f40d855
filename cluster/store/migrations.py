"""Taking tables of an older schema to the present one, at opening, in one transaction.

A migration may only rewrite this node's tables into what the new version would have written itself: nodes of
both versions run side by side during an upgrade and their state hashes are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from cluster.store.errors import StoreUnusable
from cluster.store.tables import SCHEMA_VERSION


class RawTables(Protocol):
    """The whole store by full key (table byte first)."""

    def get(self, full_key: bytes) -> bytes | None: ...
    def put(self, full_key: bytes, value: bytes) -> None: ...
    def delete(self, full_key: bytes) -> None: ...
    def scan(self, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]: ...


Migration = Callable[[RawTables], None]

MIGRATIONS: Mapping[int, Migration] = {}
"""Schema version -> what takes a store of that version to the next."""


def migrate(raw: RawTables, version: int, migrations: Mapping[int, Migration] = MIGRATIONS) -> int:
    """Run what takes `raw` from schema `version` to the present one, and return that.

    Raises StoreUnusable for a version this code cannot read.
    """
    target = max(SCHEMA_VERSION, max(migrations, default=0) + 1)
    if version > target:
        raise StoreUnusable(
            f"the state was written with schema {version}, this version reads up to {target}: upgrade this"
            " node"
        )
    while version < target:
        step = migrations.get(version)
        if step is None:
            raise StoreUnusable(
                f"the state was written with schema {version}, which is too old: upgrade through a version in"
                " between"
            )
        step(raw)
        version += 1
    return version
