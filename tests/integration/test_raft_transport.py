"""Peer sessions over real sockets and real TLS on the loopback interface."""

import asyncio
import contextlib
import errno
import logging
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cluster.encoding import pack
from cluster.raft.session import Refusal, RefusalCode
from cluster.raft.tls import TlsProvider, load_contexts
from cluster.raft.transport import ListenFailed, Transport, TransportSettings
from cluster.raft.types import Message
from cluster.raft.wire import MAX_FRAME_BYTES
from tests.support.raft_certificates import EPOCH, Authority

NOW_MS = 1_700_000_000_000
QUICK = TransportSettings(dead_peer_s=0.4, keep_alive_s=0.1, handshake_s=0.6, dial_s=0.5, retry_max_s=0.1)


class Node:
    """One transport and everything it reported."""

    def __init__(
        self,
        authority: Authority,
        node_id: str,
        *,
        incarnation: str = "1",
        tls: TlsProvider | None = None,
        settings: TransportSettings = QUICK,
        listen: str = "127.0.0.1:0",
        now_ms: Callable[[], int] = lambda: NOW_MS,
    ) -> None:
        self.node_id = node_id
        self.peers: dict[str, str] = {}
        self.barred: set[str] = set()
        self.events: list[tuple[str, str]] = []
        self.messages: list[tuple[str, Message]] = []
        self.conflicts: list[tuple[str, str]] = []
        self.refusals: list[Refusal] = []
        self.changed = asyncio.Condition()
        self.transport = Transport(
            node_id=node_id,
            cluster_id=authority.cluster_id,
            incarnation=incarnation,
            listen=listen,
            tls=tls or authority.contexts(node_id),
            addresses=lambda: self.peers,
            may_connect=lambda peer: peer not in self.barred,
            owner=self,
            rng=random.Random(7),
            now_ms=now_ms,
            settings=settings,
        )
        self.transport.bind()

    @property
    def address(self) -> str:
        host, port = self.transport.address
        return f"{host}:{port}"

    @property
    def connected(self) -> set[str]:
        return {status.peer for status in self.transport.status()}

    def peer_connected(self, peer: str) -> None:
        self.events.append(("connected", peer))

    def peer_disconnected(self, peer: str) -> None:
        self.events.append(("disconnected", peer))

    def messages_received(self, peer: str, messages: list[Message]) -> None:
        self.messages += [(peer, message) for message in messages]

    def identity_conflict(self, node_id: str, reason: str) -> None:
        self.conflicts.append((node_id, reason))

    def refused(self, peer: str, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def tell(self, peer: str, *messages: Message) -> None:
        for message in messages:
            self.transport.send(peer, message)
        self.transport.flush()


class Running:
    """A transport at work."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


Run = Callable[[Node], Awaitable[Running]]


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Starts transports and ends them when the test is over."""
    started: list[Running] = []

    async def start(node: Node) -> Running:
        running = Running(asyncio.get_running_loop().create_task(node.transport.run()))
        started.append(running)
        await asyncio.sleep(0)
        return running

    yield start
    for running in started:
        await running.stop()


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something another task brings about, on real sockets."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  what is awaited happens on sockets, not in an Event
            await asyncio.sleep(0.005)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "c1")


def propose(n: int, command: bytes = b"c") -> Message:
    return {"type": "propose", "id": ("i", n), "command": command}


async def connected_pair(authority: Authority, run: Run) -> tuple[Node, Node]:
    first, second = Node(authority, "n1"), Node(authority, "n2")
    first.peers, second.peers = {"n2": second.address}, {"n1": first.address}
    await run(first)
    await run(second)
    await until(lambda: first.connected and second.connected)
    return first, second


async def test_two_nodes_that_dial_each_other_end_up_with_one_session(authority: Authority, run: Run) -> None:
    first, second = await connected_pair(authority, run)
    await asyncio.sleep(0.3)
    assert first.connected == {"n2"}
    assert second.connected == {"n1"}
    (one,), (other,) = first.transport.status(), second.transport.status()
    assert one.is_dialed is not other.is_dialed
    assert not first.conflicts
    assert not second.conflicts


async def test_messages_arrive_in_order_and_whole(authority: Authority, run: Run) -> None:
    first, second = await connected_pair(authority, run)
    sent = [propose(n, bytes([n % 256]) * (n * 37 % 5000)) for n in range(300)]
    big = propose(300, os.urandom(4 * 1024 * 1024))
    first.tell("n2", *sent, big)
    second.tell("n1", *sent)
    await until(lambda: len(second.messages) == 301 and len(first.messages) == 300)
    assert second.messages == [("n1", message) for message in [*sent, big]]
    assert first.messages == [("n2", message) for message in sent]


