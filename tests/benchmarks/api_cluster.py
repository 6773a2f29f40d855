"""A cluster whose interface is to be asked much: its accounts, the programs that ask, and what Raft does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.cli.client import Client, Target
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.programs import output_of
from tests.benchmarks.results import percentile
from tests.support.lab import Host, LabAgents, url_of
from tests.support.server_certificates import self_signed

PASSWORD = "four unrelated quiet words"  # of accounts that live as long as the benchmark
PROBE_S = 0.1
PROBED = "metrics.bytes_max"
API_PORT = 7443
BARE_PORT = 18_443
IMAGE = "demo/web:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The host that is asked, the one that proposes meanwhile, and all that their cluster is."""

    agents: LabAgents
    leader: Host
    follower: Host
    tokens: list[str]

    @property
    def pid(self) -> int:
        return self.agents.process(self.leader).pid

    @property
    def target(self) -> dict[str, Any]:
        """What a program of `api_clients` needs to reach the leader."""
        return {
            "address": [self.leader.ip, API_PORT],
            "name": self.leader.ip,
            "ca_pem": self.agents.ca_pem,
            "tokens": self.tokens,
        }


@contextlib.contextmanager
def a_leader(letter: str, directory: Path, *, containers: int, accounts: int) -> Iterator[Asked]:
    """The leader of three hosts, whose Docker has so many containers. Raises Missing without a lab."""
    with a_benchmark_lab(letter) as lab:
        agents = LabAgents(lab, directory)
        agents.form()
        leader = agents.leader()
        follower = next(host for host in lab.hosts if host is not leader)
        leader.engine.pull(IMAGE)
        for number in range(containers):
            leader.engine.run(f"bench-{number:03d}", IMAGE)
        tokens = tokens_of(agents, leader, accounts)
        yield Asked(agents=agents, leader=leader, follower=follower, tokens=tokens)


def tokens_of(agents: LabAgents, host: Host, count: int) -> list[str]:
    """Access tokens of so many new accounts: quotas are per account."""
    administrator = agents.client(host)
    anonymous = Client(Target(servers=(url_of(host),), ca_pem=agents.ca_pem))
    tokens = []
    for number in range(count):
        name = f"asker-{number:02d}"
        administrator.post("/users", {"name": name, "password": PASSWORD, "role": "viewer"})
        body = {"name": name, "password": PASSWORD, "mode": "token"}
        tokens.append(str(anonymous.post("/auth/login", body)["access_token"]))
    return tokens


def ask(what: str, orders: Mapping[str, Any], directory: Path, *, timeout_s: float) -> dict[str, Any]:
    """Run one of the programs of `api_clients`; returns what it found. Raises ProgramFailed."""
    file = directory / f"{what}.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(orders))
    text = output_of(["tests.benchmarks.api_clients", what, str(file)], timeout_s=timeout_s)
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@contextlib.contextmanager
def bare(what: str, orders: Mapping[str, Any], directory: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """One of the bare servers of `api_clients` while the block runs: its pid, and what reaches it."""
    certificate = directory / "server.pem"
    pem = self_signed("localhost")
    certificate.write_text(pem)
    address = ["127.0.0.1", BARE_PORT]
    file = directory / f"{what}.json"
    file.write_text(json.dumps({**orders, "address": address, "certificate": str(certificate)}))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.api_clients", what, str(file)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None, "it is a pipe"
        assert process.stdout.readline() == "serving\n", "the bare server serves"
        yield (
            process.pid,
            {
                "address": address,
                "name": "localhost",
                "ca_pem": pem.partition("-----BEGIN PRIVATE")[0],
                "tokens": ["none"],
            },
        )
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """What a follower's proposals took meanwhile, and in how many terms."""

    times_ms: tuple[float, ...]
    terms: int

    def __str__(self) -> str:
        p50, p99 = percentile(self.times_ms, 50), percentile(self.times_ms, 99)
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(self.times_ms):.1f} ms"


class Watch:
    """Proposes through a host all the time.

    Each proposal waits for the leader's messages to a quorum and back, so a gap in those is one here.
    """

    def __init__(self, agents: LabAgents, host: Host) -> None:
        self._client = agents.client(host)
        self._value = next(
            item for item in self._client.get("/settings?limit=1000")["items"] if item["key"] == PROBED
        )["default"]
        self._times_ms: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._propose, name="watch")

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[Calm]]:
        """Watch while the block runs; the list holds what was seen once it has ended."""
        seen: list[Calm] = []
        before = self._term()
        self._thread.start()
        try:
            yield seen
        finally:
            self._is_over.set()
            self._thread.join()
        seen.append(Calm(times_ms=tuple(self._times_ms), terms=self._term() - before + 1))

    def _propose(self) -> None:
        while not self._is_over.wait(PROBE_S):
            began_s = time.perf_counter()
            self._client.put(f"/settings/{PROBED}", {"value": self._value})
            self._times_ms.append((time.perf_counter() - began_s) * 1000)

    def _term(self) -> int:
        return int(self._client.get("/cluster")["term"])
