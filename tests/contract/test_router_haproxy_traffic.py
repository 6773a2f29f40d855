"""What a real HAProxy's counters and log lines become: the same figures that its clients saw."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.render import LOG_MARK, LOGGED_PER_SECOND
from agent.router.protocol import RevisionTraffic, ServiceRoute
from cluster.model.traffic import latency_bucket
from tests.support.haproxy import (
    LOOPBACK,
    PATIENCE_S,
    UPSTREAM,
    RunningRouter,
    Upstream,
    free_port,
    running_router,
    short_directory,
)

SHOP = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")


@dataclass
class Shop:
    """A router with the shop in it, and what starts replicas behind it."""

    running: RunningRouter
    stack: AsyncExitStack
    tasks: asyncio.TaskGroup

    async def upstream(self, name: str, *, revision: int = 1) -> Upstream:
        upstream = Upstream(name, revision=revision)
        await upstream.start()
        self.stack.push_async_callback(upstream.stop)
        self.stack.callback(upstream.release)
        return upstream

    async def serve(self, name: str, *, colour: str = "blue", revision: int = 1) -> Upstream:
        upstream = await self.upstream(name, revision=revision)
        await self.running.router.admit("shop.web", colour, upstream.endpoint)
        await self.running.router.open("shop.web", colour, upstream.endpoint.replica)
        return upstream

    async def traffic(self, revision: int = 1) -> RevisionTraffic:
        for each in await self.running.router.traffic():
            if each.revision == revision:
                return each
        return RevisionTraffic(service="shop.web", revision=revision)

    async def until_counted(self, requests: int, *, revision: int = 1) -> RevisionTraffic:
        """Wait until so many requests are over for HAProxy too."""
        async with asyncio.timeout(PATIENCE_S):
            while (traffic := await self.traffic(revision)).requests < requests:
                await SystemClock().sleep(0.02)
        return traffic

    async def connect(self) -> Connection:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.running.http_port)
        self.stack.callback(writer.close)
        return Connection(reader, writer)

    async def send(self, method: str, path: str) -> str:
        """Status of the answer on a connection of its own, or "lost"."""
        connection = await self.connect()
        try:
            return await connection.send(method, path)
        finally:
            connection.writer.close()

    async def hold(self, upstream: Upstream, number: int, *, is_reused: bool) -> list[asyncio.Task[str]]:
        """POST requests that `upstream` has begun to work at, on used or fresh connections."""
        wanted = upstream.held + number
        tasks = []
        for _ in range(number):
            connection = await self.connect()
            if is_reused:
                assert await connection.send("GET", "/") == "200"
            tasks.append(self.tasks.create_task(connection.send("POST", "/hold")))
        async with asyncio.timeout(PATIENCE_S):
            while upstream.held < wanted:
                await SystemClock().sleep(0.01)
        return tasks


@dataclass
class Connection:
    """A client's connection that is kept for more requests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, method: str, path: str) -> str:
        head = f"{method} {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n"
        self.writer.write(head.encode())
        try:
            answer = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in answer.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return "lost"
        return answer.split(b" ", 2)[1].decode()


@pytest.fixture
async def directory() -> AsyncIterator[Path]:
    async with short_directory() as path:
        yield path


@asynccontextmanager
async def shop_in(directory: Path, *, http_port: int | None = None, **options: object) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_router(directory, http_port=http_port, **options))
        running.router.configure([SHOP])
        await running.until_serving()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        yield Shop(running, stack, tasks)


@pytest.fixture
async def shop(directory: Path) -> AsyncIterator[Shop]:
    async with shop_in(directory) as made:
        yield made


async def test_requests_that_a_killed_replica_had_are_counted_as_its_clients_saw_them(shop: Shop) -> None:
    canary = await shop.serve("canary", revision=2)
    held = await shop.hold(canary, 4, is_reused=True)
    held += await shop.hold(canary, 7, is_reused=False)
    await canary.stop()
    seen = await asyncio.gather(*held)
    assert {*seen} <= {"lost", "502"}, "the connections did not break as they should"
    traffic = await shop.until_counted(4 + 11, revision=2)
    assert (traffic.requests, traffic.failures) == (4 + 11, 11)
    assert traffic.lost == seen.count("lost")


