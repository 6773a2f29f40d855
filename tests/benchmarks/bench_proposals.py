"""Proposals through a client on loopback: our cluster beside Debian's etcd 3.4, in one run.

Three nodes in three processes each, mTLS between them, every write flushed to the same disk, one client
process with one TLS connection to the leader, the same key and value. Run as `python -m
tests.benchmarks.bench_proposals`; needs Debian's `etcd-server` for the anchor (--etcd names its program).
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.raft_certificates import Authority

DEPTHS = (1, 64, 500)
NODES = ("n1", "n2", "n3")


@dataclass(frozen=True, slots=True)
class Result:
    """One system at one number of requests in flight."""

    system: str
    depth: int
    rate: float
    p50_ms: float
    p99_ms: float
    client_cpu: float
    answered: int
    nodes_cpu_us: float
    """Processor time of the three nodes per proposal: what a busy machine does not change much."""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


@contextlib.contextmanager
def ended(processes: list[subprocess.Popen[str]]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def cpu_s(processes: list[subprocess.Popen[str]]) -> float:
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def load(
    system: str, nodes: list[subprocess.Popen[str]], port: int, ca: Path, depth: int, seconds: float
) -> Result:
    command = [sys.executable, "-m", "tests.benchmarks.bench_proposals_load", system, "--port", str(port)]
    command += ["--ca", str(ca), "--depth", str(depth), "--seconds", str(seconds)]
    before = cpu_s(nodes)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    measured = json.loads(done.stdout)
    nodes_cpu_us = (cpu_s(nodes) - before) / measured["answered"] * 1e6
    return Result(system, depth, nodes_cpu_us=nodes_cpu_us, **measured)


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that is up, and its leader's port for clients."""

    system: str
    nodes: list[subprocess.Popen[str]]
    port: int


@contextlib.contextmanager
def a_tower_cluster(path: Path, authority: Authority, state: str) -> Iterator[Running]:
    ports = free_ports(2 * len(NODES))
    peers = {node: f"127.0.0.1:{ports[position]}" for position, node in enumerate(NODES)}
    endpoints = dict(zip(NODES, ports[len(NODES) :], strict=True))
    processes: list[subprocess.Popen[str]] = []
    with ended(processes):
        for node in NODES:
            certificate, key = authority.issue(node)
            (path / node).mkdir()
            config = {
                "node_id": node,
                "data": str(path / node),
                "certificate": str(certificate),
                "key": str(key),
                "ca": str(authority.ca_file),
                "port": str(endpoints[node]),
                "state": state,
            }
            command = [sys.executable, "-m", "tests.benchmarks.bench_proposals_node"]
            command += ["--config", json.dumps(config), "--peers", json.dumps(peers)]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        leaders = set()
        for process in processes:
            assert process.stdout is not None
            leaders.add(json.loads(process.stdout.readline())["leader"])
        (leader,) = leaders
        yield Running("tower", processes, endpoints[leader])


@contextlib.contextmanager
def an_etcd_cluster(program: str, path: Path, authority: Authority) -> Iterator[Running]:
    ports = free_ports(2 * len(NODES))
    peers = {node: f"https://127.0.0.1:{ports[position]}" for position, node in enumerate(NODES)}
    endpoints = dict(zip(NODES, ports[len(NODES) :], strict=True))
    processes: list[subprocess.Popen[str]] = []
    with ended(processes):
        for node in NODES:
            certificate, key = authority.issue(f"etcd-{node}")
            client = f"https://127.0.0.1:{endpoints[node]}"
            command = [program, "--name", node, "--data-dir", str(path / f"etcd-{node}")]
            command += ["--listen-peer-urls", peers[node], "--initial-advertise-peer-urls", peers[node]]
            command += ["--listen-client-urls", client, "--advertise-client-urls", client]
            command += ["--initial-cluster", ",".join(f"{name}={url}" for name, url in peers.items())]
            command += ["--cert-file", str(certificate), "--key-file", str(key)]
            command += ["--peer-cert-file", str(certificate), "--peer-key-file", str(key)]
            command += ["--peer-trusted-ca-file", str(authority.ca_file), "--peer-client-cert-auth"]
            command += ["--log-level", "error"]
            with (path / f"etcd-{node}.log").open("w") as output:
                processes.append(
                    subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
                )
        leader = etcd_leader(endpoints, authority.ca_file)
        yield Running("etcd", processes, endpoints[leader])


