"""Certificates of the dashboard on a real listener: chosen by name, changed under open connections."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx2
import pytest
from aiohttp import web

from agent.cli.client import tls_context
from agent.clock import SystemClock
from agent.follow.web_certificates import WebCertificates
from agent.keys.identity import IdentityDirectory
from agent.keys.tls import TlsIdentity
from cluster.commands.web_certificates import PutWebCertificate, RemoveWebCertificate
from cluster.identity.stored_secrets import seal_web_key
from cluster.identity.web_certificates import read_web_certificate
from tests.support.certificate_chains import Chain, a_chain
from tests.support.fake_clock import FakeClock
from tests.support.identity_builders import a_ca, a_keyring, a_node_identity, some_bytes
from tests.support.web_fakes import FakeState

HOST = "tower.example.com"


@dataclass(slots=True)
class Listener:
    """A node's web port, and the state that says what it serves."""

    port: int
    cluster_ca: str
    tls: TlsIdentity
    clock: FakeClock
    state: FakeState
    certificates: WebCertificates

    async def put(self, chain: Chain, name: str = "front") -> None:
        now_ms = self.clock.now_ms()
        facts = read_web_certificate(chain.served, chain.key.encode(), now_ms=now_ms)
        sealed = seal_web_key(
            chain.key.encode(),
            a_keyring(),
            name=name,
            fingerprint=facts.fingerprint,
            nonce=some_bytes(name, 12),
        )
        self.state.must(
            PutWebCertificate(
                name=name,
                chain_pem=chain.served,
                sealed_key=sealed,
                hosts=facts.hosts,
                not_before_ms=facts.not_before_ms,
                not_after_ms=facts.not_after_ms,
                fingerprint=facts.fingerprint,
                changed_by="anna",
            )
        )
        await self.certificates.load()

    async def is_trusted(self, ca_pem: str, name: str | None) -> bool:
        """Whether who trusts this authority alone, and asks for this name, connects."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = name is not None and name != "localhost"
        context.load_verify_locations(cadata=ca_pem)
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=context, server_hostname=name or ""
            )
        except ssl.SSLCertVerificationError:
            return False
        writer.close()
        return True


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    now_ms = SystemClock().now_ms()
    ca = a_ca(now_ms=now_ms)
    identity = a_node_identity(ca=ca, now_ms=now_ms, addresses=("localhost", "127.0.0.1"))
    directory = IdentityDirectory(tmp_path / "identity")
    directory.create(identity)
    tls = TlsIdentity(directory, identity)

    async def greet(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", greet)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.web_server).start()
    clock = FakeClock(now_ms=now_ms)
    state = FakeState(clock)
    certificates = WebCertificates(state=state, keyring=a_keyring, tls=tls, clock=clock)
    yield Listener(
        port=runner.addresses[0][1],
        cluster_ca=ca.certificate_pem,
        tls=tls,
        clock=clock,
        state=state,
        certificates=certificates,
    )
    await runner.cleanup()


async def test_a_certificate_is_served_under_its_names_and_the_clusters_own_under_others(
    listener: Listener,
) -> None:
    chain = a_chain(HOST, "*.apps.example.com", now_ms=listener.clock.now_ms())
    assert not await listener.is_trusted(chain.root, HOST)
    await listener.put(chain)
    assert await listener.is_trusted(chain.root, HOST)
    assert await listener.is_trusted(chain.root, HOST.upper())
    assert await listener.is_trusted(chain.root, "a.apps.example.com")
    assert not await listener.is_trusted(chain.root, "a.b.apps.example.com")
    assert await listener.is_trusted(listener.cluster_ca, "localhost")
    assert await listener.is_trusted(listener.cluster_ca, None)


async def test_an_open_connection_goes_on_while_the_certificate_is_changed(listener: Listener) -> None:
    first = a_chain(HOST, now_ms=listener.clock.now_ms())
    await listener.put(first)
    context = ssl.create_default_context(cadata=first.root)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", listener.port, ssl=context, server_hostname=HOST
    )
    second = a_chain(HOST, now_ms=listener.clock.now_ms(), days=180)
    await listener.put(second)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.endswith(b"hello")
    assert await listener.is_trusted(second.root, HOST)
    assert not await listener.is_trusted(first.root, HOST)


async def test_one_that_has_ended_or_was_removed_gives_way_to_the_clusters_own(listener: Listener) -> None:
    chain = a_chain(HOST, now_ms=listener.clock.now_ms(), days=30)
    await listener.put(chain)
    listener.state.must(RemoveWebCertificate(name="front"))
    await listener.certificates.load()
    assert not await listener.is_trusted(chain.root, HOST)
    await listener.put(chain)
    await listener.clock.advance(30 * 86_400)
    await listener.certificates.load()
    assert not await listener.is_trusted(chain.root, HOST)


async def test_one_whose_key_does_not_open_here_leaves_the_clusters_own(listener: Listener) -> None:
    chain = a_chain(HOST, now_ms=listener.clock.now_ms())
    elsewhere = WebCertificates(
        state=listener.state, keyring=lambda: a_keyring("theirs"), tls=listener.tls, clock=listener.clock
    )
    await listener.put(chain)
    await elsewhere.load()
    assert not await listener.is_trusted(chain.root, HOST)


async def by_the_standard_library(url: str, context: ssl.SSLContext) -> bytes:
    """As most commands ask."""

    def ask() -> bytes:
        with urllib.request.urlopen(url, context=context, timeout=5) as response:  # noqa: S310  # this test's own
            content: bytes = response.read()
            return content

    return await asyncio.to_thread(ask)


async def by_aiohttp(url: str, context: ssl.SSLContext) -> bytes:
    """As `tower exec` does."""
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as response:
        return await response.read()


async def by_httpx(url: str, context: ssl.SSLContext) -> bytes:
    """As `tower mcp` does."""
    async with httpx2.AsyncClient(verify=context) as client:
        return (await client.get(url)).content


@pytest.mark.parametrize("ask", [by_the_standard_library, by_aiohttp, by_httpx])
async def test_the_command_line_needs_the_clusters_authority_alone(
    listener: Listener, ask: Callable[[str, ssl.SSLContext], Awaitable[bytes]]
) -> None:
    chain = a_chain("localhost", now_ms=listener.clock.now_ms())
    await listener.put(chain)
    assert await ask(f"https://localhost:{listener.port}/", tls_context(listener.cluster_ca)) == b"hello"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
async def test_no_tls_below_1_3_is_spoken_under_any_name(listener: Listener, version: ssl.TLSVersion) -> None:
    chain = a_chain(HOST, now_ms=listener.clock.now_ms())
    await listener.put(chain)
    context = ssl.create_default_context(cadata=chain.root)
    context.maximum_version = version
    for name in (HOST, "localhost"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", listener.port, ssl=context, server_hostname=name)


async def test_the_key_is_on_no_disk(listener: Listener, tmp_path: Path) -> None:
    chain = a_chain(HOST, now_ms=listener.clock.now_ms())
    await listener.put(chain)

    def files() -> list[bytes]:
        return [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]

    texts = await asyncio.to_thread(files)
    assert texts
    assert not any(chain.key.splitlines()[1].encode() in text for text in texts)
