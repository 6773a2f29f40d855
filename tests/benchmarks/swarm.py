"""The anchor of failover: a Swarm of three managers on the lab's hosts, driven through the engines' API.

Services publish no port: Swarm's routing mesh needs IPVS, which not every kernel has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.labs import a_benchmark_lab
from tests.support.lab import Host, Lab, LabError, wait_until

IMAGE = "demo/web:1"
PORT = 2377
WHOLE_TIMEOUT_S = 120.0
TRY_TIMEOUT_S = 5.0


class Swarm:
    """Three managers, all of which also run tasks: what three equal hosts are."""

    def __init__(self, lab: Lab) -> None:
        """The lab is up; nothing is made yet."""
        self.lab = lab

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Its hosts, those without power included."""
        return self.lab.hosts

    def form(self) -> None:
        """Make the Swarm and wait until every manager reaches the others."""
        first, *others = self.hosts
        body = {"ListenAddr": f"{first.ip}:{PORT}", "AdvertiseAddr": first.ip}
        first.engine.request("POST", "/swarm/init", body)
        token = first.engine.get("/swarm")["JoinTokens"]["Manager"]
        for host in others:
            body = {"ListenAddr": f"{host.ip}:{PORT}", "AdvertiseAddr": host.ip}
            joining = {"RemoteAddrs": [f"{first.ip}:{PORT}"], "JoinToken": token}
            host.engine.request("POST", "/swarm/join", {**body, **joining})
        self.wait_until_whole()

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes as the first manager that answers knows them; none while no manager does."""
        for host in self.hosts:
            with contextlib.suppress(LabError):
                return list(host.engine.get("/nodes", timeout_s=TRY_TIMEOUT_S))
        return []

    def leader(self) -> Host:
        """The host whose manager leads.

        Raises:
            LabError: there was none in two minutes.
        """
        found: list[str] = []

        def is_there() -> bool:
            found[:] = [
                node["Description"]["Hostname"]
                for node in self.nodes()
                if (node.get("ManagerStatus") or {}).get("Leader")
            ]
            return bool(found)

        if not wait_until(is_there, timeout_s=WHOLE_TIMEOUT_S, poll_s=0.1):
            raise LabError("the Swarm has no leader")
        return self.lab.host(found[0])

    def wait_until_whole(self) -> None:
        """Wait until every node is ready and every manager reachable.

        Raises:
            LabError: that was not so in two minutes.
        """

        def is_whole() -> bool:
            nodes = self.nodes()
            return len(nodes) == len(self.hosts) and all(
                node["Status"]["State"] == "ready"
                and (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"
                for node in nodes
            )

        if not wait_until(is_whole, timeout_s=WHOLE_TIMEOUT_S, poll_s=0.1):
            raise LabError(f"the Swarm is not whole: {self.nodes()}")

    def make_config(self, host: str, name: str) -> bool:
        """Write a small config through one manager; false when it did not acknowledge that in 5 s."""
        body = {"Name": name, "Data": "eA=="}
        try:
            self.lab.host(host).engine.request("POST", "/configs/create", body, timeout_s=TRY_TIMEOUT_S)
        except LabError:
            return False
        return True

    def create_service(self, name: str, replicas: int, *, host_port: int = 0) -> None:
        """Run replicas of the sample application, published on every host's port if one is given, and wait
        until they all run.

        Raises:
            LabError: they did not in two minutes.
        """
        for host in self.hosts:
            host.engine.pull(IMAGE)
        body = {
            "Name": name,
            "TaskTemplate": {"ContainerSpec": {"Image": IMAGE}},
            "Mode": {"Replicated": {"Replicas": replicas}},
        }
        if host_port:
            port = {"TargetPort": 8080, "PublishedPort": host_port, "PublishMode": "host"}
            body["EndpointSpec"] = {"Ports": [port]}
        self.hosts[0].engine.request("POST", "/services/create", body)
        self._wait_until_running(name, replicas)

    def redeploy(self, name: str) -> None:
        """Have all replicas of a service placed anew, and wait until they run on as many hosts as there are.

        Raises:
            LabError: they did not in two minutes.
        """
        leader = self.leader()
        service = leader.engine.get(f"/services/{name}")
        spec = service["Spec"]
        spec["TaskTemplate"]["ForceUpdate"] = spec["TaskTemplate"].get("ForceUpdate", 0) + 1
        spec["UpdateConfig"] = {"Parallelism": 0, "Monitor": 1}
        version = service["Version"]["Index"]
        leader.engine.request("POST", f"/services/{name}/update?version={version}", spec)
        replicas = spec["Mode"]["Replicated"]["Replicas"]

        def is_spread() -> bool:
            return len(set(self.running(leader).values())) == min(replicas, len(self.hosts))

        if not wait_until(is_spread, timeout_s=WHOLE_TIMEOUT_S, poll_s=0.1):
            raise LabError(f"{name}: its replicas do not spread over the hosts")
        self._wait_until_running(name, replicas)

    def begin_update(self, name: str, *, parallelism: int) -> None:
        """Have all replicas of a service replaced by equal ones, so many at a time, watched for no time."""
        leader = self.leader()
        service = leader.engine.get(f"/services/{name}")
        spec = service["Spec"]
        spec["TaskTemplate"]["ForceUpdate"] = spec["TaskTemplate"].get("ForceUpdate", 0) + 1
        # A time of 0 ns is Docker's word for its default of 5 s.
        spec["UpdateConfig"] = {"Parallelism": parallelism, "Monitor": 1, "Delay": 0, "Order": "stop-first"}
        version = service["Version"]["Index"]
        leader.engine.request("POST", f"/services/{name}/update?version={version}", spec)

    def update_state(self, name: str) -> str:
        """How far the newest update is, in Swarm's words."""
        service = self.leader().engine.get(f"/services/{name}")
        return str((service.get("UpdateStatus") or {}).get("State", ""))

    def _wait_until_running(self, name: str, replicas: int) -> None:
        leader = self.leader()
        if not wait_until(
            lambda: len(self.running(leader)) == replicas, timeout_s=WHOLE_TIMEOUT_S, poll_s=0.1
        ):
            raise LabError(f"{name}: {replicas} replicas do not run")

    def running(self, manager: Host) -> dict[str, str]:
        """The tasks that run and shall run, each with its node's id, as a manager knows; {} unanswered."""
        try:
            tasks = manager.engine.get("/tasks", timeout_s=TRY_TIMEOUT_S)
        except LabError:
            return {}
        return {
            task["ID"]: task["NodeID"]
            for task in tasks
            if task["Status"]["State"] == "running" and task["DesiredState"] == "running"
        }

    def node_id(self, host: Host) -> str:
        """The Swarm's id of a host."""
        return str(host.engine.get("/info")["Swarm"]["NodeID"])


@contextlib.contextmanager
def a_swarm() -> Iterator[Swarm]:
    """A Swarm of three on a lab of its own, which is removed at the end."""
    with a_benchmark_lab("w") as lab:
        swarm = Swarm(lab)
        swarm.form()
        yield swarm
