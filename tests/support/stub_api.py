"""A server that answers REST requests as a test says, over TLS with a CA of the test's own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.raft_certificates import Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer. `content` None sends `body` as JSON; `drop` closes the connection instead."""

    status: int = 200
    body: Any = None
    content: bytes | None = None
    content_type: str = "application/json"
    drop: bool = False


@dataclass(slots=True, kw_only=True)
class StubApi:
    """Answers by "METHOD /path"; what has no answer is a 404 problem."""

    address: str
    ca_file: Path
    answers: dict[str, Answer | Callable[[Request], Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    def asked(self) -> list[str]:
        """What was asked, as "METHOD /path"."""
        return [f"{request.method} {request.path}" for request in self.requests]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        found = self.answers.get(f"{request.method} {request.path}")
        if found is None:
            return Answer(404, {"title": "not found", "detail": request.path})
        return found if isinstance(found, Answer) else found(request)


@contextmanager
def stub_api(directory: Path) -> Iterator[StubApi]:
    """A server on a free port of the loop-back, until the block ends."""
    authority = Authority(directory, cluster_id=directory.name)
    certificate, key = authority.issue("n1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    stub = StubApi(address="", ca_file=authority.ca_file)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            is_file = self.headers.get("Content-Type") == "application/octet-stream"
            request = Request(
                method=self.command,
                path=parts.path.removeprefix("/api/v1"),
                query=dict(parse_qsl(parts.query)),
                headers=dict(self.headers.items()),
                body=sent if is_file else json.loads(sent) if length else None,
            )
            answer = stub.answer(request)
            if answer.drop:
                self.connection.close()
                return
            content = answer.content
            if content is None:
                content = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on standard error."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request: Any, client_address: Any) -> None:
            # Here rather than when accepting: a handshake that fails must not stop the others.
            with context.wrap_socket(request, server_side=True) as tls:
                self.RequestHandlerClass(tls, client_address, self)

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients that break off: tests make them do so."""

    server = Server(("127.0.0.1", 0), Handler)
    stub.address = f"127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield stub
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
