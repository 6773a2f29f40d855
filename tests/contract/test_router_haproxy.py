"""What only a real HAProxy can show: reloads, restarts and leftovers under load, and words for failures."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest

from agent.clock import SystemClock
from agent.ports import SwitchError
from agent.router.absent import AbsentRouter
from agent.router.choosing import run_router
from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.maps import all_entries
from agent.router.haproxy.process import HaproxyProcess, HaproxyUnusable
from agent.router.haproxy.render import (
    SLOTS_MIN,
    ConfigOptions,
    render_config,
    render_server_states,
    slot_count,
)
from agent.router.haproxy.runtime import RuntimeSocket
from agent.router.protocol import RevisionTraffic, ServiceRoute
from tests.support.haproxy import (
    LOOPBACK,
    PATIENCE_S,
    RunningRouter,
    Upstream,
    free_port,
    running_router,
    short_directory,
)
from tests.support.requirements import require_program

ROOT = Path(__file__).resolve().parents[2]
SHOP = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")
CLIENTS = 8


@pytest.fixture
async def directory() -> AsyncIterator[Path]:
    async with short_directory() as path:
        yield path


@asynccontextmanager
async def upstreams(*names: str) -> AsyncIterator[list[Upstream]]:
    made = [Upstream(name) for name in names]
    for upstream in made:
        await upstream.start()
    try:
        yield made
    finally:
        for upstream in made:
            upstream.release()
            await upstream.stop()


async def serve(running: RunningRouter, *replicas: Upstream) -> None:
    for upstream in replicas:
        await running.router.admit("shop.web", "blue", upstream.endpoint)
        await running.router.open("shop.web", "blue", upstream.endpoint.replica)


async def traffic_of(running: RunningRouter, revision: int) -> RevisionTraffic:
    return next(each for each in await running.router.traffic() if each.revision == revision)


async def until(condition: object, running: RunningRouter) -> None:
    """Wait until the router's condition holds what `condition` (a callable) wants."""
    assert callable(condition)
    async with asyncio.timeout(PATIENCE_S):
        while not condition(running.router.condition):
            await SystemClock().sleep(0.02)


@dataclass
class Load:
    """Clients that ask without a pause over keep-alive connections until stopped."""

    running: RunningRouter
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def client(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._is_over.is_set():
            try:
                if connection is None:
                    connection = await asyncio.open_connection(LOOPBACK, self.running.http_port)
                reader, writer = connection
                writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                await reader.readexactly(length)
                status = head.split(b" ", 2)[1]
                if status == b"200":
                    self.answered += 1
                else:
                    self.failures.append(status.decode())
                if b"connection: close" in head.lower():
                    writer.close()
                    connection = None
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(repr(error))
                connection = None
        if connection is not None:
            connection[1].close()

    async def until(self, answered: int) -> None:
        """Wait for so many more answers."""
        wanted = self.answered + answered
        async with asyncio.timeout(PATIENCE_S):
            while self.answered < wanted:
                await SystemClock().sleep(0.01)


@asynccontextmanager
async def load(running: RunningRouter) -> AsyncIterator[Load]:
    made = Load(running)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(made.client())
        yield made
        made._is_over.set()


async def test_replicas_are_replaced_one_by_one_without_a_lost_request(directory: Path) -> None:
    old = upstreams("old-1", "old-2", "old-3")
    new = upstreams("new-1", "new-2", "new-3")
    async with old as leaving, new as coming, running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, *leaving)
        async with load(running) as clients:
            await clients.until(200)
            for before, after in zip(leaving, coming, strict=True):
                await serve(running, after)
                assert await running.router.drain("shop.web", "blue", before.endpoint.replica, timeout_s=10.0)
                await running.router.remove("shop.web", "blue", before.endpoint.replica)
                await before.stop()
                await clients.until(200)
        assert clients.failures == []
        assert {(await running.get("shop.example"))[1] for _ in range(9)} == {"new-1", "new-2", "new-3"}
        traffic = await traffic_of(running, 1)
        assert (traffic.failures, traffic.lost) == (0, 0)


