"""Containers of real hosts from near, asked of another host: commands, files, settings, successors."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.docker.engine import DockerEngine
from agent.ports import ContainerSpec, Mount
from tests.support.lab import Host, LabAgents, agents_on_a_lab, url_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

IMAGE = "demo/busybox:1"
PATIENCE_S = 30.0
FILES = """
mkdir -p /srv/www /srv/huge
echo page > /srv/www/index.html
ln -s /srv/www/index.html /srv/link
ln -s ../../../../../../../../etc/passwd /srv/climbs
ln -s /proc/1/root/etc/shadow /srv/through
ln -s circle /srv/circle
mkfifo /srv/pipe
mknod /srv/device b 8 0
cd /srv/huge && i=0 && while [ $i -lt 12000 ]; do echo > file-$i; i=$((i+1)); done
touch /ready
sleep 100000
"""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once a real host is as it is to be: nothing tells when that is."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.2)


class World:
    """A cluster, and a container on its second host; everything is asked of the first."""

    def __init__(self, agents: LabAgents) -> None:
        self.agents = agents
        self.tls = ssl.create_default_context(cadata=agents.ca_pem)
        self.tls.check_hostname = False
        self.headers = {"Authorization": f"Bearer {agents.token}"}
        self.base = f"{url_of(agents.hosts[0])}/api/v1"

    @property
    def host(self) -> Host:
        return self.agents.hosts[1]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=self.tls)
        async with aiohttp.ClientSession(connector=connector, headers=self.headers) as session:
            yield session

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[DockerEngine]:
        engine = DockerEngine(str(self.host.docker_socket))
        try:
            yield engine
        finally:
            await engine.close()

    async def started(self, name: str, script: str, **fields: Any) -> str:
        async with self.engine() as engine:
            await engine.pull(IMAGE)
            await engine.remove(name, force=True)
            spec = ContainerSpec(name=name, image=IMAGE, command=("sh", "-c", script), **fields)
            container = await engine.create(spec)
            await engine.start(container)
        await self.until_known(container)
        return container

    async def until_known(self, container: str) -> None:
        """Return once the first host has heard of it from the second one, which it asks now and then."""

        async def is_known() -> bool:
            return (await self.ask("GET", container))[0] == 200

        await until(is_known)

    async def run(self, container: str, *command: str, data: bytes = b"") -> tuple[bytes, bytes, int | None]:
        """Run a command to its end; returns both outputs and the exit code."""
        outputs = {1: b"", 2: b""}
        url = f"{self.base}/containers/{container}/exec"
        async with self.session() as session, session.ws_connect(url) as socket:
            await socket.send_json({"command": command})
            await socket.send_bytes(data)
            await socket.send_json({"end_of_input": True})
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    outputs[message.data[0]] += message.data[1:]
                    continue
                told = json.loads(message.data)
                assert "problem" not in told, told
                if "exit_code" in told:
                    return outputs[1], outputs[2], told["exit_code"]
        raise AssertionError("it did not end")

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        async with (
            self.session() as session,
            session.request(method, f"{self.base}/containers/{path}", **options) as response,
        ):
            return response.status, await response.read()

    async def seen(self, method: str, path: str, **options: Any) -> Any:
        status, body = await self.ask(method, path, **options)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with agents_on_a_lab("n", Path(tmp_path_factory.mktemp("logs"))) as agents:
        yield World(agents)


@pytest.fixture(scope="module")
def files(world: World) -> str:
    async def made() -> str:
        container = await world.started("files", FILES)

        async def is_ready() -> bool:
            return (await world.run(container, "test", "-e", "/ready"))[2] == 0

        await until(is_ready)
        return container

    return asyncio.run(made())


async def test_a_command_of_another_host_has_its_input_outputs_and_exit_code(
    world: World, files: str
) -> None:
    out, err, code = await world.run(files, "sh", "-c", "cat; echo err >&2; exit 7", data=b"in" * 100_000)
    assert (out, err, code) == (b"in" * 100_000, b"err\n", 7)


async def test_what_runs_in_a_terminal_ends_when_its_caller_goes_away(world: World, files: str) -> None:
    url = f"{world.base}/containers/{files}/exec"
    async with world.session() as session, session.ws_connect(url) as socket:
        await socket.send_json({"tty": True, "columns": 91, "rows": 33})
        await socket.send_bytes(b"stty size; sleep 54321\n")
        seen = b""
        while b"33 91" not in seen:
            message = await socket.receive(PATIENCE_S)
            seen += message.data if message.type is aiohttp.WSMsgType.BINARY else b""
        # Without a word: as a browser that is closed.
        assert socket._response.connection is not None
        socket._response.connection.transport.abort()  # type: ignore[union-attr]  # it is open

    async def is_gone() -> bool:
        return b"54321" not in (await world.ask("GET", f"{files}/top"))[1]

    await until(is_gone)


@pytest.mark.parametrize("is_running", [True, False])
async def test_no_path_leads_out_of_a_container(world: World, files: str, is_running: bool) -> None:
    if not is_running:
        async with world.engine() as engine:
            await engine.stop(files, grace_s=0)
    own = (await world.ask("GET", f"{files}/files/content?path=/etc/passwd"))[1]
    status, climbed = await world.ask("GET", f"{files}/files/content?path=/srv/climbs")
    assert (status, climbed) == (200, own), "it is the container's own, however far it climbs"
    for path, words in (
        ("/srv/through", "nothing at"),
        ("/srv/circle", "circle"),
        ("/srv/pipe", "is a pipe"),
        ("/srv/device", "is a device"),
        ("/srv/../../etc/passwd", "'..'"),
    ):
        status, body = await world.ask("GET", f"{files}/files/content", params={"path": path})
        assert status in (404, 422), (path, body)
        assert words in json.loads(body)["detail"], (path, body)
        assert b"/var/lib/docker" not in body
    for path in ("/srv/device", "/srv/pipe", "/srv/www"):
        status, body = await world.ask("PUT", f"{files}/files/content", params={"path": path}, data=b"x")
        assert status == 422, (path, body)
    listed = await world.seen("GET", f"{files}/files?path=/srv")
    assert {entry["name"]: entry["kind"] for entry in listed["items"]}["device"] == "device"
    status, body = await world.ask("GET", f"{files}/files?path=/srv/huge&limit=100")
    huge = json.loads(body)
    assert len(huge["items"]) == 100
    assert "10000" in huge["incomplete"]
    if not is_running:
        async with world.engine() as engine:
            await engine.start(files)


async def test_files_go_both_ways_and_sizes_do_not_matter(world: World, files: str) -> None:
    content = bytes(range(256)) * 100_000
    written = await world.seen(
        "PUT", f"{files}/files/content?path=/srv/www/large&mode=0600", data=io.BytesIO(content)
    )
    assert written["size_bytes"] == len(content)
    assert (await world.ask("GET", f"{files}/files/content?path=/srv/www/large"))[1] == content
    mode, _, _ = await world.run(files, "stat", "-c", "%a", "/srv/www/large")
    assert mode == b"600\n"


async def test_limits_apply_to_the_running_container(world: World) -> None:
    container = await world.started("limited", "sleep 100000")
    changed = await world.seen(
        "PATCH", f"{container}/settings", json={"memory_bytes": 64 << 20, "restart_policy": "unless-stopped"}
    )
    assert changed["limits"]["memory_bytes"] == 64 << 20
    async with world.engine() as engine:
        detail = await engine.inspect(container)
    assert (detail.memory_limit_bytes, detail.restart_policy) == (64 << 20, "unless-stopped")
    assert detail.state.value == "running"


async def test_a_container_is_made_anew_with_its_volumes_and_put_back_when_that_fails(world: World) -> None:
    old = await world.started(
        "renewed",
        "echo kept > /data/kept; sleep 100000",
        environment={"LEVEL": "info", "SECRET": "hunter2"},
        mounts=(Mount(kind="volume", target="/data"),),
        stop_grace_s=0,
    )
    changes = {"variables": {"LEVEL": "debug"}, "labels": {"tier": "web"}}
    plan = await world.seen("POST", f"{old}/recreate/plan", json=changes)
    assert [each["field"] for each in plan["differences"]] == ["environment LEVEL", "label tier"]
    status, body = await world.ask(
        "POST", f"{old}/recreate", json={**changes, "container_id": plan["container_id"]}
    )
    steps = [json.loads(line) for line in body.splitlines()]
    assert (status, steps[-1]["stage"]) == (200, "done"), steps
    new = steps[-1]["container_id"]
    async with world.engine() as engine:
        environment = (await engine.inspect("renewed")).environment
        assert (environment["LEVEL"], environment["SECRET"]) == ("debug", "hunter2")
        assert [each.name for each in await engine.containers() if each.name.startswith("renewed")] == [
            "renewed"
        ]
    await world.until_known(new)
    assert (await world.run(new, "cat", "/data/kept"))[0] == b"kept\n"

    status, body = await world.ask(
        "POST",
        f"{new}/recreate",
        json={"command": ["sh", "-c", "echo broken; exit 9"], "container_id": new},
    )
    steps = [json.loads(line) for line in body.splitlines()]
    assert "exit code 9: broken" in steps[-1]["error"]
    async with world.engine() as engine:
        detail = await engine.inspect("renewed")
        assert (detail.id, detail.state.value) == (new, "running")
