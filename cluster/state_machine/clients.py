"""Commands recognised when they come again.

A client is one running process; its commands are numbered. The state keeps the outcome of its last 1,024
sequence numbers, and a repeated command is answered with the first outcome. Clients not heard of for an hour
of log time are forgotten, the longest silent one as soon as there are too many. So that a late retry of a
forgotten client is not taken for new, nothing is new that is not younger than the newest forgotten command.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from cluster.commands.outcome import Code, Rejected
from cluster.encoding import pack, unpack
from cluster.store import WriteTxn
from cluster.store.tables import CLIENT_OUTCOMES, CLIENT_TIMES, CLIENTS, CONTROL

WINDOW = 1024
EXPIRY_MS = 3_600_000
CLIENTS_MAX = 4096
REINDEX_MS = 60_000
"""A client's place in the order of silence is this coarse, so that a busy client costs one record per
minute."""

FORGET_AT_ONCE = 2
"""Most clients one entry forgets: each may hold a window of outcomes."""

_SUMMARY = b"clients"  # [number of clients, newest log time of a forgotten client's command]


class Client:
    """What is known of one client while its command is applied."""

    __slots__ = ("_client_id", "_highest", "_indexed_ms", "_is_known", "_key", "_txn")

    def __init__(self, txn: WriteTxn, client_id: str) -> None:
        self._txn = txn
        self._client_id = client_id
        self._key = client_id.encode()
        data = txn.get(CLIENTS, self._key)
        self._is_known = data is not None
        self._highest: int
        self._indexed_ms: int
        self._highest, _, self._indexed_ms = (0, 0, 0) if data is None else unpack(data)

    def earlier_outcome(self, sequence: int, time_ms: int) -> bytes | Rejected | None:
        """Return the first outcome of a repeated command, a refusal of one too old to tell, or None for a
        new one."""
        if sequence <= self._highest - WINDOW:
            return Rejected(
                f"command {sequence} of client {self._client_id} is more than {WINDOW} behind its newest,"
                f" {self._highest}: whether it took effect before is not known",
                Code.TOO_OLD,
            )
        if sequence <= self._highest:
            kept = self._txn.get(CLIENT_OUTCOMES, _outcome_key(self._key, sequence))
            if kept is not None and kept[:8] == sequence.to_bytes(8):
                return kept[8:]
        _, forgotten_ms = _summary(self._txn)
        # Also of a client that is known: it may have been forgotten in between.
        if time_ms <= forgotten_ms:
            return Rejected(
                f"command {sequence} of client {self._client_id} is as old as forgotten commands:"
                " whether it took effect before is not known, or its sender's clock is behind",
                Code.TOO_OLD,
            )
        return None

    def record(self, sequence: int, outcome: bytes, now_ms: int) -> None:
        """Remember the outcome in place of the one that leaves the window; forget clients that were silent
        too long.
        """
        txn, key = self._txn, self._key
        highest = max(sequence, self._highest)
        txn.put(CLIENT_OUTCOMES, _outcome_key(key, sequence), sequence.to_bytes(8) + outcome)
        if self._is_known and now_ms - self._indexed_ms < REINDEX_MS:
            txn.put(CLIENTS, key, pack([highest, now_ms, self._indexed_ms]))
            return
        txn.put(CLIENTS, key, pack([highest, now_ms, now_ms]))
        count, forgotten_ms = _summary(txn)
        if self._is_known:
            txn.delete(CLIENT_TIMES, _time_key(self._indexed_ms, key))
        else:
            count += 1
        # Before this client is indexed, so that it is not the one to go.
        count, forgotten_ms = _forget_silent_clients(txn, now_ms, count, forgotten_ms)
        txn.put(CLIENT_TIMES, _time_key(now_ms, key), b"")
        txn.put(CONTROL, _SUMMARY, pack([count, forgotten_ms]))


def _forget_silent_clients(txn: WriteTxn, now_ms: int, count: int, forgotten_ms: int) -> tuple[int, int]:
    """Forget a few of the longest silent clients; return how many are left, and the new limit of what is too
    old."""
    for time_key, _ in txn.scan(CLIENT_TIMES, limit=FORGET_AT_ONCE):
        indexed_ms, key = int.from_bytes(time_key[:8]), time_key[8:]
        if count <= CLIENTS_MAX and indexed_ms + EXPIRY_MS + REINDEX_MS > now_ms:
            break
        data = txn.get(CLIENTS, key)
        assert data is not None
        highest, last_ms, _ = unpack(data)
        for sequence in range(1, min(highest, WINDOW) + 1):
            txn.delete(CLIENT_OUTCOMES, _outcome_key(key, sequence))
        txn.delete(CLIENTS, key)
        txn.delete(CLIENT_TIMES, time_key)
        count -= 1
        forgotten_ms = max(forgotten_ms, last_ms)
    return count, forgotten_ms


def _summary(txn: WriteTxn) -> tuple[int, int]:
    data = txn.get(CONTROL, _SUMMARY)
    return (0, -1) if data is None else _unpacked_summary(data)


@lru_cache(maxsize=8)
def _unpacked_summary(data: bytes) -> tuple[int, int]:
    # The same for all commands until a client comes or goes.
    return cast(tuple[int, int], unpack(data))


def _outcome_key(key: bytes, sequence: int) -> bytes:
    """The place of a sequence number's outcome.

    A client has WINDOW of them, used in turn: what leaves the window is written over instead of deleted.
    """
    return key + b"\x00" + (sequence % WINDOW).to_bytes(2)


def _time_key(time_ms: int, key: bytes) -> bytes:
    return time_ms.to_bytes(8) + key
