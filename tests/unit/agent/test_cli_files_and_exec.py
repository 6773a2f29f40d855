"""`tower cp` and `tower exec`: what is asked, what is written, and what is refused."""

from __future__ import annotations

import io
import ssl
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.cli.exec_session import Wish, converse
from agent.cli.failures import CommandFailed
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

CONTAINER = {"id": "c1", "node_id": "n_2", "name": "web-1"}


@pytest.fixture
def api(api: StubApi) -> StubApi:
    api.answers["GET /containers/web-1"] = Answer(body=CONTAINER)
    return api


# ---- cp -----------------------------------------------------------------------------------------


def test_a_file_is_copied_out_of_a_container(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    api.answers["GET /containers/c1/files/content"] = Answer(
        content=b"\x00\xffpage", content_type="application/octet-stream"
    )
    assert tower("cp", "web-1:/srv/page", str(tmp_path))[0] == 0
    assert (tmp_path / "page").read_bytes() == b"\x00\xffpage"
    assert api.requests[-1].query == {"node": "n_2", "path": "/srv/page"}
    assert tower("cp", "web-1:/srv/page", "-")[1].encode(errors="surrogateescape") == b"\x00\xffpage"


def an_archive(*members: tuple[tarfile.TarInfo, bytes]) -> Answer:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return Answer(content=output.getvalue(), content_type="application/x-tar")


def a_link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.SYMTYPE
    info.linkname = target
    return info


def test_a_directory_is_unpacked_without_what_leads_out_of_it(
    api: StubApi, tower: Tower, tmp_path: Path
) -> None:
    api.answers["GET /containers/c1/files/content"] = an_archive(
        (tarfile.TarInfo("conf/inner"), b"inner"),
        (a_link("conf/link", "inner"), b""),
        (a_link("conf/shadow", "/etc/shadow"), b""),
        (a_link("conf/out", "../../out"), b""),
        (tarfile.TarInfo("../escaped"), b"evil"),
    )
    status, _, err = tower("cp", "web-1:/etc/conf", str(tmp_path / "here"))
    assert status == 0, err
    assert sorted(each.name for each in (tmp_path / "here").iterdir()) == ["inner", "link"]
    assert err.count("left out") == 3
    assert not (tmp_path / "escaped").exists()
    assert tower("cp", "web-1:/etc/conf", str(tmp_path / "here" / "inner"))[0] == 1


def test_a_file_is_copied_into_a_directory_or_under_a_name(
    api: StubApi, tower: Tower, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(b"<p>")
    page.chmod(0o640)
    api.answers["PUT /containers/c1/files/content"] = Answer(body={"path": "/srv/x", "size_bytes": 3})
    api.answers["GET /containers/c1/files"] = Answer(body={"items": [], "next_cursor": None})
    assert tower("cp", str(page), "web-1:/srv")[0] == 0
    assert (api.requests[-1].query["path"], api.requests[-1].query["mode"]) == ("/srv/page.html", "0640")
    assert api.requests[-1].body == b"<p>"
    api.answers["GET /containers/c1/files"] = Answer(404, {"title": "Not found", "detail": "nothing there"})
    assert tower("cp", str(page), "web-1:/srv/index.html")[0] == 0
    assert api.requests[-1].query["path"] == "/srv/index.html"


def test_a_directory_is_copied_as_an_archive(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    (tmp_path / "site" / "css").mkdir(parents=True)
    (tmp_path / "site" / "css" / "a").write_text("a")
    api.answers["PUT /containers/c1/files/content"] = Answer(body={"path": "/srv", "size_bytes": 3})
    api.answers["GET /containers/c1/files"] = Answer(404, {"title": "Not found", "detail": "nothing there"})
    assert tower("cp", str(tmp_path / "site"), "web-1:/srv/www")[0] == 0
    sent = api.requests[-1]
    assert (sent.query["path"], sent.query["archive"]) == ("/srv", "true")
    with tarfile.open(fileobj=io.BytesIO(sent.body)) as archive:
        assert "www/css/a" in archive.getnames()


@pytest.mark.parametrize("words", [("a", "b"), ("web-1:/a", "web-2:/b")])
def test_exactly_one_end_is_in_a_container(api: StubApi, tower: Tower, words: tuple[str, str]) -> None:
    status, _, err = tower("cp", *words)
    assert status == 2
    assert "CONTAINER:/PATH" in err
    assert api.requests == []


# ---- exec ---------------------------------------------------------------------------------------


def test_a_command_is_needed_where_nobody_types(api: StubApi, tower: Tower) -> None:
    status, _, err = tower("exec", "web-1")
    assert status == 1
    assert "no command" in err
    assert tower("exec", "-t", "web-1", "--", "sh")[0] == 1
    assert api.requests == []


@asynccontextmanager
async def a_server(
    serve: Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]],
) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer t0"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await serve(socket, await socket.receive_json())
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/exec", handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield f"ws://127.0.0.1:{server.port}/exec"
    finally:
        await server.close()


def a_wish(url: str, *command: str) -> Wish:
    return Wish(url=url, command=command, user="1000", working_dir="", has_terminal=False, has_input=False)


async def test_a_commands_outputs_stay_apart_and_its_exit_code_is_returned(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    heard: list[Any] = []

    async def serve(socket: web.WebSocketResponse, wanted: dict[str, Any]) -> None:
        heard.append(wanted)
        await socket.send_json({"begun": {}})
        heard.append(await socket.receive_json())
        await socket.send_bytes(b"\x01out")
        await socket.send_bytes(b"\x02err")
        await socket.send_json({"exit_code": 9})

    async with a_server(serve) as url:
        code = await converse(a_wish(url, "ls", "-l"), "t0", ssl.create_default_context())
    captured = capfdbinary.readouterr()
    assert (code, captured.out, captured.err) == (9, b"out", b"err")
    assert (heard[0]["command"], heard[0]["user"], heard[0]["tty"]) == (["ls", "-l"], "1000", False)
    assert heard[1] == {"end_of_input": True}


async def test_why_a_command_did_not_begin_is_told() -> None:
    async def serve(socket: web.WebSocketResponse, _: dict[str, Any]) -> None:
        await socket.send_json({"problem": {"detail": "the container has no shell", "hint": "name one"}})

    async with a_server(serve) as url:
        with pytest.raises(CommandFailed, match="no shell") as failed:
            await converse(a_wish(url), "t0", ssl.create_default_context())
    assert failed.value.hint == "name one"


async def test_a_session_that_is_cut_is_no_success() -> None:
    async def serve(socket: web.WebSocketResponse, _: dict[str, Any]) -> None:
        await socket.send_json({"begun": {}})
        await socket.close(code=4401)

    async with a_server(serve) as url:
        with pytest.raises(CommandFailed, match="login is over"):
            await converse(a_wish(url, "ls"), "t0", ssl.create_default_context())
