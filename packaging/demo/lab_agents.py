"""An agent on each host of a lab, put there as a person would: the commands of `tower`, then the API."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tower_lab.errors import LabError
from tower_lab.host import Host
from tower_lab.lab import Lab
from tower_lab.processes import Identity

from agent.cli.client import Client, Target
from agent.cli.failures import CommandFailed

SOURCE = Path(__file__).resolve().parents[2]
API_PORT = 7443
START_TIMEOUT_S = 60.0
POLL_S = 0.1
VOTERS_MAX = 5
SERVICE = "tower"
_CA = "/var/lib/control-tower/identity/ca.pem"


class NotInTime(Exception):
    """Something did not come about; the text says what, and how far it was."""


def tower_command() -> list[str]:
    """`tower` of this source tree."""
    return [sys.executable, "-m", "agent.cli"]


class LabAgents:
    """The cluster of the agents on a lab's hosts. `logs` is where their logs go.

    `is_stopped` ends every wait early, by NotInTime.
    """

    def __init__(self, lab: Lab, logs: Path, *, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self.lab = lab
        self._logs = logs
        self._is_stopped = is_stopped
        self._session: dict[str, Any] = {}
        self.password = ""
        self.ca_pem = ""
        self.token = ""
        """An administrator's, that outlives the session; made by `form`."""
        self.operator_token = ""

    @property
    def hosts(self) -> list[Host]:
        return list(self.lab.hosts)

    def form(self) -> None:
        """A cluster of all hosts, with tokens that last.

        Raises:
            NotInTime, CommandFailed, LabError: it could not be made.
        """
        first, *others = self.hosts
        self.found(first)
        self.log_in(first)
        for host in others:
            self.add(host, through=first)
        self.wait_until_voting()
        self.operator_token = self.make_token("lab-operator", "operator")
        self.token = self.make_token("lab-admin", "admin")

    def found(self, host: Host) -> None:
        """Make a cluster of this host alone, and start its agent."""
        self.password = json.loads(self.run(host, "init", "--json", "--no-start"))["admin_password"]
        self.ca_pem = host.exec(["cat", _CA], timeout_s=10).stdout
        self.start(host)

    def add(self, host: Host, *, through: Host) -> None:
        """Have a host join, and start its agent."""
        made = self.client(through).post("/join-tokens", {"ttl_s": 600, "uses": 1, "learner": False})
        address = f"{through.ip}:{API_PORT}"
        # Not an argument: whoever may list processes would see it.
        secret = {"TOWER_BOOTSTRAP_JOIN_ADDRESS": address, "TOWER_BOOTSTRAP_JOIN_TOKEN": made["token"]}
        self.run(host, "join", "--json", "--no-start", secret=secret)
        self.start(host)

    def start(self, host: Host) -> None:
        """Start the agent as systemd would, again and again when it ends, and wait until it serves."""
        log = self._logs / f"{host.name}.log"
        log.unlink(missing_ok=True)
        host.services.enable(
            SERVICE, [*tower_command(), "run"], env=environment(host), directory=SOURCE, log=log
        )
        self.wait_until_serving(host)

    def wait_until_serving(self, host: Host) -> None:
        """Wait until the agent of a host answers and is ready. Raises NotInTime."""
        anonymous = Client(Target(servers=(url_of(host),), ca_pem=self.ca_pem))

        def is_ready() -> bool:
            try:
                return bool(anonymous.get("/health")["status"] == "ready")
            except CommandFailed:
                return False

        self.wait(f"the agent of {host.name} is ready", is_ready, tell=lambda: self.log_of(host))

    def log_in(self, host: Host) -> None:
        """Log in as the first administrator, who is committed a moment after the node leads."""
        anonymous = Client(Target(servers=(url_of(host),), ca_pem=self.ca_pem))
        body = {"name": "admin", "password": self.password, "mode": "token"}

        def is_in() -> bool:
            try:
                self._session = anonymous.post("/auth/login", body)
            except CommandFailed:
                return False
            return True

        self.wait("logging in", is_in, tell=lambda: self.log_of(host))

    def make_token(self, name: str, role: str) -> str:
        """An API token for a day."""
        body = {"name": name, "role": role, "ttl_s": 86_400}
        return str(self.client(self.hosts[0]).post("/tokens", body)["token"])

    def client(self, host: Host) -> Client:
        """The API of one host, as whoever logged in or whose token was kept."""
        return Client(
            Target(
                servers=(url_of(host),),
                ca_pem=self.ca_pem,
                access_token=self.token or self._session.get("access_token", ""),
                refresh_token="" if self.token else self._session.get("refresh_token", ""),
            )
        )

    def wait_until_voting(self) -> None:
        """Wait until every host votes, five at most, and is known to be up. Raises NotInTime."""
        wanted = min(len(self.hosts), VOTERS_MAX)

        def is_whole() -> bool:
            try:
                quorum = self.client(self.hosts[0]).get("/cluster")["quorum"]
            except CommandFailed:
                return False
            return bool(quorum["voters"] == quorum["healthy"] == wanted)

        self.wait("every host votes", is_whole, tell=lambda: self.log_of(self.hosts[0]))

    def leader(self) -> Host:
        """The host whose agent leads. Raises NotInTime."""
        found: list[Host] = []

        def is_there() -> bool:
            for host in self.hosts:
                try:
                    view = self.client(host).get("/cluster")
                except CommandFailed:
                    continue
                if view["leader_id"] == view["node_id"]:
                    found.append(host)
            return bool(found)

        self.wait("there is a leader", is_there, tell=lambda: self.log_of(self.hosts[0]))
        return found[-1]

    def hand_over(self, leader: Host, target: Host) -> None:
        """Have the agent of another host lead. Raises NotInTime."""
        node_id = self.client(target).get("/cluster")["node_id"]
        self.client(leader).post("/cluster/transfer", {"node_id": node_id})
        self.wait(f"{target.name} leads", lambda: self.leader().name == target.name)

    def process(self, host: Host) -> Identity:
        """The agent of a host that runs."""
        found = host.services.main_process(SERVICE)
        if found is None:
            raise LabError(f"{host.name}: no agent runs")
        return found

    def run(self, host: Host, *arguments: str, secret: Mapping[str, str] = MappingProxyType({})) -> str:
        """Run a command of `tower` on the host and return what it printed. Raises CommandFailed."""
        done = host.exec([*tower_command(), *arguments], env={**environment(host), **secret}, timeout_s=60)
        if done.returncode != 0:
            raise CommandFailed(f"{host.name}: tower {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def log_of(self, host: Host, lines: int = 15) -> str:
        """The end of an agent's log."""
        path = self._logs / f"{host.name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def wait(
        self,
        what: str,
        condition: Callable[[], bool],
        *,
        timeout_s: float = START_TIMEOUT_S,
        tell: Callable[[], str] = lambda: "",
    ) -> float:
        """Seconds until `condition` held. Raises NotInTime, with what `tell` says then."""
        began_s = time.monotonic()
        while not condition():
            if self._is_stopped():
                raise NotInTime("interrupted")
            if time.monotonic() - began_s > timeout_s:
                raise NotInTime(f"{what}: not within {timeout_s:g} s\n{tell()}".rstrip())
            time.sleep(POLL_S)
        return time.monotonic() - began_s


def environment(host: Host) -> dict[str, str]:
    """What the agent of a lab's host is told."""
    return {
        "TOWER_NODE_NAME": host.name,
        "TOWER_NODE_ADVERTISE_ADDRESS": host.ip,
        "TOWER_DOCKER_SOCKET": "/run/docker.sock",
        "PYTHONUNBUFFERED": "1",
    }


def url_of(host: Host) -> str:
    """Where a host's agent serves people and programs."""
    return f"https://{host.ip}:{API_PORT}"
