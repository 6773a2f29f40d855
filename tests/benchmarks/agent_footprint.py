"""What an agent costs a host with 20 and with 100 containers: its memory and processor time, and dockerd's.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import program, version_of
from tests.benchmarks.process_figures import cpu_s, private_mib, with_descendants
from tests.benchmarks.results import Finding, Row
from tests.support.lab import Host, LabAgents, NotInTime, url_of, wait_until

CONTAINERS = 20
MANY_CONTAINERS = 100
WINDOW_S = 60.0
SETTLE_S = 20.0
IMAGE = "demo/web:1"
_IMPORTS = "import agent.app, sys; sys.stdout.write('ready'); sys.stdout.flush(); sys.stdin.read()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Shares of one core over a window of time."""

    program: float
    dockerd: float


def run(say: Callable[[str], None], *, window_s: float = WINDOW_S) -> Finding:
    """Measure all of it in one lab. Raises Missing without one."""
    notes = []
    with scratch() as directory, a_benchmark_lab("a") as lab:
        agents = LabAgents(lab, directory)
        host = lab.hosts[-1]
        _start_containers(host, range(CONTAINERS))
        # Nobody asks this host's Docker meanwhile: Netdata runs on another host. It sees these containers all
        # the same, because control groups are the machine's.
        with _netdata(lab.hosts[0], directory) as netdata_pid:
            _settle(say, "containers", SETTLE_S)
            netdata_pids = [] if netdata_pid is None else with_descendants(netdata_pid)
            idle = _measure(host, netdata_pids, window_s)
            netdata_mib = private_mib(netdata_pids)
        say(
            f"dockerd alone: {idle.dockerd:.2%} of a core; Netdata: {idle.program:.2%}, {netdata_mib:.0f} MiB"
        )
        if netdata_pids:
            name = version_of("netdata", "-v", word=1, name="Netdata")
            notes.append(f"Anchor: {name}, all its processes, settings as Debian ships them.")
        else:
            notes.append("Netdata was not measured: apt-get install netdata-core.")
        agents.form()
        if agents.leader().name == host.name:
            raise NotInTime("the measured host leads")
        _settle(say, "agent", SETTLE_S)
        agent = agents.process(host).pid
        busy = _measure(host, [agent], window_s)
        before_mib = private_mib([agent])
        say(f"agent: {busy.program:.2%} of a core, {before_mib:.0f} MiB; dockerd: {busy.dockerd:.2%}")
        router_mib = private_mib(pid for pid in with_descendants(agent) if pid != agent)
        _use_mcp(host, agents)
        after_mib = private_mib([agent])
        say(f"agent after MCP was used: {after_mib:.0f} MiB")
        host.services.disable()
        _start_containers(host, range(CONTAINERS, MANY_CONTAINERS))
        _settle(say, f"{MANY_CONTAINERS} containers", SETTLE_S)
        many_idle = _measure(host, [], window_s)
        agents.start(host)
        _settle(say, "agent", SETTLE_S)
        agent = agents.process(host).pid
        many = _measure(host, [agent], window_s)
        many_mib = private_mib([agent])
        say(
            f"with {MANY_CONTAINERS} containers: {many.program:.2%} of a core, {many_mib:.0f} MiB;"
            f" dockerd: {many.dockerd:.2%}, alone {many_idle.dockerd:.2%}"
        )
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
            f"One of three Docker hosts, a follower's, runs {CONTAINERS} containers, and then"
            f" {MANY_CONTAINERS}. Every figure of them goes into the replicated history. Private memory"
            f" (smaps_rollup) and processor time over {seconds} (/proc). What dockerd and containerd do more"
            f" is the difference to {seconds} in which nobody asks them."
        ),
        anchor="Netdata",
        rows=(
            Row(
                what="private memory before MCP is used",
                ours=f"{before_mib:.0f} MiB",
                target="<= 90 MiB",
                anchor=f"{netdata_mib:.0f} MiB" if netdata_pids else "",
            ),
            Row(what="private memory after MCP was used", ours=f"{after_mib:.0f} MiB", target="<= 120 MiB"),
            Row(
                what="processor time",
                ours=f"{busy.program:.2%} of a core",
                target="<= 1 %",
                anchor=f"{idle.program:.2%} of a core" if netdata_pids else "",
            ),
            Row(
                what="more processor time of dockerd",
                ours=f"{busy.dockerd - idle.dockerd:.2%} of a core",
                target="<= 0.5 %",
            ),
            Row(what=f"private memory with {MANY_CONTAINERS} containers", ours=f"{many_mib:.0f} MiB"),
            Row(
                what=f"processor time with {MANY_CONTAINERS} containers",
                ours=f"{many.program:.2%} of a core",
            ),
            Row(
                what=f"more processor time of dockerd with {MANY_CONTAINERS} containers",
                ours=f"{many.dockerd - many_idle.dockerd:.2%} of a core",
            ),
        ),
        notes=tuple(notes),
    )


def _start_containers(host: Host, numbers: Iterable[int]) -> None:
    host.engine.pull(IMAGE)
    for number in numbers:
        host.engine.run(f"bench-{number:03d}", IMAGE)


def _settle(say: Callable[[str], None], what: str, seconds: float) -> None:
    say(f"{what} started; measuring in {seconds:.0f} s")
    time.sleep(seconds)


def _measure(host: Host, pids: Sequence[int], window_s: float) -> Window:
    """What processes use, wherever they run, and meanwhile the host's Docker."""
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
def _netdata(host: Host, directory: Path) -> Iterator[int | None]:
    """Netdata on a host while the block runs: its pid, or None where it is not installed."""
    if program("netdata") is None:
        yield None
        return
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
        request = urllib.request.Request(  # noqa: S310  # an https address of this benchmark's own host
            f"{url_of(host)}/mcp",
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