async def test_an_idle_session_stays_and_a_silent_peer_does_not(authority: Authority, run: Run) -> None:
    first, second = await connected_pair(authority, run)
    events = list(first.events)
    await asyncio.sleep(3 * QUICK.dead_peer_s)
    assert first.events == events, "keep-alives must hold an idle session"
    # A peer whose process stands still: its sockets stay open, nothing comes.
    for session in list(second.transport._open):
        session.keep_alive = lambda: None  # type: ignore[method-assign]
    await until(lambda: ("disconnected", "n2") in first.events)
    assert "nothing heard" in first.transport.trouble().get("n2", "nothing heard")


async def test_a_session_that_ends_is_made_again_and_the_owner_hears_both(
    authority: Authority, run: Run
) -> None:
    first, second = await connected_pair(authority, run)
    count = len(second.events)
    first.transport.end_sessions(["n2"])
    await until(lambda: len(second.events) >= count + 2 and first.connected)
    names = [name for name, _ in second.events]
    assert names == ["connected", "disconnected"] * (len(names) // 2) + ["connected"] * (len(names) % 2)
    assert names[-1] == "connected"


async def test_what_was_queued_in_an_ended_session_never_arrives(authority: Authority, run: Run) -> None:
    first, second = await connected_pair(authority, run)
    first.transport.send("n2", propose(1))
    first.transport.end_sessions()
    first.transport.flush()
    count = len(second.events)
    await until(lambda: len(second.events) >= count + 2 and first.connected)
    first.tell("n2", propose(2))
    await until(lambda: second.messages)
    assert second.messages == [("n1", propose(2))]


async def test_a_peer_that_does_not_read_is_dropped_when_the_queue_is_full(
    authority: Authority, run: Run
) -> None:
    settings = TransportSettings(queue_bytes_max=3_000_000)
    first, second = Node(authority, "n1", settings=settings), Node(authority, "n2")
    second.peers = {"n1": first.address}
    await run(first)
    await run(second)
    await until(lambda: first.connected and second.connected)
    for session in second.transport._open:
        assert session._connection is not None
        session._connection.pause_reading()
    for n in range(200):
        first.tell("n2", propose(n, b"x" * 100_000))
    await until(lambda: ("disconnected", "n2") in first.events)
    assert first.events[:2] == [("connected", "n2"), ("disconnected", "n2")]


async def test_a_node_that_may_not_connect_is_refused_and_told(authority: Authority, run: Run) -> None:
    first, second = Node(authority, "n1"), Node(authority, "n2")
    first.barred = {"n2"}
    second.peers = {"n1": first.address}
    await run(first)
    await run(second)
    await until(lambda: second.refusals)
    assert second.refusals[0] == Refusal(RefusalCode.MEMBERSHIP, "n2 is not a member of this cluster")
    assert not first.connected
    first.barred = set()
    await until(lambda: first.connected and second.connected)
    first.barred = {"n2"}
    await until(lambda: not first.connected and not second.connected)


async def test_a_second_process_with_the_same_identity_is_refused_while_the_first_lives(
    authority: Authority, run: Run
) -> None:
    first, second = await connected_pair(authority, run)
    double = Node(authority, "n2", incarnation="2")
    double.peers = {"n1": first.address}
    running = await run(double)
    await until(lambda: double.conflicts and first.conflicts)
    assert first.conflicts[0][0] == "n2"
    assert double.conflicts[0][0] == "n2"
    assert "another process is using this node's identity" in double.conflicts[0][1]
    assert first.events == [("connected", "n2")]
    assert not double.connected
    first.tell("n2", propose(1))
    await until(lambda: second.messages)
    await running.stop()


async def test_a_restarted_process_takes_over_from_its_dead_predecessor(
    authority: Authority, run: Run
) -> None:
    first, second = Node(authority, "n1"), Node(authority, "n2")
    second.peers = {"n1": first.address}
    await run(first)
    running = await run(second)
    await until(lambda: first.connected)
    await running.stop()
    successor = Node(authority, "n2", incarnation="2")
    successor.peers = {"n1": first.address}
    await run(successor)
    await until(lambda: successor.connected and first.connected)
    assert [name for name, _ in first.events] == ["connected", "disconnected", "connected"]
    assert not first.conflicts


async def test_a_process_replaces_one_that_fell_silent(authority: Authority, run: Run) -> None:
    first, second = Node(authority, "n1"), Node(authority, "n2")
    second.peers = {"n1": first.address}
    await run(first)
    await run(second)
    await until(lambda: first.connected and second.connected)
    for session in second.transport._open:
        assert session._connection is not None
        session._connection.pause_reading()
        session.keep_alive = lambda: None  # type: ignore[method-assign]
    second.peers = {}
    successor = Node(authority, "n2", incarnation="2")
    successor.peers = {"n1": first.address}
    await run(successor)
    await until(lambda: successor.connected)
    assert [name for name, _ in first.events] == ["connected", "disconnected", "connected"]


async def test_a_node_with_our_own_identity_is_refused_and_reported(authority: Authority, run: Run) -> None:
    first, double = Node(authority, "n1"), Node(authority, "n1", incarnation="2")
    await run(first)
    double.peers = {"n9": first.address}
    await run(double)
    await until(lambda: double.transport.trouble())
    assert "is n1, not n9" in double.transport.trouble()["n9"]


async def greet(
    node: Node, contexts_of: tuple[Path, Path], ca: Path, *frames: bytes
) -> tuple[bytes, ssl.SSLError | None]:
    """Connect as a TLS client, say `frames`, and return what came back until the end."""
    contexts = load_contexts(certificate=contexts_of[0], key=contexts_of[1], ca=ca)
    host, port = node.transport.address
    answer = b""
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=contexts.client, server_hostname="x"
            )
            for frame in frames:
                writer.write(len(frame).to_bytes(4, "big") + frame)
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65536):
                    answer += chunk
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
    except ssl.SSLError as error:
        return answer, error
    return answer, None


