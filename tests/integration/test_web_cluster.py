"""Three agents on this machine, without Docker: any of them is asked anything, also while one dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytestmark = pytest.mark.timeout(180)

START_TIMEOUT_S = 60.0
PASSWORD = "four unrelated quiet words"


@dataclass(slots=True)
class Agents:
    """Agents by number, from 1. `tls` trusts their cluster's CA alone."""

    directory: Path
    api_ports: dict[int, int] = field(default_factory=dict)
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        context.check_hostname = False
        return context

    def url(self, number: int) -> str:
        return f"https://127.0.0.1:{self.api_ports[number]}/api/v1"

    def configure(self, number: int) -> None:
        api, raft = free_port(), free_ports(2)
        self.api_ports[number] = api
        (self.directory / f"{number}.toml").write_text(
            f'[node]\nname = "w{number}"\ndata_dir = "{self.directory / str(number)}"\n'
            'advertise_address = "127.0.0.1"\n'
            f'[listen]\napi = "127.0.0.1:{api}"\nraft = "127.0.0.1:{raft}"\npeers = "127.0.0.1:{raft + 1}"\n'
            f'[docker]\nsocket = "{self.directory / "no-docker.sock"}"\n'
            "[haproxy]\nenabled = false\n"
        )

    def tower(self, number: int, *words: str) -> str:
        """Run a command for the agent of that number and return what it prints."""
        done = subprocess.run(
            [*TOWER, *words, "--config", str(self.directory / f"{number}.toml")],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "TOWER_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, number: int) -> None:
        with (self.directory / f"{number}.log").open("ab") as output:
            self.processes[number] = subprocess.Popen(
                [*TOWER, "run", "--config", str(self.directory / f"{number}.toml")],
                stdout=output,
                stderr=output,
            )

    def kill(self, number: int) -> None:
        process = self.processes.pop(number)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


TOWER = (sys.executable, "-m", "agent.cli.main")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> int:
    """Return the first of `count` free ports in a row."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


class Api:
    """One session with the cluster, asked of any agent."""

    def __init__(self, agents: Agents, client: aiohttp.ClientSession) -> None:
        self._agents = agents
        self.client = client
        self.headers: dict[str, str] = {}

    async def ask(self, number: int, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.request(
            method, self._agents.url(number) + path, headers=self.headers, **options
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def log_in(self, number: int) -> dict[str, Any]:
        body = {"name": "admin", "password": PASSWORD, "mode": "token"}
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                status, answer = await self.ask(number, "POST", "/auth/login", json=body)
                if status != 503:
                    break
                # The first administrator is committed a moment after the agent is ready.
                await asyncio.sleep(0.2)
        assert status == 200, answer
        self.headers = {"Authorization": f"Bearer {answer['access_token']}"}
        assert isinstance(answer, dict)
        return answer

    async def until(self, number: int, path: str, field_name: str, value: object) -> Any:
        """Return the answer at `path` once its field has that value."""
        answer: Any = None
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                try:
                    _, answer = await self.ask(number, "GET", path)
                except aiohttp.ClientError as error:
                    answer = error
                if isinstance(answer, dict) and answer.get(field_name) == value:
                    return answer
                await asyncio.sleep(0.2)


@asynccontextmanager
async def a_session(agents: Agents) -> AsyncIterator[Api]:
    connector = aiohttp.TCPConnector(ssl=agents.tls)
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as client:
        try:
            yield Api(agents, client)
        finally:
            # An agent that was killed never says goodbye.
            await connector.close(abort_ssl=True)


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    agents = Agents(tmp_path_factory.mktemp("agents"))
    for number in (1, 2, 3):
        agents.configure(number)
    agents.tower(1, "init", "--no-start")
    try:
        agents.start(1)
        asyncio.run(fetch_ca(agents))
        asyncio.run(join_the_others(agents))
        yield agents
    finally:
        agents.stop()


async def fetch_ca(agents: Agents) -> None:
    """Keep the CA the first agent shows to anybody. Whose it is matters to nobody in this test."""
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector) as client, asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                async with client.get(f"{agents.url(1)}/ca") as response:
                    if response.status == 200:
                        (agents.directory / "ca.pem").write_text(await response.text())
                        await connector.close(abort_ssl=True)
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)


async def join_the_others(agents: Agents) -> None:
    async with a_session(agents) as api:
        await api.until(1, "/health", "status", "ready")
        await api.log_in(1)
        status, made = await api.ask(1, "POST", "/join-tokens", json={"uses": 2})
        assert status == 201, made
        for number in (2, 3):
            host = f"127.0.0.1:{agents.api_ports[1]}"
            await asyncio.to_thread(
                agents.tower, number, "join", host, "--token", made["token"], "--no-start"
            )
            agents.start(number)
        await everybody_is_well(api)


async def everybody_is_well(api: Api) -> None:
    """Return once all agents answer and the leader has committed that they are up."""
    for number in (1, 2, 3):
        await api.until(number, "/health", "status", "ready")
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            _, cluster = await api.ask(1, "GET", "/cluster")
            if cluster["quorum"]["healthy"] == 3:
                return
            await asyncio.sleep(0.2)


async def test_a_login_made_at_one_host_is_a_login_at_all_of_them_at_once(agents: Agents) -> None:
    async with a_session(agents) as api:
        for first in (1, 2, 3):
            await api.log_in(first)
            async with asyncio.TaskGroup() as tasks:
                asking = [tasks.create_task(api.ask(number, "GET", "/auth/me")) for number in (1, 2, 3)]
            assert [task.result()[0] for task in asking] == [200, 200, 200]


async def test_a_session_is_continued_at_another_host_and_ended_at_a_third(agents: Agents) -> None:
    async with a_session(agents) as api:
        login = await api.log_in(1)
        status, renewed = await api.ask(
            2, "POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]}
        )
        assert status == 200, renewed
        api.headers = {"Authorization": f"Bearer {renewed['access_token']}"}
        assert (await api.ask(3, "POST", "/auth/logout"))[0] == 204
        for number in (1, 2, 3):
            await api.until(number, "/auth/me", "status", 401)


async def test_hosts_that_joined_are_in_the_audit(agents: Agents) -> None:
    async with a_session(agents) as api:
        await api.log_in(3)
        _, audit = await api.ask(3, "GET", "/audit", params={"action": "node.join"})
    assert sorted(entry["resource"] for entry in audit["items"]) == ["node:w2", "node:w3"]


async def test_a_host_without_docker_says_so_everywhere(agents: Agents) -> None:
    async with a_session(agents) as api:
        await api.log_in(2)
        _, containers = await api.ask(2, "GET", "/containers")
    assert sorted(problem["node_name"] for problem in containers["problems"]) == ["w1", "w2", "w3"]
    assert all("Docker" in problem["reason"] for problem in containers["problems"])


async def test_whoever_watches_sees_every_second_of_every_host(agents: Agents) -> None:
    moments: dict[str, set[int]] = {}
    async with a_session(agents) as api:
        await api.log_in(1)
        async with api.client.ws_connect(f"{agents.url(1)}/live", headers=api.headers) as socket:
            await socket.send_json({"subscribe": ["seconds"]})
            async with asyncio.timeout(15):
                while len(moments) < 3 or min(map(len, moments.values())) < 3:
                    message = await socket.receive_json()
                    for host in message.get("data", ()) if message.get("topic") == "seconds" else ():
                        for series in host["series"]:
                            if series["metric"] == "load_1":
                                values = zip(host["times_ms"], series["values"], strict=True)
                                known = {at_ms for at_ms, value in values if value is not None}
                                moments.setdefault(host["node_id"], set()).update(known)
    for seen in moments.values():
        assert {at_ms % 1000 for at_ms in seen} == {0}
        assert max(seen) - min(seen) < 1000 * (len(seen) + 2)


async def test_no_acknowledged_change_is_lost_when_the_leader_is_killed(agents: Agents) -> None:
    async with a_session(agents) as api:
        await api.log_in(1)
        _, cluster = await api.ask(1, "GET", "/cluster")
        names = {node["id"]: node["name"] for node in cluster["nodes"]}
        leader = int(names[cluster["leader_id"]][1:])
        survivors = [number for number in (1, 2, 3) if number != leader]
        acknowledged: list[int] = []
        is_begun, is_going_on, is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        enough = 20

        async def write(start: int, number: int) -> None:
            value = start
            while not is_over.is_set():
                value += 10
                try:
                    status, _ = await api.ask(number, "PUT", f"/settings/kill%2F{value}", json={"value": "x"})
                except (aiohttp.ClientError, TimeoutError):
                    continue
                if status == 200:
                    acknowledged.append(value)
                if len(acknowledged) >= enough:
                    (is_going_on if is_begun.is_set() else is_begun).set()

        async with asyncio.TaskGroup() as tasks:
            for start, number in enumerate((*survivors, *survivors)):
                tasks.create_task(write(start, number))
            await is_begun.wait()
            await asyncio.to_thread(agents.kill, leader)
            enough = len(acknowledged) + 20
            is_going_on.clear()
            async with asyncio.timeout(30):
                await is_going_on.wait()
            is_over.set()
        for number in survivors:
            async with asyncio.timeout(10):
                while True:
                    _, settings = await api.ask(number, "GET", "/settings", params={"limit": "10000"})
                    kept = {item["key"] for item in settings["items"]}
                    if kept >= {f"kill/{value}" for value in acknowledged}:
                        break
                    await asyncio.sleep(0.1)
        lost = await api.until(survivors[0], f"/nodes/w{leader}", "status", "down")
        _, after = await api.ask(survivors[0], "GET", "/cluster")
        agents.start(leader)
        await everybody_is_well(api)
    assert not lost["is_leader"]
    assert after["leader_id"] not in (None, cluster["leader_id"])
    assert after["quorum"]["can_lose"] == 0
