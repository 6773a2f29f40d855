"""Alerts on real hosts: a container that ends, a host that is cut off, and a leader that dies meanwhile."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent.cli.failures import CommandFailed
from tests.support.lab import Host, Lab, LabAgents, lab

__all__ = ["lab"]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


class Watched:
    """A cluster of the lab's hosts, and what its people are told."""

    def __init__(self, lab: Lab, agents: LabAgents) -> None:
        self.lab = lab
        self.agents = agents
        self.host = agents.leader()
        """Whom people ask: one that can be reached."""

    def tower(self, *words: str) -> str:
        target = ("--server", self.host.ip, "--ca", "/var/lib/control-tower/identity/ca.pem")
        return self.agents.run(self.host, *target, *words, secret={"TOWER_TOKEN": self.agents.token})

    def get(self, path: str) -> Any:
        return self.agents.client(self.host).get(path)

    def alert(self, rule: str, *, about: str) -> dict[str, Any]:
        """The newest alert of a rule about a subject, {} without one."""
        for each in self.get("/alerts?state=all")["items"]:
            if each["rule"] == rule and each["subject"]["name"] == about:
                found: dict[str, Any] = each
                return found
        return {}

    def told(self, number: int) -> Counter[str]:
        """How often people were told what of an alert."""
        events = self.get("/events?kinds=alert:*")["items"]
        return Counter(each["kind"] for each in events if each["subject"].get("alert_id") == str(number))

    def wait(self, rule: str, state: str, *, about: str, timeout_s: float = 40) -> dict[str, Any]:
        def is_so() -> bool:
            try:
                return bool(self.alert(rule, about=about).get("state") == state)
            except CommandFailed:
                return False

        self.agents.wait(f"{rule} of {about} is {state}", is_so, timeout_s=timeout_s, tell=self._tell)
        return self.alert(rule, about=about)

    def _tell(self) -> str:
        host = self.host
        said = [line for line in self.agents.log_of(host, 500).splitlines() if "http.request" not in line]
        containers = self.get("/containers?q=worker")
        seen = [
            host.exec(["docker", "ps", "-a", "--no-trunc"], timeout_s=30).stdout for host in self.agents.hosts
        ]
        return "\n".join((str(self.get("/alerts?state=all")), str(containers), *seen, *said[-20:]))


def docker(host: Host, *words: str) -> None:
    done = host.exec(["docker", *words], timeout_s=30)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def watched(lab: Lab, tmp_path: Path) -> Watched:
    agents = LabAgents(lab, tmp_path)
    agents.form()
    return Watched(lab, agents)


def test_each_incident_is_told_once_across_a_cut_host_and_a_leader_that_dies(watched: Watched) -> None:
    leader = watched.host
    busy, cut = [host for host in watched.agents.hosts if host is not leader]
    watched.tower("alerts", "rules", "set", "container-down", "--for", "0s", "--keep-firing", "0s")
    watched.tower("alerts", "rules", "set", "host-down", "--for", "0s", "--keep-firing", "0s")
    docker(busy, "run", "-d", "--name", "worker", "demo/busybox:1", "sh", "-c", "sleep 1; exit 3")
    docker(busy, "wait", "worker")

    watched.lab.cut(cut.name)
    down = watched.wait("host-down", "firing", about=cut.name)
    watched.lab.heal(cut.name)
    watched.wait("host-down", "resolved", about=cut.name)
    assert watched.told(down["number"]) == {"alert:firing": 1, "alert:resolved": 1}

    ended = watched.wait("container-down", "firing", about="worker")
    assert ended["text"] == f"Container worker on {busy.name} ended with status 3 and is not running."
    number = ended["number"]
    watched.tower("alerts", "ack", str(number), "--comment", "on it")
    watched.host = busy
    watched.agents.process(leader).signal(signal.SIGKILL)
    watched.agents.wait("another host leads", lambda: watched.agents.leader() is not leader, timeout_s=20)
    still = watched.wait("container-down", "acknowledged", about="worker")
    assert (still["number"], still["acknowledged_by"]) == (number, "admin")

    docker(busy, "rm", "worker")
    over = watched.wait("container-down", "resolved", about="worker")
    assert (over["number"], over["resolution"]) == (number, "it is gone")
    assert watched.told(number) == {"alert:firing": 1, "alert:acknowledged": 1, "alert:resolved": 1}
