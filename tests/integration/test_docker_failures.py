"""The engine adapter against a socket behind which something else answers, or nothing does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from agent.docker.engine import DockerEngine
from agent.ports import EngineError, EngineRefused, EngineUnavailable, PullRefused, PullRefusedReason

PATIENCE_S = 10.0
VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10"}

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def something_at(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Serve each request on the socket with `answer(request line, writer)`, then close."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode()
            await answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()


def reply(body: bytes | object, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def an_engine(path: Path, **options: float) -> DockerEngine:
    return DockerEngine(str(path), **{"request_timeout_s": 0.3, **options})


async def failure_of(engine: DockerEngine, call: Callable[[DockerEngine], Awaitable[object]]) -> EngineError:
    async with asyncio.timeout(PATIENCE_S):
        try:
            with pytest.raises(EngineError) as failure:
                await call(engine)
        finally:
            await engine.close()
    return failure.value


async def test_a_missing_socket_is_said_to_be_missing(tmp_path: Path) -> None:
    failure = await failure_of(an_engine(tmp_path / "docker.sock"), lambda engine: engine.info())
    assert isinstance(failure, EngineUnavailable)
    assert f"no Docker socket at {tmp_path}/docker.sock" in str(failure)


async def test_a_socket_nobody_listens_on_is_a_daemon_that_does_not_run(tmp_path: Path) -> None:
    async with something_at(tmp_path / "docker.sock", lambda request, writer: asyncio.sleep(0)):
        pass
    (tmp_path / "file").touch()
    for path in (tmp_path / "docker.sock", tmp_path / "file"):
        if not path.exists():
            continue
        failure = await failure_of(an_engine(path), lambda engine: engine.info())
        assert isinstance(failure, EngineUnavailable)
        assert "Docker is not running" in str(failure)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
async def test_a_socket_without_permission_says_what_to_do(tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(directory, 0o755)  # noqa: S103  the other user has to get at the socket
    async with something_at(tmp_path / "docker.sock", lambda request, writer: asyncio.sleep(0)):
        (tmp_path / "docker.sock").chmod(0o600)
        os.seteuid(65_534)
        try:
            failure = await failure_of(an_engine(tmp_path / "docker.sock"), lambda engine: engine.info())
        finally:
            os.seteuid(0)
    assert isinstance(failure, EngineUnavailable)
    assert "no permission" in str(failure)


async def test_an_engine_that_hangs_is_given_up_on(tmp_path: Path) -> None:
    async def hang(request: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with something_at(tmp_path / "s", hang):
        failure = await failure_of(an_engine(tmp_path / "s"), lambda engine: engine.containers())
    assert isinstance(failure, EngineUnavailable)
    assert "is it hanging?" in str(failure)


async def test_a_stream_that_does_not_begin_is_given_up_on(tmp_path: Path) -> None:
    async def hang_on_events(request: str, writer: asyncio.StreamWriter) -> None:
        if "/version" not in request:
            await asyncio.Event().wait()
        writer.write(reply(VERSION))
        await writer.drain()

    async with something_at(tmp_path / "s", hang_on_events):
        failure = await failure_of(an_engine(tmp_path / "s"), lambda engine: anext(engine.events()))
    assert isinstance(failure, EngineUnavailable)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02 garbage \xff" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        reply(b"<html>proxy</html>", kind="text/html"),
        reply(b"not json"),
        reply([1, 2]),
        reply({"ApiVersion": 3}),
        reply(b"oops", status="502 Bad Gateway", kind="text/plain"),
        reply({"no": "message"}, status="500 Internal Server Error"),
        reply({"ApiVersion": "1.24", "Version": "1.12"}),
    ],
    ids=["nothing", "bytes", "ssh", "cut", "html", "text", "list", "number", "502", "no-message", "too-old"],
)
async def test_what_is_not_docker_is_told_in_words(tmp_path: Path, answer: bytes) -> None:
    async def send(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with something_at(tmp_path / "s", send):
        failure = await failure_of(an_engine(tmp_path / "s"), lambda engine: engine.info())
    assert str(failure)
    assert "\n" not in str(failure)


@pytest.mark.parametrize("body", [b"[3]", b'[{"Id": 7}]', b'{"a": 1}', b'[{"Id": "x", "Labels": 3}]'])
async def test_a_list_of_another_shape_is_a_refusal(tmp_path: Path, body: bytes) -> None:
    async def send(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(VERSION) if "/version" in request else reply(body))
        await writer.drain()

    async with something_at(tmp_path / "s", send):
        failure = await failure_of(an_engine(tmp_path / "s"), lambda engine: engine.containers())
    assert isinstance(failure, EngineRefused)
    assert "does not speak the Docker API" in str(failure)


async def test_a_pull_that_stalls_is_given_up_on_and_one_that_goes_on_is_not(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def drip(request: str, writer: asyncio.StreamWriter) -> None:
        if "/version" in request:
            writer.write(reply(VERSION))
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        writer.write(b'{"status":"Downloading","id":"a"}\n')
        await writer.drain()
        await go_on.wait()

    async with something_at(tmp_path / "s", drip):
        engine = an_engine(tmp_path / "s", pull_stall_timeout_s=0.2)
        failure = await failure_of(engine, lambda each: each.pull("demo/web:1"))
        go_on.set()
    assert isinstance(failure, PullRefused)
    assert failure.reason is PullRefusedReason.STALLED
    assert "no progress for 0.2 s" in str(failure)


async def test_a_pull_that_takes_too_long_is_given_up_on(tmp_path: Path) -> None:
    async def hang(request: str, writer: asyncio.StreamWriter) -> None:
        if "/version" in request:
            writer.write(reply(VERSION))
            await writer.drain()
            return
        await asyncio.Event().wait()

    async with something_at(tmp_path / "s", hang):
        engine = an_engine(tmp_path / "s", pull_timeout_s=0.2)
        failure = await failure_of(engine, lambda each: each.pull("demo/web:1"))
    assert isinstance(failure, PullRefused)
    assert failure.reason is PullRefusedReason.STALLED


async def test_an_error_inside_a_pulls_stream_is_a_refusal(tmp_path: Path) -> None:
    lines = b'{"status":"Pulling"}\n{"errorDetail":{"message":"no space left on device"},"error":"x"}\n'

    async def fail(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(VERSION) if "/version" in request else reply(lines))
        await writer.drain()

    async with something_at(tmp_path / "s", fail):
        failure = await failure_of(an_engine(tmp_path / "s"), lambda engine: engine.pull("demo/web:1"))
    assert isinstance(failure, PullRefused)
    assert failure.reason is PullRefusedReason.DISK_FULL


async def test_events_that_end_mean_that_the_engine_goes_away(tmp_path: Path) -> None:
    event = {"Type": "container", "Action": "start", "Actor": {"ID": "a"}, "timeNano": 5}

    async def one_event(request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(VERSION) if "/version" in request else reply(event))
        await writer.drain()

    engine = an_engine(tmp_path / "s")
    async with something_at(tmp_path / "s", one_event), aclosing(engine.events()) as events:
        assert (await anext(events)).action == "start"
        with pytest.raises(EngineUnavailable, match="ended its event stream"):
            await anext(events)
    await engine.close()


async def test_the_version_is_negotiated_again_after_the_engine_was_away(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: str, writer: asyncio.StreamWriter) -> None:
        asked.append(request.split(" ")[1])
        writer.write(reply(VERSION) if "/version" in request else reply([]))
        await writer.drain()

    engine = an_engine(tmp_path / "s")
    async with something_at(tmp_path / "s", answer):
        await engine.containers()
        await engine.containers()
    (tmp_path / "s").unlink(missing_ok=True)
    with pytest.raises(EngineUnavailable):
        await engine.containers()
    async with something_at(tmp_path / "s", answer):
        await engine.containers()
    await engine.close()
    assert asked.count("/version") == 2
    assert sum(path.startswith("/v1.41/containers/json") for path in asked) == 3