def measure(
    clusters: list[Running], ca: Path, depths: list[int], rounds: int, seconds: float
) -> list[Result]:
    """Measure the clusters in turn, round after round, so that other work on the machine meets them all."""
    results = []
    for depth in depths:
        by_system: dict[str, list[Result]] = {cluster.system: [] for cluster in clusters}
        for _ in range(rounds):
            for cluster in clusters:
                by_system[cluster.system].append(
                    load(cluster.system, cluster.nodes, cluster.port, ca, depth, seconds)
                )
        results += [median(measured) for measured in by_system.values()]
    return results


def median(results: list[Result]) -> Result:
    """Each figure's median over the rounds."""
    figures = ("rate", "p50_ms", "p99_ms", "client_cpu", "nodes_cpu_us")
    medians = {name: statistics.median(getattr(result, name) for result in results) for name in figures}
    return replace(results[0], **medians)


def etcd_leader(endpoints: dict[str, int], ca: Path) -> str:
    context = ssl.create_default_context(cafile=str(ca))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for node, port in endpoints.items():
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=2)
            with contextlib.suppress(OSError, KeyError, ValueError), contextlib.closing(connection):
                connection.request("POST", "/v3/maintenance/status", body="{}")
                status = json.loads(connection.getresponse().read())
                if status["leader"] == status["header"]["member_id"] != "0":
                    return node
        time.sleep(0.2)
    raise RuntimeError("etcd elected no leader within 30 s")


def table(results: list[Result]) -> str:
    """The results as a Markdown table, with the machine they were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    lines = [
        f"{os.cpu_count()} x {model}, {os.uname().sysname} {os.uname().release}, Python"
        f" {platform.python_version()}; 3 nodes each, client and disk on this machine; 1-minute load"
        f" {os.getloadavg()[0]:.1f}",
        "",
        "| system | in flight | proposals/s | p50 | p99 | nodes' processor time | client's share of a core |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        lines.append(
            f"| {result.system} | {result.depth} | {result.rate:,.0f} | {result.p50_ms:.2f} ms"
            f" | {result.p99_ms:.2f} ms | {result.nodes_cpu_us:.0f} us | {result.client_cpu:.0%} |"
        )
    by_depth = {(result.system, result.depth): result for result in results}
    for depth in sorted({result.depth for result in results}):
        ours, theirs = by_depth.get(("tower", depth)), by_depth.get(("etcd", depth))
        if ours is not None and theirs is not None:
            lines += ["", f"At {depth} in flight: {ours.rate / theirs.rate:.1f} times etcd's throughput."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--etcd", default=shutil.which("etcd"), help="the anchor's program")
    parser.add_argument("--only", choices=["tower", "etcd"])
    parser.add_argument("--depth", type=int, action="append", help="requests in flight; default 1, 64, 500")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each; the median counts")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement lasts")
    parser.add_argument("--state", choices=["full", "bare"], default="full", help="bare: replication alone")
    parser.add_argument("--data", type=Path, help="a directory on the disk to measure")
    arguments = parser.parse_args()
    if arguments.etcd is None and arguments.only != "tower":
        sys.exit("etcd is not installed: apt-get install etcd-server, or --etcd PATH, or --only tower")
    with tempfile.TemporaryDirectory(prefix="tower-bench-", dir=arguments.data) as directory:
        path = Path(directory)
        authority = Authority(path / "certificates")
        with contextlib.ExitStack() as stack:
            clusters = []
            if arguments.only != "etcd":
                clusters.append(stack.enter_context(a_tower_cluster(path, authority, arguments.state)))
            if arguments.only != "tower":
                clusters.append(stack.enter_context(an_etcd_cluster(arguments.etcd, path, authority)))
            depths = arguments.depth or list(DEPTHS)
            results = measure(clusters, authority.ca_file, depths, arguments.rounds, arguments.seconds)
    say(table(results))


if __name__ == "__main__":
    main()
