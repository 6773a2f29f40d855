"""What a route asks of a real HAProxy: HTTPS, websockets that outlast a drain, a slow start."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.ports import ServerStatus
from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.runtime import RuntimeSocket
from agent.router.protocol import ServerCertificate, ServiceRoute
from cluster.model.experiment import VALUE_CHARS_MAX, Match, MatchKind, Targeting
from cluster.model.service import RouteTls
from cluster.model.strategy import Colour
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
from tests.support.server_certificates import self_signed

SHOP = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")


@dataclass
class Shop:
    running: RunningRouter
    https_port: int
    replica: Upstream

    async def handshake(self, name: str) -> tuple[str | None, bytes | None]:
        """The version of TLS that was agreed on, and the certificate that was shown."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        _, writer = await asyncio.open_connection(
            LOOPBACK, self.https_port, ssl=context, server_hostname=name
        )
        tls = writer.get_extra_info("ssl_object")
        writer.transport.abort()
        return tls.version(), tls.getpeercert(binary_form=True)


@pytest.fixture
async def directory() -> AsyncIterator[Path]:
    async with short_directory() as path:
        yield path


@asynccontextmanager
async def shop_in(
    directory: Path, route: ServiceRoute = SHOP, certificates: tuple[ServerCertificate, ...] = ()
) -> AsyncIterator[Shop]:
    """A router with one replica of the shop."""
    https_port, replica = free_port(), Upstream("one")
    await replica.start()
    async with running_router(directory, https_port=https_port) as running:
        running.router.configure([route], certificates)
        await running.until_serving()
        await running.router.admit("shop.web", "blue", replica.endpoint)
        await running.router.open("shop.web", "blue", replica.endpoint.replica)
        yield Shop(running, https_port, replica)
    replica.release()
    await replica.stop()


