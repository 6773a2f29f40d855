"""One socket: everything written arrives in order, however little the kernel takes at a time."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from cluster.raft.connection import Connection

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    yield ours, theirs
    ours.close()
    theirs.close()


class Recorder:
    def __init__(self, sock: socket.socket) -> None:
        self.received = b""
        self.lost: list[str] = []
        self.heard = asyncio.Event()
        self.connection = Connection(
            sock, asyncio.get_running_loop(), on_data=self.on_data, on_lost=self.on_lost
        )

    def on_data(self, data: memoryview) -> None:
        self.received += bytes(data)
        self.heard.set()

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)
        self.heard.set()


async def read_all(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    async with asyncio.timeout(10):
        while len(data) < count and (part := await loop.sock_recv(sock, 65536)):
            data += part
    return data


async def test_what_the_kernel_does_not_take_at_once_follows_in_order(pair: Pair) -> None:
    recorder = Recorder(pair[0])
    parts = [os.urandom(size) for size in (10, 300_000, 1, 50_000)]
    for part in parts:
        recorder.connection.write(part)
    assert recorder.connection.waiting_bytes > 200_000
    assert await read_all(pair[1], 350_011) == b"".join(parts)
    await asyncio.sleep(0)
    assert recorder.connection.waiting_bytes == 0
    recorder.connection.write(b"more")
    assert await read_all(pair[1], 4) == b"more"
    recorder.connection.abort()


async def test_closing_sends_what_was_written_and_takes_nothing_more(pair: Pair) -> None:
    recorder = Recorder(pair[0])
    recorder.connection.write(b"x" * 300_000)
    recorder.connection.close()
    recorder.connection.write(b"too late")
    assert await read_all(pair[1], 400_000) == b"x" * 300_000
    assert recorder.lost == []
    assert pair[0].fileno() == -1


async def test_aborting_drops_what_waits_and_is_idempotent(pair: Pair) -> None:
    recorder = Recorder(pair[0])
    recorder.connection.write(b"x" * 300_000)
    recorder.connection.abort()
    recorder.connection.abort()
    assert len(await read_all(pair[1], 300_000)) < 300_000
    assert (recorder.connection.waiting_bytes, recorder.lost) == (0, [])


async def test_the_owner_hears_once_when_the_peer_closes(pair: Pair) -> None:
    recorder = Recorder(pair[0])
    pair[1].send(b"last words")
    pair[1].close()
    while not recorder.lost:
        recorder.heard.clear()
        await asyncio.wait_for(recorder.heard.wait(), 5)
    assert recorder.received == b"last words"
    assert recorder.lost == ["the peer closed the connection"]
    assert pair[0].fileno() == -1


async def test_a_failed_write_is_told_from_the_loop_not_from_inside_the_write(pair: Pair) -> None:
    recorder = Recorder(pair[0])
    pair[1].close()
    recorder.connection.write(b"nobody listens")
    assert recorder.lost == []
    await asyncio.wait_for(recorder.heard.wait(), 5)
    assert len(recorder.lost) == 1
    assert "connection lost" in recorder.lost[0]


async def test_paused_reading_leaves_the_bytes_in_the_kernel(pair: Pair) -> None:
    recorder = Recorder(pair[0])
    recorder.connection.pause_reading()
    pair[1].send(b"unread")
    for _ in range(5):
        await asyncio.sleep(0)
    assert recorder.received == b""
    recorder.connection.abort()
