"""An agent behind Debian's HAProxy, as the README says to put it there: what a browser and programs do."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from agent.clock import SystemClock
from agent.docker.engine import DockerEngine
from agent.ports import ContainerSpec
from tests.architecture.repository import ROOT
from tests.support.agent_process import AgentProcess, wait_until
from tests.support.certificate_chains import a_chain
from tests.support.haproxy import free_port
from tests.support.lab import Lab, lab
from tests.support.requirements import require_program

__all__ = ["lab"]

NAME = "tower.example.com"
PROXY = "127.0.0.3"
"""Whom the agent sees as the proxy, which it trusts."""
CLIENT = "127.0.0.4"
PATIENCE_S = 30.0
GUESSES_MAX = 30
"""More than an address may fail at."""
IMAGE = "demo/busybox:1"
PASSED_ON = """
frontend unopened
  mode tcp
  bind 127.0.0.1:{port}
  timeout client 1h
  default_backend unopened
backend unopened
  mode tcp
  timeout connect 5s
  timeout server 1h
  server h1 127.0.0.1:{agent} source {proxy} send-proxy-v2
"""


class Proxied:
    """One agent, and a HAProxy before it: with a certificate of its own, and passing TLS on unopened."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.socket = directory / "docker.sock"
        self.agent = AgentProcess(
            directory,
            "alpha",
            docker_socket=str(self.socket),
            environment={"TOWER_API_TRUSTED_PROXIES": PROXY, "TOWER_API_PROXY_PROTOCOL": "true"},
        )
        self.port, self.unopened_port = free_port(), free_port()
        self.chain = a_chain(NAME, now_ms=SystemClock().now_ms())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.chain.root)

    def start_proxy(self) -> None:
        configuration, path = self._write_configuration(), self._directory / "haproxy.log"
        with path.open("ab") as log:
            self._process = subprocess.Popen(
                [require_program("haproxy"), "-db", "-f", str(configuration)], stdout=log, stderr=log
            )
        wait_until("the proxy listens", self._is_listening, path.read_text)

    def end_proxy(self) -> None:
        """As a proxy that is restarted: what was open breaks off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def wait_until_known(self, container: str) -> None:
        token = self.agent.login()
        wait_until(
            "the agent knows the container",
            lambda: self.agent.request("GET", f"/api/v1/containers/{container}", token=token)[0] == 200,
            self.agent.tail,
        )

    def _write_configuration(self) -> Path:
        [configuration] = re.findall(r"```haproxy\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
        certificate, ca = self._directory / "tower.pem", self.agent.ca
        certificate.write_text(self.chain.served + self.chain.key)
        for written, meant in (
            ("bind :443", f"bind 127.0.0.1:{self.port}"),
            (f"/etc/haproxy/{NAME}.pem", str(certificate)),
            ("/etc/haproxy/tower-ca.pem", str(ca)),
            ("10.0.0.1:7443", f"127.0.0.1:{self.agent.api_port} source {PROXY}"),
            ("10.0.0.2:7443", f"127.0.0.1:{free_port()} source {PROXY}"),
        ):
            assert written in configuration, f"the README's example has no {written} any more"
            configuration = configuration.replace(written, meant)
        unopened = PASSED_ON.format(port=self.unopened_port, agent=self.agent.api_port, proxy=PROXY)
        path = self._directory / "haproxy.cfg"
        path.write_text(configuration + unopened)
        return path

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class _Loopback(AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0),
        ]

    async def close(self) -> None:
        return


class Browser:
    """Keeps cookies, says whose page it shows, and sends the CSRF token with what changes something."""

    def __init__(self, proxied: Proxied, session: aiohttp.ClientSession) -> None:
        self._proxied = proxied
        self.session = session
        self.csrf = ""

    async def log_in(self) -> aiohttp.ClientResponse:
        body = {"name": "admin", "password": self._proxied.agent.password}
        response = await self.send("POST", "/auth/login", json=body)
        self.csrf = (await response.json())["csrf_token"]
        return response

    async def send(
        self, method: str, path: str, *, origin: str | None = None, **options: Any
    ) -> aiohttp.ClientResponse:
        headers = {**self.headers(origin), **options.pop("headers", {})}
        url = f"{self._proxied.url}/api/v1{path}"
        async with self.session.request(method, url, headers=headers, **options) as response:
            await response.read()
            return response

    def headers(self, origin: str | None = None) -> dict[str, str]:
        return {"Origin": origin or self._proxied.url, "X-CSRF-Token": self.csrf}

    def live(self, origin: str | None = None) -> Any:
        return self.session.ws_connect(f"{self._proxied.url}/api/v1/live", headers=self.headers(origin))


@asynccontextmanager
async def a_browser(proxied: Proxied, address: str = CLIENT) -> AsyncIterator[Browser]:
    connector = aiohttp.TCPConnector(ssl=proxied.tls(), resolver=_Loopback(), local_addr=(address, 0))
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Browser(proxied, session)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    require_program("haproxy")
    made = Proxied(tmp_path_factory.mktemp("proxied"))
    try:
        made.agent.init()
        made.agent.start(timeout_s=120.0)
        made.agent.login()
        made.start_proxy()
        yield made
    finally:
        made.end_proxy()
        made.agent.kill()


async def until_told(socket: aiohttp.ClientWebSocketResponse, topic: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = json.loads((await socket.receive(PATIENCE_S)).data)
        assert "error" not in told, told
        if told.get("topic") == topic:
            return told


async def test_a_browser_logs_in_and_only_its_own_page_changes_anything(proxied: Proxied) -> None:
    async with a_browser(proxied) as browser:
        foreign = {"name": "admin", "password": proxied.agent.password}
        refused = await browser.send("POST", "/auth/login", json=foreign, origin="https://evil.example")
        assert refused.status == 403
        response = await browser.log_in()
        assert response.status == 200
        assert "max-age" in response.headers["Strict-Transport-Security"]
        for cookie in response.cookies.values():
            assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
        assert (await browser.send("GET", "/auth/me")).status == 200
        wish = {"draining": False}
        assert (await browser.send("POST", "/nodes/alpha/drain", json=wish)).status == 200
        for headers in ({"Origin": "https://evil.example"}, {"X-CSRF-Token": "x"}):
            assert (
                await browser.send("POST", "/nodes/alpha/drain", json=wish, headers=headers)
            ).status == 403
        assert (await browser.send("POST", "/auth/refresh", json={})).status == 200


async def test_the_live_socket_goes_on_where_it_was_when_the_proxy_comes_back(proxied: Proxied) -> None:
    async with a_browser(proxied) as browser:
        await browser.log_in()
        with pytest.raises(aiohttp.WSServerHandshakeError) as foreign:
            async with browser.live("https://evil.example"):
                raise AssertionError("another site's page was let in")
        assert foreign.value.status == 403
        async with browser.live() as socket:
            await socket.send_json({"subscribe": ["events", "cluster"]})
            position = (await until_told(socket, "events"))["position"]
            await until_told(socket, "cluster")
            await asyncio.to_thread(proxied.end_proxy)
            while (await socket.receive(PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
                pass
        await asyncio.to_thread(proxied.start_proxy)
        async with browser.live() as socket:
            await socket.send_json({"subscribe": [{"topic": "events", "position": position}]})
            told = await until_told(socket, "events")
        assert told.get("resumed") or told.get("items") is not None
        assert not told.get("gap")


async def test_events_are_streamed_as_they_come(proxied: Proxied) -> None:
    async with a_browser(proxied) as browser:
        await browser.log_in()
        url = f"{proxied.url}/api/v1/live/events?topics=cluster"
        async with browser.session.get(url) as response:
            assert response.content_type == "text/event-stream"
            async with asyncio.timeout(PATIENCE_S):
                seen = b""
                while b"event: cluster" not in seen or b"heartbeat" not in seen:
                    seen += await response.content.readany()


@pytest.mark.lab
async def test_logs_are_followed_and_a_terminal_answers(proxied: Proxied, lab: Lab) -> None:
    proxied.socket.symlink_to(lab.host("h1").docker_socket)
    engine = DockerEngine(str(proxied.socket))
    await engine.pull(IMAGE)
    script = "echo begun; while [ ! -e /go ]; do sleep 0.1; done; echo gone on; sleep 1000"
    container = await engine.create(ContainerSpec(name="proxied", image=IMAGE, command=("sh", "-c", script)))
    await engine.start(container)
    await engine.close()
    await asyncio.to_thread(proxied.wait_until_known, container)
    async with a_browser(proxied) as browser, asyncio.timeout(PATIENCE_S):
        await browser.log_in()
        url = f"{proxied.url}/api/v1/containers/{container}"
        following = f"{proxied.url}/api/v1/logs/{container}?follow=true"
        async with browser.session.get(following) as logs:
            assert b"begun" in await logs.content.readline()
            async with browser.session.ws_connect(f"{url}/exec", headers=browser.headers()) as terminal:
                await terminal.send_json({"command": ["sh"], "tty": True, "columns": 91, "rows": 33})
                await terminal.send_bytes(b"stty size; touch /go; exit 3\n")
                seen, ended = b"", {}
                async for message in terminal:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        seen += message.data
                    else:
                        ended |= json.loads(message.data)
            assert b"33 91" in seen
            assert ended["exit_code"] == 3
            assert b"gone on" in await logs.content.readline()


@pytest.mark.parametrize("transport", ["/mcp", "/sse"])
async def test_an_assistant_reaches_its_tools(proxied: Proxied, transport: str) -> None:
    token = await asyncio.to_thread(proxied.agent.login)
    base = f"https://127.0.0.1:{proxied.port}"
    headers = {"Authorization": f"Bearer {token}", "Host": f"{NAME}:{proxied.port}"}

    def client(**given: Any) -> httpx2.AsyncClient:
        context = proxied.tls()
        context.check_hostname = False
        return httpx2.AsyncClient(
            verify=context, headers={**headers, **(given.get("headers") or {})}, timeout=30
        )

    opened = (
        sse_client(f"{base}/sse", headers=headers, httpx_client_factory=client)
        if transport == "/sse"
        else streamable_http_client(f"{base}/mcp", http_client=client())
    )
    async with opened as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        status = await session.call_tool("get-cluster-status", {})
        assert status.structured_content is not None
        assert status.structured_content["leader"] == "alpha"


async def _recorded(browser: Browser) -> set[str]:
    """From where people logged in, as far as the record goes back."""
    response = await browser.send("GET", "/audit?limit=100")
    items = (await response.json())["items"]
    return {each["ip"] for each in items if each["action"] == "account.start-login"}


async def test_records_and_lockout_are_about_the_clients_and_about_nobody_they_claim_to_be(
    proxied: Proxied,
) -> None:
    async with a_browser(proxied, "127.0.0.5") as browser:
        for number in range(GUESSES_MAX):
            # Other names than the administrator's, who would be locked out for everybody.
            body = {"name": f"nobody-{number}", "password": "wrong"}
            claimed = {"X-Forwarded-For": f"198.51.100.{number}"}
            if (await browser.send("POST", "/auth/login", json=body, headers=claimed)).status == 429:
                break
        else:
            raise AssertionError("whoever he claims to be, he is one, and is locked out")
    async with a_browser(proxied, "127.0.0.6") as browser:
        assert (await browser.log_in()).status == 200, "another client of the same proxy is let in"
        recorded = await _recorded(browser)
    assert "127.0.0.6" in recorded
    assert recorded.isdisjoint({PROXY, *(f"198.51.100.{number}" for number in range(GUESSES_MAX))})


async def test_who_asks_past_the_proxy_is_not_believed_about_others(proxied: Proxied) -> None:
    context = ssl.create_default_context(cafile=str(proxied.agent.ca))
    connector = aiohttp.TCPConnector(ssl=context, local_addr=("127.0.0.7", 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        body = {"name": "admin", "password": proxied.agent.password, "mode": "token"}
        headers = {"X-Forwarded-For": "198.51.100.77"}
        async with session.post(
            f"{proxied.agent.url}/api/v1/auth/login", json=body, headers=headers
        ) as response:
            assert response.status == 200
    async with a_browser(proxied) as browser:
        await browser.log_in()
        recorded = await _recorded(browser)
    assert "127.0.0.7" in recorded
    assert "198.51.100.77" not in recorded


async def test_a_proxy_that_passes_tls_on_says_whom_it_speaks_for(proxied: Proxied) -> None:
    """The certificate is the agent's own then, and so is the version of TLS."""
    context = ssl.create_default_context(cafile=str(proxied.agent.ca))
    connector = aiohttp.TCPConnector(ssl=context, local_addr=("127.0.0.8", 0))
    url = f"https://127.0.0.1:{proxied.unopened_port}"
    async with aiohttp.ClientSession(connector=connector) as session:
        body = {"name": "admin", "password": proxied.agent.password, "mode": "token"}
        async with session.post(f"{url}/api/v1/auth/login", json=body) as response:
            token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.ws_connect(f"{url}/api/v1/live", headers=headers) as socket:
            await socket.send_json({"subscribe": ["cluster"]})
            await until_told(socket, "cluster")
    async with a_browser(proxied) as browser:
        await browser.log_in()
        assert "127.0.0.8" in await _recorded(browser)
