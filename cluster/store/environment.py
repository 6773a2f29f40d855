"""One LMDB environment, opened as the store needs it, with its errors translated."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import lmdb
from lmdb.verify import VerifyError, verify

from cluster.encoding import EncodingError, pack, unpack
from cluster.store.batched import SCHEMA_KEY, Rows, new_store_rows
from cluster.store.errors import StoreError, StoreFailed, StoreFull, StoreUnusable
from cluster.store.layout import unusable
from cluster.store.migrations import migrate

MAP_BYTES = 64 * 1024**3
"""Address space reserved for the file, which is sparse: growing a map would invalidate its readers. The
limit on what is stored is `LmdbStore`'s own."""

READERS_MAX = 1024

# 64 bytes for each reader and for each of two headers; LMDB takes a longer file as it is.
_READER_TABLE_BYTES = 64 * (READERS_MAX + 2)

VERIFIED_BYTES_MAX = 256 * 1024**2
"""Longest file whose structure is checked at opening."""

log = logging.getLogger(__name__)


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
        environment = _open(directory, map_bytes)
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


def _open(directory: Path, map_bytes: int) -> lmdb.Environment:
    _allocate_reader_table(directory / "lock.mdb")
    environment = lmdb.open(
        str(directory),
        # The format of LMDB 0.9, whichever engine the library would choose for a new file.
        lib_version=0,
        map_size=map_bytes,
        subdir=True,
        mode=0o600,
        sync=True,
        metasync=False,
        writemap=False,
        max_readers=READERS_MAX,
        max_dbs=0,
        max_spare_txns=16,
    )
    _keep_from_programs(directory / "data.mdb")
    # Slots of processes that were killed would keep their pages from being used again.
    environment.reader_check()
    return environment


def _allocate_reader_table(path: Path) -> None:
    """Have the disk set LMDB's lock file aside: it is written through a map, where a full disk kills the
    process."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size < _READER_TABLE_BYTES:
            os.posix_fallocate(fd, 0, _READER_TABLE_BYTES)
    finally:
        os.close(fd)


def _keep_from_programs(data: Path) -> None:
    """Close the file in programs we start. LMDB 0.9 leaves one descriptor of it open to them."""
    file = data.stat()
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            status = os.fstat(fd)
        except OSError:
            continue  # the descriptor of this listing
        if (status.st_dev, status.st_ino) == (file.st_dev, file.st_ino):
            os.set_inheritable(fd, False)


def _verify(directory: Path) -> None:
    """Walk the file's pages before LMDB maps it, which would crash on some damage (SIGBUS on a file cut
    short).

    It finds damaged structure, at about 200 MiB/s; damage inside a value it cannot see.
    """
    data = directory / "data.mdb"
    try:
        size = data.stat().st_size
    except FileNotFoundError:
        return
    except OSError as error:
        raise unusable(directory, error) from error
    if size > VERIFIED_BYTES_MAX:
        log.info("store.not_verified", extra={"path": str(data), "size_bytes": size})
        return
    try:
        problems = verify(str(data)) if size else []  # type: ignore[no-untyped-call]  # lmdb.verify has no types
    except VerifyError as error:
        problems = [str(error)]
    except OSError as error:
        raise unusable(directory, error) from error
    if problems:
        raise StoreUnusable(f"{data} is damaged ({problems[0]}): {_REJOIN.format(directory.parent)}")


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
    """Return the store's error for LMDB's, raised while `doing`.

    LMDB reports a write that a full disk cut short as EIO ("short write, filesystem full?" in mdb.c), so
    whether there is room has to be asked apart.
    """
    number = _number(error)
    if isinstance(error, lmdb.MapFullError) or number in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no room while {doing}: {error}")
    if number == errno.EIO and is_disk_full:
        return StoreFull(f"no room while {doing}: the disk is full ({error})")
    return StoreFailed(f"the disk failed while {doing}: {error}")


def _number(error: lmdb.Error) -> int:
    code: int = getattr(error, "code", 0)
    return code


_REJOIN = "move {} away and start again: the node takes the state from the others, or restore a backup"


def _unusable(directory: Path, error: lmdb.Error) -> StoreUnusable:
    number = _number(error)
    if number == errno.ENOMEM:
        return StoreUnusable(
            f"{directory}: the system does not give {MAP_BYTES >> 30} GiB of address space: lift the limit"
            " (ulimit -v, or LimitAS= in the unit)"
        )
    if number > 0:
        return unusable(directory, OSError(number, str(error)))
    return StoreUnusable(f"{directory} is damaged ({error}): {_REJOIN.format(directory.parent)}")
