"""Messages between this node and its peers: one session per pair, authenticated, ordered, bounded.

Either node of a pair may dial; the first session to complete is used, and when both dial at once the one
dialed by the smaller node id stays. Within a session messages arrive once, in order, without a gap.
Anything else (an error, a peer that is too slow or silent, a certificate that ran out) ends the session:
the owner hears `peer_disconnected`, later `peer_connected`, and nothing of the old session is delivered
after that.

A session belongs to one process of the peer. While it is alive, another process that shows the same
identity is refused and reported: two processes voting as one node could elect two leaders.
"""

import asyncio
import errno
import ipaddress
import logging
import random
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from cluster.raft.session import PROTOCOL_VERSION, Hello, Refusal, RefusalCode, Session, State
from cluster.raft.tls import TlsProvider
from cluster.raft.types import Message
from cluster.raft.wire import encode

log = logging.getLogger(__name__)

DEFAULT_PORT: Final = 7444

Address: TypeAlias = tuple[str, int]


class ListenFailed(Exception):
    """The peer port cannot be opened; the text says which one, why, and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """Bounds of the transport."""

    dead_peer_s: float = 3.0
    keep_alive_s: float = 1.0
    handshake_s: float = 3.0
    dial_s: float = 3.0
    retry_min_s: float = 0.05
    retry_max_s: float = 1.0
    stable_s: float = 5.0
    """A session that lived this long ends the back-off of its peer."""
    queue_bytes_max: int = 64 * 1024 * 1024
    unauthenticated_max: int = 32
    accept_pause_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """One live session, for `tower status` and metrics."""

    peer: str
    remote: str
    is_dialed: bool
    age_s: float
    idle_s: float
    queued_bytes: int
    sent_bytes: int
    received_bytes: int


class TransportOwner(Protocol):
    """Who the messages are for. Called on the event loop's thread; must not raise."""

    def peer_connected(self, peer: str) -> None: ...
    def peer_disconnected(self, peer: str) -> None: ...
    def messages_received(self, peer: str, messages: list[Message]) -> None: ...

    def identity_conflict(self, node_id: str, reason: str) -> None:
        """Another process uses the identity of `node_id`, which may be this node's."""

    def refused(self, peer: str, refusal: Refusal) -> None:
        """`peer` does not let this node in."""


def parse_address(address: str) -> Address:
    """Return (host, port) of "host", "host:port", "[v6]" or "[v6]:port". Raises ValueError with the rule."""
    host, separator, port = address.rpartition(":")
    if not separator or address.endswith("]"):
        host, port = address, str(DEFAULT_PORT)
    elif ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(
            f"address {address!r}: put an IPv6 address in brackets, as [2001:db8::1]:{DEFAULT_PORT}"
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"address {address!r}: expected host:port with a port from 1 to 65535")
    return host, int(port)


