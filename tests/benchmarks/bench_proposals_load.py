"""One client on one TLS connection that keeps a number of requests in flight, whatever the protocol.

Run in a process of its own, so that neither system shares an interpreter with its load.
"""

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections import deque
from pathlib import Path
from typing import Protocol

import uvloop

from cluster.encoding import pack

VALUE = "x" * 100
KEYS = 1000


def key_of(n: int) -> str:
    return f"bench.key-{n % KEYS:04d}"


class Wire(Protocol):
    """How requests look on the wire. Requests are answered in any order."""

    alpn: tuple[str, ...]

    def hello(self) -> bytes:
        """What is said first."""

    def request(self, n: int) -> bytes:
        """The bytes of request number `n`."""

    def received(self, data: bytes) -> tuple[list[int], bytes]:
        """Return the numbers of the requests that are now answered, and what must be sent in return."""

    def room(self) -> bool:
        """Whether the server allows another request now."""


class TowerWire:
    """4 bytes of length and msgpack `[n, key, value]`; the answer is length and `n` in 8 bytes, then the
    result.
    """

    alpn: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._buffer = b""

    def hello(self) -> bytes:
        return b""

    def request(self, n: int) -> bytes:
        body = pack([n, key_of(n), VALUE])
        return len(body).to_bytes(4, "big") + body

    def received(self, data: bytes) -> tuple[list[int], bytes]:
        buffer = self._buffer + data
        done, position = [], 0
        while len(buffer) - position >= 4:
            length = int.from_bytes(buffer[position : position + 4], "big")
            if len(buffer) - position < 4 + length:
                break
            if length < 9:
                raise RuntimeError("a proposal failed")
            done.append(int.from_bytes(buffer[position + 4 : position + 12], "big"))
            position += 4 + length
        self._buffer = buffer[position:]
        return done, b""

    def room(self) -> bool:
        return True


class EtcdWire:
    """gRPC `etcdserverpb.KV/Put` over HTTP/2 (RFC 9113), with constant headers and no header compression.

    As light as the other: a stock gRPC client in Python would be the bottleneck and flatter us.
    """

    alpn: tuple[str, ...] = ("h2",)
    _HEADERS, _DATA, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 1, 0, 3, 4, 6, 7, 8

    def __init__(self, authority: str) -> None:
        fields = [
            (b":path", b"/etcdserverpb.KV/Put"),
            (b":authority", authority.encode()),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        ]
        # 0x83, 0x87: ":method: POST" and ":scheme: https" of the static table (RFC 7541).
        block = b"\x83\x87" + b"".join(
            b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value for name, value in fields
        )
        self._header_block = block
        self._window = 65_535
        self._buffer = b""
        self._has_data: set[int] = set()

    @staticmethod
    def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload

    def hello(self) -> bytes:
        return (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + self._frame(self._SETTINGS, 0, 0, b"")
            + self._frame(self._WINDOW, 0, 0, (2**31 - 1 - 65_535).to_bytes(4, "big"))
        )

    def request(self, n: int) -> bytes:
        key, value = key_of(n).encode(), VALUE.encode()
        put = b"\x0a" + bytes((len(key),)) + key + b"\x12" + bytes((len(value),)) + value
        message = b"\x00" + len(put).to_bytes(4, "big") + put
        stream = 2 * n + 1
        self._window -= len(message)
        return self._frame(self._HEADERS, 4, stream, self._header_block) + self._frame(
            self._DATA, 1, stream, message
        )

    def received(self, data: bytes) -> tuple[list[int], bytes]:
        buffer = self._buffer + data
        done, answer, position = [], b"", 0
        while len(buffer) - position >= 9:
            length = int.from_bytes(buffer[position : position + 3], "big")
            if len(buffer) - position < 9 + length:
                break
            kind, flags = buffer[position + 3], buffer[position + 4]
            stream = int.from_bytes(buffer[position + 5 : position + 9], "big")
            payload = buffer[position + 9 : position + 9 + length]
            position += 9 + length
            if kind == self._DATA and length > 5:
                self._has_data.add(stream)
            elif kind == self._HEADERS and flags & 1:
                if stream not in self._has_data:
                    raise RuntimeError("a put failed")
                self._has_data.discard(stream)
                done.append((stream - 1) // 2)
            elif kind == self._SETTINGS and not flags & 1:
                answer += self._frame(self._SETTINGS, 1, 0, b"")
            elif kind == self._PING and not flags & 1:
                answer += self._frame(self._PING, 1, 0, payload)
            elif kind == self._WINDOW and stream == 0:
                self._window += int.from_bytes(payload, "big")
            elif kind in (self._RST, self._GOAWAY):
                raise RuntimeError(f"the server ended the stream: {payload!r}")
        self._buffer = buffer[position:]
        return done, answer

    def room(self) -> bool:
        return self._window > 1000


class Load(asyncio.Protocol):
    """Keeps `depth` requests in flight and notes how long each took."""

    def __init__(self, wire: Wire, depth: int, finished: asyncio.Future[None]) -> None:
        self.wire = wire
        self.depth = depth
        self.started: dict[int, float] = {}
        self.latencies_s: deque[float] = deque()
        self.is_measuring = False
        self.answered = 0
        self._finished = finished
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a stream's transport
        self.transport.write(self.wire.hello())
        self._fill(b"")

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        try:
            done, answer = self.wire.received(data)
        except RuntimeError as error:
            if not self._finished.done():
                self._finished.set_exception(error)
            return
        for n in done:
            started = self.started.pop(n)
            if self.is_measuring:
                self.latencies_s.append(now - started)
        self.answered += len(done)
        self._fill(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(RuntimeError(f"the server closed the connection: {exc}"))

    def _fill(self, answer: bytes) -> None:
        parts = [answer]
        now = time.perf_counter()
        while len(self.started) < self.depth and self.wire.room():
            self.started[self._next] = now
            parts.append(self.wire.request(self._next))
            self._next += 1
        data = b"".join(parts)
        if data:
            self.transport.write(data)


async def measure(
    system: str, address: tuple[str, int], ca: Path, depth: int, warm_up_s: float, seconds: float
) -> dict[str, float]:
    context = ssl.create_default_context(cafile=str(ca))
    wire: Wire = TowerWire() if system == "tower" else EtcdWire(f"{address[0]}:{address[1]}")
    if wire.alpn:
        context.set_alpn_protocols(list(wire.alpn))
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    transport, load = await loop.create_connection(
        lambda: Load(wire, depth, finished), *address, ssl=context, server_hostname="127.0.0.1"
    )
    await asyncio.wait([finished], timeout=warm_up_s)
    load.is_measuring = True
    answered, before, cpu_before = load.answered, time.perf_counter(), time.process_time()
    await asyncio.wait([finished], timeout=seconds)
    if finished.done():
        await finished
    elapsed, cpu = time.perf_counter() - before, time.process_time() - cpu_before
    count = load.answered - answered
    finished.cancel()
    transport.close()
    latencies = sorted(load.latencies_s)
    return {
        "rate": count / elapsed,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
        "client_cpu": cpu / elapsed,
        "answered": load.answered,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=["tower", "etcd"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(
            measure(
                arguments.system,
                (arguments.host, arguments.port),
                arguments.ca,
                arguments.depth,
                arguments.warm_up,
                arguments.seconds,
            )
        )
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
