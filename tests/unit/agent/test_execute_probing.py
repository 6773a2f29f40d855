"""Asking a replica whether it can serve, over real loopback connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.execute.probing import NetworkProber

LOOPBACK = "127.0.0.1"
HOST = "shop.example"


class Listener:
    """Answers every connection with the same bytes; None keeps silent, b"" hangs up."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self.asked: list[bytes] = []
        self.port = 0
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._answer is None:
                await self.done.wait()
            elif self._answer:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.asked.append(b"")
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[Listener]:
    listener = Listener(answer)
    server = await asyncio.start_server(listener.serve, LOOPBACK, 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener
        listener.done.set()


async def probe(port: int, path: str = "/", *, timeout_s: float = 5.0) -> str:
    return await NetworkProber(timeout_s=timeout_s).probe(LOOPBACK, port, path=path, host=HOST)


@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"302 Found", b"399 Odd"])
async def test_an_answer_of_200_to_399_is_well(status: bytes) -> None:
    async with listening(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n") as listener:
        assert await probe(listener.port, "/up") == ""
    assert listener.asked == [
        b"GET /up HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: control-tower\r\nConnection: close\r\n\r\n"
    ]


@pytest.mark.parametrize("status", [b"404 Not Found", b"500", b"503 Service Unavailable", b"101 Switching"])
async def test_any_other_answer_is_told_with_its_status(status: bytes) -> None:
    async with listening(b"HTTP/1.0 " + status + b"\r\n\r\n") as listener:
        assert await probe(listener.port, "/up") == (
            f"/up on port {listener.port} answered {status[:3].decode()}"
        )


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 two\r\n", b"HTTP/1.1 2000\r\n", b"x" * 100_000]
)
async def test_what_is_no_http_is_not_well(answer: bytes) -> None:
    async with listening(answer) as listener:
        found = await probe(listener.port)
    assert found in (
        f"/ on port {listener.port} was not answered in HTTP",
        f"/ on port {listener.port}: Connection reset by peer",
    )


async def test_one_that_keeps_silent_is_not_waited_for() -> None:
    async with listening(None) as listener:
        assert await probe(listener.port, timeout_s=0.05) == (
            f"no answer to / on port {listener.port} within 0.05 s"
        )


async def test_without_a_path_a_connection_is_enough() -> None:
    async with listening(None) as listener:
        assert await probe(listener.port, "") == ""


@pytest.mark.parametrize(("path", "what"), [("", "a connection"), ("/up", "/up")])
async def test_a_port_where_nothing_listens_is_told_as_that(path: str, what: str) -> None:
    async with listening(None) as listener:
        port = listener.port
    assert await probe(port, path) == f"nothing listens for {what} on port {port}"


async def test_a_path_cannot_break_out_of_its_line() -> None:
    async with listening(b"HTTP/1.1 200 OK\r\n\r\n") as listener:
        assert await probe(listener.port, "/a b\r\nX-Evil: 1#é%20?q=1&r=[2]") == ""
    [request] = listener.asked
    assert request.startswith(b"GET /a%20b%0D%0AX-Evil:%201%23%C3%A9%20?q=1&r=%5B2%5D HTTP/1.1\r\nHost: ")
