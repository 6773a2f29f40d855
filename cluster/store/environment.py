"""One LMDB environment, opened as the store needs it, with its errors translated."""

from __future__ import annotations

import errno
from pathlib import Path

import lmdb

from cluster.encoding import EncodingError, pack, unpack
from cluster.mapped.environment import damage_of, error_number, is_out_of_room, open_file
from cluster.store.batched import SCHEMA_KEY, Rows, new_store_rows
from cluster.store.errors import StoreError, StoreFailed, StoreFull, StoreUnusable
from cluster.store.layout import unusable
from cluster.store.migrations import migrate

MAP_BYTES = 64 * 1024**3
"""Address space reserved for the file, which is sparse: growing a map would invalidate its readers. The
limit on what is stored is `LmdbStore`'s own."""


def open_environment(
    directory: Path, *, map_bytes: int = MAP_BYTES, is_trusted: bool = False
) -> lmdb.Environment:
    """Return the environment in `directory`, made if it is not there, at the present schema.

    One flush per commit and never a torn file: data is synced before the meta page that refers to it. The
    newest commit may be lost in a power cut; the log repeats it. A file that is not trusted is walked first.

    Raises StoreUnusable, naming the path and the next step.
    """
    if not is_trusted:
        _verify(directory)
    try:
        environment = open_file(directory, map_bytes=map_bytes)
    except lmdb.Error as error:
        raise _unusable(directory, error) from error
    except OSError as error:
        raise unusable(directory, error) from error
    try:
        _prepare(directory, environment)
    except lmdb.Error as error:
        environment.close()
        raise _unusable(directory, error) from error
    except BaseException:
        environment.close()
        raise
    return environment


def _verify(directory: Path) -> None:
    try:
        problem = damage_of(directory)
    except OSError as error:
        raise unusable(directory, error) from error
    if problem:
        data = directory / "data.mdb"
        raise StoreUnusable(f"{data} is damaged ({problem}): {_REJOIN.format(directory.parent)}")


def _prepare(directory: Path, environment: lmdb.Environment) -> None:
    with environment.begin(write=True) as txn:
        schema = txn.get(SCHEMA_KEY)
        if schema is None:
            if environment.stat()["entries"]:
                raise StoreUnusable(
                    f"{directory} holds an LMDB file of another program: choose another data directory"
                )
            for key, value in new_store_rows():
                txn.put(key, value)
            return
        try:
            version = unpack(schema)
        except EncodingError:
            version = None
        if type(version) is not int:
            raise StoreUnusable(
                f"{directory}: the schema version is unreadable: {_REJOIN.format(directory.parent)}"
            )
        try:
            migrated = migrate(_RawTables(txn), version)
        except StoreUnusable as error:
            raise StoreUnusable(f"{directory}: {error}") from error
        if migrated != version:
            txn.put(SCHEMA_KEY, pack(migrated))


class _RawTables:
    def __init__(self, txn: lmdb.Transaction[bytes]) -> None:
        self._txn = txn

    def get(self, full_key: bytes) -> bytes | None:
        return self._txn.get(full_key)

    def put(self, full_key: bytes, value: bytes) -> None:
        self._txn.put(full_key, value)

    def delete(self, full_key: bytes) -> None:
        self._txn.delete(full_key)

    def scan(self, low: bytes, high: bytes) -> Rows:
        return read_range(self._txn, low, high, None, reverse=False)


def read_range(
    txn: lmdb.Transaction[bytes], low: bytes, high: bytes, limit: int | None, *, reverse: bool
) -> Rows:
    """Return the rows of [low, high) in the direction asked for, at most `limit`."""
    rows: Rows = []
    if limit == 0:
        return rows
    with txn.cursor() as cursor:
        if reverse:
            found = cursor.prev() if cursor.set_range(high) else cursor.last()
            steps = cursor.iterprev(keys=True, values=True)
        else:
            found = cursor.set_range(low)
            steps = cursor.iternext(keys=True, values=True)
        if not found:
            return rows
        for key, value in steps:
            if not low <= key < high:
                break
            rows.append((key, value))
            if len(rows) == limit:
                break
    return rows


def failure(doing: str, error: lmdb.Error, *, is_disk_full: bool) -> StoreError:
    """Return the store's error for LMDB's, raised while `doing`."""
    if not is_out_of_room(error, is_disk_full=is_disk_full):
        return StoreFailed(f"the disk failed while {doing}: {error}")
    if error_number(error) == errno.EIO:
        return StoreFull(f"no room while {doing}: the disk is full ({error})")
    return StoreFull(f"no room while {doing}: {error}")


_REJOIN = "move {} away and start again: the node takes the state from the others, or restore a backup"


def _unusable(directory: Path, error: lmdb.Error) -> StoreUnusable:
    number = error_number(error)
    if number == errno.ENOMEM:
        return StoreUnusable(
            f"{directory}: the system does not give {MAP_BYTES >> 30} GiB of address space: lift the limit"
            " (ulimit -v, or LimitAS= in the unit)"
        )
    if number > 0:
        return unusable(directory, OSError(number, str(error)))
    return StoreUnusable(f"{directory} is damaged ({error}): {_REJOIN.format(directory.parent)}")
