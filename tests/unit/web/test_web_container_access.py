"""Containers from near: terminals, processes, files and settings, under their caller's permissions."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient

from cluster.commands.access import RemoveUser
from cluster.model.access import Role
from cluster.model.container_access import (
    FileEntry,
    FileKind,
    LimitChanges,
    MountedAt,
    PublishedOn,
    ReplacementStage,
    ReplacementStep,
)
from cluster.model.inventory import HostRefused, HostUnavailable
from tests.support.web_fakes import (
    ORIGIN,
    PASSWORD,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.middleware.rate_limit import Limits
from web.tools.pace import Pace

PACE = replace(Pace(), pulse_s=0.01)

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def world() -> WebWorld:
    made = a_web_world()
    for name, role in (("root", Role.ADMIN), ("op", Role.OPERATOR), ("eve", Role.VIEWER)):
        made.add_user(name, role)
    put_containers(
        made,
        "nd_2",
        a_container("web-1"),
        a_container("shop-web-1", service="shop.web", is_managed=True),
    )
    return made


@asynccontextmanager
async def as_user(world: WebWorld, name: str, **options: Any) -> AsyncIterator[tuple[Client, dict[str, str]]]:
    async with serving(world, **{"pace": PACE, **options}) as client:
        yield client, await log_in(client, name)


async def begun(client: Client, headers: dict[str, str], **wanted: Any) -> ClientWebSocketResponse:
    socket = await client.ws_connect("/api/v1/containers/web-1/exec", headers=headers)
    await socket.send_json(wanted)
    return socket


def entries(world: WebWorld, action: str) -> list[tuple[str, str]]:
    return [
        (entry.outcome.value, entry.stamp.reason)
        for entry in world.state.audit()
        if entry.stamp.action == action
    ]


# ---- terminals ----------------------------------------------------------------------------------


async def test_a_terminal_carries_bytes_both_ways_and_ends_with_an_exit_code(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        socket = await begun(client, headers, command=["cat"], tty=True, columns=100, rows=30, user="1000")
        hello = await socket.receive_json()
        assert (hello["begun"]["name"], hello["begun"]["node_name"]) == ("web-1", "h2")
        await socket.send_bytes(b"hello\xff\x00")
        assert await socket.receive_bytes() == b"\x01hello\xff\x00"
        await socket.send_json({"columns": 120, "rows": 40})
        await socket.send_json({"end_of_input": True})
        assert await socket.receive_json() == {"exit_code": 0}
        assert (await socket.receive()).type is WSMsgType.CLOSE
    (command,) = world.desk.commands
    assert (command.request.command, command.request.user) == (("cat",), "1000")
    assert (command.request.columns, command.request.rows, command.sizes) == (100, 30, [(120, 40)])
    assert command.over.is_set()


async def test_the_audit_tells_when_a_terminal_began_and_how_it_ended(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        socket = await begun(client, headers, command=["mysql", "-phunter2"])
        await socket.receive_json()
        assert [outcome for outcome, _ in entries(world, "container.exec")] == ["applied"]
        await socket.send_json({"end_of_input": True})
        await socket.receive_json()
        await socket.receive()
        (_, (_, reason)) = entries(world, "container.exec")
        assert "exit code 0" in reason
        assert "hunter2" not in str(world.state.audit())


async def test_a_terminal_is_for_administrators(world: WebWorld) -> None:
    async with as_user(world, "op") as (client, headers):
        response = await client.get("/api/v1/containers/web-1/exec", headers=headers)
        assert response.status == 403
    assert world.desk.commands == []
    assert entries(world, "container.exec")[0][0] == "denied"


async def test_a_page_of_another_site_gets_no_terminal(world: WebWorld) -> None:
    async with serving(world, pace=PACE) as client:
        answer = await client.post(
            "/api/v1/auth/login",
            json={"name": "root", "password": PASSWORD, "mode": "cookie"},
            headers={"Origin": ORIGIN},
        )
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
        path = "/api/v1/containers/web-1/exec"
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(path, headers={"Cookie": cookie, "Origin": "https://evil.example"})
        assert refused.value.status == 403
        async with client.ws_connect(path, headers={"Cookie": cookie, "Origin": ORIGIN}) as socket:
            await socket.send_json({})
            assert "begun" in await socket.receive_json()
    assert len(world.desk.commands) == 1


async def test_a_terminal_ends_with_the_login_behind_it(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        socket = await begun(client, headers)
        await socket.receive_json()
        world.add_user("second", Role.ADMIN)
        world.state.must(RemoveUser(principal_id="us_root"))  # type: ignore[arg-type]  # an id
        closing = await socket.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, 4401)
        await socket.close()
    assert world.desk.commands[0].over.is_set()


async def test_a_terminal_where_nothing_is_said_for_too_long_is_ended(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        socket = await begun(client, headers)
        await socket.receive_json()
        await world.clock.advance(PACE.terminal_idle_s + 1)
        closing = await socket.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, 4408)
        await socket.close()


async def test_whoever_leaves_ends_the_command(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        socket = await begun(client, headers)
        await socket.receive_json()
        await socket.close()
        await world.desk.commands[0].over.wait()
    assert "its caller left" in entries(world, "container.exec")[1][1]


async def test_there_are_only_so_many_terminals(world: WebWorld) -> None:
    async with as_user(world, "root", limits=Limits(terminals=1)) as (client, headers):
        socket = await begun(client, headers)
        await socket.receive_json()
        response = await client.get(
            "/api/v1/containers/web-1/exec",
            headers={
                **headers,
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        )
        assert response.status == 503
        await socket.close()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (HostRefused("the container has no shell: name a command", code="refused"), "refused"),
        (HostUnavailable("h2 cannot be reached"), "host-unavailable"),
    ],
)
async def test_what_keeps_a_command_from_beginning_is_told(
    world: WebWorld, failure: HostRefused | HostUnavailable, kind: str
) -> None:
    world.desk.failure = failure
    async with as_user(world, "root") as (client, headers):
        socket = await begun(client, headers)
        problem = (await socket.receive_json())["problem"]
        assert problem["type"].endswith(kind)
        assert str(failure) == problem["detail"]
    assert entries(world, "container.exec")[-1][0] == "failed"


@pytest.mark.parametrize(
    "text", ["{", '{"command": "ls"}', '{"columns": 0}', '{"unknown": 1}', '{"working_dir": "/a/../b"}']
)
async def test_a_beginning_that_makes_no_sense_is_refused_in_words(world: WebWorld, text: str) -> None:
    async with as_user(world, "root") as (client, headers):
        socket = await client.ws_connect("/api/v1/containers/web-1/exec", headers=headers)
        await socket.send_str(text)
        assert (await socket.receive_json())["problem"]["status"] in (400, 422)
    assert world.desk.commands == []


async def test_a_client_that_says_no_command_is_let_go(world: WebWorld) -> None:
    hurried = replace(PACE, terminal_begin_s=0.05)
    async with as_user(world, "root", pace=hurried) as (client, headers):
        socket = await client.ws_connect("/api/v1/containers/web-1/exec", headers=headers)
        assert (await socket.receive_json())["problem"]["status"] == 408


# ---- processes and the engine's description -----------------------------------------------------


async def test_processes_are_told_to_operators_and_not_to_viewers(world: WebWorld) -> None:
    async with as_user(world, "op") as (client, headers):
        response = await client.get("/api/v1/containers/web-1/top", headers=headers)
        assert await response.json() == {"titles": ["PID", "COMMAND"], "rows": [["1", "nginx"]]}
        viewer = await log_in(client, "eve")
        assert (await client.get("/api/v1/containers/web-1/top", headers=viewer)).status == 403


async def test_values_of_variables_are_hidden_unless_revealed_on_record(world: WebWorld) -> None:
    async with as_user(world, "op") as (client, headers):
        masked = await (await client.get("/api/v1/containers/web-1/inspect", headers=headers)).json()
        assert masked["is_masked"]
        assert "hunter2" not in json.dumps(masked)
        refused = await client.get("/api/v1/containers/web-1/inspect?reveal=true", headers=headers)
        assert refused.status == 403
        admin = await log_in(client, "root")
        revealed = await (
            await client.get("/api/v1/containers/web-1/inspect?reveal=true", headers=admin)
        ).json()
        assert revealed["document"]["Config"]["Env"] == ["SECRET=hunter2"]
    assert [outcome for outcome, _ in entries(world, "container.reveal")] == ["denied", "applied"]


# ---- files --------------------------------------------------------------------------------------


def a_file(name: str, kind: FileKind = FileKind.FILE) -> FileEntry:
    return FileEntry(name=name, kind=kind, size_bytes=3, mode=0o4755, modified_at_ms=1)


async def test_a_directory_is_listed_by_pages_with_directories_first(world: WebWorld) -> None:
    world.desk.entries = (a_file("a"), a_file("z", FileKind.DIRECTORY), a_file("b"))
    async with as_user(world, "root") as (client, headers):
        path = "/api/v1/containers/web-1/files?path=/var&limit=2"
        first = await (await client.get(path, headers=headers)).json()
        assert [item["name"] for item in first["items"]] == ["z", "a"]
        assert first["items"][0]["mode"] == "4755"
        second = await (await client.get(f"{path}&cursor={first['next_cursor']}", headers=headers)).json()
        assert [item["name"] for item in second["items"]] == ["b"]
    assert world.desk.asked[0] == ("nd_2", a_container("web-1").id, "files /var")


async def test_a_file_comes_as_something_to_save(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        response = await client.get(
            "/api/v1/containers/web-1/files/content?path=/srv/in%22dex.html", headers=headers
        )
        assert await response.read() == b"content"
        assert response.content_type == "application/octet-stream"
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''in%22dex.html"
        assert response.content_length == 7
    assert "/srv/in" in entries(world, "container.read-files")[0][1]


async def test_a_directory_comes_as_an_archive(world: WebWorld) -> None:
    world.desk.kind = FileKind.DIRECTORY
    async with as_user(world, "root") as (client, headers):
        response = await client.get("/api/v1/containers/web-1/files/content?path=/srv", headers=headers)
        assert response.content_type == "application/x-tar"
        assert response.headers["Content-Disposition"].endswith("srv.tar")


async def test_a_file_is_written_as_it_is(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        body = bytes(range(256)) * 64 * 1024  # more than the server would hold
        response = await client.put(
            "/api/v1/containers/web-1/files/content?path=/tmp/up&mode=0600",
            data=io.BytesIO(body),
            headers=headers,
        )
        assert await response.json() == {"path": "/tmp/up", "size_bytes": len(body)}
    ((write, content),) = world.desk.written
    assert (write.mode, write.is_archive, content == body) == (0o600, False, True)
    assert "/tmp/up" in entries(world, "container.write-files")[0][1]


async def test_a_file_whose_length_is_not_told_is_refused(world: WebWorld) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    async with as_user(world, "root") as (client, headers):
        response = await client.put(
            "/api/v1/containers/web-1/files/content?path=/tmp/up", data=body(), headers=headers
        )
        assert response.status == 422
    assert world.desk.written == []


@pytest.mark.parametrize(
    "path", ["", "etc/passwd", "/etc/../../host", "/a/..", "/a%00b", "/a%0Ab", "/" + "a" * 4097]
)
@pytest.mark.parametrize("what", ["files", "files/content"])
async def test_a_path_that_means_something_else_than_it_seems_is_refused(
    world: WebWorld, path: str, what: str
) -> None:
    async with as_user(world, "root") as (client, headers):
        response = await client.get(f"/api/v1/containers/web-1/{what}?path={path}", headers=headers)
        assert response.status == 422, await response.text()
        assert "path" in (await response.json())["errors"][0]["field"]
    assert world.desk.asked == []


@pytest.mark.parametrize("name", ["op", "eve"])
async def test_files_are_for_administrators(world: WebWorld, name: str) -> None:
    async with as_user(world, name) as (client, headers):
        for method, what in (("GET", "files"), ("GET", "files/content"), ("PUT", "files/content")):
            response = await client.request(
                method, f"/api/v1/containers/web-1/{what}?path=/etc/shadow", headers=headers, data=b"x"
            )
            assert response.status == 403
    assert world.desk.asked == []


# ---- settings -----------------------------------------------------------------------------------


async def test_limits_are_changed_at_once_and_recorded(world: WebWorld) -> None:
    async with as_user(world, "op") as (client, headers):
        response = await client.patch(
            "/api/v1/containers/web-1/settings",
            json={"memory_bytes": 64 << 20, "restart_policy": "always"},
            headers=headers,
        )
        answer = await response.json()
        assert response.status == 200, answer
        assert answer["warnings"] == ["swap is not limited here"]
    assert world.desk.updates == [LimitChanges(memory_bytes=64 << 20, restart_policy="always")]
    assert "memory 67108864, restart always" in entries(world, "container.update")[0][1]


@pytest.mark.parametrize("body", [{}, {"memory_bytes": 1}, {"cpus": 0}, {"restart_policy": "never"}])
async def test_limits_that_cannot_be_are_refused(world: WebWorld, body: dict[str, object]) -> None:
    async with as_user(world, "op") as (client, headers):
        response = await client.patch("/api/v1/containers/web-1/settings", json=body, headers=headers)
        assert response.status == 422
    assert world.desk.updates == []


async def test_a_replica_is_not_changed_beside_its_service(world: WebWorld) -> None:
    container_id = a_container("shop-web-1").id
    async with as_user(world, "root") as (client, headers):
        limits = await client.patch(
            "/api/v1/containers/shop-web-1/settings", json={"pids": 5}, headers=headers
        )
        assert limits.status == 409
        assert "tower deploy" in (await limits.json())["hint"]
        anew = await client.post(
            "/api/v1/containers/shop-web-1/recreate", json={"container_id": container_id}, headers=headers
        )
        assert anew.status == 409
        plan = await client.post("/api/v1/containers/shop-web-1/recreate/plan", json={}, headers=headers)
        assert "replica of service shop.web" in (await plan.json())["refusal"]
    assert (world.desk.updates, world.desk.replacements) == ([], [])


CHANGES = {
    "image": "shop/web:2",
    "variables": {"SECRET": "hunter2", "OLD": None},
    "ports": [{"container_port": 80, "host_port": 8080}],
    "mounts": [{"kind": "volume", "source": "data", "target": "/data"}],
}


async def test_a_container_made_anew_tells_its_steps(world: WebWorld) -> None:
    container_id = a_container("web-1").id
    async with as_user(world, "root") as (client, headers):
        plan = await (
            await client.post("/api/v1/containers/web-1/recreate/plan", json=CHANGES, headers=headers)
        ).json()
        assert plan["container_id"] == container_id
        assert plan["steps"][0] == "pull the image"
        response = await client.post(
            "/api/v1/containers/web-1/recreate",
            json={**CHANGES, "container_id": container_id},
            headers=headers,
        )
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
        assert [line["stage"] for line in lines] == ["creating", "done"]
    (changes,) = world.desk.replacements
    assert changes.environment == (("OLD", None), ("SECRET", "hunter2"))
    assert changes.ports == (PublishedOn(container_port=80, host_port=8080),)
    assert changes.mounts == (MountedAt(kind="volume", source="data", target="/data"),)
    ((outcome, reason),) = entries(world, "container.recreate")
    assert outcome == "applied"
    assert "environment SECRET" in reason
    assert "hunter2" not in str(world.state.audit())


async def test_a_successor_that_failed_is_told_and_recorded_as_such(world: WebWorld) -> None:
    world.desk.steps = (
        ReplacementStep(stage=ReplacementStage.CREATING),
        ReplacementStep(stage=ReplacementStage.RESTORED, text="it ended with exit code 1"),
    )
    async with as_user(world, "root") as (client, headers):
        response = await client.post(
            "/api/v1/containers/web-1/recreate",
            json={"container_id": a_container("web-1").id},
            headers=headers,
        )
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert lines[-1]["error"].endswith("it ended with exit code 1")
    assert [outcome for outcome, _ in entries(world, "container.recreate")] == ["applied", "failed"]


async def test_a_plan_for_another_container_is_not_carried_out(world: WebWorld) -> None:
    async with as_user(world, "root") as (client, headers):
        response = await client.post(
            "/api/v1/containers/web-1/recreate", json={"container_id": "f" * 64}, headers=headers
        )
        assert response.status == 409
    assert world.desk.replacements == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mounts": [{"kind": "bind", "source": "../x", "target": "/x"}]},
        {"mounts": [{"kind": "volume", "target": "/x"}]},
        {"mounts": [{"kind": "tmpfs", "target": "x"}]},
        {"ports": [{"container_port": 0}]},
        {"variables": {"A=B": "1"}},
        {"unknown": 1},
    ],
)
async def test_changes_that_make_no_sense_are_refused(world: WebWorld, changes: dict[str, object]) -> None:
    async with as_user(world, "root") as (client, headers):
        response = await client.post("/api/v1/containers/web-1/recreate/plan", json=changes, headers=headers)
        assert response.status == 422
