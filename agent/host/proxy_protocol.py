"""The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says before them about its client.

https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from typing import Any

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LINE_BYTES_MAX = 107
_BLOCK_BYTES_MAX = 4096
_TLS = b"\x16"
"""What every TLS connection begins with."""

Source = tuple[str, int]


class NotAnnounced(OSError):
    """A proxy's connection begins with neither a header of the protocol nor TLS."""


class AnnouncedSocket(socket.socket):
    """A connection that a proxy passed on: its peer is who the proxy says it is."""

    source: Source

    def getpeername(self) -> Any:
        """Return the client's address and port."""
        return self.source


async def announced(connection: socket.socket) -> socket.socket:
    """Read the header of a proxy's connection, and return the connection with its client as the peer.

    The proxy's own connections stay as they are: those that say so (health checks), and those that begin
    with TLS at once (programs of the proxy's machine). What was given must not be used afterwards.

    Raises OSError, NotAnnounced among them.
    """
    await _until_readable(connection)
    if connection.recv(1, socket.MSG_PEEK) == _TLS:
        return connection
    source = await _read_source(connection)
    if source is None:
        return connection
    passed_on = AnnouncedSocket(fileno=connection.detach())
    passed_on.source = source
    return passed_on


async def _read_source(connection: socket.socket) -> Source | None:
    head = await _exactly(connection, len(_SIGNATURE))
    if head == _SIGNATURE:
        version, family, length = struct.unpack("!BBH", await _exactly(connection, 4))
        if length > _BLOCK_BYTES_MAX:
            raise NotAnnounced("the proxy's header is longer than 4096 bytes")
        return source_of_block(version, family, await _exactly(connection, length))
    while not head.endswith(b"\r\n"):
        if not head.startswith(b"PROXY ") or len(head) >= _LINE_BYTES_MAX:
            raise NotAnnounced("the proxy's connection begins with no header of the PROXY protocol")
        # One at a time: what comes behind the line is for TLS.
        head += await _exactly(connection, 1)
    return source_of_line(head)


def source_of_line(line: bytes) -> Source | None:
    """Return the client of a header of version 1, None where the proxy does not know. Raises NotAnnounced."""
    words = line.removesuffix(b"\r\n").decode("latin-1").split(" ")
    if words[:2] == ["PROXY", "UNKNOWN"]:
        return None
    try:
        name, family, source, _destination, port, _destination_port = words
        address = ipaddress.ip_address(source)
        number = int(port)
    except ValueError:
        raise NotAnnounced("the proxy's header has not the form of the PROXY protocol") from None
    if name != "PROXY" or family != f"TCP{address.version}" or not 0 <= number < 65536:
        raise NotAnnounced("the proxy's header names no client by TCP")
    return str(address), number


def source_of_block(version: int, family: int, block: bytes) -> Source | None:
    """Return the client of a header of version 2, None where it names none. Raises NotAnnounced."""
    if version == 0x20:
        return None
    if version != 0x21:
        raise NotAnnounced("the proxy's header is of a version that is not known")
    match family:
        case 0x11 if len(block) >= 12:
            return str(ipaddress.IPv4Address(block[:4])), int.from_bytes(block[8:10])
        case 0x21 if len(block) >= 36:
            return str(ipaddress.IPv6Address(block[:16])), int.from_bytes(block[32:34])
        case 0x11 | 0x21:
            raise NotAnnounced("the proxy's header is shorter than the addresses it announces")
        case _:
            return None


async def _exactly(connection: socket.socket, count: int) -> bytes:
    """Return so many bytes and read none beyond them."""
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < count:
        part = await loop.sock_recv(connection, count - len(received))
        if not part:
            raise NotAnnounced("the proxy's connection ended within its header")
        received += part
    return received


async def _until_readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection, tell)
    try:
        await ready
    finally:
        loop.remove_reader(connection)