async def test_reloads_lose_no_request_and_keep_what_is_in_the_slots(directory: Path) -> None:
    async with upstreams("one", "two") as replicas, running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, *replicas)
        await running.router.drain("shop.web", "blue", replicas[1].endpoint.replica, timeout_s=5.0)
        async with load(running) as clients:
            for number in range(3):
                await clients.until(100)
                more = ServiceRoute(service=f"more{number}", hosts=(f"more{number}.example",))
                running.router.configure([SHOP, more])
                await wait_for_reload(running, f"more{number}")
            await clients.until(100)
            first = replicas[1].requests
        assert clients.failures == []
        assert replicas[1].requests == first, "a drained replica got requests after a reload"
        traffic = await traffic_of(running, 1)
        assert (traffic.failures, traffic.lost) == (0, 0)
        # What an old worker answered between its last reading and its end is not known.
        assert 0.5 * clients.answered < traffic.requests <= clients.answered + CLIENTS
        assert {(await running.get("shop.example"))[1] for _ in range(4)} == {"one"}


async def wait_for_reload(running: RunningRouter, service: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while service not in running.router.services:
            await SystemClock().sleep(0.02)


async def test_a_drain_waits_for_requests_of_workers_from_before_a_reload(directory: Path) -> None:
    async with upstreams("one", "two") as [one, two], running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one)
        async with asyncio.TaskGroup() as tasks:
            held = tasks.create_task(running.get("shop.example", "/hold"))
            await one.is_held.wait()
            running.router.configure([SHOP, ServiceRoute(service="more", hosts=("more.example",))])
            await wait_for_reload(running, "more")
            await serve(running, two)
            assert not await running.router.drain("shop.web", "blue", one.endpoint.replica, timeout_s=0.3)
            one.release()
            assert await running.router.drain("shop.web", "blue", one.endpoint.replica, timeout_s=5.0)
        assert held.result() == (200, "one")


async def test_a_host_name_changes_its_service_without_a_reload(directory: Path) -> None:
    async with upstreams("one") as [one], running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one)
        workers = await running.router.workers()
        renamed = ServiceRoute(
            service="shop.web", hosts=("shop.example", "*.shop.example"), health_path="/up"
        )
        running.router.configure([renamed])
        async with asyncio.timeout(PATIENCE_S):
            while (await running.get("www.shop.example"))[0] != 200:
                await SystemClock().sleep(0.02)
        assert await running.router.workers() == workers