async def curl(*arguments: str) -> str:
    program = require_program("curl")
    process = await asyncio.create_subprocess_exec(
        program, "-sk", "-m", "10", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode()


# ---- HTTPS --------------------------------------------------------------------------------


async def test_https_is_served_over_http2_with_the_certificate_of_the_name(directory: Path) -> None:
    shop_pem, blog_pem = self_signed("shop.example"), self_signed("blog.example")
    pems = (ServerCertificate(name="shop", pem=shop_pem), ServerCertificate(name="blog", pem=blog_pem))
    async with shop_in(directory, replace(SHOP, tls=RouteTls.ON), pems) as shop:
        url = f"https://shop.example:{shop.https_port}/"
        answer = await curl(
            "--http2", "--resolve", f"shop.example:{shop.https_port}:{LOOPBACK}",
            "-w", " %{http_version} %{http_code}", url,
        )  # fmt: skip
        assert answer == "one 2 200"
        for name, pem in (("shop.example", shop_pem), ("blog.example", blog_pem)):
            assert (await shop.handshake(name))[1] == ssl.PEM_cert_to_DER_cert(
                pem[: pem.index("-----END") + 25]
            )
        # What is asked for over plain HTTP is answered there.
        assert await shop.running.get("shop.example") == (200, "one")


async def test_a_replica_is_told_how_it_was_asked(directory: Path) -> None:
    pem = ServerCertificate(name="shop", pem=self_signed("shop.example"))
    async with shop_in(directory, replace(SHOP, tls=RouteTls.ON), (pem,)) as shop:
        await curl("-H", "Host: shop.example", f"https://{LOOPBACK}:{shop.https_port}/")
        assert "x-forwarded-proto: https" in shop.replica.last_head
        await shop.running.get("shop.example", headers={"X-Forwarded-Proto": "https"})
        assert "x-forwarded-proto: http\r" in shop.replica.last_head


async def test_old_versions_of_tls_are_refused(directory: Path) -> None:
    pem = ServerCertificate(name="shop", pem=self_signed("shop.example"))
    async with shop_in(directory, SHOP, (pem,)) as shop:
        assert (await shop.handshake("shop.example"))[0] == "TLSv1.3"
        url = f"https://{LOOPBACK}:{shop.https_port}/"
        old = ("--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
        assert await curl(*old, "-o", "/dev/null", "-w", "%{http_code}", url) == "000"


async def test_plain_http_is_sent_to_https_where_the_route_asks_for_it(directory: Path) -> None:
    pem = ServerCertificate(name="shop", pem=self_signed("shop.example"))
    async with shop_in(directory, replace(SHOP, tls=RouteTls.REDIRECT), (pem,)) as shop:
        url = f"http://{LOOPBACK}:{shop.running.http_port}/cart?item=7"
        async with shop.running.client.post(
            url, headers={"Host": "SHOP.example:8080"}, allow_redirects=False
        ) as answer:
            assert answer.status == 308
            assert answer.headers["Location"] == f"https://shop.example:{shop.https_port}/cart?item=7"
        over_https = await curl("-H", "Host: shop.example", f"https://{LOOPBACK}:{shop.https_port}/")
        assert over_https == "one"


async def test_nothing_is_sent_to_an_https_that_has_no_certificate(directory: Path) -> None:
    async with shop_in(directory, replace(SHOP, tls=RouteTls.REDIRECT)) as shop:
        assert await shop.running.get("shop.example") == (200, "one")
        with pytest.raises(ConnectionRefusedError):
            await shop.handshake("shop.example")


async def test_a_certificate_is_renewed_and_one_that_is_none_harms_nobody(directory: Path) -> None:
    first, second = self_signed("shop.example"), self_signed("shop.example")
    async with shop_in(directory, SHOP, (ServerCertificate(name="shop", pem=first),)) as shop:
        _, shown = await shop.handshake("shop.example")
        shop.running.router.configure(
            [SHOP],
            (
                ServerCertificate(name="broken", pem=second.replace("PRIVATE KEY", "SECRET KEY")),
                ServerCertificate(name="../shop", pem=second),
                ServerCertificate(name="shop", pem=second),
            ),
        )
        async with asyncio.timeout(PATIENCE_S):
            while (await shop.handshake("shop.example"))[1] == shown:
                await SystemClock().sleep(0.02)
        assert await shop.running.get("shop.example") == (200, "one")
        kept = HaproxyFiles(directory).certificates
        assert [path.name for path in kept.iterdir()] == ["shop.pem"]
        assert (kept / "shop.pem").stat().st_mode & 0o077 == 0


def test_a_certificate_does_not_show_its_key() -> None:
    pem = self_signed("shop.example")
    assert "PRIVATE" not in repr(ServerCertificate(name="shop", pem=pem))


# ---- websockets ---------------------------------------------------------------------------


@asynccontextmanager
async def websocket(shop: Shop) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that was upgraded; the replica sends back what it gets."""
    reader, writer = await asyncio.open_connection(LOOPBACK, shop.running.http_port)
    writer.write(
        b"GET /socket HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    yield reader, writer
    writer.close()


async def echo(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> bytes:
    reader, writer = connection
    writer.write(text)
    return await reader.read(100)


async def test_a_websocket_outlasts_the_time_that_requests_get(directory: Path) -> None:
    route = replace(SHOP, websocket_drain_s=60.0)
    async with (
        shop_in(directory, route) as shop,
        websocket(shop) as connection,
        asyncio.TaskGroup() as tasks,
    ):
        replica = shop.replica.endpoint.replica
        draining = tasks.create_task(shop.running.router.drain("shop.web", "blue", replica, timeout_s=0.1))
        await SystemClock().sleep(0.5)
        assert not draining.done()
        assert await echo(connection, b"still there") == b"still there"
        connection[1].close()
        assert await draining


async def test_a_request_under_way_gets_no_more_time_for_the_sake_of_websockets(directory: Path) -> None:
    route = replace(SHOP, websocket_drain_s=60.0)
    async with shop_in(directory, route) as shop, websocket(shop), asyncio.TaskGroup() as tasks:
        held = tasks.create_task(shop.running.get("shop.example", "/hold"))
        await shop.replica.is_held.wait()
        async with asyncio.timeout(PATIENCE_S):
            is_idle = await shop.running.router.drain(
                "shop.web", "blue", shop.replica.endpoint.replica, timeout_s=0.1
            )
        assert not is_idle
        shop.replica.release()
        assert await held == (200, "one")


async def test_a_websocket_goes_on_until_the_removed_replica_ends_it_or_its_time_is_over(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.router.haproxy.router.LEAVE_S", 1.0)
    async with shop_in(directory) as shop, websocket(shop) as connection:
        replica = shop.replica.endpoint.replica
        assert not await shop.running.router.drain("shop.web", "blue", replica, timeout_s=0.1)
        await shop.running.router.remove("shop.web", "blue", replica)
        assert await echo(connection, b"still there") == b"still there"
        async with asyncio.timeout(PATIENCE_S):
            assert await connection[0].read() == b""


# ---- slow start ---------------------------------------------------------------------------


async def test_a_new_replica_gets_a_small_share_first_and_a_whole_one_at_last(directory: Path) -> None:
    new = Upstream("new")
    await new.start()
    async with shop_in(directory, replace(SHOP, slow_start_s=3.0)) as shop:
        old = shop.replica
        await wait_for_weight(directory, 1, 100)
        await shop.running.router.admit("shop.web", "blue", new.endpoint)
        await shop.running.router.open("shop.web", "blue", new.endpoint.replica)
        names = [(await shop.running.get("shop.example"))[1] for _ in range(22)]
        assert names.count("new") <= 3, "its weight is 10 to 100 of the other"
        await wait_for_weight(directory, 2, 100)
        names = [(await shop.running.get("shop.example"))[1] for _ in range(20)]
        assert names.count("new") >= 8
        assert old.requests > new.requests
    await new.stop()


async def wait_for_weight(directory: Path, number: int, weight: int) -> None:
    files = HaproxyFiles(directory)
    runtime = RuntimeSocket(files.socket, files.master_socket)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            states, _ = await runtime.server_states()
            if any(
                (state.backend, state.number, state.weight) == ("shop.web-blue", number, weight)
                for state in states
            ):
                return
            await SystemClock().sleep(0.05)


# ---- admission ----------------------------------------------------------------------------


class SaysFit:
    """A `Prober` that finds every replica fit."""

    async def probe(self, address: str, port: int, *, path: str, host: str) -> str:
        return ""


async def test_what_the_agent_found_fit_is_admitted_before_haproxy_has_checked_it(directory: Path) -> None:
    replica = Upstream("one")
    replica.is_healthy = False
    await replica.start()
    async with running_router(directory, prober=SaysFit()) as running:
        running.router.configure([SHOP])
        await running.until_serving()
        await running.router.admit("shop.web", "blue", replica.endpoint)
        await running.router.open("shop.web", "blue", replica.endpoint.replica)
        # The first check that fails is enough, for it never passed one.
        async with asyncio.timeout(PATIENCE_S):
            while (await running.get("shop.example"))[0] != 503:
                await SystemClock().sleep(0.02)
        assert await running.router.status("shop.web") == {replica.endpoint.replica: ServerStatus.DOWN}
        replica.is_healthy = True
        async with asyncio.timeout(PATIENCE_S):
            while await running.get("shop.example") != (200, "one"):
                await SystemClock().sleep(0.02)
    await replica.stop()


async def test_without_a_probe_of_its_own_the_agent_waits_for_the_check_of_haproxy(directory: Path) -> None:
    replica = Upstream("one")
    replica.is_healthy = False
    await replica.start()
    async with running_router(directory, prober=None) as running, asyncio.TaskGroup() as tasks:
        running.router.configure([SHOP])
        await running.until_serving()
        admitting = tasks.create_task(running.router.admit("shop.web", "blue", replica.endpoint))
        await SystemClock().sleep(1.2)
        assert not admitting.done()
        replica.is_healthy = True
        await admitting
    await replica.stop()


# ---- experiments --------------------------------------------------------------------------


async def test_who_belongs_where_outlasts_a_reload_and_the_agent(directory: Path) -> None:
    route = replace(SHOP, headers=("x-beta",), visitor_cookies=("tower-experiment-4",))
    beta = Match(kind=MatchKind.HEADER, name="X-Beta", value="yes")
    tried = Targeting(colour=Colour.GREEN, matches=(beta,), cookie="tower-experiment-4", cookie_s=60)
    stable, trial = Upstream("stable"), Upstream("trial")
    await stable.start()
    await trial.start()
    port = free_port()
    async with running_router(directory, http_port=port, outlives_agent=True) as running:
        running.router.configure([route])
        await running.until_serving()
        for colour, upstream in (("blue", stable), ("green", trial)):
            await running.router.admit("shop.web", colour, upstream.endpoint)
            await running.router.open("shop.web", colour, upstream.endpoint.replica)
        shares = {"blue": 700, "green": 300}
        await running.router.split("shop.web", shares, revision=1, targeting=tried)
    async with running_router(directory, http_port=port) as running:
        # Another service, so that this run loads the configuration anew.
        other = ServiceRoute(service="zz.web", hosts=("zz.example",))
        running.router.configure([route, other])
        await running.until_serving()
        async with asyncio.timeout(PATIENCE_S):
            while "zz.web" not in running.router.services:
                await SystemClock().sleep(0.02)
        headers = {"X-Beta": "yes"}
        asked = [await running.get("shop.example", headers=headers) for _ in range(8)]
        assert asked == [(200, "trial")] * 8
        visitors: list[dict[str, str]] = [{} for _ in range(30)]
        firsts = [await running.get("shop.example", cookies=jar) for jar in visitors]
        assert set(firsts) == {(200, "stable"), (200, "trial")}
        assert [await running.get("shop.example", cookies=jar) for jar in visitors] == firsts
    await stable.stop()
    await trial.stop()


async def test_a_value_that_is_too_long_to_match_is_not_taken_for_its_beginning(directory: Path) -> None:
    route = replace(SHOP, headers=("x-beta",), cookies=("plan",))
    value = "y" * VALUE_CHARS_MAX
    matches = tuple(
        Match(kind=kind, name=name, value=value)
        for kind, name in ((MatchKind.HEADER, "x-beta"), (MatchKind.COOKIE, "plan"))
    )
    trial = Upstream("trial")
    await trial.start()
    async with shop_in(directory, route) as shop:
        router = shop.running.router
        await router.admit("shop.web", "green", trial.endpoint)
        await router.open("shop.web", "green", trial.endpoint.replica)
        targeting = Targeting(colour=Colour.GREEN, matches=matches)
        await router.split("shop.web", {"blue": 1000, "green": 0}, revision=1, targeting=targeting)
        for sent, name in ((value, "trial"), (f"{value}y", "one"), (f"{value}/x", "one"), ("", "one")):
            assert (await shop.running.get("shop.example", headers={"X-Beta": sent}))[1] == name
            assert (await shop.running.get("shop.example", cookies={"plan": sent}))[1] == name
    await trial.stop()
