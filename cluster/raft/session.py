"""One connection to a peer: TLS, then frames, then messages.

A session is a strict sequence: TLS handshake, `hello` of the dialer, `hello` of the acceptor (or a
refusal with its reason), then messages in order. Whatever breaks the sequence, overflows or times out
ends the session; nothing is skipped and nothing is sent again. A frame is a 4-byte big-endian length and
that many bytes; bodies shorter than two bytes are the session's own (keep-alive, ping, pong), since a
message is always an array of at least two.

TLS runs over memory buffers instead of the event loop's own TLS transport: each session then takes its
certificates when it starts, and all frames of a turn become one encryption and one system call.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, Final, Protocol

from cluster.encoding import EncodingError, pack, unpack
from cluster.raft.connection import Connection
from cluster.raft.tls import IdentityError, PeerIdentity, TlsContexts, peer_identity
from cluster.raft.types import Message
from cluster.raft.wire import MAX_FRAME_BYTES, MAX_NAME_CHARS, WireError, decode

log = logging.getLogger(__name__)

PROTOCOL_VERSION: Final = 1
MAX_HELLO_BYTES: Final = 4096
_RECORD_BYTES: Final = 16 * 1024
_GRACE_S: Final = 1.0
_LENGTH: Final = struct.Struct(">I")

_KEEP_ALIVE: Final = b""
_PING: Final = b"\x01"
_PONG: Final = b"\x02"


class FrameError(ValueError):
    """A frame longer than allowed, or one that does not belong where it stands."""


class RefusalCode(StrEnum):
    """Why a peer was not let in. On the wire: never rename."""

    VERSION = "version"
    CLUSTER = "cluster"
    IDENTITY = "identity"
    MEMBERSHIP = "membership"
    DUPLICATE = "duplicate"
    CONNECTED = "connected"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a hello that is not accepted; `reason` is for a person."""

    code: RefusalCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What each side says first. `incarnation` differs for every start of a process."""

    node_id: str
    cluster_id: str
    incarnation: str
    version: int = PROTOCOL_VERSION


class FrameReader:
    """Cuts a byte stream into frame bodies. A length over `limit_bytes` is refused before its body is
    read.
    """

    __slots__ = ("_buffer", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._buffer = bytearray()
        self.limit_bytes = limit_bytes

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self, most: int | None = None) -> list[bytes]:
        """Remove and return the complete frames at the front, `most` at the most. Raises FrameError."""
        buffer = self._buffer
        held, position = len(buffer), 0
        frames: list[bytes] = []
        while held - position >= 4 and (most is None or len(frames) < most):
            (length,) = _LENGTH.unpack_from(buffer, position)
            if length > self.limit_bytes:
                raise FrameError(f"a frame of {length} bytes; at most {self.limit_bytes} are allowed here")
            end = position + 4 + length
            if end > held:
                break
            frames.append(bytes(buffer[position + 4 : end]))
            position = end
        if position:
            del buffer[:position]
        return frames


class TlsChannel:
    """TLS without a socket: bytes of the network in, plain bytes out, and the other way round."""

    __slots__ = ("_incoming", "_object", "_outgoing", "is_open")

    def __init__(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self.is_open = False

    def receive(self, data: bytes | memoryview) -> bytes:
        """Return what `data` decrypts to; `output` may have an answer for the peer. Raises ssl.SSLError."""
        incoming = self._incoming
        if data:
            incoming.write(data)
        if not self.is_open:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.is_open = True
        plain = []
        try:
            while incoming.pending or self._object.pending():
                part = self._object.read(_RECORD_BYTES)
                if not part:
                    break
                plain.append(part)
        except ssl.SSLWantReadError:
            pass
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def send(self, data: bytes) -> bytes:
        """Return `data` encrypted. Raises ssl.SSLError."""
        if len(data) <= _RECORD_BYTES:
            self._object.write(data)
        else:
            # One record per call: OpenSSL is asked to write partially.
            view = memoryview(data)
            while view:
                view = view[self._object.write(view[:_RECORD_BYTES]) :]
        return self._outgoing.read()

    def output(self) -> bytes:
        """Return what must go to the peer now: handshake, key update or alert. Empty most of the time."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def peer_certificate(self) -> dict[str, Any]:
        return self._object.getpeercert() or {}


class State(Enum):
    """How far a session is. It only moves down this list."""

    HANDSHAKE = auto()
    HELLO = auto()
    CONTESTED = auto()
    LIVE = auto()
    CLOSED = auto()


