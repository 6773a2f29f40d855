"""An agent on each host of a lab, as a person would put them there: the commands of `tower`, then the API."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from agent.cli.client import Client, Target
from agent.cli.failures import CommandFailed
from tests.support.lab import Host, HostProcess, Lab

API_PORT = 7443
START_TIMEOUT_S = 120.0
_COMMAND = (sys.executable, "-m", "agent.cli")


class NotInTime(Exception):
    """Something did not come about in time; the text says what, and how far it was."""


def wait_for(
    what: str, condition: Callable[[], bool], *, timeout_s: float, tell: Callable[[], str] = lambda: ""
) -> None:
    """Wait until `condition` holds. Raises NotInTime, with what `tell` says then."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise NotInTime(f"{what}: not within {timeout_s:g} s\n{tell()}".rstrip())
        time.sleep(0.05)


class LabAgents:
    """The agents of a lab's hosts, and an administrator's token that outlives the benchmark."""

    def __init__(self, lab: Lab) -> None:
        """The lab is up; nothing is started yet."""
        self.lab = lab
        self.token = ""
        self.ca_pem = ""
        self._processes: dict[str, HostProcess] = {}

    def form(self) -> None:
        """Init the first host, let the others join, start an agent on each, wait until all vote.

        Raises:
            NotInTime: they did not.
            CommandFailed: a command or request was refused.
        """
        first, *others = self.lab.hosts
        password = json.loads(self._tower(first, "init"))["admin_password"]
        self.start(first)
        self.ca_pem = first.exec(["cat", "/var/lib/control-tower/identity/ca.pem"], timeout_s=10).stdout
        self.token = self._lasting_token(first, password)
        client = self.client(first)
        for host in others:
            made = client.post("/join-tokens", {"ttl_s": 600, "uses": 1, "learner": False})
            address = f"{first.ip}:{API_PORT}"
            # Not an argument: whoever may list processes would see it.
            secret = {"TOWER_BOOTSTRAP_JOIN_ADDRESS": address, "TOWER_BOOTSTRAP_JOIN_TOKEN": made["token"]}
            self._tower(host, "join", secret)
            self.start(host)
        self.wait_until_whole()

    def start(self, host: Host) -> HostProcess:
        """Start the agent of a host that has been initialised, and wait until it serves."""
        process = host.spawn([*_COMMAND, "run"], env=_environment(host))
        self._processes[host.name] = process
        health = self._anonymous(host)

        def is_ready() -> bool:
            if not process.is_running:
                raise NotInTime(f"{host.name}: the agent ended:\n{process.log()[-2000:]}")
            try:
                return bool(health.get("/health")["status"] == "ready")
            except CommandFailed:
                return False

        if not self.ca_pem:
            self.ca_pem = host.exec(["cat", "/var/lib/control-tower/identity/ca.pem"], timeout_s=10).stdout
            health = self._anonymous(host)
        wait_for(f"the agent of {host.name} is ready", is_ready, timeout_s=START_TIMEOUT_S)
        return process

    def process(self, host: Host) -> HostProcess:
        """The agent of a host."""
        return self._processes[host.name]

    def client(self, host: Host) -> Client:
        """The API of one host, as the administrator."""
        return Client(Target(servers=(_url(host),), ca_pem=self.ca_pem, access_token=self.token))

    def wait_until_whole(self) -> None:
        """Wait until every host votes and the leader knows all of them to be up. Raises NotInTime."""

        def is_whole() -> bool:
            for host in self.lab.hosts:
                try:
                    quorum = self.client(host).get("/cluster")["quorum"]
                except CommandFailed:
                    return False
                if not quorum["voters"] == quorum["healthy"] == len(self.lab.hosts):
                    return False
            return True

        wait_for("every host votes and is up", is_whole, timeout_s=START_TIMEOUT_S)

    def leader(self) -> Host:
        """The host whose agent leads. Raises NotInTime."""
        found: list[Host] = []

        def is_there() -> bool:
            for host in self.lab.hosts:
                try:
                    view = self.client(host).get("/cluster")
                except CommandFailed:
                    continue
                if view["leader_id"] == view["node_id"]:
                    found.append(host)
            return bool(found)

        wait_for("there is a leader", is_there, timeout_s=START_TIMEOUT_S)
        return found[-1]

    def _anonymous(self, host: Host) -> Client:
        return Client(Target(servers=(_url(host),), ca_pem=self.ca_pem))

    def _lasting_token(self, host: Host, password: str) -> str:
        anonymous = self._anonymous(host)
        session: dict[str, Any] = {}

        def is_in() -> bool:
            # The first administrator is committed a moment after the node leads.
            try:
                body = {"name": "admin", "password": password, "mode": "token"}
                session.update(anonymous.post("/auth/login", body))
            except CommandFailed:
                return False
            return True

        wait_for("logging in", is_in, timeout_s=START_TIMEOUT_S)
        target = Target(servers=(_url(host),), ca_pem=self.ca_pem, access_token=session["access_token"])
        body = {"name": "benchmark", "role": "admin", "ttl_s": 7200}
        return str(Client(target).post("/tokens", body)["token"])

    @staticmethod
    def _tower(host: Host, verb: str, secret: Mapping[str, str] = MappingProxyType({})) -> str:
        environment = {**_environment(host), **secret}
        done = host.exec([*_COMMAND, verb, "--json", "--no-start"], env=environment, timeout_s=60)
        if done.returncode != 0:
            raise CommandFailed(f"{host.name}: tower {verb}: {done.stderr.strip()}")
        return done.stdout


def _url(host: Host) -> str:
    return f"https://{host.ip}:{API_PORT}"


def _environment(host: Host) -> dict[str, str]:
    return {
        "TOWER_NODE_NAME": host.name,
        "TOWER_NODE_ADVERTISE_ADDRESS": host.ip,
        "TOWER_DOCKER_SOCKET": "/run/docker.sock",
        "PYTHONUNBUFFERED": "1",
    }
