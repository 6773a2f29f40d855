"""A node fetches what it missed of the metric history from another one, over mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from aiohttp import web

from agent.clock import SystemClock
from agent.follow.history_filling import HistoryFilling
from agent.follow.local_host import LocalHost
from agent.follow.node_history import NodeHistory
from agent.follow.peer_server import PeerDuties, build_peer_app
from agent.keys.identity import IdentityDirectory
from agent.keys.tls import TlsIdentity
from agent.peers.client import PeerClient
from cluster.metrics.query import RangeQuery, Selector
from cluster.model.ids import NodeId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.metrics import SubjectKind
from tests.support.history_loader import DAY_MS, Generated, a_history, a_subject, load
from tests.support.identity_builders import CLUSTER_ID, a_ca, a_node_identity
from tests.support.web_fakes import NOW_MS, a_web_world

GIVER, TAKER = NodeId("nd_1"), NodeId("nd_2")
DAYS = 3


def a_tls_identity(directory: Path, node_id: NodeId) -> TlsIdentity:
    now_ms = SystemClock().now_ms()
    identity = a_node_identity(
        node_id=node_id, ca=a_ca(now_ms=now_ms), now_ms=now_ms, addresses=("127.0.0.1",)
    )
    files = IdentityDirectory(directory / node_id)
    files.create(identity)
    return TlsIdentity(files, identity)


@asynccontextmanager
async def giving(
    directory: Path, history: NodeHistory | None, *, is_removed: Callable[[str], bool] = lambda _: False
) -> AsyncIterator[PeerClient]:
    """A node that gives its history, and the client of one that takes it."""
    duties = PeerDuties(
        on_beat=lambda _: None,
        on_traffic=lambda _: False,
        is_removed=is_removed,
        renew=_renew,
        history=None if history is None else history.page,
    )
    # Nothing is asked of its containers.
    app = build_peer_app(cast("LocalHost", None), CLUSTER_ID, duties)
    runner = web.AppRunner(app, access_log=None)
    giver, taker = await asyncio.to_thread(
        lambda: [a_tls_identity(directory, node_id) for node_id in (GIVER, TAKER)]
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=giver.peer_server).start()
        address = f"127.0.0.1:{runner.addresses[0][1]}"
        async with PeerClient(
            contexts=lambda: taker.peer_client, address_of=lambda _: address, cluster_id=CLUSTER_ID
        ) as client:
            yield client
    finally:
        await runner.cleanup()


async def _renew(_node_id: str, _request: str) -> str:
    raise HostRefused("not asked here", code="refused")


async def recorded(history: NodeHistory) -> None:
    """Some days of a host and its containers."""
    world = a_web_world()
    rng = np.random.default_rng(3)
    count = DAYS * DAY_MS // 10_000
    subjects = [a_subject(SubjectKind.HOST, GIVER, "h1")]
    subjects += [a_subject(SubjectKind.CONTAINER, GIVER, f"web-{n}", key=f"{n:064x}") for n in range(3)]
    series = [
        Generated(subject=each, metric="memory_bytes", values=rng.integers(0, 2**40, count).astype(float))
        for each in subjects
    ]
    await load(series, state=world.state, history=history, start_ms=NOW_MS - DAYS * DAY_MS)


async def readings(history: NodeHistory) -> dict[str, list[float]]:
    answer = await history.query(
        RangeQuery(
            selector=Selector(metrics=("memory_bytes",)),
            start_ms=NOW_MS - DAYS * DAY_MS,
            end_ms=NOW_MS,
            step_ms=600_000,
        )
    )
    return {each.label("subject"): np.nan_to_num(each.values).tolist() for each in answer.series}


def filling(history: NodeHistory, client: PeerClient) -> HistoryFilling:
    return HistoryFilling(
        node_id=TAKER,
        history=history,
        client=client,
        node_ids=lambda: [GIVER, TAKER],
        passed_index=lambda: 0,
        missed=asyncio.Event(),
        clock=SystemClock(),
    )


async def test_days_are_fetched_page_by_page_and_are_the_same_then(tmp_path: Path) -> None:
    async with a_history(tmp_path / "given") as given, a_history(tmp_path / "taken") as taken:
        await recorded(given)
        await taken.mark_missing(NOW_MS - DAYS * DAY_MS, NOW_MS)
        async with giving(tmp_path, given) as client:
            page = await client.history(GIVER, NOW_MS - DAYS * DAY_MS, NOW_MS, after=b"")
            assert await filling(taken, client).fill()
        assert len(page.records) > 0
        assert await readings(taken) == await readings(given)
        assert len(await readings(taken)) == 4
        assert (await taken.standing()).missing == ()


@pytest.mark.parametrize(
    ("history", "is_removed", "error", "words"),
    [
        (False, False, HostUnavailable, "keeps no metric history"),
        (True, False, HostUnavailable, "is being opened"),
        (True, True, HostRefused, "not a member"),
    ],
)
async def test_who_cannot_give_or_may_not_ask_is_told_so(
    tmp_path: Path, error: type[Exception], words: str, *, history: bool, is_removed: bool
) -> None:
    closed = NodeHistory(tmp_path / "closed", stagger=GIVER)
    try:
        async with giving(tmp_path, closed if history else None, is_removed=lambda _: is_removed) as client:
            with pytest.raises(error, match=words):
                await client.history(GIVER, 0, 1, after=b"")
    finally:
        await closed.close()


async def test_a_cursor_that_is_none_is_refused(tmp_path: Path) -> None:
    async with a_history(tmp_path / "given") as given, giving(tmp_path, given) as client:
        with pytest.raises(HostRefused, match="cursor"):
            await client.history(GIVER, 0, 1, after=b"\xff")
