"""The certificates a cluster issues, before those who check them: Node, curl, aiohttp, Chromium, Raft."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agent.clock import SystemClock
from agent.keys.identity import IdentityDirectory, NodeIdentity
from agent.keys.tls import TlsIdentity
from cluster.identity.certificates import DAY_MS, CertificateAuthority
from cluster.raft.tls import FileContexts, peer_identity
from tests.support.identity_builders import CLUSTER_ID, a_ca, a_node_identity
from tests.support.requirements import require_program

GREETING = "<p>hello from the tower</p>"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A web server with a node's identity, on every loopback address."""

    port: int
    ca: CertificateAuthority
    ca_path: Path
    directory: IdentityDirectory
    identity: NodeIdentity
    tls: TlsIdentity
    now_ms: int

    def url(self, host: str) -> str:
        return f"https://{host}:{self.port}/"

    def renew(self) -> NodeIdentity:
        """Give the running server another key and certificate."""
        renewed = a_node_identity(ca=self.ca, now_ms=self.now_ms, key_label="second", ttl_ms=20 * DAY_MS)
        changed = self.directory.replace_certificate(
            self.identity, node_key_pem=renewed.node_key_pem, certificate_pem=renewed.certificate_pem
        )
        self.tls.replace(changed)
        return changed


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    now_ms = SystemClock().now_ms()
    ca = a_ca(now_ms=now_ms)
    identity = a_node_identity(ca=ca, now_ms=now_ms, addresses=("localhost", "127.0.0.1"))
    directory = IdentityDirectory(tmp_path / "identity")
    directory.create(identity)
    tls = TlsIdentity(directory, identity)
    ca_path = tmp_path / "ca.pem"
    ca_path.write_text(ca.certificate_pem)

    async def greet(_: web.Request) -> web.Response:
        return web.Response(text=GREETING, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", greet)
    runner = web.AppRunner(app)
    await runner.setup()
    # All of 127/8, so that an address the certificate does not name answers too.
    site = web.TCPSite(runner, "0.0.0.0", 0, ssl_context=tls.web_server)  # noqa: S104 - for seconds, in a test
    await site.start()
    port: int = runner.addresses[0][1]
    yield Server(
        port=port, ca=ca, ca_path=ca_path, directory=directory, identity=identity, tls=tls, now_ms=now_ms
    )
    await runner.cleanup()


async def run(*argv: object, env: dict[str, str] | None = None, timeout_s: float = 60) -> tuple[int, str]:
    """Run a program and return its exit status and all it printed."""
    process = await asyncio.create_subprocess_exec(
        *(str(word) for word in argv),
        env=os.environ | (env or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


NODE_CLIENT = """
const request = require('https').get(process.argv[1], (answer) => {
  console.log(answer.socket.authorized, answer.socket.getProtocol());
  answer.on('data', (part) => process.stdout.write(part));
});
request.on('error', (error) => { console.log(error.code); process.exitCode = 1; });
"""


async def test_node_accepts_the_certificate_with_our_ca_and_only_with_it(server: Server) -> None:
    node = require_program("node", package="nodejs")
    trusting = {"NODE_EXTRA_CA_CERTS": str(server.ca_path)}
    for host in ("localhost", "127.0.0.1"):
        status, output = await run(node, "-e", NODE_CLIENT, server.url(host), env=trusting)
        assert status == 0, output
        assert output == f"true TLSv1.3\n{GREETING}"
    status, output = await run(node, "-e", NODE_CLIENT, server.url("127.0.0.2"), env=trusting)
    assert (status, "ERR_TLS_CERT_ALTNAME_INVALID" in output) == (1, True), output
    status, output = await run(node, "-e", NODE_CLIENT, server.url("localhost"))
    assert (status, "UNABLE_TO_VERIFY_LEAF_SIGNATURE" in output) == (1, True), output


async def test_curl_accepts_the_certificate_with_our_ca_and_only_with_it(server: Server) -> None:
    curl = require_program("curl")
    for host in ("localhost", "127.0.0.1"):
        status, output = await run(
            curl, "-sS", "--noproxy", "*", "--cacert", server.ca_path, server.url(host)
        )
        assert (status, output) == (0, GREETING)
    wrong_name = await run(curl, "-sS", "--noproxy", "*", "--cacert", server.ca_path, server.url("127.0.0.2"))
    without_ca = await run(curl, "-sS", "--noproxy", "*", server.url("localhost"))
    old_tls = await run(
        curl, "-sS", "--noproxy", "*", "--tls-max", "1.2", "--cacert", server.ca_path, server.url("localhost")
    )
    assert [status for status, _ in (wrong_name, without_ca, old_tls)] == [60, 60, 35]


async def fetch(server: Server, context: ssl.SSLContext, host: str = "localhost") -> str:
    """Return the page, over a connection of its own."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(server.url(host), ssl=context) as answer,
    ):
        return await answer.text()


async def shown_certificate(server: Server) -> bytes:
    """Return the certificate (DER) a new connection is shown."""
    _, writer = await asyncio.open_connection("localhost", server.port, ssl=server.tls.web_client)
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    assert certificate is not None
    return certificate


async def test_aiohttp_accepts_the_certificate_under_python_3_13s_strict_rules(server: Server) -> None:
    assert server.tls.web_client.verify_flags & ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        assert await fetch(server, server.tls.web_client, host) == GREETING
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await fetch(server, server.tls.web_client, "127.0.0.2")
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await fetch(server, ssl.create_default_context(), "localhost")


async def test_a_running_server_shows_the_renewed_certificate_and_cuts_no_connection(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(server.url("localhost"), ssl=server.tls.web_client) as first:
            assert await first.text() == GREETING
        before = await shown_certificate(server)
        renewed = server.renew()
        after = await shown_certificate(server)
        async with session.get(server.url("localhost"), ssl=server.tls.web_client) as second:
            assert await second.text() == GREETING
    assert before == ssl.PEM_cert_to_DER_cert(server.identity.certificate_pem)
    assert after == ssl.PEM_cert_to_DER_cert(renewed.certificate_pem)


async def test_raft_sessions_take_the_identity_from_the_same_files(server: Server) -> None:
    files = FileContexts(
        certificate=server.directory.node_pem_path,
        key=server.directory.node_pem_path,
        ca=server.directory.ca_pem_path,
    )
    seen = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = peer_identity(writer.get_extra_info("peercert"))
        assert (shown.node_id, shown.cluster_id) == ("nd_1", CLUSTER_ID)
        seen.set()
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server.tls.peer_server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        ends_ms = []
        for _ in ("first", "renewed"):
            seen.clear()
            ends_ms.append(files().not_after_ms)
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=files().client)
            assert peer_identity(writer.get_extra_info("peercert")).node_id == "nd_1"
            async with asyncio.timeout(30):
                await seen.wait()
            writer.close()
            server.renew()
        assert ends_ms[1] < ends_ms[0]


@pytest.mark.browser
async def test_chromium_accepts_the_certificate_with_our_ca_and_only_with_it(
    server: Server, tmp_path: Path
) -> None:
    chromium = require_program("chromium")
    certutil = shutil.which("certutil")
    if certutil is None:
        # In CI too: of all tests only this one needs it, and the rules it checks are unit-tested as well.
        pytest.skip(
            "certutil is not installed (apt-get install libnss3-tools): Chromium cannot be given a CA"
        )
    database = tmp_path / ".pki" / "nssdb"
    database.mkdir(parents=True)

    async def load(host: str) -> str:
        """Return the page's greeting, or Chromium's name for what went wrong."""
        output = ""
        for _ in range(5):
            status, output = await run(
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--dump-dom",
                server.url(host),
                env={"HOME": str(tmp_path)},
            )
            assert status == 0, output
            # A network interface came or went on this machine; that says nothing of the certificate.
            if "net::ERR_NETWORK_CHANGED" not in output:
                break
        found = re.search(r"net::(ERR_\w+)|" + re.escape(GREETING), output)
        assert found is not None, output
        return found.group(1) or found.group()

    status, output = await run(certutil, "-d", f"sql:{database}", "-N", "--empty-password")
    assert status == 0, output
    assert await load("localhost") == "ERR_CERT_AUTHORITY_INVALID"
    trust = ["-A", "-t", "C,,", "-n", "tower", "-i", server.ca_path]
    status, output = await run(certutil, "-d", f"sql:{database}", *trust)
    assert status == 0, output
    assert await load("localhost") == GREETING
    assert await load("127.0.0.1") == GREETING
    assert await load("127.0.0.2") == "ERR_CERT_COMMON_NAME_INVALID"
