"""What a proxy says of its client before the first byte of TLS, in both versions of the PROXY protocol."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.host.proxy_protocol import (
    AnnouncedSocket,
    NotAnnounced,
    announced,
    source_of_block,
    source_of_line,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TLS = b"\x16\x03\x01\x02\x00"


def block(version: int, family: int, addresses: bytes, *, more: bytes = b"") -> bytes:
    content = addresses + more
    return SIGNATURE + struct.pack("!BBH", version, family, len(content)) + content


V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4711, 7443)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack("!HH", 4711, 7443)


@contextmanager
def a_connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The agent's end, as it was accepted, and the proxy's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 7443\r\n", ("192.0.2.7", 4711)),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 7443\r\n", ("2001:db8::7", 4711)),
        (block(0x21, 0x11, V4), ("192.0.2.7", 4711)),
        (block(0x21, 0x11, V4, more=b"\x04\x00\x03abc"), ("192.0.2.7", 4711)),
        (block(0x21, 0x21, V6), ("2001:db8::7", 4711)),
    ],
)
async def test_the_peer_of_a_connection_is_the_client_and_what_follows_is_left_for_tls(
    header: bytes, source: tuple[str, int]
) -> None:
    with a_connection() as (ours, theirs):
        theirs.sendall(header + TLS)
        connection = await announced(ours)
        with connection:
            assert isinstance(connection, AnnouncedSocket)
            assert connection.getpeername() == source
            assert connection.recv(100) == TLS


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", block(0x20, 0x00, b""), block(0x21, 0x00, b"")])
async def test_a_connection_of_the_proxy_s_own_stays_the_proxy_s(header: bytes) -> None:
    with a_connection() as (ours, theirs):
        theirs.sendall(header + TLS)
        assert await announced(ours) is ours
        assert ours.recv(100) == TLS


async def test_a_program_of_the_proxy_s_machine_speaks_tls_at_once() -> None:
    with a_connection() as (ours, theirs):
        theirs.sendall(TLS)
        assert await announced(ours) is ours
        assert ours.recv(100) == TLS


async def test_a_header_may_come_in_pieces() -> None:
    with a_connection() as (ours, theirs):
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(announced(ours))
            for byte in block(0x21, 0x11, V4):
                theirs.sendall(bytes((byte,)))
                await asyncio.sleep(0)
        with reading.result() as connection:
            assert connection.getpeername() == ("192.0.2.7", 4711)


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n",
        b"PROXY TCP4 2001:db8::7 10.0.0.1 4711 7443\r\n",
        b"PROXY TCP4 someone 10.0.0.1 4711 7443\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 7443\r\n",
        b"PROXY " + b"x" * 200,
        block(0x31, 0x11, V4),
        block(0x21, 0x11, V4[:8]),
        block(0x21, 0x21, V6[:20]),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 60_000) + bytes(200),
        b"PROXY TCP4",
    ],
)
async def test_what_is_no_header_ends_the_connection(header: bytes) -> None:
    with a_connection() as (ours, theirs):
        theirs.sendall(header)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(NotAnnounced):
            await announced(ours)


def test_addresses_of_other_kinds_name_no_client() -> None:
    assert source_of_block(0x21, 0x31, bytes(216)) is None
    assert source_of_line(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n") is None
