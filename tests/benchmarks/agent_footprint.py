"""What an agent costs a host with 20 containers: its memory and processor time, and what it makes dockerd do.

Beside it Debian's Netdata on such a host, with its own settings, and what Python and the agent's own imports
take before it does anything.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.lab_agents import API_PORT, LabAgents, NotInTime
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import program, version_of
from tests.benchmarks.process_figures import cpu_s, private_mib, with_descendants
from tests.benchmarks.results import Finding, Row
from tests.support.lab import Host, wait_until

CONTAINERS = 20
WINDOW_S = 60.0
SETTLE_S = 20.0
IMAGE = "demo/web:1"
_IMPORTS = "import agent.app, sys; sys.stdout.write('ready'); sys.stdout.flush(); sys.stdin.read()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Shares of one core over a window of time."""

    program: float
    dockerd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A program on the host: its memory, and shares of a core. `dockerd_extra` is what dockerd did more."""

    private_mib: float
    cpu: float
    dockerd_extra: float


def run(say: Callable[[str], None], *, window_s: float = WINDOW_S) -> Finding:
    """Measure all of it in one lab. Raises Missing without one."""
    notes = []
    with scratch() as directory, a_benchmark_lab("a") as lab:
        agents = LabAgents(lab)
        host = lab.hosts[-1]
        _start_containers(host)
        _settle(say, "containers", SETTLE_S)
        idle = _measure(host, [], window_s)
        say(f"dockerd alone: {idle.dockerd:.2%} of a core")
        netdata = None
        if program("netdata") is None:
            notes.append("Netdata was not measured: apt-get install netdata-core.")
        else:
            with _netdata(host, directory) as pid:
                _settle(say, "Netdata", SETTLE_S)
                netdata = _footprint(host, pid, idle, window_s)
                say(f"Netdata: {netdata}")
            name = version_of("netdata", "-v", word=1, name="Netdata")
            notes.append(f"Anchor: {name}, all its processes, settings as Debian ships them.")
        agents.form()
        if agents.leader().name == host.name:
            raise NotInTime("the measured host leads")
        _settle(say, "agent", SETTLE_S)
        agent = agents.process(host).pid
        before = _footprint(host, agent, idle, window_s, alone=True)
        say(f"agent: {before}")
        router_mib = private_mib(pid for pid in with_descendants(agent) if pid != agent)
        _use_mcp(host, agents)
        after_mib = private_mib([agent])
        say(f"agent after MCP was used: {after_mib:.0f} MiB")
    imports_mib = _imports_mib()
    notes.append(
        f"The agent is a follower of three. Its HAProxy is not counted: {router_mib:.0f} MiB. Importing the"
        f" agent alone takes {imports_mib:.0f} MiB. dockerd with containerd used {idle.dockerd:.2%} of a core"
        " without anybody asking."
    )
    seconds = f"{window_s:.0f} s"
    return Finding(
        title="Agent",
        how=(
            f"One of three Docker hosts, a follower's, runs {CONTAINERS} containers. Private memory"
            f" (smaps_rollup) and processor time over {seconds} (/proc). What dockerd and containerd do more"
            f" is the difference to {seconds} in which nobody asks them."
        ),
        anchor="Netdata",
        rows=(
            Row(
                what="private memory before MCP is used",
                ours=f"{before.private_mib:.0f} MiB",
                target="<= 90 MiB",
                anchor="" if netdata is None else f"{netdata.private_mib:.0f} MiB",
            ),
            Row(what="private memory after MCP was used", ours=f"{after_mib:.0f} MiB", target="<= 120 MiB"),
            Row(
                what="processor time",
                ours=f"{before.cpu:.2%} of a core",
                target="<= 1 %",
                anchor="" if netdata is None else f"{netdata.cpu:.2%}",
            ),
            Row(
                what="more processor time of dockerd",
                ours=f"{before.dockerd_extra:.2%} of a core",
                target="<= 0.5 %",
                anchor="" if netdata is None else f"{netdata.dockerd_extra:.2%}",
            ),
        ),
        notes=tuple(notes),
    )


def _start_containers(host: Host) -> None:
    host.engine.pull(IMAGE)
    for number in range(CONTAINERS):
        host.engine.run(f"bench-{number:02d}", IMAGE)


def _settle(say: Callable[[str], None], what: str, seconds: float) -> None:
    say(f"{what} started; measuring in {seconds:.0f} s")
    time.sleep(seconds)


def _footprint(host: Host, pid: int, idle: Window, window_s: float, *, alone: bool = False) -> Footprint:
    """Measure a program, with what it started unless it is to be counted `alone`."""
    pids = [pid] if alone else with_descendants(pid)
    window = _measure(host, pids, window_s)
    return Footprint(
        private_mib=private_mib(pids), cpu=window.program, dockerd_extra=window.dockerd - idle.dockerd
    )


def _measure(host: Host, pids: Sequence[int], window_s: float) -> Window:
    docker = _docker_pids(host)
    began_s, program_s, docker_s = time.monotonic(), cpu_s(pids), cpu_s(docker)
    time.sleep(window_s)
    elapsed_s = time.monotonic() - began_s
    return Window(
        program=(cpu_s(pids) - program_s) / elapsed_s, dockerd=(cpu_s(docker) - docker_s) / elapsed_s
    )


def _docker_pids(host: Host) -> list[int]:
    """dockerd and its containerd; the containers' own processes hang below neither."""
    daemon = host.daemon
    assert daemon is not None, "the host's Docker runs"
    return with_descendants(daemon.pid)


@contextmanager
def _netdata(host: Host, directory: Path) -> Iterator[int]:
    for name in ("cache", "lib", "log"):
        (directory / name).mkdir()
    settings = directory / "netdata.conf"
    settings.write_text(
        "[global]\n run as user = root\n"
        f"[directories]\n cache = {directory}/cache\n lib = {directory}/lib\n log = {directory}/log\n"
        "[web]\n bind to = 127.0.0.1\n"
    )
    process = host.spawn(["netdata", "-D", "-c", str(settings)], log_path=directory / "netdata.log")
    try:
        yield process.pid
    finally:
        started = with_descendants(process.pid)
        process.stop()
        # Its plugins end by themselves once it is gone.
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), timeout_s=10)


def _use_mcp(host: Host, agents: LabAgents) -> None:
    """What an assistant does first: initialise, list the tools, call one."""
    asked = (
        (
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "benchmark", "version": "1"},
            },
        ),
        ("tools/list", {}),
        ("tools/call", {"name": "list-containers", "arguments": {}}),
    )
    context = ssl.create_default_context(cadata=agents.ca_pem)
    for number, (method, parameters) in enumerate(asked, start=1):
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        request = urllib.request.Request(
            f"https://{host.ip}:{API_PORT}/mcp",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {agents.token}",
                "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream",
            },
        )
        with urllib.request.urlopen(request, context=context, timeout=30) as response:  # noqa: S310  # an https address of this benchmark's own agent
            answer = response.read().decode()
        if '"result"' not in answer:
            raise RuntimeError(f"{method}: {answer[:500]}")


def _imports_mib() -> float:
    """Private memory of a Python that has imported the agent and done nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", _IMPORTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(len("ready"))
        found = private_mib([process.pid])
        process.communicate(timeout=20)
    return found
