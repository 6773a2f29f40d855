"""Sending the metric history to other programs, by whoever leads.

What is sent is read from the log's batches of the last hour, in their order, so that also those count that a
host could commit only hours after it had measured them. An export that stands further back than those go
first gets the past of that time from the history. Where each stands is committed once its receiver has it
all: another leader may send the same once more, and receivers keep one of two equal samples.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from agent.clock import Clock
from agent.export.line_protocol import line_requests, with_precision
from agent.export.remote_write import remote_write_requests
from agent.export.request import ExportRequest
from agent.export.series import ExportSeries, by_moment, joined, series_of
from agent.leader.ports import Raft, State
from agent.leader.proposing import propose_as_leader
from agent.notify.message import Message
from agent.notify.sender import Answer
from cluster.commands import MalformedCommand, Rejected
from cluster.commands.exports import CommitExportProgress
from cluster.history import HistoryError, Samples
from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Keyring
from cluster.identity.stored_secrets import open_export_secret
from cluster.metrics.block import BlockDamaged, decode_block
from cluster.metrics.query import HistoryStanding, Resolution
from cluster.model.events import clip
from cluster.model.exports import (
    DETAIL_CHARS_MAX,
    TIMEOUT_MS,
    Export,
    ExportAuth,
    ExportKind,
    ExportStanding,
)
from cluster.model.metrics import BY_NUMBER, CommittedBatch, Subject
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import Committed
from cluster.store.records import (
    EXPORT_STANDINGS,
    EXPORTS,
    METRIC_BATCHES,
    METRIC_BOOKS,
    METRIC_HOURS,
    METRIC_SUBJECTS,
    NODES,
)

log = logging.getLogger(__name__)

BATCHES_AT_ONCE = 8
GATHER_S = 5.0
"""Batches of several hosts that come within so long go together."""
PIECE_MS = 3_600_000
"""How much of the past is read, sent and committed at a time."""
SUBJECTS_AT_ONCE = 256
"""How many subjects are read at once: decoding all that have a history takes longer than a loop may wait."""
PROPOSE_TIMEOUT_S = 5.0
RETRY_S = 1.0
IDLE_S = 30.0
MISSING_WAIT_S = 600.0
"""How long a past is waited for that this host is still being given by others."""
_BAD = 400
_REFUSED = frozenset({_BAD, 413, 422})
"""What is said about the data. All else is about the way there or the login, and is tried again: what waits
is not lost by a wrong password."""
_TABLES = frozenset({EXPORTS.table.name, METRIC_BATCHES.table.name})


_T = TypeVar("_T")


class Sender(Protocol):
    """`agent.notify.sender.HttpSender` fits."""

    async def send(self, message: Message, *, timeout_ms: int) -> Answer: ...


class OffLoop(Protocol):
    """Runs what takes a while elsewhere than on the event loop; `asyncio.to_thread` fits."""

    async def __call__(self, work: Callable[..., _T], /, *args: Any) -> _T: ...


class PastSamples(Protocol):
    """The history of this host; `agent.follow.node_history.NodeHistory` fits. Raises HistoryError."""

    async def samples(self, subject: Subject, start_ms: int, end_ms: int) -> Sequence[tuple[int, Samples]]:
        """Return what was measured of a subject in [start_ms, end_ms), by the number of the metric."""
        ...

    async def standing(self) -> HistoryStanding: ...


@dataclass(slots=True)
class _Sent:
    """What came of sending. `failure` "" unless it has to be tried again."""

    sent: int = 0
    refused: int = 0
    detail: str = ""
    failure: str = ""
    retry_after_ms: int = 0

    def refuse(self, request: ExportRequest, answer: Answer) -> None:
        """Count what the receiver does not want."""
        self.refused += request.samples
        self.detail = _said(answer)


class Exporting:
    """The duty of one node; what it keeps of a term is of no use to the next."""

    def __init__(
        self,
        *,
        state: State,
        raft: Raft,
        clock: Clock,
        sender: Sender,
        history: PastSamples,
        keyring: Callable[[], Keyring],
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self._state = state
        self._raft = raft
        self._clock = clock
        self._sender = sender
        self._history = history
        self._keyring = keyring
        self._off_loop = off_loop
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Event] = {}

    async def run(self, term: int) -> None:
        """Send what there is until cancelled. Raises LeadershipOver."""
        self._running.clear()
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._wake.clear()
                    with self._state.read() as txn:
                        exports = EXPORTS.scan(txn)
                    for export in exports:
                        if export.is_enabled and export.id not in self._running:
                            self._running[export.id] = asyncio.Event()
                            # A task of its own: one that does not answer holds no other up.
                            group.create_task(self._run_one(export.id, term), name=f"export-{export.id}")
                    await self._clock.wait(self._wake, IDLE_S)
        finally:
            unsubscribe()

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table in _TABLES for table, _ in committed.changed):
            self._wake.set()
            for event in self._running.values():
                event.set()

    async def _run_one(self, export_id: str, term: int) -> None:
        """Send to one receiver until its export is gone or off."""
        news = self._running[export_id]
        missing_until_s = self._clock.monotonic_s() + MISSING_WAIT_S
        try:
            while True:
                news.clear()
                with self._state.read() as txn:
                    export, standing = EXPORTS.get(txn, export_id), EXPORT_STANDINGS.get(txn, export_id)
                if export is None or standing is None or not export.is_enabled:
                    return
                wait_s = (standing.next_ms - self._clock.now_ms()) / 1000
                if not self._is_leading:
                    await self._clock.sleep(RETRY_S)
                elif wait_s > 0:
                    await self._clock.wait(news, min(wait_s, IDLE_S))
                    # News of batches are no reason to try again earlier; another setting is.
                    await self._clock.sleep(min(RETRY_S, wait_s))
                elif standing.has_past:
                    is_patient = self._clock.monotonic_s() < missing_until_s
                    await self._send_past(export, standing, term, is_patient=is_patient)
                elif not await self._send_batches(export, standing, term):
                    await self._clock.wait(news, IDLE_S)
                    await self._clock.sleep(GATHER_S)
        finally:
            del self._running[export_id]

    @property
    def _is_leading(self) -> bool:
        until_s = self._raft.lease_until_s()
        return until_s is not None and until_s > self._clock.boottime_s()

    # ---- the newest

    async def _send_batches(self, export: Export, standing: ExportStanding, term: int) -> bool:
        """Send the next batches; whether there were any."""
        with self._state.read() as txn:
            books = METRIC_BOOKS.get(txn)
            passed = 0 if books is None else books.passed_index
            if standing.index < passed:
                missed = [
                    hour
                    for hour in METRIC_HOURS.scan(txn)
                    if hour.last_index > standing.index and hour.first_index <= passed
                ]
            else:
                missed = []
            batches = METRIC_BATCHES.scan(txn, after=(standing.index,), limit=BATCHES_AT_ONCE)
            numbers = {number for batch in batches for number in batch.subjects}
            subjects = {
                number: subject
                for number in numbers
                if (subject := METRIC_SUBJECTS.get(txn, number)) is not None
            }
        if standing.index < passed:
            await self._commit(
                export,
                standing,
                term,
                _Sent(),
                index=passed,
                past=(
                    min((hour.start_ms for hour in missed), default=0),
                    max((hour.end_ms for hour in missed), default=0),
                ),
            )
            return True
        if not batches:
            return False
        names = self._node_names()
        done = _Sent()
        index = standing.index
        for batch in batches:
            # Each by itself, so that what another leader sends once more is the same request.
            encoded = await self._off_loop(_encoded_batch, export, batch, subjects, names)
            if not await self._send_all(export, encoded, names, done):
                break
            index = batch.index
        if index > standing.index:
            # What did not go is tried from there at once, and fails again if it must.
            done.failure = ""
        await self._commit(export, standing, term, done, index=index)
        return True

    def _node_names(self) -> dict[str, str]:
        with self._state.read() as txn:
            return {node.id: node.name for node in NODES.scan(txn)}

    # ---- the past

    async def _send_past(
        self, export: Export, standing: ExportStanding, term: int, *, is_patient: bool
    ) -> None:
        """Send the next piece of the past. Pieces without a sample are passed by together."""
        start_ms, until_ms = standing.past_from_ms, standing.past_until_ms
        try:
            history = await self._history.standing()
            oldest_ms = history.oldest_ms.get(Resolution.RAW)
            start_ms = until_ms if oldest_ms is None else max(start_ms, oldest_ms)
            end_ms = min(until_ms, start_ms - start_ms % PIECE_MS + PIECE_MS)
            if is_patient and any(low < end_ms and high > start_ms for low, high in history.missing):
                await self._clock.sleep(IDLE_S)
                return
            done = _Sent()
            names = self._node_names()
            async for series in self._past_series(start_ms, end_ms):
                encoded = await self._off_loop(_encoded, export, series, names)
                if not await self._send_all(export, encoded, names, done):
                    break
        except HistoryError as error:
            log.warning("export.history_unreadable", extra={"export": export.id, "error": str(error)})
            done = _Sent(failure=clip(f"the history cannot be read: {error}", DETAIL_CHARS_MAX))
            end_ms = start_ms
        await self._commit(
            export, standing, term, done, index=standing.index, past=(min(end_ms, until_ms), until_ms)
        )

    async def _past_series(self, start_ms: int, end_ms: int) -> AsyncIterator[list[ExportSeries]]:
        """Yield what was measured in [start_ms, end_ms), subject by subject."""
        if start_ms >= end_ms:
            return
        after = 0
        while True:
            with self._state.read() as txn:
                subjects = METRIC_SUBJECTS.scan(txn, after=(after,), limit=SUBJECTS_AT_ONCE)
            if not subjects:
                return
            after = subjects[-1].number
            for subject in subjects:
                if subject.created_ms >= end_ms:
                    continue
                found = await self._history.samples(subject, start_ms, end_ms)
                series = [
                    ExportSeries(
                        subject=subject,
                        metric=BY_NUMBER[number],
                        times_ms=samples.times_ms,
                        values=samples.values / BY_NUMBER[number].scale,
                    )
                    for number, samples in found
                    if len(samples.times_ms)
                ]
                if series:
                    yield series
            await asyncio.sleep(0)

    # ---- sending and writing down

    async def _send_all(
        self, export: Export, requests: Iterable[ExportRequest], names: dict[str, str], done: _Sent
    ) -> bool:
        """Send requests in order, up to the first that has to be tried again; whether all went."""
        for request in requests:
            answer = await self._send(export, request, done)
            if answer is None:
                return False
            if answer.status not in _REFUSED:
                done.sent += request.samples
            elif answer.status == _BAD and (moments := by_moment(request.series)):
                if not await self._send_by_moment(export, moments, names, done):
                    return False
            else:
                done.refuse(request, answer)
        return True

    async def _send_by_moment(
        self, export: Export, moments: Sequence[list[ExportSeries]], names: dict[str, str], done: _Sent
    ) -> bool:
        """Send what was refused together moment by moment, and the rest together once one is taken.

        Prometheus takes nothing of a request in which anything is older than what it has. After a new leader
        has begun, or between the past and the present, that is the beginning of one.
        """
        for place, moment in enumerate(moments):
            for request in remote_write_requests(moment, names):
                answer = await self._send(export, request, done)
                if answer is None:
                    return False
                if answer.status in _REFUSED:
                    done.refuse(request, answer)
                    continue
                done.sent += request.samples
                rest = joined(each for later in moments[place + 1 :] for each in later)
                return await self._send_rest(export, rest, names, done)
        return True

    async def _send_rest(
        self, export: Export, series: Sequence[ExportSeries], names: dict[str, str], done: _Sent
    ) -> bool:
        for request in remote_write_requests(series, names):
            answer = await self._send(export, request, done)
            if answer is None:
                return False
            if answer.status in _REFUSED:
                done.refuse(request, answer)
            else:
                done.sent += request.samples
        return True

    async def _send(self, export: Export, request: ExportRequest, done: _Sent) -> Answer | None:
        """What the receiver says of one request; None when it has to be tried again, as `done` says then."""
        try:
            message = self._message(export, request)
        except SealBroken as error:
            done.failure = clip(str(error), DETAIL_CHARS_MAX)
            return None
        answer = await self._sender.send(message, timeout_ms=TIMEOUT_MS)
        if 200 <= answer.status < 300 or answer.status in _REFUSED:
            return answer
        done.failure = _said(answer)
        done.retry_after_ms = answer.retry_after_ms
        log.warning(
            "export.not_sent",
            extra={"export": export.id, "failure": answer.failure.value, "status": answer.status},
        )
        return None

    def _message(self, export: Export, request: ExportRequest) -> Message:
        headers = dict(request.headers)
        if export.secret is not None:
            secret = open_export_secret(
                export.secret.sealed, self._keyring(), export_id=export.id, url=export.url
            )
            headers["Authorization"] = _authorization(export, secret)
        url = with_precision(export.url) if export.kind is ExportKind.INFLUXDB else export.url
        return Message(url=url, headers=headers, body=request.body)

    async def _commit(
        self,
        export: Export,
        standing: ExportStanding,
        term: int,
        done: _Sent,
        *,
        index: int,
        past: tuple[int, int] | None = None,
    ) -> None:
        """Write down how far it has come. What is not committed is sent once more."""
        past_from_ms, past_until_ms = past or (standing.past_from_ms, standing.past_until_ms)
        command = CommitExportProgress(
            export_id=export.id,
            from_index=standing.index,
            from_past_ms=standing.past_from_ms,
            index=index,
            past_from_ms=past_from_ms,
            past_until_ms=past_until_ms,
            sent=done.sent,
            refused=done.refused,
            failure=done.failure,
            detail=done.detail,
            retry_after_ms=done.retry_after_ms,
        )
        try:
            outcome = await propose_as_leader(self._state, command, term=term, timeout_s=PROPOSE_TIMEOUT_S)
        except (MalformedCommand, NotCommitted, OutcomeUnknown) as error:
            log.warning("export.progress_not_committed", extra={"export": export.id, "error": str(error)})
            await self._clock.sleep(RETRY_S)
            return
        if isinstance(outcome, Rejected):
            log.info("export.progress_rejected", extra={"export": export.id, "reason": outcome.reason})
            await self._clock.sleep(RETRY_S)


def _encoded_batch(
    export: Export, batch: CommittedBatch, subjects: dict[int, Subject], node_names: dict[str, str]
) -> list[ExportRequest]:
    try:
        block = decode_block(batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks)
    except BlockDamaged as error:
        # Nobody can read it: neither now nor later, neither here nor elsewhere.
        log.warning("export.batch_damaged", extra={"index": batch.index, "error": str(error)})
        return []
    return _encoded(export, series_of(block, batch.subjects, subjects), node_names)


def _encoded(
    export: Export, series: Iterable[ExportSeries], node_names: dict[str, str]
) -> list[ExportRequest]:
    if export.kind is ExportKind.PROMETHEUS:
        return list(remote_write_requests(series, node_names))
    return list(line_requests(series, node_names))


def _said(answer: Answer) -> str:
    status = f"status {answer.status}" if answer.status else answer.failure.value
    return clip(f"{status}: {answer.detail}" if answer.detail else status, DETAIL_CHARS_MAX)


def _authorization(export: Export, secret: bytes) -> str:
    match export.auth:
        case ExportAuth.BASIC:
            pair = export.username.encode() + b":" + secret
            return f"Basic {base64.b64encode(pair).decode()}"
        case ExportAuth.TOKEN:
            return f"Token {secret.decode()}"
        case ExportAuth.BEARER | ExportAuth.NONE:
            return f"Bearer {secret.decode()}"
