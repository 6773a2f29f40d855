"""Receivers of webhooks on the machine of the lab, as bad as real ones, and what each of them got.

The path says how a receiver behaves. Those that fail do so at the first attempts at every event and take it
then, so that whatever is missing at the end was lost by us.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

BEHAVIOURS = ("good", "busy", "hangs", "closes", "redirects")
BAD_ATTEMPTS = {"busy": 2, "hangs": 1, "closes": 2, "redirects": 1}
"""How often each fails at an event; a time-out takes the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One event that was taken."""

    id: str
    kind: str
    sequence: int


class Receivers:
    """What came, by receiver. `secrets` are what each verifies signatures with."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.taken: dict[str, list[Got]] = defaultdict(list)
        self.attempts: dict[str, Counter[str]] = defaultdict(Counter)
        self.unsigned: list[str] = []
        self.strayed: list[str] = []
        """What came where a redirect led."""
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def attempt(self, name: str, event_id: str) -> int:
        """Return how often this event was tried there, this time included."""
        with self._lock:
            self.attempts[name][event_id] += 1
            return self.attempts[name][event_id]

    def take(self, name: str, body: bytes, headers: dict[str, str]) -> None:
        """Take an event, if its signature is right."""
        try:
            event: dict[str, Any] = Verifier(self.secrets[name]).verify(body, headers)
        except WebhookVerificationError as error:
            with self._lock:
                self.unsigned.append(f"{name}: {error}")
            return
        with self._lock:
            got = Got(id=headers["webhook-id"], kind=event["type"], sequence=event["data"]["sequence"])
            self.taken[name].append(got)

    def ids(self, name: str, family: str) -> list[str]:
        """The events of a family that were taken, in their order, each once."""
        with self._lock:
            found = [got.id for got in self.taken[name] if got.kind.startswith(f"{family}:")]
        return list(dict.fromkeys(found))

    def repeats(self, name: str) -> int:
        """How many were taken more than once."""
        with self._lock:
            return len(self.taken[name]) - len({got.id for got in self.taken[name]})


class _Handler(BaseHTTPRequestHandler):
    receivers: Receivers
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        name = self.path.strip("/")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {key.lower(): value for key, value in self.headers.items()}
        if name not in self.receivers.secrets:
            self.receivers.strayed.append(name)
            self._answer(200)
            return
        number = self.receivers.attempt(name, headers["webhook-id"])
        if number > BAD_ATTEMPTS.get(name, 0):
            self.receivers.take(name, body, headers)
            self._answer(204)
            return
        match name:
            case "busy":
                self._answer(500)
            case "hangs":
                # Until whoever waits has had enough.
                self.connection.settimeout(30)
                with suppress(OSError):
                    self.connection.recv(1)
                self.close_connection = True
            case "closes":
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "redirects":
                host, port = self.server.server_address[:2]
                self._answer(307, location=f"http://{host!s}:{port}/stray")

    def _answer(self, status: int, *, location: str = "") -> None:
        with suppress(OSError):
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def listening(receivers: Receivers, address: str, port: int = 0) -> Iterator[str]:
    """Serve every behaviour at an address; gives the URL below which they are."""
    handler = type("Handler", (_Handler,), {"receivers": receivers})
    with _Server((address, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def free_port(address: str) -> int:
    """A port nobody listens at now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