HELLO = ("hello", 1, "n2", "c1", "9")


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (("hello", 2, "n2", "c1", "9", "more"), "version"),
        (("hello", 1, "n3", "c1", "9"), "identity"),
        (("hello", 1, "n2", "c2", "9"), "cluster"),
    ],
)
async def test_a_greeting_that_does_not_fit_is_answered_with_the_reason(
    authority: Authority, run: Run, greeting: tuple[Any, ...], code: str
) -> None:
    node = Node(authority, "n1")
    await run(node)
    answer, _ = await greet(node, authority.issue("n2"), authority.ca_file, pack(list(greeting)))
    assert b"refused" in answer
    assert code.encode() in answer
    assert not node.events


async def test_a_certificate_of_another_cluster_of_the_same_ca_is_refused(
    authority: Authority, run: Run
) -> None:
    node = Node(authority, "n1")
    await run(node)
    stranger = authority.issue("n2", cluster_id="c2")
    answer, _ = await greet(node, stranger, authority.ca_file, pack(list(HELLO)))
    assert b"refused" in answer
    assert b"of cluster c2, this node is of c1" in answer
    assert not node.events


async def test_a_certificate_without_a_cluster_is_turned_away(authority: Authority, run: Run) -> None:
    node = Node(authority, "n1")
    await run(node)
    nobody = authority.issue("n2", with_cluster_uri=False)
    answer, _ = await greet(node, nobody, authority.ca_file, pack(list(HELLO)))
    assert answer == b""
    assert not node.events


async def test_a_certificate_of_another_ca_is_refused_on_both_sides(
    authority: Authority, run: Run, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "c1")
    first, second = Node(authority, "n1"), Node(other, "n2")
    first.peers, second.peers = {"n2": second.address}, {"n1": first.address}
    await run(first)
    await run(second)
    await until(lambda: first.transport.trouble() and second.transport.trouble())
    assert "certificate" in first.transport.trouble()["n2"]
    # Trusting our CA is not enough: the client's own certificate is verified too.
    _, error = await greet(first, other.issue("n2"), authority.ca_file, pack(list(HELLO)))
    assert error is not None
    assert not first.events
    assert not second.events


async def test_an_expired_certificate_is_refused(authority: Authority, run: Run) -> None:
    node = Node(authority, "n1")
    await run(node)
    expired = authority.issue("n2", not_after=EPOCH + timedelta(days=1), name="expired")
    _, error = await greet(node, expired, authority.ca_file, pack(list(HELLO)))
    assert error is not None
    assert "EXPIRED" in str(error).upper()
    assert not node.events


async def test_no_tls_below_1_3_and_no_client_without_a_certificate(authority: Authority, run: Run) -> None:
    node = Node(authority, "n1")
    await run(node)
    host, port = node.transport.address
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.load_verify_locations(authority.ca_file)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(host, port, ssl=old, server_hostname="x")
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(authority.ca_file)
    reader, writer = await asyncio.open_connection(host, port, ssl=bare, server_hostname="x")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await reader.read()
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()
    assert not node.events


