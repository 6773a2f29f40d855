"""Clients of the interface, and the bare servers beside it: programs of the benchmarks `rest` and `live`.

`python -m tests.benchmarks.api_clients WHAT FILE` reads what to do as JSON from FILE, since tokens are no
arguments, and prints what was found as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from tests.benchmarks.results import percentile

Orders = dict[str, Any]
SETTLE_S = 1.0


async def rest(orders: Orders) -> dict[str, Any]:
    """Ask at a steady rate over kept-open connections.

    A request's time counts from when it was due, so that one which waits for the answer before it is not
    taken for quick.
    """
    context = _context(orders)
    host, port = orders["address"]
    requests = [_request(orders["path"], host, token) for token in orders["tokens"]]
    connections = [
        await asyncio.open_connection(host, port, ssl=context, server_hostname=orders["name"])
        for _ in range(orders["connections"])
    ]
    rate, count = orders["rate"], int(orders["rate"] * orders["seconds"])
    began_s = time.perf_counter() + SETTLE_S
    times_ms: list[float] = []
    size = 0

    async def ask(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal size
        for each in range(number, count, len(connections)):
            due_s = began_s + each / rate
            await asyncio.sleep(due_s - time.perf_counter())
            writer.write(requests[each % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:16]:
                raise RuntimeError(head.decode(errors="replace"))
            begin = head.index(b"Content-Length: ") + len(b"Content-Length: ")
            size = int(head[begin : head.index(b"\r", begin)])
            await reader.readexactly(size)
            times_ms.append((time.perf_counter() - due_s) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for number, (reader, writer) in enumerate(connections):
            tasks.create_task(ask(number, reader, writer))
    elapsed_s = time.perf_counter() - began_s
    for _, writer in connections:
        writer.close()
    return {
        "p50_ms": percentile(times_ms, 50),
        "p95_ms": percentile(times_ms, 95),
        "p99_ms": percentile(times_ms, 99),
        "per_s": count / elapsed_s,
        "bytes": size,
    }


async def live(orders: Orders) -> dict[str, Any]:
    """Listen with many sockets, and say how far apart the first and the last of them hear the same."""
    context = _context(orders)
    host, port = orders["address"]
    heard: defaultdict[str, list[float]] = defaultdict(list)
    dropped = 0
    text = ""
    begun = asyncio.Event()

    async def listen(session: aiohttp.ClientSession, token: str) -> None:
        nonlocal dropped, text
        async with session.ws_connect(
            f"wss://{host}:{port}/api/v1/live",
            headers={"Authorization": f"Bearer {token}"},
            ssl=context,
            server_hostname=orders["name"],
            max_msg_size=0,
        ) as socket:
            await socket.send_json({"subscribe": ["metrics:update"]})
            async for message in socket:
                told = json.loads(message.data)
                if "dropped" in told:
                    dropped += told["dropped"]
                elif told.get("topic") == "metrics:update" and begun.is_set():
                    heard[told["position"]].append(time.perf_counter())
                    text = message.data

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as tasks,
    ):
        listening = []
        for number in range(orders["clients"]):
            token = orders["tokens"][number % len(orders["tokens"])]
            listening.append(tasks.create_task(listen(session, token)))
            # Handshakes are not what is measured.
            await asyncio.sleep(0.01)
        await asyncio.sleep(2 * SETTLE_S)
        begun.set()
        await asyncio.sleep(orders["seconds"])
        for task in listening:
            task.cancel()
    whole = [times for times in heard.values() if len(times) == orders["clients"]]
    spreads_ms = [(max(times) - min(times)) * 1000 for times in whole]
    return {
        "messages": len(heard),
        "whole": len(whole),
        "spread_ms": percentile(spreads_ms, 50) if spreads_ms else None,
        "spread_max_ms": max(spreads_ms, default=None),
        "dropped": dropped,
        "text": text,
    }


async def bare_rest(orders: Orders) -> dict[str, Any]:
    """Serve given bytes with nothing around them, until killed."""
    body = str(orders["content"]).encode()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return await _serve(orders, answer, orders["path"])


async def bare_live(orders: Orders) -> dict[str, Any]:
    """Send a given text to all sockets every so often, until killed."""
    text = orders["content"]
    sockets: set[web.WebSocketResponse] = set()

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        sockets.add(socket)
        async for _ in socket:
            pass
        sockets.discard(socket)
        return socket

    async def send() -> None:
        number = 0
        while True:
            await asyncio.sleep(orders["every_s"])
            number += 1
            told = json.dumps({**json.loads(text), "position": str(number)})
            for socket in tuple(sockets):
                await socket.send_str(told)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        return await _serve(orders, answer, "/api/v1/live")


async def _serve(
    orders: Orders, answer: Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]], path: str
) -> dict[str, Any]:
    app = web.Application()
    app.router.add_get(path, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(orders["certificate"])
    host, port = orders["address"]
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def _context(orders: Orders) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=orders["ca_pem"])


def _request(path: str, host: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


PROGRAMS = {"rest": rest, "live": live, "bare-rest": bare_rest, "bare-live": bare_live}


def main() -> None:
    """Run one."""
    what, file = sys.argv[1:]
    found = uvloop.run(PROGRAMS[what](json.loads(Path(file).read_text())))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
