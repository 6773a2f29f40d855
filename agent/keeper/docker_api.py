"""The few calls of Docker's API that the keeper makes: HTTP over the Unix socket, each in bounded time."""

from __future__ import annotations

import http.client
import json
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

_ANSWER_BYTES_MAX = 8 * 1024 * 1024


class EngineAway(Exception):
    """The engine did not answer, or not as it should."""


@dataclass(frozen=True, slots=True)
class Running:
    """A container that runs: the process of its first program, and the signal that asks it to stop."""

    id: str
    name: str
    pid: int
    stop_signal: str


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class DockerApi:
    """One engine, for one look: `timeout_s` is for each wait on its socket, `budget_s` for all calls."""

    def __init__(self, socket_path: str, *, timeout_s: float = 1.0, budget_s: float = 3.0) -> None:
        self.socket_path = socket_path
        self._timeout_s = timeout_s
        self._until_s = time.monotonic() + budget_s

    def running(self, labels: dict[str, str]) -> list[Running]:
        """Return the containers with these labels that have processes. Raises EngineAway."""
        filters = {
            "label": [f"{key}={value}" for key, value in labels.items()],
            "status": ["running", "paused", "restarting"],
        }
        query = urlencode({"filters": json.dumps(filters)})
        found = []
        for each in self._ask("GET", f"/containers/json?{query}"):
            detail = self._ask("GET", f"/containers/{quote(str(each['Id']))}/json", missing={})
            pid = int((detail.get("State") or {}).get("Pid") or 0)
            if pid:
                signal = (detail.get("Config") or {}).get("StopSignal") or "SIGTERM"
                found.append(Running(str(each["Id"]), str(detail.get("Name", "")).lstrip("/"), pid, signal))
        return found

    def kill(self, container: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal; nothing happens when it does not run any more. Raises EngineAway."""
        self._ask(
            "POST", f"/containers/{quote(container)}/kill?{urlencode({'signal': signal})}", missing=None
        )

    def _ask(self, method: str, path: str, *, missing: Any = ...) -> Any:
        if time.monotonic() > self._until_s:
            raise EngineAway(f"{self.socket_path}: it answers too slowly")
        connection = _Connection(self.socket_path, self._timeout_s)
        try:
            connection.request(method, path, headers={"Host": "docker", "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(_ANSWER_BYTES_MAX)
            # 404: gone. 409: it does not run.
            if answer.status in (404, 409) and missing is not ...:
                return missing
            if answer.status >= 300:
                raise EngineAway(f"{method} {path.partition('?')[0]}: status {answer.status}")
            return json.loads(body) if body else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineAway(f"{self.socket_path}: {str(error) or type(error).__name__}") from error
        finally:
            connection.close()