async def test_random_bytes_and_oversized_frames_end_their_session_and_nothing_else(
    authority: Authority, run: Run
) -> None:
    first, second = await connected_pair(authority, run)
    host, port = first.transport.address
    chance = random.Random(3)
    for size in (1, 5, 100, 10_000):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(chance.randbytes(size))
        writer.write_eof()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    # The same after a proper greeting, as a member with a certificate.
    ours, hello = authority.issue("n3"), pack(["hello", 1, "n3", "c1", "9"])
    for junk in (chance.randbytes(5000), pack([99, 1]), pack([5, -1]), b"\x07"):
        answer, _ = await greet(first, ours, authority.ca_file, hello, junk)
        assert b"hello" in answer
    answer, _ = await greet(first, ours, authority.ca_file, b"x" * 5000)
    assert answer == b"", "a greeting is short"
    contexts = load_contexts(certificate=ours[0], key=ours[1], ca=authority.ca_file)
    reader, writer = await asyncio.open_connection(host, port, ssl=contexts.client, server_hostname="x")
    writer.write(len(hello).to_bytes(4, "big") + hello + (MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    first.tell("n2", propose(1))
    await until(lambda: second.messages)
    assert ("disconnected", "n2") not in first.events


async def test_strangers_that_say_nothing_are_bounded_and_do_not_keep_members_out(
    authority: Authority, run: Run
) -> None:
    settings = TransportSettings(unauthenticated_max=4, handshake_s=30.0)
    first = Node(authority, "n1", settings=settings)
    await run(first)
    host, port = first.transport.address
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await asyncio.open_connection(host, port)
            stack.callback(writer.close)
        await until(lambda: len(first.transport._open) <= 4)
        second = Node(authority, "n2")
        second.peers = {"n1": first.address}
        await run(second)
        await until(lambda: first.connected == {"n2"})


async def test_a_stranger_that_says_nothing_is_closed_after_the_handshake_time(
    authority: Authority, run: Run
) -> None:
    node = Node(authority, "n1")
    await run(node)
    reader, writer = await asyncio.open_connection(*node.transport.address)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_running_out_of_descriptors_pauses_accepting_and_does_not_end_it(
    authority: Authority, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Node(authority, "n1"), Node(authority, "n2")
    assert first.transport._listener is not None
    listener: socket.socket = first.transport._listener

    class Exhausted:
        failures = 3

        def accept(self) -> tuple[socket.socket, Any]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return listener.accept()

        def __getattr__(self, name: str) -> Any:
            return getattr(listener, name)

    first.transport._listener = Exhausted()  # type: ignore[assignment]
    second.peers = {"n1": first.address}
    with caplog.at_level(logging.ERROR):
        await run(first)
        await run(second)
        await until(lambda: first.connected)
    assert "raft.accept_failed" in caplog.messages


async def test_a_taken_port_is_said_with_the_next_step(authority: Authority, run: Run) -> None:
    node = Node(authority, "n1")
    await run(node)
    with pytest.raises(ListenFailed, match="is taken: stop the other process"):
        Node(authority, "n2", listen=node.address)
    with pytest.raises(ListenFailed, match="cannot be used"):
        Node(authority, "n3", listen="nowhere:port")


async def test_new_sessions_use_a_rotated_certificate_and_old_ones_end_with_theirs(
    authority: Authority, run: Run
) -> None:
    now_ms = NOW_MS
    soon = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(days=36_500 // 2)
    authority_contexts = authority.contexts("n1")
    authority.issue("n1", not_after=soon)
    expires_ms = authority_contexts().not_after_ms
    first = Node(authority, "n1", tls=authority_contexts, now_ms=lambda: now_ms)
    second = Node(authority, "n2")
    second.peers = {"n1": first.address}
    await run(first)
    await run(second)
    await until(lambda: first.connected and second.connected)
    authority.issue("n1", not_after=soon + timedelta(days=1000))
    await asyncio.sleep(0.2)
    assert first.events == [("connected", "n2")], "a running session keeps its certificate"
    now_ms = expires_ms
    await until(lambda: len(first.events) == 3)
    assert [name for name, _ in first.events] == ["connected", "disconnected", "connected"]
    assert next(iter(first.transport._open)).expires_at_ms > expires_ms


async def test_a_half_written_rotation_keeps_the_earlier_certificate(
    authority: Authority, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    contexts = authority.contexts("n1")
    before = contexts()
    _, key = authority.issue("n9")
    (authority.directory / "n1.key").write_bytes(key.read_bytes())
    with caplog.at_level(logging.WARNING):
        assert contexts() is before
    assert "raft.certificate_not_loaded" in caplog.messages
    authority.issue("n1")
    assert contexts() is not before


async def test_an_unreachable_or_unknown_address_is_tried_again_and_said(
    authority: Authority, run: Run
) -> None:
    first, second = Node(authority, "n1"), Node(authority, "n2")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        first.peers = {
            "n2": f"127.0.0.1:{unused.getsockname()[1]}",
            "n3": "no-such-host.invalid:1",
            "n4": "2001:db8::1",
        }
        await run(first)
        await until(lambda: set(first.transport.trouble()) == {"n2", "n3", "n4"})
    assert "in brackets" in first.transport.trouble()["n4"]
    await run(second)
    first.peers = {"n2": second.address}
    await until(lambda: first.connected == {"n2"})
    assert first.transport.trouble() == {}