class SessionOwner(Protocol):
    """Who decides about a session, and is told what happens on it. All calls come on the event loop's
    thread.
    """

    def authenticated(self, session: "Session") -> Refusal | None:
        """TLS is up and the peer's certificate was read. A refusal is sent and ends the session."""

    def greeted(self, session: "Session", hello: Hello) -> None:
        """The peer said hello; the owner answers with `accept`, `refuse` or `contest`."""

    def refused(self, session: "Session", refusal: Refusal) -> None:
        """The peer does not let this node in."""

    def received(self, session: "Session", messages: list[Message]) -> None:
        """Messages arrived, in order."""

    def answered(self, session: "Session") -> None:
        """The peer answered a ping."""

    def ended(self, session: "Session") -> None:
        """The session is over; `session.end_reason` says why. Called once."""


class Session:
    """One connection, dialed when `expected_peer` is given, accepted otherwise."""

    def __init__(
        self,
        owner: SessionOwner,
        *,
        local: Hello,
        contexts: TlsContexts,
        expected_peer: str | None,
        remote: str,
        queue_bytes_max: int,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self.is_dialed = expected_peer is not None
        self.expected_peer = expected_peer
        self.remote = remote
        self.state = State.HANDSHAKE
        self.identity: PeerIdentity | None = None
        self.peer = expected_peer or ""
        self.incarnation = ""
        self.end_reason = ""
        self.started_at = self.received_at = self.sent_at = clock()
        self.received_bytes = self.sent_bytes = 0
        self.settled: asyncio.Future[bool] = loop.create_future()
        """True once live, False when it ended before."""
        self._own_not_after_ms = contexts.not_after_ms
        self._owner = owner
        self._local = local
        self._loop = loop
        self._clock = clock
        self._queue_bytes_max = queue_bytes_max
        self._channel = TlsChannel(
            contexts.client if self.is_dialed else contexts.server, server_side=not self.is_dialed
        )
        self._reader = FrameReader(MAX_HELLO_BYTES)
        self._connection: Connection | None = None
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._is_reported = False

    @property
    def expires_at_ms(self) -> int:
        """When the older of the two certificates runs out, and the session with it."""
        theirs = self.identity.not_after_ms if self.identity is not None else self._own_not_after_ms
        return min(self._own_not_after_ms, theirs)

    @property
    def queued_bytes(self) -> int:
        """What waits to be sent."""
        return self._queued_bytes + (self._connection.waiting_bytes if self._connection else 0)

    def start(self, sock: socket.socket) -> None:
        """Begin on a connected, non-blocking socket, which belongs to the session from now on."""
        if self.state is State.CLOSED:
            sock.close()
            return
        self._connection = Connection(sock, self._loop, on_data=self._feed, on_lost=self._lost)
        if self.is_dialed:
            self._feed(b"")

    # -- what the owner does with it

    def accept(self) -> None:
        """Let the peer in: from now on messages flow."""
        assert self.state in (State.HELLO, State.CONTESTED)
        if not self.is_dialed:
            self._write_frame(self._hello())
        self.state = State.LIVE
        self._reader.limit_bytes = MAX_FRAME_BYTES
        if not self.settled.done():
            self.settled.set_result(True)

    def contest(self) -> None:
        """Leave the peer waiting: another session of the same node is alive, or seems to be."""
        assert self.state is State.HELLO
        self.state = State.CONTESTED

    def refuse(self, refusal: Refusal) -> None:
        """Tell the peer why not, and end."""
        self._write_frame(pack(["refused", refusal.code.value, refusal.reason]))
        self.end(refusal.reason, graceful=True)

    def send(self, body: bytes) -> None:
        """Queue one frame for the next `flush`. Ends the session when the peer is too far behind."""
        if self.state is not State.LIVE:
            return
        self._queue.append(_LENGTH.pack(len(body)))
        self._queue.append(body)
        self._queued_bytes += len(body) + 4
        if self.queued_bytes > self._queue_bytes_max:
            self.end(f"over {self._queue_bytes_max} bytes wait to be sent: the peer does not keep up")

    def flush(self) -> None:
        """Send everything queued as one write."""
        if not self._queue or self.state is not State.LIVE:
            return
        data = b"".join(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        self._write(data)

    def keep_alive(self) -> None:
        """Show that this side lives."""
        self.send(_KEEP_ALIVE)
        self.flush()

    def ping(self) -> None:
        """Ask the peer to show that it lives."""
        self.send(_PING)
        self.flush()

    def end(self, reason: str, *, graceful: bool = False) -> None:
        """End the session: at once, or (graceful) after what was written has gone out. Idempotent.

        The owner hears of it from the event loop, never from inside this call.
        """
        if self.state is State.CLOSED:
            return
        if graceful:
            self.flush()
        self.state = State.CLOSED
        self.end_reason = reason
        self._queue.clear()
        self._queued_bytes = 0
        if not self.settled.done():
            self.settled.set_result(False)
        if self._connection is not None:
            if graceful:
                self._connection.close()
                # A peer that reads no more must not keep the connection open.
                self._loop.call_later(_GRACE_S, self._connection.abort)
            else:
                self._connection.abort()
        self._loop.call_soon(self.report_end)

    def abort(self) -> None:
        """Close the connection now, whatever still waits to go out."""
        self.end("given up")
        if self._connection is not None:
            self._connection.abort()

    def report_end(self) -> None:
        """Tell the owner that the session is over, unless it knows. The owner calls this to be told early."""
        if not self._is_reported:
            assert self.state is State.CLOSED
            self._is_reported = True
            self._owner.ended(self)

    # -- inside

    def _is_closed(self) -> bool:
        return self.state is State.CLOSED

    def _lost(self, reason: str) -> None:
        self.end(reason)
        self.report_end()

    def _feed(self, data: bytes | memoryview) -> None:
        if self._is_closed():
            return
        self.received_at = self._clock()
        self.received_bytes += len(data)
        channel = self._channel
        was_open = channel.is_open
        try:
            plain = channel.receive(data)
        except ssl.SSLError as error:
            self._flush_channel()
            # Graceful, so that the alert that tells the peer what is wrong goes out.
            self.end(_tls_reason(error), graceful=True)
            return
        self._flush_channel()
        try:
            if not was_open and channel.is_open:
                self._authenticate()
            if plain and not self._is_closed():
                self._reader.feed(plain)
                self._take_frames()
        except (FrameError, WireError, IdentityError) as error:
            self.end(str(error))

    def _authenticate(self) -> None:
        self.identity = peer_identity(self._channel.peer_certificate())
        self.peer = self.identity.node_id
        self.state = State.HELLO
        refusal = self._owner.authenticated(self)
        if refusal is not None:
            self.refuse(refusal)
        elif self.is_dialed:
            self._write_frame(self._hello())

    def _take_frames(self) -> None:
        if self.state is State.HELLO:
            for body in self._reader.take(1):
                self._take_hello(body)
        if self.state is State.LIVE:
            bodies = self._reader.take()
            if bodies:
                self._take_messages(bodies)
        elif self.state is State.CONTESTED and self._reader.take(1):
            raise FrameError("a frame before this node said hello")

    def _take_hello(self, body: bytes) -> None:
        match _unpack_greeting(body):
            case Refusal() as refusal:
                self.end(f"refused by {self.peer}: {refusal.reason}")
                self._owner.refused(self, refusal)
            case Hello() as hello:
                self.incarnation = hello.incarnation
                self._owner.greeted(self, hello)

    def _take_messages(self, bodies: list[bytes]) -> None:
        messages = []
        for body in bodies:
            if len(body) > 1:
                messages.append(decode(body))
            elif body == _PING:
                self.send(_PONG)
                self.flush()
            elif body == _PONG:
                self._owner.answered(self)
            elif body != _KEEP_ALIVE:
                raise FrameError("a control frame of no known kind")
        if messages and self.state is State.LIVE:
            self._owner.received(self, messages)

    def _hello(self) -> bytes:
        local = self._local
        return pack(["hello", local.version, local.node_id, local.cluster_id, local.incarnation])

    def _write_frame(self, body: bytes) -> None:
        if self.state is not State.CLOSED and self._channel.is_open:
            self._write(_LENGTH.pack(len(body)) + body)

    def _write(self, data: bytes) -> None:
        assert self._connection is not None
        try:
            encrypted = self._channel.send(data)
        except ssl.SSLError as error:
            self.end(_tls_reason(error))
            return
        self.sent_at = self._clock()
        self.sent_bytes += len(encrypted)
        self._connection.write(encrypted)

    def _flush_channel(self) -> None:
        output = self._channel.output()
        if output and self._connection is not None:
            self._connection.write(output)


def _unpack_greeting(body: bytes) -> Hello | Refusal:
    try:
        greeting = unpack(body)
    except EncodingError as error:
        raise FrameError("the first frame is no greeting") from error
    match greeting:
        case ("hello", int(version), str(node_id), str(cluster_id), str(incarnation)) if all(
            0 < len(name) <= MAX_NAME_CHARS for name in (node_id, cluster_id, incarnation)
        ):
            return Hello(version=version, node_id=node_id, cluster_id=cluster_id, incarnation=incarnation)
        case ("hello", int(version), *_) if version != PROTOCOL_VERSION:
            # A later version may say more; that it is another version is all we need to answer.
            return Hello(version=version, node_id="", cluster_id="", incarnation="")
        case ("refused", str(code), str(reason)) if code in RefusalCode.__members__.values():
            return Refusal(RefusalCode(code), reason)
        case _:
            raise FrameError("the first frame is no greeting")


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not accepted: {error.verify_message}"
    return f"TLS: {error.reason or error}"