async def test_the_errors_of_a_replica_are_failures_of_its_revision_alone(shop: Shop) -> None:
    await shop.serve("stable", revision=1)
    await shop.serve("canary", colour="green", revision=2)
    await shop.running.router.split("shop.web", {"blue": 500, "green": 500}, revision=1)
    for _ in range(20):
        assert await shop.send("GET", "/error") == "500"
    stable, canary = await shop.traffic(1), await shop.traffic(2)
    assert (stable.requests, canary.requests) == (stable.failures, canary.failures)
    assert stable.requests + canary.requests == 20
    assert stable.requests > 0 < canary.requests


async def test_a_connection_that_comes_to_nothing_is_a_failure_of_the_revision(shop: Shop) -> None:
    only = await shop.serve("only")
    await only.stop()
    assert await shop.send("POST", "/") == "503"
    traffic = await shop.until_counted(1)
    assert (traffic.requests, traffic.failures, traffic.lost) == (1, 1, 0)
    # The checks noticed meanwhile: there is no replica any more whose failure it could be.
    assert await shop.send("POST", "/") == "503"
    assert await shop.traffic() == traffic


async def test_a_request_that_another_replica_answered_after_all_is_one_retry_and_no_failure(
    shop: Shop,
) -> None:
    await shop.serve("stable", revision=1)
    dying = await shop.serve("dying", revision=2)
    dying.answers = False
    seen = [await shop.send("GET", "/") for _ in range(10)]
    assert seen == ["200"] * 10
    traffic = await shop.until_counted(10, revision=1)
    assert (traffic.requests, traffic.failures, traffic.retried) == (10, 0, 0)
    gone = await shop.traffic(2)
    assert (gone.requests, gone.failures, gone.lost) == (0, 0, 0)
    assert gone.retried == dying.requests > 0


