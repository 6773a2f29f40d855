"""The bytes on disk of format 1. Other bytes are a new format: raise the version, keep reading this one."""

from __future__ import annotations

from pathlib import Path

import lmdb

from cluster.raft.log_storage import FORMAT_VERSION, LmdbLog
from cluster.raft.log_types import LogBatch, StoredLog
from cluster.raft.types import NO_OP

FORMAT_1 = {
    "entries": {
        "0000000000000001": "512aaa15000000000000000001",
        "0000000000000002": "003a0284000000000000000700636f6d6d616e64",
        "0000000000000003": "37a7d7050000000000000007026368616e6765",
    },
    "membership": {"0000000000000003": ""},
    "meta": {
        "626173655f6d656d62657273": "45a0d2ff6d656d62657273",
        "666f726d6174": "1225efff0000000000000001",
        "686172645f7374617465": "68e77126000000000000000900000000000000020165756c6572",
    },
}


def tables(path: Path) -> dict[str, dict[str, str]]:
    environment = lmdb.open(str(path), max_dbs=3, lib_version=0, readonly=True)
    found = {}
    for name in FORMAT_1:
        table = environment.open_db(name.encode(), create=False)
        with environment.begin(db=table) as txn, txn.cursor() as cursor:
            found[name] = {key.hex(): value.hex() for key, value in cursor}
    environment.close()
    return found


def test_format_1_is_written_as_it_always_was(tmp_path: Path) -> None:
    storage = LmdbLog(tmp_path, reserve_bytes=0)
    entries = ((NO_OP, 1, 0), (b"\x00command", 2, 7), (b"\x02change", 3, 7))
    storage.write(
        LogBatch(entries=entries, base_members=b"members", term=9, voted_for="euler", commit_index=2)
    )
    storage.close()
    assert FORMAT_VERSION == 1
    assert tables(tmp_path) == FORMAT_1


def test_format_1_is_read_as_it_always_was(tmp_path: Path) -> None:
    environment = lmdb.open(str(tmp_path), max_dbs=3, lib_version=0)
    for name, rows in FORMAT_1.items():
        table = environment.open_db(name.encode())
        with environment.begin(db=table, write=True) as txn:
            for key, value in rows.items():
                txn.put(bytes.fromhex(key), bytes.fromhex(value))
    environment.close()
    storage = LmdbLog(tmp_path, reserve_bytes=0)
    assert storage.load() == StoredLog(
        first_index=1,
        last_index=3,
        term=9,
        voted_for="euler",
        commit_index=2,
        base_members=b"members",
        membership=((b"\x02change", 3, 7),),
    )
    assert storage.read(1, 4, 1 << 20) == [(NO_OP, 1, 0), (b"\x00command", 2, 7), (b"\x02change", 3, 7)]
    storage.close()
