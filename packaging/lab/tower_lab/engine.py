"""The few requests the lab makes of a Docker daemon, over its Unix socket (Engine API 1.24 and later)."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tower_lab.errors import EngineError

TIMEOUT_S = 60.0


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class Engine:
    """The Docker daemon behind one socket."""

    def __init__(self, socket_path: Path) -> None:
        """Nothing is connected before the first request."""
        self.socket_path = socket_path

    def answers(self, *, timeout_s: float = 2.0) -> bool:
        """True when the daemon serves requests."""
        try:
            status, _ = self._send("GET", "/_ping", None, timeout_s)
        except EngineError:
            return False
        return status == 200

    def get(self, path: str, *, timeout_s: float = TIMEOUT_S) -> Any:
        """The decoded answer to a GET request.

        Raises:
            EngineError: the daemon did not answer in time, or refused.
        """
        return self.request("GET", path, timeout_s=timeout_s)

    def request(self, method: str, path: str, body: Any = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """The decoded answer to a request with a JSON body; None for an empty answer.

        Raises:
            EngineError: the daemon did not answer in time, or refused.
        """
        status, raw = self._send(method, path, body, timeout_s)
        if status >= 400:
            raise EngineError(f"{self.socket_path}: {method} {path}: {status}: {_message(raw)}")
        return json.loads(raw) if raw.strip() else None

    def pull(self, reference: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Pull `name:tag` or `name@digest`.

        Raises:
            EngineError: it could not be pulled; the message is the daemon's.
        """
        if "@" in reference:
            query = {"fromImage": reference}
        else:
            name, _, tag = reference.rpartition(":")
            query = {"fromImage": name, "tag": tag}
        status, raw = self._send("POST", f"/images/create?{urlencode(query)}", None, timeout_s)
        # The status is sent before the pull begins; how it ended stands in the last of the lines.
        last = raw.splitlines()[-1] if raw.splitlines() else b"{}"
        if status >= 400 or b'"error"' in last:
            raise EngineError(f"{self.socket_path}: cannot pull {reference}: {_message(last)}")

    def run(
        self,
        name: str,
        image: str,
        *,
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = (),
        ports: dict[int, int] | None = None,
    ) -> str:
        """Create and start a container and return its id; `ports` maps ports of the host to the container's.

        Raises:
            EngineError: the image is not there, the name or a port is taken, or it could not be started.
        """
        bindings = {f"{inner}/tcp": [{"HostPort": str(outer)}] for outer, inner in (ports or {}).items()}
        document: dict[str, Any] = {
            "Image": image,
            "Env": [f"{key}={value}" for key, value in (environment or {}).items()],
            "ExposedPorts": {key: {} for key in bindings},
            "HostConfig": {"PortBindings": bindings},
        }
        if command:
            document["Cmd"] = list(command)
        container = self.request("POST", f"/containers/create?name={quote(name)}", document)
        self.request("POST", f"/containers/{container['Id']}/start")
        return str(container["Id"])

    def remove(self, container: str) -> None:
        """Stop a container at once and remove it."""
        self.request("DELETE", f"/containers/{quote(container)}?force=true&v=true")

    def _send(self, method: str, path: str, body: Any, timeout_s: float) -> tuple[int, bytes]:
        connection = _SocketConnection(self.socket_path, timeout_s)
        try:
            if body is None:
                connection.request(method, path)
            else:
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(
                f"{self.socket_path}: {method} {path}: {str(error) or type(error).__name__}"
            ) from error
        finally:
            connection.close()


def _message(raw: bytes) -> str:
    """What the daemon says went wrong."""
    try:
        document = json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace").strip()
    return str(document.get("message") or document.get("error") or document)