@dataclass(slots=True)
class _Link:
    """What is known of one peer."""

    session: Session | None = None
    dialing: Session | None = None
    challengers: list[Session] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there is no session, so that the dialer may try."""
    failures: int = 0
    trouble: str = ""

    def __post_init__(self) -> None:
        self.idle.set()


class Transport:
    """The peer port of this node and its sessions. Everything runs on the event loop that runs `run`."""

    def __init__(
        self,
        *,
        node_id: str,
        cluster_id: str,
        incarnation: str,
        listen: str,
        tls: TlsProvider,
        addresses: Callable[[], Mapping[str, str]],
        may_connect: Callable[[str], bool],
        owner: TransportOwner,
        rng: random.Random,
        now_ms: Callable[[], int],
        settings: TransportSettings | None = None,
    ) -> None:
        """`addresses` gives the peers to keep a session with, node id to "host:port"; `may_connect` says
        whose sessions are allowed, whoever dials. Both are asked again all the time. `now_ms` is Unix
        epoch milliseconds.
        """
        self._node_id = node_id
        self._hello = Hello(node_id=node_id, cluster_id=cluster_id, incarnation=incarnation)
        self._listen = listen
        self._tls = tls
        self._addresses = addresses
        self._may_connect = may_connect
        self._owner = owner
        self._rng = rng
        self._now_ms = now_ms
        self._settings = settings if settings is not None else TransportSettings()
        self._links: dict[str, _Link] = {}
        self._unauthenticated: dict[Session, None] = {}
        self._open: dict[Session, None] = {}
        self._dirty: dict[Session, None] = {}
        self._dialers: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._looked_at = 0.0
        self._paused: str | None = None
        self._strangers = 0
        self._stranger_logged_at = float("-inf")

    # -- for the owner

    @property
    def address(self) -> Address:
        """Where the peer port is bound."""
        assert self._listener is not None
        host, port = self._listener.getsockname()[:2]
        return host, port

    def bind(self) -> None:
        """Open the peer port. Raises ListenFailed."""
        try:
            host, port = parse_address(self._listen)
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, protocol)
        except (OSError, ValueError) as error:
            raise ListenFailed(f"the peer address {self._listen!r} cannot be used: {error}") from error
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                raise ListenFailed(
                    f"the peer port {self._listen} is taken: stop the other process (is the agent running"
                    " already?) or choose another port"
                ) from error
            raise ListenFailed(f"the peer port {self._listen} cannot be opened: {error.strerror}") from error
        self._listener = listener

    async def run(self) -> None:
        """Accept and dial until cancelled; then end every session. `bind` comes first."""
        assert self._listener is not None
        self._loop = asyncio.get_running_loop()
        self._looked_at = self._loop.time()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._resume_accepting()
                while True:
                    self._look_after_sessions()
                    await asyncio.sleep(self._settings.keep_alive_s / 4)
        finally:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            await self._end_all()

    def send(self, peer: str, message: Message) -> None:
        """Queue `message` for `peer` until `flush`; without a session it is dropped. Raises WireError
        when it is no message.
        """
        link = self._links.get(peer)
        session = link.session if link is not None else None
        if session is not None and session.state is State.LIVE:
            session.send(encode(message))
            self._dirty[session] = None

    def flush(self) -> None:
        """Hand everything queued to the network, one write per peer."""
        if self._dirty:
            dirty, self._dirty = self._dirty, {}
            for session in dirty:
                session.flush()

    def queued_bytes(self, peer: str) -> int:
        """What waits to be sent to `peer`, for whoever can send less (snapshots)."""
        link = self._links.get(peer)
        return link.session.queued_bytes if link is not None and link.session is not None else 0

    def status(self) -> list[SessionStatus]:
        """The live sessions, by peer."""
        if self._loop is None:
            return []
        now = self._loop.time()
        return [
            SessionStatus(
                peer=peer,
                remote=session.remote,
                is_dialed=session.is_dialed,
                age_s=now - session.started_at,
                idle_s=now - session.received_at,
                queued_bytes=session.queued_bytes,
                sent_bytes=session.sent_bytes,
                received_bytes=session.received_bytes,
            )
            for peer, session in sorted(self._live())
        ]

    def trouble(self) -> dict[str, str]:
        """Why there is no session with a peer, in words, for the peers where something went wrong."""
        return {peer: link.trouble for peer, link in sorted(self._links.items()) if link.trouble}

    def end_sessions(self, peers: Iterable[str] | None = None, *, reason: str = "ended by this node") -> None:
        """End the sessions with `peers`, or all. They are made again while `may_connect` allows it."""
        chosen = None if peers is None else set(peers)
        for peer, session in self._live():
            if chosen is None or peer in chosen:
                session.end(reason)

    def pause(self, reason: str) -> None:
        """End every session and make none until `resume`; peers are told `reason`."""
        self._paused = reason
        for _, session in self._live():
            session.end(reason, graceful=True)

    def resume(self) -> None:
        """Make sessions again."""
        self._paused = None

    def close(self) -> None:
        """Close the port, if `run` has not. Idempotent."""
        if self._listener is not None:
            self._listener.close()

    # -- accepting

    def _resume_accepting(self) -> None:
        assert self._loop is not None
        assert self._listener is not None
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        assert self._loop is not None
        assert self._listener is not None
        for _ in range(self._settings.unauthenticated_max):
            try:
                connection, remote = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors or memory, mostly. The listener stays open; a pause keeps it from
                # spinning.
                log.error("raft.accept_failed", extra={"reason": str(error)})  # noqa: TRY400  no stack needed
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(self._settings.accept_pause_s, self._resume_accepting)
                return
            _prepare(connection)
            session = self._new_session(None, f"{remote[0]}:{remote[1]}")
            if session is None:
                connection.close()
                continue
            while len(self._unauthenticated) >= self._settings.unauthenticated_max:
                # The oldest goes, not the newest: an honest peer needs milliseconds, an idle stranger has
                # had them.
                oldest = next(iter(self._unauthenticated))
                self._unauthenticated.pop(oldest)
                oldest.end("too many connections that have not shown a certificate")
            self._unauthenticated[session] = None
            session.start(connection)

    # -- dialing

    async def _keep_dialing(self, peer: str, address: str) -> None:
        """Make a session with `peer` whenever there is none, with back-off. Runs until cancelled."""
        settings = self._settings
        link = self._link(peer)
        while True:
            await link.idle.wait()
            if self._paused is None and self._may_connect(peer):
                trouble = await self._dial(peer, address)
                if trouble and trouble != link.trouble:
                    log.warning(
                        "raft.peer_unreachable", extra={"peer": peer, "address": address, "reason": trouble}
                    )
                    link.trouble = trouble
            longest = min(settings.retry_max_s, settings.retry_min_s * 2 ** min(link.failures, 10))
            await asyncio.sleep(self._rng.uniform(settings.retry_min_s, max(longest, settings.retry_min_s)))

    async def _dial(self, peer: str, address: str) -> str:
        """Try once. Returns why there is still no session, or nothing."""
        assert self._loop is not None
        link = self._link(peer)
        link.failures += 1
        try:
            async with asyncio.timeout(self._settings.dial_s):
                connection = await self._connect(address)
        except TimeoutError:
            return f"no connection within {self._settings.dial_s:g} s"
        except (OSError, ValueError) as error:
            return str(error)
        session = self._new_session(peer, address) if link.session is None else None
        if session is None:
            connection.close()
            return "" if link.session is not None else "this node's certificate cannot be used"
        link.dialing = session
        try:
            session.start(connection)
            await session.settled
        finally:
            link.dialing = None
            if not session.settled.done():
                session.end("dialing was given up")
        return "" if link.session is not None else session.end_reason

    async def _connect(self, address: str) -> socket.socket:
        assert self._loop is not None
        family, target = await self._resolve(address)
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            _prepare(connection)
            await self._loop.sock_connect(connection, target)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _resolve(self, address: str) -> tuple[int, tuple[str, int] | tuple[str, int, int, int]]:
        assert self._loop is not None
        host, port = parse_address(address)
        try:
            version = ipaddress.ip_address(host).version
        except ValueError:
            # In a worker thread: a resolver that hangs must not stop the cluster.
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, _, _, _, target = found[0]
            return family, target  # type: ignore[return-value]  # AF_INET and AF_INET6 only, by the socket type
        return (socket.AF_INET, (host, port)) if version == 4 else (socket.AF_INET6, (host, port, 0, 0))

    # -- sessions

    def _new_session(self, expected_peer: str | None, remote: str) -> Session | None:
        assert self._loop is not None
        try:
            contexts = self._tls()
        except (OSError, ValueError) as error:
            log.error("raft.certificate_unusable", extra={"reason": str(error)})  # noqa: TRY400  no stack needed
            return None
        session = Session(
            self,
            local=self._hello,
            contexts=contexts,
            expected_peer=expected_peer,
            remote=remote,
            queue_bytes_max=self._settings.queue_bytes_max,
            loop=self._loop,
            clock=self._loop.time,
        )
        self._open[session] = None
        self._loop.call_later(self._settings.handshake_s, self._end_unless_live, session)
        return session

    def _end_unless_live(self, session: Session) -> None:
        if session.state is not State.LIVE:
            session.end(f"no session within {self._settings.handshake_s:g} s")

    def authenticated(self, session: Session) -> Refusal | None:
        self._unauthenticated.pop(session, None)
        identity = session.identity
        assert identity is not None
        if identity.cluster_id != self._hello.cluster_id:
            return Refusal(
                RefusalCode.CLUSTER,
                f"the certificate of {identity.node_id} is of cluster {identity.cluster_id},"
                f" this node is of {self._hello.cluster_id}",
            )
        if session.expected_peer not in (None, identity.node_id):
            return Refusal(
                RefusalCode.IDENTITY, f"{session.remote} is {identity.node_id}, not {session.expected_peer}"
            )
        return None

    def greeted(self, session: Session, hello: Hello) -> None:
        refusal = self._judge(session, hello)
        if refusal is not None:
            self._log_refusal(session, refusal)
            session.refuse(refusal)
            return
        link = self._link(session.peer)
        rival = link.session
        if rival is not None and rival.state is State.LIVE:
            if session.is_dialed:
                session.end("connected the other way round meanwhile")
                return
            # Either the peer lost that session and comes back, or another process uses its name. A ping
            # tells.
            session.contest()
            link.challengers.append(session)
            if len(link.challengers) > 4:
                link.challengers.pop(0).end("too many connections of one node at once")
            rival.ping()
            return
        dialing = link.dialing
        if (
            not session.is_dialed
            and dialing is not None
            and dialing.state is State.HELLO
            and self._node_id < session.peer
        ):
            session.refuse(
                Refusal(RefusalCode.CONNECTED, f"{self._node_id} is dialing {session.peer} itself")
            )
            return
        self._admit(session)

    def _judge(self, session: Session, hello: Hello) -> Refusal | None:
        assert session.identity is not None
        if hello.version != PROTOCOL_VERSION:
            return Refusal(
                RefusalCode.VERSION,
                f"peer protocol {hello.version} is not {PROTOCOL_VERSION}: run one release on all nodes",
            )
        if hello.node_id != session.identity.node_id:
            return Refusal(
                RefusalCode.IDENTITY,
                f"the certificate is of {session.identity.node_id}, not of {hello.node_id}",
            )
        if hello.cluster_id != self._hello.cluster_id:
            return Refusal(
                RefusalCode.CLUSTER, f"{hello.cluster_id} is another cluster than {self._hello.cluster_id}"
            )
        if hello.node_id == self._node_id:
            if hello.incarnation == self._hello.incarnation:
                return Refusal(RefusalCode.CONNECTED, f"{session.remote} is this node itself")
            refusal = _duplicate(hello.node_id)
            self._owner.identity_conflict(hello.node_id, f"{refusal.reason}, from {session.remote}")
            return refusal
        if self._paused is not None:
            return Refusal(RefusalCode.PAUSED, self._paused)
        if not self._may_connect(hello.node_id):
            return Refusal(RefusalCode.MEMBERSHIP, f"{hello.node_id} is not a member of this cluster")
        return None

    def _admit(self, session: Session) -> None:
        link = self._link(session.peer)
        if link.session is not None:
            link.session.report_end()
        assert link.session is None
        session.accept()
        if session.state is not State.LIVE:
            return
        link.session = session
        link.idle.clear()
        link.trouble = ""
        if link.dialing is not None and link.dialing is not session:
            link.dialing.end("connected the other way round meanwhile")
        log.info(
            "raft.peer_connected",
            extra={"peer": session.peer, "remote": session.remote, "dialed": session.is_dialed},
        )
        self._owner.peer_connected(session.peer)

    def answered(self, session: Session) -> None:
        """The session in use is alive, so whoever else shows the same identity is turned away."""
        link = self._link(session.peer)
        challengers, link.challengers = link.challengers, []
        for challenger in challengers:
            if challenger.state is not State.CONTESTED:
                continue
            if challenger.incarnation == session.incarnation:
                challenger.refuse(Refusal(RefusalCode.CONNECTED, f"{session.peer} is connected already"))
                continue
            refusal = _duplicate(session.peer)
            self._log_refusal(challenger, refusal)
            challenger.refuse(refusal)
            self._owner.identity_conflict(session.peer, f"{refusal.reason}, from {challenger.remote}")

    def refused(self, session: Session, refusal: Refusal) -> None:
        if refusal.code is RefusalCode.DUPLICATE:
            self._owner.identity_conflict(self._node_id, f"{session.peer} says: {refusal.reason}")
        if refusal.code is not RefusalCode.CONNECTED:
            self._owner.refused(session.peer, refusal)

    def received(self, session: Session, messages: list[Message]) -> None:
        self._owner.messages_received(session.peer, messages)

    def ended(self, session: Session) -> None:
        assert self._loop is not None
        self._open.pop(session, None)
        self._dirty.pop(session, None)
        self._unauthenticated.pop(session, None)
        if not session.peer:
            log.info(
                "raft.stranger_turned_away", extra={"remote": session.remote, "reason": session.end_reason}
            )
            return
        link = self._link(session.peer)
        if session in link.challengers:
            link.challengers.remove(session)
        if link.session is not session:
            return
        link.session = None
        link.idle.set()
        if self._loop.time() - session.started_at >= self._settings.stable_s:
            link.failures = 0
        link.trouble = session.end_reason
        log.info("raft.peer_disconnected", extra={"peer": session.peer, "reason": session.end_reason})
        self._owner.peer_disconnected(session.peer)
        while link.challengers:
            challenger = link.challengers.pop(0)
            if challenger.state is State.CONTESTED:
                self._admit(challenger)
                break

    def _look_after_sessions(self) -> None:
        """End what is silent, expired or no longer allowed, show life where nothing was said, follow
        `addresses`.
        """
        assert self._loop is not None
        settings, now, now_ms = self._settings, self._loop.time(), self._now_ms()
        # After a pause of this process the silence was ours: what the peers said waits to be read.
        was_paused = now - self._looked_at > settings.keep_alive_s
        self._looked_at = now
        for peer, session in self._live():
            if was_paused:
                session.received_at = now
            if now - session.received_at > settings.dead_peer_s:
                session.end(f"nothing heard for {settings.dead_peer_s:g} s")
            elif not self._may_connect(peer):
                session.end(f"{peer} is not a member any more", graceful=True)
            elif now_ms >= session.expires_at_ms:
                session.end("a certificate of the session ran out", graceful=True)
            elif now - session.sent_at >= settings.keep_alive_s:
                session.keep_alive()
        wanted = {peer: address for peer, address in self._addresses().items() if peer != self._node_id}
        for peer, (address, task) in list(self._dialers.items()):
            if wanted.get(peer) != address:
                task.cancel()
                del self._dialers[peer]
        assert self._tasks is not None
        for peer, address in wanted.items():
            if peer not in self._dialers:
                task = self._tasks.create_task(self._keep_dialing(peer, address), name=f"raft-dial-{peer}")
                self._dialers[peer] = (address, task)
        for peer in [peer for peer, link in self._links.items() if peer not in wanted]:
            if self._links[peer].session is None and not self._links[peer].challengers:
                del self._links[peer]

    def _live(self) -> list[tuple[str, Session]]:
        return [
            (peer, link.session)
            for peer, link in self._links.items()
            if link.session is not None and link.session.state is State.LIVE
        ]

    def _link(self, peer: str) -> _Link:
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = _Link()
        return link

    def _log_refusal(self, session: Session, refusal: Refusal) -> None:
        log.warning(
            "raft.peer_refused",
            extra={
                "peer": session.peer,
                "remote": session.remote,
                "code": refusal.code.value,
                "reason": refusal.reason,
            },
        )

    def _log_stranger(self, session: Session) -> None:
        """One line a second at most: whoever scans the port must not fill the log."""
        assert self._loop is not None
        self._strangers += 1
        now = self._loop.time()
        if now - self._stranger_logged_at >= 1.0:
            self._stranger_logged_at = now
            log.info(
                "raft.stranger_turned_away",
                extra={"remote": session.remote, "reason": session.end_reason, "count": self._strangers},
            )
            self._strangers = 0

    async def _end_all(self) -> None:
        """End every session, giving what was written a moment to go out."""
        sessions = list(self._open)
        for session in sessions:
            session.end("this node stops", graceful=session.state is State.LIVE)
            session.report_end()
        # Each pass of the loop closes the sockets that are done; then the others, whatever their peers took.
        await asyncio.sleep(0)
        for session in sessions:
            session.abort()
        await asyncio.sleep(0)


def _prepare(connection: socket.socket) -> None:
    connection.setblocking(False)
    # Everything written is meant to go out now: the turn has gathered it.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _duplicate(node_id: str) -> Refusal:
    return Refusal(
        RefusalCode.DUPLICATE,
        f"another process is using this node's identity ({node_id}):"
        " stop one of the two, or join one again as a new node",
    )