async def test_a_request_that_its_client_gave_up_is_no_failure(shop: Shop) -> None:
    only = await shop.serve("only")
    connection = await shop.connect()
    assert await connection.send("GET", "/") == "200"
    connection.writer.write(b"GET /hold HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    await only.is_held.wait()
    connection.writer.transport.abort()
    only.release()
    assert await shop.send("GET", "/") == "200"
    traffic = await shop.until_counted(2)
    # Whether it is a request depends on the version: 2.6 waits for the answer, 3.5 gives it up too.
    assert traffic.requests in (2, 3)
    assert (traffic.failures, traffic.lost) == (0, 0)


async def test_hints_before_an_answer_are_no_requests_and_a_websocket_is_one(shop: Shop) -> None:
    await shop.serve("only")
    connection = await shop.connect()
    connection.writer.write(b"GET /hinted HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    assert b" 103 " in await connection.reader.readuntil(b"\r\n\r\n")
    await connection.reader.readuntil(b"only")
    assert (await shop.until_counted(1)).requests == 1
    connection.writer.write(
        b"GET /socket HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b" 101 " in await connection.reader.readuntil(b"\r\n\r\n")
    assert (await shop.traffic()).requests == 1, "it is not over yet"
    connection.writer.close()
    traffic = await shop.until_counted(2)
    assert (traffic.requests, traffic.failures, traffic.lost) == (2, 0, 0)


async def test_a_preview_that_fails_is_not_counted_either(shop: Shop) -> None:
    await shop.serve("stable", revision=1)
    canary = await shop.serve("canary", colour="green", revision=2)
    preview = {"X-Tower-Colour": "green"}
    assert (await shop.running.get("shop.example", "/error", headers=preview))[0] == 500
    canary.answers = False
    assert (await shop.running.get("shop.example", "/", headers=preview))[0] == 502
    canary.answers = True
    assert (await shop.running.get("shop.example", "/", headers=preview)) == (200, "canary")
    await shop.running.router.split("shop.web", {"blue": 0, "green": 1000}, revision=1)
    assert await shop.running.get("shop.example") == (200, "canary")
    traffic = await shop.until_counted(1, revision=2)
    assert (traffic.requests, traffic.failures, traffic.lost) == (1, 0, 0)


async def test_a_place_that_gets_another_revision_counts_for_that_one_from_then_on(shop: Shop) -> None:
    first = await shop.serve("first", revision=1)
    assert [await shop.send("GET", "/") for _ in range(3)] == ["200"] * 3
    await shop.running.router.drain("shop.web", "blue", first.endpoint.replica, timeout_s=5.0)
    await shop.running.router.remove("shop.web", "blue", first.endpoint.replica)
    await shop.serve("second", revision=2)
    assert [await shop.send("GET", "/") for _ in range(2)] == ["200"] * 2
    assert (await shop.until_counted(2, revision=2)).requests == 2
    assert (await shop.traffic(1)).requests == 3


async def test_what_an_old_worker_finishes_after_a_reload_is_counted(shop: Shop) -> None:
    only = await shop.serve("only")
    held = await shop.hold(only, 3, is_reused=True)
    more = ServiceRoute(service="more", hosts=("more.example",))
    shop.running.router.configure([SHOP, more])
    async with asyncio.timeout(PATIENCE_S):
        while "more" not in shop.running.router.services:
            await SystemClock().sleep(0.02)
    assert await shop.send("GET", "/") == "200"
    traffic = await shop.until_counted(4)
    assert (traffic.requests, traffic.failures) == (4, 0)
    only.release()
    assert await asyncio.gather(*held) == ["200"] * 3


async def test_what_passed_before_the_agent_came_is_not_counted(directory: Path) -> None:
    port = free_port()
    only = Upstream("only", revision=1)
    await only.start()
    async with shop_in(directory, http_port=port, outlives_agent=True) as before:
        await before.running.router.admit("shop.web", "blue", only.endpoint)
        await before.running.router.open("shop.web", "blue", only.endpoint.replica)
        assert [await before.send("GET", "/") for _ in range(5)] == ["200"] * 5
    async with shop_in(directory, http_port=port, outlives_agent=True) as after:
        await after.running.router.admit("shop.web", "blue", only.endpoint)
        assert [await after.send("GET", "/") for _ in range(2)] == ["200"] * 2
        assert (await after.until_counted(2)).requests == 2
        after.running.router.end_with_agent()
    await only.stop()


async def test_slow_answers_are_seen_to_be_slow(shop: Shop) -> None:
    only = await shop.serve("only")
    held = await shop.hold(only, 2, is_reused=False)
    await SystemClock().sleep(0.3)
    only.release()
    await asyncio.gather(*held)

    async def is_timed() -> bool:
        # Buckets end at 0.25 ms * 2 ** (i / 8): the 82nd at 305 ms.
        return sum(n for bucket, n in (await shop.traffic()).latencies.items() if bucket >= 81) == 2

    async with asyncio.timeout(PATIENCE_S):
        while not await is_timed():
            await SystemClock().sleep(0.02)


async def test_of_very_many_requests_a_sample_is_timed_and_every_one_counted(shop: Shop) -> None:
    await shop.serve("only")
    number = 50 * LOGGED_PER_SECOND

    async def ask() -> None:
        connection = await shop.connect()
        for _ in range(number // 8):
            assert await connection.send("GET", "/") == "200"

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(ask())
    traffic = await shop.until_counted(number)
    assert traffic.requests == number
    # Lines of the log come by another way than counts.
    async with asyncio.timeout(PATIENCE_S):
        while not traffic.latencies:
            await SystemClock().sleep(0.02)
            traffic = await shop.traffic()
    assert 0 < sum(traffic.latencies.values()) < number


@pytest.mark.skipif(os.geteuid() != 0, reason="another account is needed, and only root can change to it")
async def test_nobody_else_on_the_host_can_write_timings(shop: Shop, directory: Path) -> None:
    only = await shop.serve("only")
    address = b"\0" + HaproxyFiles(directory).request_log.encode().ljust(107, b"\0")
    line = f"{LOG_MARK} shop.web-blue {UPSTREAM} {only.port} 200 60000\n".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        os.setresuid(65534, 0, 0)
        try:
            sender.sendto(line, address)
        finally:
            os.setresuid(0, 0, 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(line.replace(b"60000", b"500000"), address)
    async with asyncio.timeout(PATIENCE_S):
        while not (latencies := (await counted_latencies(shop))):
            await SystemClock().sleep(0.02)
    assert latencies == {latency_bucket(500_000): 1}


async def counted_latencies(shop: Shop) -> dict[int, int]:
    assert await shop.send("GET", "/hold-not") == "200"
    latencies = (await shop.traffic()).latencies
    # No real answer takes a minute here.
    return {bucket: number for bucket, number in latencies.items() if bucket >= latency_bucket(60_000)}
