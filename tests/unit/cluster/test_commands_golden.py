"""What is in logs and on disks of older versions stays readable, and means the same."""

from __future__ import annotations

import os
from pathlib import Path

from cluster.commands import Applied, decode, decode_outcome, encode
from cluster.commands.registry import KINDS
from cluster.raft.machine import ReplicatedState
from cluster.store.tables import BY_NUMBER
from tests.golden.history import TERM, envelopes
from tests.simulation.memory_store import MemoryStore

GOLDEN = Path(__file__).parents[2] / "golden"
COMMANDS_FILE = GOLDEN / "commands.txt"
STATE_FILE = GOLDEN / "state_v1.txt"

HOW = "run with REWRITE=1 to accept, if no release has written the old bytes"


def golden_commands() -> dict[str, bytes]:
    lines = COMMANDS_FILE.read_text().splitlines()
    return {name: bytes.fromhex(data) for name, data in (line.split() for line in lines)}


def replay() -> MemoryStore:
    store = MemoryStore()
    machine = ReplicatedState(store)
    for index, (name, envelope) in enumerate(envelopes(), start=1):
        outcome = decode_outcome(machine.apply_command(index, TERM, encode(envelope)))
        assert isinstance(outcome, Applied), f"{name}: {outcome}"
    store.flush()
    return store


def dump(store: MemoryStore) -> str:
    rows = store.stored_range(b"", b"\xff", None, reverse=False)
    return "".join(f"{key.hex()} {value.hex() or '-'}\n" for key, value in rows)


def test_every_kind_of_command_is_in_the_golden_history() -> None:
    assert {name.partition("/")[0] for name, _ in envelopes()} == {kind.name for kind in KINDS}


def test_commands_encode_to_their_golden_bytes() -> None:
    encoded = {name: encode(envelope) for name, envelope in envelopes()}
    if os.environ.get("REWRITE"):
        COMMANDS_FILE.write_text("".join(f"{name} {data.hex()}\n" for name, data in encoded.items()))
    golden = golden_commands()
    assert encoded.keys() == golden.keys(), HOW
    assert [name for name in golden if encoded[name] != golden[name]] == [], HOW


def test_golden_bytes_decode_to_the_command_they_were_made_from() -> None:
    golden = golden_commands()
    assert {name: decode(data) for name, data in golden.items()} == dict(envelopes())


def test_the_golden_history_leads_to_the_golden_state() -> None:
    state = dump(replay())
    if os.environ.get("REWRITE"):
        STATE_FILE.write_text(state)
    assert state == STATE_FILE.read_text(), HOW


def test_the_golden_state_has_records_in_every_table_that_a_command_fills() -> None:
    numbers = {bytes.fromhex(line.split()[0])[0] for line in STATE_FILE.read_text().splitlines()}
    assert {table.name for number, table in BY_NUMBER.items() if number not in numbers} == set()
