"""The proxy of one link: hands on TCP connections with a delay, in both directions, or resets them.

Runs inside a host as a program of its own (`python link_proxy.py SETTINGS PORT MARK SEED`), because not every
kernel has tc's netem. The host's packet rules redirect its new connections to one peer here; the peer sees
them come from the host's own address, and neither side is told of the proxy. What differs from a slow wire:
the connection is accepted at once, before the far side has answered.

SETTINGS is a JSON file `{"delay_ms": 50, "jitter_ms": 10}`, read at the start and on SIGHUP. SIGUSR1 resets
every connection.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import struct
import sys
from pathlib import Path

# linux/netfilter_ipv4.h
_SO_ORIGINAL_DST = 80
_CHUNK_BYTES = 64 * 1024
# What may be on its way in one direction of one connection.
_MAX_IN_FLIGHT_CHUNKS = 256
_CONNECT_TIMEOUT_S = 30.0


class LinkProxy:
    """Connections through one link, and how long bytes take."""

    def __init__(self, settings: Path, mark: int, rng: random.Random) -> None:
        self._settings = settings
        self._mark = mark
        self._rng = rng
        self._delay_s = 0.0
        self._jitter_s = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self.reload()

    def reload(self) -> None:
        """Take the delays from the settings file; bytes already under way keep theirs."""
        document = json.loads(self._settings.read_text())
        self._delay_s = document["delay_ms"] / 1000
        self._jitter_s = document["jitter_ms"] / 1000

    def reset_all(self) -> None:
        """End every connection with a reset, on both sides."""
        for writer in self._open:
            _reset(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from the host that was redirected here to where it wanted to go."""
        self._open.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            address = _original_destination(writer.get_extra_info("socket"))
            # The delay of the SYN and of its answer.
            await asyncio.sleep(self._draw_s() + self._draw_s())
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                upstream_reader, upstream = await self._connect(address)
            self._open.add(upstream)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, upstream))
                group.create_task(self._carry(upstream_reader, writer))
        except (OSError, TimeoutError, ExceptionGroup):
            # Refused, unreachable or reset on one side is a reset on the other.
            for each in (writer, upstream):
                if each is not None:
                    _reset(each)
        finally:
            for each in (writer, upstream):
                if each is not None:
                    self._open.discard(each)
                    each.close()

    async def _connect(self, address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        upstream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            upstream.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self._mark)
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream.setblocking(False)
            await asyncio.get_running_loop().sock_connect(upstream, address)
            return await asyncio.open_connection(sock=upstream)
        except BaseException:
            upstream.close()
            raise

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Hand on bytes in order, each chunk no earlier than its own delay, then the end of the stream."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_IN_FLIGHT_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(under_way, target))
            due_s = 0.0
            chunk = b"-"
            while chunk:
                chunk = await source.read(_CHUNK_BYTES)
                # TCP keeps the order, so a chunk with a short delay waits for those before it.
                due_s = max(due_s, asyncio.get_running_loop().time() + self._draw_s())
                await under_way.put((due_s, chunk))

    async def _deliver(
        self, under_way: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter
    ) -> None:
        while True:
            due_s, chunk = await under_way.get()
            await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
            if not chunk:
                target.write_eof()
                return
            target.write(chunk)
            await target.drain()

    def _draw_s(self) -> float:
        return max(0.0, self._delay_s + self._rng.uniform(-self._jitter_s, self._jitter_s))


def _original_destination(connection: socket.socket) -> tuple[str, int]:
    """Where a redirected connection wanted to go (struct sockaddr_in)."""
    raw = connection.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
    port, address = struct.unpack_from("!2xH4s", raw)
    return socket.inet_ntoa(address), port


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _main(settings: Path, port: int, mark: int, seed: int) -> None:
    proxy = LinkProxy(settings, mark, random.Random(seed))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, proxy.reload)
    loop.add_signal_handler(signal.SIGUSR1, proxy.reset_all)
    server = await asyncio.start_server(proxy.serve, "0.0.0.0", port)  # noqa: S104 - inside the host's own network
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