async def test_a_killed_haproxy_comes_back_with_its_replicas_serving(directory: Path) -> None:
    async with upstreams("one", "two") as [one, two], running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one, two)
        await running.router.drain("shop.web", "blue", two.endpoint.replica, timeout_s=5.0)
        master = (await running.router.workers()).master
        os.kill(master, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while await master_of(running) in (None, master):
                await SystemClock().sleep(0.02)
        await running.until_serving()
        assert [await running.get("shop.example") for _ in range(4)] == [(200, "one")] * 4
        assert running.router.replicas() == {
            ("shop.web", "blue", one.endpoint.replica),
            ("shop.web", "blue", two.endpoint.replica),
        }


@pytest.mark.timeout(60)
async def test_a_haproxy_that_hangs_is_replaced_by_one_that_answers(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.router.haproxy.router.ANSWER_EVERY_S", 0.1)
    monkeypatch.setattr("agent.router.haproxy.router.MISSED_MAX", 2)
    async with upstreams("one") as [one], running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one)
        before = await running.router.workers()
        for worker in before.present:
            os.kill(worker, signal.SIGSTOP)
        async with asyncio.timeout(30):
            while await master_of(running) in (None, before.master):
                await SystemClock().sleep(0.05)
        await running.until_serving()
        assert await running.get("shop.example") == (200, "one")


async def master_of(running: RunningRouter) -> int | None:
    try:
        return (await running.router.workers()).master
    except SwitchError:
        return None


_ABANDONING = """
import asyncio, random, sys
from pathlib import Path
from agent.clock import SystemClock
from agent.ports import Endpoint
from agent.router.haproxy.router import HaproxyRouter
from agent.router.protocol import ServiceRoute, replica_name

async def main(directory, http_port, replica_port):
    router = HaproxyRouter(
        directory=Path(directory), program="haproxy", http_port=int(http_port), clock=SystemClock(),
        rng=random.Random(1), bind_address="127.0.0.1",
    )
    router.configure([ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(router.run())
        while not router.condition.is_serving:
            await asyncio.sleep(0.02)
        port = int(replica_port)
        endpoint = Endpoint(replica=replica_name("127.0.0.2", port), address="127.0.0.2", port=port)
        await router.admit("shop.web", "blue", endpoint)
        await router.open("shop.web", "blue", endpoint.replica)
        print("open", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def abandoned_haproxy(directory: Path, http_port: int, replica: Upstream) -> None:
    """Leave a HAProxy behind that a killed agent ran."""
    require_program("haproxy")
    agent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ABANDONING,
        str(directory),
        str(http_port),
        str(replica.port),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert agent.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        assert await agent.stdout.readline() == b"open\n"
    agent.kill()
    await agent.communicate()


async def test_the_haproxy_of_a_killed_agent_serves_on_and_is_taken_over(directory: Path) -> None:
    port = free_port()
    async with upstreams("one", "two") as [one, two]:
        await abandoned_haproxy(directory, port, one)
        async with running_router(directory, http_port=port) as running:
            assert await running.get("shop.example") == (200, "one")
            async with load(running) as clients:
                running.router.configure([SHOP])
                await running.until_serving()
                assert running.router.replicas() == {("shop.web", "blue", one.endpoint.replica)}
                await serve(running, one, two)
                await running.router.drain("shop.web", "blue", one.endpoint.replica, timeout_s=5.0)
                await running.router.remove("shop.web", "blue", one.endpoint.replica)
                await clients.until(50)
            assert clients.failures == []
            assert await running.get("shop.example") == (200, "two")


async def test_the_haproxy_of_a_killed_agent_is_ended_where_the_host_has_another_router_now(
    directory: Path,
) -> None:
    port = free_port()
    async with upstreams("one") as [one]:
        await abandoned_haproxy(directory / "haproxy", port, one)
        files = HaproxyFiles(directory / "haproxy")
        workers = await RuntimeSocket(files.socket, files.master_socket).workers()
        router = AbsentRouter(SystemClock())
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run_router(router, directory=directory, clock=SystemClock()))
            while any(map(has_process, (workers.master, *workers.present))):
                await SystemClock().sleep(0.02)
            running.cancel()
        with socket.create_server((LOOPBACK, port)):
            pass


async def test_a_router_that_outlives_its_agent_serves_between_two_of_them(directory: Path) -> None:
    port = free_port()
    async with upstreams("one") as [one]:
        async with running_router(directory, http_port=port, outlives_agent=True) as running:
            running.router.configure([SHOP])
            await running.until_serving()
            await serve(running, one)
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://{LOOPBACK}:{port}/", headers={"Host": "shop.example"}) as answer,
        ):
            assert (answer.status, await answer.text()) == (200, "one")
        async with running_router(directory, http_port=port, outlives_agent=True) as running:
            running.router.configure([SHOP])
            await running.until_serving()
            assert running.router.replicas() == {("shop.web", "blue", one.endpoint.replica)}
            running.router.end_with_agent()
        with pytest.raises(ConnectionRefusedError), socket.create_connection((LOOPBACK, port), timeout=5):
            pass


async def test_a_haproxy_left_behind_that_does_not_answer_is_replaced(directory: Path) -> None:
    port = free_port()
    async with upstreams("one") as [one]:
        await abandoned_haproxy(directory, port, one)
        files = HaproxyFiles(directory)
        workers = await RuntimeSocket(files.socket, files.master_socket).workers()
        for pid in (workers.master, *workers.present):
            os.kill(pid, signal.SIGSTOP)
        async with running_router(directory, http_port=port) as running:
            running.router.configure([SHOP])
            await running.until_serving()
            assert not any(map(has_process, (workers.master, *workers.present)))
            await serve(running, one)
            assert [await running.get("shop.example") for _ in range(4)] == [(200, "one")] * 4


def has_process(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_port_in_use_is_said_and_taken_once_it_is_free(directory: Path) -> None:
    port = free_port()
    with socket.create_server((LOOPBACK, port)):
        async with running_router(directory, http_port=port) as running:
            running.router.configure([SHOP])
            await until(lambda condition: f"port {port} is in use" in condition.problem, running)
            assert "haproxy.http_port" in running.router.condition.problem
    async with running_router(directory, http_port=port) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        assert running.router.condition.problem == ""


async def test_without_haproxy_the_router_says_what_to_do_and_goes_on(directory: Path) -> None:
    process = HaproxyProcess(
        files=HaproxyFiles(directory),
        program="no-such-haproxy",
        http_port=1,
        runtime=RuntimeSocket(directory / "a", directory / "b"),
        clock=SystemClock(),
    )
    with pytest.raises(HaproxyUnusable, match=r"install HAProxy.*haproxy\.enabled = false"):
        await process.check_version()


async def test_a_directory_whose_path_is_too_long_is_said(directory: Path) -> None:
    async with running_router(directory / ("d" * 90)) as running:
        running.router.configure([SHOP])
        await until(lambda condition: "node.data_dir" in condition.problem, running)
        assert not running.router.condition.is_serving


async def test_ending_lets_requests_under_way_finish(directory: Path) -> None:
    async with (
        upstreams("one") as [one],
        asyncio.TaskGroup() as tasks,
        running_router(directory, drain_on_stop_s=10.0) as running,
    ):
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one)
        held = tasks.create_task(running.get("shop.example", "/hold"))
        await one.is_held.wait()
        running.stop()
        async with asyncio.timeout(PATIENCE_S):
            while await is_listening(running.http_port):
                await SystemClock().sleep(0.02)
        one.release()
        assert await held == (200, "one")


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except ConnectionError:
        return False
    writer.close()
    return True


async def test_a_replica_that_dies_unannounced_fails_no_reading_request(directory: Path) -> None:
    async with upstreams("one", "two") as [one, two], running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one, two)
        async with load(running) as clients:
            await clients.until(200)
            await one.stop()
            await clients.until(400)
        assert clients.failures == []


async def test_requests_that_haproxy_loses_in_silence_are_counted(directory: Path) -> None:
    async with upstreams("one") as [one], running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, one)

        async def post_on_a_used_connection() -> bytes:
            reader, writer = await asyncio.open_connection(LOOPBACK, running.http_port)
            writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            await reader.readuntil(b"one")
            writer.write(b"POST /hold HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

        async with asyncio.TaskGroup() as tasks:
            posts = [tasks.create_task(post_on_a_used_connection()) for _ in range(3)]
            async with asyncio.timeout(PATIENCE_S):
                while one.held < 3:
                    await SystemClock().sleep(0.01)
            await one.stop()
        assert [post.result() for post in posts] == [b"", b"", b""], "HAProxy answered after all"
        after = await traffic_of(running, 1)
        assert (after.requests, after.failures, after.lost) == (6, 3, 3)


async def test_text_from_a_compose_file_cannot_become_configuration(directory: Path) -> None:
    program = require_program("haproxy")
    files = HaproxyFiles(directory)
    hostile = '/up\'\n  http-request deny\n# %[env(HOME)] "x" \\'
    route = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path=hostile)
    text = render_config(files, ConfigOptions(http_port=free_port()), [route], {"shop.web": 8})
    files.config.write_text(text)
    files.server_states.write_text(render_server_states({}))
    for path in all_entries(files, [route], {}):
        path.write_text("")
    checked = subprocess.run([program, "-c", "-f", str(files.config)], capture_output=True, text=True)  # noqa: ASYNC221  a program that ends at once, in a test
    assert checked.returncode == 0, checked.stderr
    assert "deny" not in text.replace("http-request%20deny", "")


async def wait_for_slots(running: RunningRouter, count: int) -> None:
    files = HaproxyFiles(running.directory)
    runtime = RuntimeSocket(files.socket, files.master_socket)
    async with asyncio.timeout(PATIENCE_S):
        while len(await runtime.servers("shop.web-blue")) != count:
            await SystemClock().sleep(0.02)


async def test_a_backend_that_grows_keeps_what_is_in_its_slots(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with upstreams("one", "two") as replicas, running_router(directory) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await serve(running, *replicas)
        async with load(running) as clients:
            await clients.until(100)
            for replicas_max in (2 * SLOTS_MIN, 4 * SLOTS_MIN):
                running.router.configure([replace(SHOP, replicas_max=replicas_max)])
                await wait_for_slots(running, slot_count(replicas_max))
                await clients.until(100)
        assert clients.failures == []
        assert "router.slot_mended" not in caplog.messages
