"""The sample app on a lab with an agent on each host, and the command line of a person who deploys it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.lab import Host, Lab, LabAgents

APP = "shop.localhost"
ENDED = frozenset({"succeeded", "rolled-back", "failed", "cancelled"})

COMPOSE = """
name: shop
services:
  web:
    image: registry:5000/demo/web:1
    environment: {{VERSION: "{version}", LATENCY_MS: "{latency_ms}"}}
    healthcheck: {{disable: true}}
    stop_grace_period: 10s
    deploy:
      replicas: 3
      update_config: {{monitor: 0s}}
    x-tower:
      route: {{host: shop.localhost, port: 8080, health: /up}}
"""


class Shop:
    """The app, the cluster it runs on, and a person's command line."""

    def __init__(self, lab: Lab, agents: LabAgents, directory: Path) -> None:
        self.lab = lab
        self.agents = agents
        self._directory = directory
        self.first_placed: dict[str, list[str]] = {}
        """The containers of each host after the first rollout."""
        (directory / "ca.pem").write_text(agents.ca_pem)
        # It remembers every host, so that the next command works when this one is down.
        self.tower("login", lab.hosts[0].ip, "--ca", str(directory / "ca.pem"), password=agents.password)

    @property
    def addresses(self) -> list[str]:
        return [host.ip for host in self.lab.hosts]

    def tower(self, *arguments: str, at: Host | None = None, password: str = "") -> str:
        """Run `tower` as on a person's own machine, asking any host or this one, and return what it says."""
        done = self.try_tower(*arguments, at=at, password=password)
        assert done.returncode == 0, f"tower {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_tower(
        self, *arguments: str, at: Host | None = None, password: str = "", timeout_s: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """The same, whatever comes of it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWER_")}
        environment = {**kept, "XDG_CONFIG_HOME": str(self._directory), "TOWER_PASSWORD": password}
        server = [] if at is None else ["--server", at.ip]
        return subprocess.run(
            [sys.executable, "-m", "agent.cli", *server, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def compose(self, version: str, *, latency_ms: int = 0) -> str:
        """The Compose file of the app in that version."""
        return COMPOSE.format(version=version, latency_ms=latency_ms)

    def deploy(
        self, version: str, *, latency_ms: int = 0, strategy: str = "rolling", at: Host | None = None
    ) -> None:
        """Commit the app in that version; the rollout goes on by itself."""
        file = self.write(self.compose(version, latency_ms=latency_ms))
        self.tower("deploy", file, "--strategy", strategy, "--no-wait", at=at)

    def write(self, compose: str) -> str:
        """Keep a Compose file; return its path."""
        file = self._directory / "compose.yaml"
        file.write_text(compose)
        return str(file)

    def roll_out(self, version: str, *, latency_ms: int = 0) -> None:
        self.deploy(version, latency_ms=latency_ms)
        self.tower("rollout", "status", "--wait", "shop.web")

    def newest_rollout(self) -> dict[str, Any]:
        """The app's newest rollout, as the command line tells it to a program."""
        listed = json.loads(self.tower("rollout", "list", "--service", "shop.web", "--json"))
        found: dict[str, Any] = json.loads(
            self.try_tower("rollout", "status", listed["items"][0]["id"], "--json").stdout
        )
        return found

    def wait_for_end(self, timeout_s: float = 120) -> dict[str, Any]:
        """Wait until the newest rollout has ended, and return it."""
        self.try_tower("rollout", "status", "--wait", "shop.web", timeout_s=timeout_s)
        rollout = self.newest_rollout()
        assert rollout["phase"] in ENDED, rollout
        return rollout

    def containers(self) -> dict[str, list[str]]:
        """The app's running containers on each host that answers, as its engine says."""
        found = {}
        for host in self.lab.hosts:
            if host.is_healthy():
                listed = host.engine.get("/containers/json")
                names = (container["Names"][0].removeprefix("/") for container in listed)
                found[host.name] = sorted(name for name in names if name.startswith("tower-shop.web-"))
        return found

    def ordinals(self) -> Counter[str]:
        """How many containers run of each replica, over all hosts that answer."""
        return Counter(name.rpartition("-")[2] for names in self.containers().values() for name in names)

    def is_whole(self) -> bool:
        """Every replica runs, and no replica twice."""
        return self.ordinals() == Counter({"0": 1, "1": 1, "2": 1})

    def is_up(self) -> bool:
        """Whether every host is known to be up."""
        asked = self.try_tower("status", "--json")
        if asked.returncode != 0:
            return False
        return all(node["status"] == "up" for node in json.loads(asked.stdout)["nodes"])

    def tell(self) -> str:
        logs = "\n".join(f"--- {host.name}\n{self.agents.log_of(host)}" for host in self.lab.hosts)
        return f"{self.containers()}\n{logs}"
