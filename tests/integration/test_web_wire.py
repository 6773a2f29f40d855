"""Bytes that are no HTTP, or not quite: answered or cut off, and the next caller is served."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from cluster.model.access import Role
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

MALFORMED = {
    "nothing": b"",
    "a line end": b"\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + b"\x00" * 50,
    "a Raft frame": b"\x00\x00\x10\x00" + b"\x94\x01" * 30,
    "no version": b"GET /healthz\r\n\r\n",
    "a wrong version": b"GET /healthz HTTP/9.9\r\n\r\n",
    "a method of its own": b"EXPLODE / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is no path": b"GET :// HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes that are no text": b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a header of a megabyte": b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "ten thousand headers": b"GET / HTTP/1.1\r\n"
    + b"".join(b"X%d: 1\r\n" % n for n in range(10_000))
    + b"\r\n",
    "two lengths": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is none": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n",
    "a body that says it is compressed": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "half a request": b"GET /healthz HTT",
    "half a body": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{",
    "a socket key that is none": b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "a cookie of many": b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\nCookie: "
    + b";" * 3000
    + b'__Host-tower_access=\x01"\r\n\r\n',
}


def a_world() -> WebWorld:
    world = a_web_world()
    world.add_user("ann", Role.VIEWER)
    return world


async def exchange(port: int, data: bytes, *, is_ended: bool = True) -> bytes:
    """Send bytes, say that there are no more if `is_ended`, and return all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        if is_ended:
            writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def check_answer(answer: bytes) -> None:
    assert b"Traceback" not in answer
    assert b"site-packages" not in answer
    statuses = re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)
    assert b"500" not in statuses, answer[:500]
    if answer:
        assert statuses, answer[:200]


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_request_is_answered_or_cut_off(name: str) -> None:
    async with serving(a_world()) as client:
        assert client.port is not None
        check_answer(await exchange(client.port, MALFORMED[name]))
        assert (await client.get("/healthz")).status == 200


@pytest.mark.parametrize("seed", range(3))
async def test_random_bytes_do_no_harm(seed: int) -> None:
    rng = random.Random(seed)
    async with serving(a_world()) as client:
        assert client.port is not None
        for _ in range(40):
            start = rng.choice(
                [b"", b"GET ", b"GET / HTTP/1.1\r\n", b"POST /api/v1/join HTTP/1.1\r\nHost: x\r\n"]
            )
            check_answer(await exchange(client.port, start + rng.randbytes(rng.randrange(1, 400))))
        headers = await log_in(client, "ann")
        assert (await client.get("/api/v1/nodes", headers=headers)).status == 200


async def test_requests_one_after_the_other_on_one_connection_are_answered_in_order() -> None:
    async with serving(a_world()) as client:
        assert client.port is not None
        data = (
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3
            + b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        answer = await exchange(client.port, data, is_ended=False)
    assert answer.count(b"HTTP/1.1 200") == 4
    assert answer.endswith(b"ready\n")


async def test_a_smuggled_second_request_is_not_taken_for_one() -> None:
    smuggled = (
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5c\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\r\n0\r\n\r\n"
    )
    async with serving(a_world()) as client:
        assert client.port is not None
        answer = await exchange(client.port, smuggled)
    assert b"ok\n" not in answer
