"""Exports: everything arrives, in order, whoever leads, however long the receiver was away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agent.leader import exporting
from agent.notify.message import Message
from agent.notify.sender import Answer
from cluster.commands.exports import PutExport, RemoveExport
from cluster.identity.stored_secrets import seal_export_secret
from cluster.model.exports import Export, ExportAuth, ExportKind
from cluster.model.webhooks import FailureKind, SealedSecret
from cluster.state_machine import metrics as metric_handlers
from tests.support.export_kit import KEYRING, TICKS, ExportKit
from tests.support.schedule_kit import Death
from tests.unit.agent.test_export_formats import read_write_request

URL = "http://metrics.example.com/api/v1/write"
START_MS = 1_800_000_000_000
TAKEN = Answer(duration_ms=1, status=204)


class Receiver:
    """Keeps what it takes; `answer` says how it answers."""

    def __init__(self) -> None:
        self.answer: Callable[[], Answer] = lambda: TAKEN
        self.taken: list[tuple[str, int]] = []
        self.requests: list[Message] = []

    async def send(self, message: Message, *, timeout_ms: int) -> Answer:
        await asyncio.sleep(0)
        self.requests.append(message)
        answer = self.answer()
        if answer.status == 204:
            for labels, samples in read_write_request(message.body).items():
                self.taken += [(dict(labels)["node"], at_ms) for at_ms, _ in samples]
        return answer

    def times(self, node: str) -> list[int]:
        return [at_ms for name, at_ms in self.taken if name == f"host-{node}"]


class Strict(Receiver):
    """Refuses a whole request for one sample that is no newer than what it has of the series."""

    async def send(self, message: Message, *, timeout_ms: int) -> Answer:
        await asyncio.sleep(0)
        self.requests.append(message)
        given = [
            (dict(labels)["node"], at_ms)
            for labels, samples in read_write_request(message.body).items()
            for at_ms, _ in samples
        ]
        newest = dict(self.taken)
        if any(at_ms <= newest.get(node, 0) for node, at_ms in given):
            return failing(400)
        self.taken += given
        return TAKEN


def failing(status: int, **fields: Any) -> Answer:
    return Answer(duration_ms=1, status=status, failure=FailureKind.STATUS, detail="said", **fields)


async def test_what_is_measured_from_now_on_is_sent_once_and_in_order() -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    kit.measure("n1")
    kit.export(URL)
    wanted = kit.measure("n1", 3)
    others = kit.measure("n2", 2)
    await kit.lead(receiver, 60)
    assert receiver.times("n1") == wanted
    assert receiver.times("n2") == others
    assert (kit.standing.sent, kit.standing.refused) == (5 * TICKS, 0)
    more = kit.measure("n1")
    await kit.lead(receiver, 60)
    assert receiver.times("n1") == wanted + more


async def test_a_new_export_gets_the_past_it_asks_for_first() -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    old = kit.measure("n1", 180)
    kit.export(URL, back_ms=2 * 3_600_000)
    new = kit.measure("n1", 2)
    await kit.lead(receiver, 120)
    begin_ms = kit.cluster.replica.now_ms - 2 * 60_000 - 2 * 3_600_000
    assert receiver.times("n1") == [at_ms for at_ms in old if at_ms >= begin_ms] + new
    assert not kit.standing.has_past


async def test_the_past_of_more_subjects_than_are_read_at_once_is_sent_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "SUBJECTS_AT_ONCE", 1)
    kit, receiver = ExportKit(START_MS), Receiver()
    wanted = {node: kit.measure(node, 30) for node in ("n1", "n2")}
    kit.export(URL, back_ms=3_600_000)
    await kit.lead(receiver, 120)
    assert {node: receiver.times(node) for node in wanted} == wanted


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", range(1, 5))
async def test_wherever_the_leader_dies_nothing_is_lost(death: Death, die_at: int) -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    kit.measure("n1", 90)
    kit.export(URL, back_ms=3_600_000)
    kit.measure("n1", 12)
    kit.cluster.die_at, kit.cluster.death = die_at, death
    await kit.lead(receiver, 120)
    assert sorted(set(receiver.times("n1"))) == sorted(at for at, _ in kit.past.held["n1", 1])[-72 * TICKS :]
    assert len(receiver.times("n1")) <= 72 * TICKS + 60 * TICKS


async def test_a_receiver_that_is_away_is_waited_for_and_gets_everything() -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    kit.export(URL)
    wanted = kit.measure("n1", 2)
    receiver.answer = lambda: Answer(duration_ms=1, failure=FailureKind.CONNECT, detail="refused")
    await kit.lead(receiver, 600)
    tried = len(receiver.requests)
    assert 4 <= tried <= 20, "attempts come ever more rarely"
    assert kit.standing.failures_in_a_row == tried
    assert "refused" in kit.standing.detail
    receiver.answer = lambda: TAKEN
    await kit.lead(receiver, 600)
    assert receiver.times("n1") == wanted
    assert (kit.standing.failures_in_a_row, kit.standing.detail) == (0, "")


async def test_what_the_ring_of_the_log_has_let_go_comes_from_the_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metric_handlers, "RING_MS", 10 * 60_000)
    kit, receiver = ExportKit(START_MS), Receiver()
    kit.measure("n1", 2)
    kit.export(URL)
    wanted = kit.measure("n1", 50)
    # A host that was cut off brings what it had kept: it is older than what the others have sent meanwhile.
    late = kit.measure("n2", 40)
    await kit.lead(receiver, 120)
    assert set(receiver.times("n1")) >= set(wanted)
    assert sorted(set(receiver.times("n2"))) == late


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 301])
async def test_what_is_not_about_the_data_loses_no_data(status: int) -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    kit.export(URL)
    wanted = kit.measure("n1")
    receiver.answer = lambda: failing(status)
    await kit.lead(receiver, 30)
    assert kit.standing.sent == 0
    receiver.answer = lambda: TAKEN
    await kit.lead(receiver, 400)
    assert receiver.times("n1") == wanted


async def test_what_the_receiver_does_not_want_is_counted_and_passed_by() -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    kit.export(URL)
    kit.measure("n1")
    receiver.answer = lambda: failing(400)
    await kit.lead(receiver, 30)
    assert (kit.standing.refused, kit.standing.detail) == (TICKS, "status 400: said")
    receiver.answer = lambda: TAKEN
    wanted = kit.measure("n1")
    await kit.lead(receiver, 60)
    assert receiver.times("n1") == wanted


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", range(1, 6))
async def test_a_receiver_that_refuses_requests_with_one_old_sample_gets_everything(
    death: Death, die_at: int
) -> None:
    kit, receiver = ExportKit(START_MS), Strict()
    kit.measure("n1", 20)
    kit.export(URL, back_ms=3_600_000)
    kit.measure("n1", 12)
    kit.measure("n2", 32)
    kit.cluster.die_at, kit.cluster.death = die_at, death
    await kit.lead(receiver, 120)
    for node in ("n1", "n2"):
        assert receiver.times(node) == [at_ms for at_ms, _ in kit.past.held[node, 1]]


async def test_a_past_that_this_host_is_still_given_is_waited_for() -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    wanted = kit.measure("n1", 30)
    kit.export(URL, back_ms=3_600_000)
    kit.past.missing = ((START_MS, START_MS + 60_000),)
    await kit.lead(receiver, 60)
    assert receiver.times("n1") == []
    kit.past.missing = ()
    await kit.lead(receiver, 60)
    assert receiver.times("n1") == wanted


async def test_a_secret_goes_along_and_an_export_that_is_off_or_gone_sends_nothing() -> None:
    kit, receiver = ExportKit(START_MS), Receiver()
    sealed = seal_export_secret(b"pass", KEYRING, export_id="out", url=URL, nonce=bytes(12))
    kit.export(URL, auth=ExportAuth.BASIC, username="ann", secret=SealedSecret(sealed=sealed))
    kit.measure("n1")
    await kit.lead(receiver, 30)
    assert receiver.requests[0].headers["Authorization"] == "Basic YW5uOnBhc3M="
    off = Export(id="out", kind=ExportKind.PROMETHEUS, url=URL, is_enabled=False)
    kit.cluster.apply(PutExport(export=off, expected_version=1))
    kit.measure("n1")
    count = len(receiver.requests)
    await kit.lead(receiver, 30)
    kit.cluster.apply(RemoveExport(export_id="out"))
    await kit.lead(receiver, 30)
    assert len(receiver.requests) == count
