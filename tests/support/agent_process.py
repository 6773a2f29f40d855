"""Agents as processes on loopback, each with its own ports and directory: what an installed host runs."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

START_TIMEOUT_S = 30.0
POLL_S = 0.05


class AgentProcess:
    """One agent. `init` or `join` first, then `start`. Docker need not be there."""

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        docker_socket: str = "/nonexistent/docker.sock",
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.directory = directory / name
        self.api_port, self.raft_port = _free_ports()
        self.log = directory / f"{name}.log"
        self.password = ""
        self._docker_socket = docker_socket
        self._given = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def ca(self) -> Path:
        return self.directory / "identity" / "ca.pem"

    def init(self) -> None:
        made = json.loads(self.tower("init", "--no-start", "--json").stdout)
        self.password = made["admin_password"]

    def join(self, other: AgentProcess, token: str) -> None:
        self.tower("join", f"127.0.0.1:{other.api_port}", "--token", token, "--no-start", "--json")
        self.password = other.password

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start it and wait until it serves."""
        self.launch()
        wait_until(
            f"{self.name} is ready", lambda: self.status("/readyz") == 200, self.tail, timeout_s=timeout_s
        )

    def launch(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent.cli", "run"], env=self._environment(), stdout=log, stderr=log
            )

    def kill(self) -> None:
        """As a crash: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def stop(self) -> int:
        """As a service manager: SIGTERM. Returns the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Wait until it ends by itself. Returns the exit status."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def tower(
        self, *arguments: str, check: bool = True, secret: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of `tower` as on this host. `secret` goes into its environment."""
        completed = subprocess.run(
            [sys.executable, "-m", "agent.cli", *arguments],
            env={**self._environment(), **secret},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert not check or completed.returncode == 0, completed.stderr
        return completed

    def login(self) -> str:
        """An administrator's access token, once the first administrator is committed."""
        answers: list[Any] = []

        def is_in() -> bool:
            body = {"name": "admin", "password": self.password, "mode": "token"}
            status, answer = self.request("POST", "/api/v1/auth/login", body)
            answers.append(answer)
            return status == 200

        wait_until("the administrator can log in", is_in, self.tail)
        return str(answers[-1]["access_token"])

    def request(
        self, method: str, path: str, body: object = None, *, token: str = "", timeout_s: float = 15.0
    ) -> tuple[int, Any]:
        """Status and JSON of one request; status 0 when nobody answers."""
        request = urllib.request.Request(  # noqa: S310  # an https address of this test's own agent
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        context = ssl.create_default_context(cafile=str(self.ca))
        try:
            with urllib.request.urlopen(request, context=context, timeout=timeout_s) as response:  # noqa: S310  # as above
                return response.status, _json(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except OSError:
            return 0, None

    def status(self, path: str) -> int:
        return self.request("GET", path, timeout_s=2.0)[0]

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else ""

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TOWER_")}
        return {
            **kept,
            "TOWER_NODE_NAME": self.name,
            "TOWER_NODE_DATA_DIR": str(self.directory),
            "TOWER_NODE_ADVERTISE_ADDRESS": "127.0.0.1",
            "TOWER_LISTEN_API": f"127.0.0.1:{self.api_port}",
            "TOWER_LISTEN_RAFT": f"127.0.0.1:{self.raft_port}",
            "TOWER_LISTEN_PEERS": f"127.0.0.1:{self.raft_port + 1}",
            "TOWER_HAPROXY_ENABLED": "false",
            "TOWER_DOCKER_SOCKET": self._docker_socket,
            **self._given,
        }


@contextmanager
def agents(directory: Path, *names: str) -> Iterator[list[AgentProcess]]:
    """Agents that are killed at the end, whatever happened."""
    made = [AgentProcess(directory, name) for name in names]
    try:
        yield made
    finally:
        for agent in made:
            agent.kill()


def form_cluster(
    made: list[AgentProcess], *, timeout_s: float = START_TIMEOUT_S, until_voting: bool = True
) -> str:
    """Init the first, let the others join, wait until all vote. Returns an administrator's access token.

    `timeout_s` is for each start: a test of no times may wait for a busy machine. Of two hosts one votes:
    `until_voting` false.
    """
    first, *others = made
    first.init()
    first.start(timeout_s=timeout_s)
    token = first.login()
    for other in others:
        status, answer = first.request(
            "POST", "/api/v1/join-tokens", {"ttl_s": 600, "uses": 1, "learner": False}, token=token
        )
        assert status in (200, 201), answer
        other.join(first, answer["token"])
        other.start(timeout_s=timeout_s)

    def all_vote() -> bool:
        status, answer = first.request("GET", "/api/v1/cluster", token=token)
        return status == 200 and answer["quorum"]["voters"] == len(made)

    if until_voting:
        wait_until("every node votes", all_vote, first.tail, timeout_s=timeout_s)
    return token


def wait_until(
    what: str, condition: Callable[[], bool], tell: Callable[[], str], timeout_s: float = START_TIMEOUT_S
) -> float:
    """Seconds until `condition` held. Fails with what `tell` says when it did not in time."""
    began_s = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - began_s
        assert waited_s < timeout_s, f"{what}: not within {timeout_s:g} s\n{tell()}"
        time.sleep(POLL_S)
    return time.monotonic() - began_s


def _free_ports() -> tuple[int, int]:
    """A free port for the api, and the first of two free neighbours for Raft and peers.

    Below the range the kernel takes ports of outgoing connections from, so that none comes in between.
    """
    choose = random.Random(os.urandom(8))
    while True:
        api, raft = choose.randrange(20_000, 32_000), choose.randrange(20_000, 32_000)
        if len({api, raft, raft + 1}) == 3 and all(map(_is_free, (api, raft, raft + 1))):
            return api, raft


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
