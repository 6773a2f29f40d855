"""A Docker socket that answers what the keeper asks, from a dictionary."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class StubEngine:
    """What a Docker socket answers. `running` maps names to pids; `status` 500 refuses everything."""

    path: str
    running: dict[str, int] = field(default_factory=dict)
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    signals: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, target: str) -> tuple[int, Any]:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if self.status != 200:
            return self.status, {"message": "no"}
        if parts.path == "/containers/json":
            self.asked.append(json.loads(query["filters"]))
            return 200, [{"Id": f"id-{name}"} for name in self.running]
        name = parts.path.split("/")[2].removeprefix("id-")
        if method == "GET":
            detail = {
                "Name": f"/{name}",
                "State": {"Pid": self.running.get(name, 0)},
                "Config": {"StopSignal": "SIGQUIT"},
            }
            return 200, detail
        if name not in self.running:
            return 409, {"message": f"{name} is not running"}
        self.signals.append((name, query["signal"]))
        if query["signal"] == "SIGKILL":
            del self.running[name]
        return 204, None


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    stub: StubEngine


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        return

    def _reply(self) -> None:
        assert isinstance(self.server, _UnixServer)
        status, body = self.server.stub.answer(self.command, self.path)
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def an_engine(directory: Path) -> Iterator[StubEngine]:
    path = str(directory / "d.sock")
    with _UnixServer(path, _Handler) as server:
        server.stub = StubEngine(path)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server.stub
        finally:
            server.shutdown()
            serving.join()
