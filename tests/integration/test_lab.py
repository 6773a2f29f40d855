"""The lab keeps its promises: hosts that are real, faults that are real, and nothing left behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.lab import (
    Builder,
    Cut,
    Direction,
    Host,
    Lab,
    LabError,
    a_lab,
    fresh_lab,
    lab,
    remove_abandoned,
    require_lab,
    state,
    wait_until,
)
from tests.support.requirements import require_program

__all__ = ["fresh_lab", "lab"]

pytestmark = pytest.mark.lab

_PROGRAM = Path(__file__).resolve().parents[2] / "packaging" / "lab"


def lab_command(lab: Lab, *arguments: str) -> list[str]:
    return [sys.executable, str(_PROGRAM), "--prefix", lab.prefix, *arguments]


def reaches(host: Host, address: str) -> bool:
    """One ping there and back."""
    return host.exec(["busybox", "ping", "-c", "1", "-W", "1", address]).returncode == 0


def served(host: Host, port: int) -> bool:
    """True when the sample application in a container that was just started answers at a port of the host."""

    def is_up() -> bool:
        with closing(http.client.HTTPConnection(host.ip, port, timeout=5)) as connection:
            try:
                connection.request("GET", "/up")
                return connection.getresponse().status == 200
            except OSError:
                return False

    return _eventually(is_up)


def get(address: str, port: int, path: str = "/") -> dict[str, str]:
    with closing(http.client.HTTPConnection(address, port, timeout=5)) as connection:
        connection.request("GET", path)
        answer: dict[str, str] = json.loads(connection.getresponse().read())
        return answer


def traces_of(prefix: str) -> list[str]:
    """Everything on this machine that carries the name of a lab."""
    found = [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if prefix in line]
    for command in (["ip", "link"], ["ip", "netns"], ["iptables-save"]):
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        found += [f"{command[0]}: {line}" for line in shown.splitlines() if prefix in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = process.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        # Commands of this test name the lab, too.
        if any(prefix in word for word in words) and int(process.name) != os.getpid():
            found.append(f"process {process.name} {' '.join(words)}")
    found += [f"control group {path}" for path in Path("/sys/fs/cgroup").glob(f"**/{prefix}*")]
    for place in ("/run/tower-lab", "/run/netns", "/var/lib/tower-lab"):
        found += [str(path) for path in Path(place).glob(f"{prefix}*")]
        found += [str(path) for path in Path(place).glob(f".{prefix}*")]
    return found


@contextmanager
def an_open_connection(client: Host, server: Host) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection from one host to another, both ends held by this process."""
    listening = _socket_in(server)
    listening.bind((server.ip, 0))
    listening.listen()
    listening.settimeout(10)
    ours = _socket_in(client)
    ours.settimeout(10)
    with closing(listening), closing(ours):
        ours.connect(listening.getsockname())
        theirs, _ = listening.accept()
        theirs.settimeout(10)
        with closing(theirs):
            yield ours, theirs


def _socket_in(host: Host) -> socket.socket:
    """A TCP socket of the host's network: a thread of this process goes there to make it and ends."""
    made: list[socket.socket] = []

    def make() -> None:
        import ctypes

        with host.endpoint.namespace_file.open() as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) == 0
        made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


# The network.


def test_hosts_reach_each_other_the_machine_and_the_registry(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    assert reaches(h1, h2.ip)
    assert reaches(h2, "h1"), "hosts know each other by name"
    assert reaches(h1, lab.address_of("root"))
    assert reaches(h1, "registry")


def test_hosts_reach_each_other_where_the_machine_drops_what_it_forwards(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    bridge = lab.status().bridge
    # As a Docker daemon of the machine's own does, but for this bridge only.
    rule = ["FORWARD", "-i", bridge, "-m", "comment", "--comment", f"test {lab.prefix}", "-j", "DROP"]
    subprocess.run(["iptables", "-w", "-A", *rule], check=True, timeout=30)
    try:
        assert reaches(h1, h2.ip)
    finally:
        subprocess.run(["iptables", "-w", "-D", *rule], check=True, timeout=30)


def test_a_cut_host_is_alone_until_it_is_healed(lab: Lab) -> None:
    h1, h2, h3 = lab.hosts
    lab.cut("h2")
    assert not reaches(h1, h2.ip)
    assert not reaches(h2, h1.ip)
    assert not reaches(h2, lab.address_of("root"))
    assert reaches(h1, h3.ip)
    assert h2.engine.answers(), "the cut is of the network, not of the machine's way in"
    lab.heal("h2")
    assert reaches(h1, h2.ip)
    assert reaches(h2, lab.address_of("root"))


def test_a_cut_of_one_peer_leaves_the_others(lab: Lab) -> None:
    h1, h2, h3 = lab.hosts
    lab.cut("h2", peers=("h1", "root"))
    assert not reaches(h2, h1.ip)
    assert not reaches(h2, lab.address_of("root"))
    assert reaches(h2, h3.ip)
    lab.heal("h2", peers=("h1",))
    assert reaches(h2, h1.ip)
    assert not reaches(h2, lab.address_of("root"))


@pytest.mark.parametrize("direction", [Direction.FROM, Direction.TO])
def test_a_one_way_cut_carries_the_other_way(lab: Lab, direction: Direction) -> None:
    h1, h2, _ = lab.hosts
    with an_open_connection(h1, h2) as (of_h1, of_h2):
        lab.cut("h2", direction=direction)
        sends, receives = (of_h1, of_h2) if direction is Direction.FROM else (of_h2, of_h1)
        sends.sendall(b"carried")
        assert receives.recv(100) == b"carried"
        receives.sendall(b"lost")
        sends.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sends.recv(100)
        lab.heal("h2")
        sends.settimeout(10)
        assert sends.recv(100) == b"lost", "TCP repeats what was lost"


def test_a_later_cut_of_the_same_peer_replaces_the_earlier_one(lab: Lab) -> None:
    lab.cut("h3", peers=("h1",), direction=Direction.TO)
    lab.cut("h3", peers=("h1",), direction=Direction.FROM, loss_percent=50)
    assert lab.status().hosts[2].cuts == (Cut(direction=Direction.FROM, peer="h1", loss_percent=50),)


def test_a_lossy_link_loses_some(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    lab.cut("h2", loss_percent=50, direction=Direction.TO)
    shown = h1.exec(["busybox", "ping", "-c", "60", "-i", "0.02", "-W", "1", h2.ip]).stdout
    received = re.search(r"(\d+) packets received", shown)
    assert received is not None
    assert 10 < int(received[1]) < 50, (
        "60 pings, half of them lost: outside these bounds once in 10 million runs"
    )


def test_the_machine_keeps_its_address_when_hosts_come_and_go(fresh_lab: Lab) -> None:
    fresh_lab.up(1)
    address = Path(f"/sys/class/net/{fresh_lab.status().bridge}/address")
    before = address.read_text()
    fresh_lab.up(3)
    assert address.read_text() == before, "or the others' ARP caches would be wrong for half a minute"


# Containers and images.


def test_every_host_pulls_by_digest_what_the_registry_has(lab: Lab) -> None:
    digest = lab.registry.digest_of("demo/web:2")
    for host in lab.hosts:
        host.engine.pull(f"demo/web@{digest}")
        image = host.engine.get(f"/images/demo/web@{digest}/json")
        assert image["RepoDigests"] == [f"demo/web@{digest}"]
        assert "VERSION=2" in image["Config"]["Env"]


def test_a_private_registry_leaves_the_other_one_alone(lab: Lab) -> None:
    private = lab.start_private_registry()
    assert private.answers()
    hosts = [host.exec(["docker", "pull", "--quiet", "demo/busybox:1"]) for host in lab.hosts]
    assert [pulled.returncode for pulled in hosts] == [0] * len(lab.hosts)


def test_images_are_the_same_bytes_every_time(lab: Lab, tmp_path: Path) -> None:
    for image in Builder(tmp_path).demo_images():
        assert lab.publish(image) == lab.registry.digest_of(image.reference)


def test_a_published_port_is_reached_from_another_host_and_from_the_machine(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    h1.engine.pull("demo/web:1")
    container = h1.engine.run("web-port", "demo/web:1", ports={8080: 8080})
    assert served(h1, 8080)
    answer = json.loads(h2.exec(["busybox", "wget", "-q", "-O-", f"http://{h1.ip}:8080/"]).stdout)
    assert answer == {"app": "web", "version": "1", "hostname": container[:12], "status": "serves"}
    assert get(h1.ip, 8080) == answer


def test_an_image_of_a_tests_own_is_pulled_by_its_name(lab: Lab) -> None:
    image = replace(lab.builder.web("demo/own:7"), environment={"VERSION": "7"})
    digest = lab.publish(image)
    h1 = lab.host("h1")
    h1.engine.pull("registry:5000/demo/own:7")
    assert h1.engine.get("/images/registry:5000/demo/own:7/json")["RepoDigests"] == [
        f"registry:5000/demo/own@{digest}"
    ]


def test_an_unknown_image_is_refused_at_once(lab: Lab) -> None:
    started_s = time.monotonic()
    with pytest.raises(LabError, match="demo/nothing:1"):
        lab.host("h1").engine.pull("demo/nothing:1")
    assert time.monotonic() - started_s < 3, "no name server is waited for"


def test_the_health_check_of_an_image_is_run(lab: Lab) -> None:
    h1 = lab.host("h1")
    h1.engine.pull("demo/web-checked:1")
    h1.engine.run("fit", "demo/web-checked:1")
    h1.engine.run("unfit", "demo/web-checked:1", environment={"UP": "never"})
    assert _eventually(lambda: _health(h1, "fit") == "healthy")
    assert _eventually(lambda: _health(h1, "unfit") == "unhealthy")


def test_the_sample_application_finishes_what_it_was_asked_before_it_ends(lab: Lab) -> None:
    h1 = lab.host("h1")
    h1.engine.pull("demo/web:1")
    h1.engine.run("finishes", "demo/web:1", ports={8081: 8080})
    assert served(h1, 8081)
    with closing(http.client.HTTPConnection(h1.ip, 8081, timeout=10)) as connection:
        connection.request("GET", "/slow?ms=700")
        h1.engine.request("POST", "/containers/finishes/kill?signal=TERM")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"slow\n")
        assert response.getheader("Connection") == "close"
    assert h1.engine.request("POST", "/containers/finishes/wait")["StatusCode"] == 0


def test_the_sample_application_can_be_made_to_drop_what_it_was_asked(lab: Lab) -> None:
    h1 = lab.host("h1")
    h1.engine.pull("demo/web:1")
    h1.engine.run("dies", "demo/web:1", ports={8082: 8080}, environment={"ON_SIGTERM": "die"})
    assert served(h1, 8082)
    with closing(http.client.HTTPConnection(h1.ip, 8082, timeout=10)) as connection:
        connection.request("GET", "/slow?ms=5000")
        h1.engine.request("POST", "/containers/dies/kill?signal=TERM")
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()
    assert h1.engine.request("POST", "/containers/dies/wait")["StatusCode"] == 128 + signal.SIGTERM


def test_the_sample_application_fails_and_crashes_as_told(lab: Lab) -> None:
    h1 = lab.host("h1")
    h1.engine.pull("demo/web:1")
    h1.engine.run("fails", "demo/web:1", ports={8083: 8080}, environment={"FAIL_RATE": "1", "VERSION": "9"})
    assert served(h1, 8083)
    assert get(h1.ip, 8083)["status"] == "fails"
    h1.engine.run("crashes", "demo/web:1", environment={"CRASH_AFTER": "100ms"})
    assert h1.engine.request("POST", "/containers/crashes/wait")["StatusCode"] == 1
    h1.engine.run("misconfigured", "demo/web:1", environment={"LATENCY_MS": "much"})
    assert h1.engine.request("POST", "/containers/misconfigured/wait")["StatusCode"] == 2


# Programs in a host.


def test_a_program_in_a_host_sees_that_host(lab: Lab) -> None:
    h2 = lab.host("h2")
    shown = h2.exec(["/bin/sh", "-c", "hostname; cat /etc/hostname; ls /sys/class/net; ls /run/docker.sock"])
    assert shown.stdout.split() == ["h2", "h2", "docker0", "eth0", "lo", "/run/docker.sock"]
    processes = h2.exec(["/bin/sh", "-c", "cat /proc/[0-9]*/comm"]).stdout
    assert processes.count("dockerd") == 1, "only its own processes"
    assert (
        "memory" in h2.exec(["ls", "/sys/fs/cgroup"]).stdout or Path("/sys/fs/cgroup/cgroup.procs").exists()
    )


def test_the_docker_client_in_a_host_needs_no_address(lab: Lab) -> None:
    require_program("docker", package="docker.io")
    h3 = lab.host("h3")
    shown = h3.exec(["docker", "info", "--format", "{{.Name}} {{.LiveRestoreEnabled}}"])
    assert shown.stdout.split() == ["h3", "false"], shown.stderr


def test_a_spawned_program_is_held_paused_and_stopped(lab: Lab, tmp_path: Path) -> None:
    h1 = lab.host("h1")
    script = "trap 'echo bye; exit 3' TERM; echo $COLOUR $(hostname); while :; do sleep 0.05; done"
    program = h1.spawn(["/bin/sh", "-c", script], {"COLOUR": "green"}, tmp_path / "program.log")
    assert program.wait_for_log("\n", timeout_s=10) == "green h1\n"
    assert Path(f"/proc/{program.pid}/cmdline").read_text().startswith("/bin/sh\0-c\0trap")
    program.pause()
    assert _eventually(lambda: "State:\tT" in Path(f"/proc/{program.pid}/status").read_text())
    program.resume()
    assert program.stop() == 3
    assert program.log() == "green h1\nbye\n"
    assert not program.is_running


def test_a_spawned_program_that_is_killed_or_never_was_says_so(lab: Lab, tmp_path: Path) -> None:
    h1 = lab.host("h1")
    program = h1.spawn(["sleep", "60"], log_path=tmp_path / "sleep.log")
    program.kill()
    assert program.returncode == -signal.SIGKILL
    missing = h1.spawn(["no-such-program"], log_path=tmp_path / "missing.log")
    assert missing.wait(timeout_s=10) == 127
    assert "no-such-program: not found" in missing.log()


# Failure of daemons and hosts.


def test_a_killed_daemon_leaves_containers_and_comes_back(lab: Lab) -> None:
    h1 = lab.host("h1")
    h1.engine.pull("demo/web:1")
    h1.engine.run("survivor", "demo/web:1")
    lab.kill("h1")
    assert not h1.engine.answers()
    assert "web" in h1.exec(["/bin/sh", "-c", "cat /proc/[0-9]*/comm"]).stdout.split()
    lab.start("h1")
    assert h1.engine.answers()


def test_a_power_cut_is_silent_to_peers_and_total(lab: Lab, tmp_path: Path) -> None:
    h1, h2, _ = lab.hosts
    h2.engine.pull("demo/web:1")
    h2.engine.run("gone", "demo/web:1", ports={8084: 8080})
    listens = h2.spawn(["busybox", "nc", "-l", "-p", "7001", "-e", "cat"], log_path=tmp_path / "nc.log")
    assert _eventually(lambda: "7001" in h2.exec(["ss", "-Hltn", "sport", "7001"]).stdout)
    ours = _socket_in(h1)
    with closing(ours):
        ours.settimeout(5)
        ours.connect((h2.ip, 7001))
        ours.sendall(b"echo")
        assert ours.recv(4) == b"echo"
        lab.kill("h2", power=True)
        ours.settimeout(0.5)
        with pytest.raises(TimeoutError):
            ours.recv(1)
    assert not listens.is_running
    assert not h2.engine.answers()
    with pytest.raises(LabError, match="tower lab start h2"):
        h2.exec(["true"])

    lab.start("h2")
    assert reaches(h1, h2.ip)
    containers = h2.engine.get("/containers/json?all=true")
    assert [(each["Names"], each["State"]) for each in containers] == [(["/gone"], "exited")], (
        "the disk is kept"
    )


def test_a_power_cut_ends_a_paused_container_too(lab: Lab) -> None:
    engine = lab.host("h2").engine
    engine.pull("demo/web:1")
    engine.run("asleep", "demo/web:1")
    engine.request("POST", "/containers/asleep/pause")
    assert engine.get("/containers/asleep/json")["State"]["Paused"]
    lab.kill("h2", power=True)
    lab.start("h2")
    assert not engine.get("/containers/asleep/json")["State"]["Paused"]


def test_a_host_is_the_same_machine_after_a_power_cut_and_not_its_neighbour(lab: Lab) -> None:
    h1, h2, _ = lab.hosts

    def identity(host: Host) -> tuple[str, str, str]:
        kept = host.exec(["/bin/sh", "-c", "echo key >> /etc/control-tower/key; cat /etc/control-tower/key"])
        return (host.exec(["cat", "/etc/machine-id"]).stdout, host.engine.get("/info")["ID"], kept.stdout)

    before = identity(h2)
    assert identity(h1)[:2] != before[:2]
    lab.kill("h2", power=True)
    lab.start("h2")
    assert identity(h2) == (*before[:2], "key\nkey\n")
    assert not Path("/etc/control-tower/key").exists(), "the machine's own is another"


def test_faults_outlast_a_power_cut(lab: Lab) -> None:
    h1, h2, h3 = lab.hosts
    lab.cut("h2", peers=("h1",))
    lab.kill("h2", power=True)
    lab.start("h2")
    assert not reaches(h1, h2.ip)
    assert reaches(h3, h2.ip)


def test_a_cut_made_while_a_host_is_off_is_there_when_it_boots(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    lab.kill("h2", power=True)
    lab.cut("h2")
    lab.start("h2")
    assert not reaches(h1, h2.ip)


# Links.


def test_a_delayed_link_takes_its_time_and_a_cleared_one_does_not(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    lab.link("h1", "h2", delay_ms=60)
    with an_open_connection(h1, h2) as (of_h1, of_h2):
        started_s = time.monotonic()
        of_h1.sendall(b"there")
        assert of_h2.recv(100) == b"there"
        of_h2.sendall(b"and back")
        assert of_h1.recv(100) == b"and back"
        assert time.monotonic() - started_s >= 0.115
        assert of_h2.getpeername()[0] == h1.ip, "the proxy has the host's own address"
    lab.unlink("h1", "h2")
    with an_open_connection(h1, h2) as (of_h1, of_h2):
        started_s = time.monotonic()
        of_h1.sendall(b"there")
        assert of_h2.recv(100) == b"there"
        assert time.monotonic() - started_s < 0.06


def test_bytes_keep_their_order_on_a_jittery_link_and_its_end_arrives(lab: Lab) -> None:
    h1, h2, _ = lab.hosts
    lab.link("h1", "h2", delay_ms=5, jitter_ms=5)
    sent = b"".join(number.to_bytes(4, "big") for number in range(100_000))
    with an_open_connection(h1, h2) as (of_h1, of_h2):

        def send() -> None:
            of_h1.sendall(sent)
            of_h1.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        received = bytearray()
        while part := of_h2.recv(65536):
            received += part
        sending.join()
        assert received == sent
        of_h2.sendall(b"half closed")
        assert of_h1.recv(100) == b"half closed"


@pytest.mark.parametrize("delayed", [False, True])
def test_a_reset_link_ends_connections_on_both_sides(lab: Lab, delayed: bool) -> None:
    h1, h2, _ = lab.hosts
    if delayed:
        lab.link("h1", "h2", delay_ms=1)
    with an_open_connection(h1, h2) as (of_h1, of_h2):
        of_h1.sendall(b"x")
        assert of_h2.recv(1) == b"x"
        lab.reset_connections("h1", "h2")
        for end in (of_h1, of_h2):
            with pytest.raises((ConnectionResetError, ConnectionAbortedError)):
                end.recv(1)


def test_a_delayed_link_says_no_for_a_port_where_nothing_listens(lab: Lab) -> None:
    lab.link("h1", "h2", delay_ms=1)
    h1, h2, _ = lab.hosts
    ours = _socket_in(h1)
    with closing(ours):
        ours.settimeout(10)
        ours.connect((h2.ip, 7999))
        with pytest.raises(ConnectionResetError):
            ours.recv(1)


# Wrong usage.


def test_faults_of_what_is_not_there_are_refused_by_name(lab: Lab) -> None:
    with pytest.raises(LabError, match="no host 'h9'; it has h1, h2, h3"):
        lab.cut("h9")
    with pytest.raises(LabError, match="no host 'elsewhere'"):
        lab.cut("h1", peers=("elsewhere",))
    with pytest.raises(LabError, match="h1 cannot be its own peer"):
        lab.link("h1", "h1", delay_ms=5)
    with pytest.raises(LabError, match="loss of 0 %"):
        lab.cut("h1", loss_percent=0)


def test_the_command_line_speaks_of_a_lab_that_is_not_there() -> None:
    require_lab()
    ended = _run([sys.executable, str(_PROGRAM), "--prefix", "tnone", "cut", "h1"])
    assert ended.returncode == 1
    assert "there is no lab 'tnone'; make one: tower lab up" in ended.stderr


# Making and removing a lab.


def test_two_ups_are_one_and_down_leaves_nothing(fresh_lab: Lab) -> None:
    fresh_lab.up(2)
    first = [(host.init, host.daemon) for host in fresh_lab.hosts]
    fresh_lab.up(2)
    assert [(host.init, host.daemon) for host in fresh_lab.hosts] == first, "what runs is left alone"
    fresh_lab.up(1)
    assert len(fresh_lab.hosts) == 2, "a smaller number takes no host away"

    h1 = fresh_lab.host("h1")
    h1.engine.pull("demo/web:1")
    h1.engine.run("still-there", "demo/web:1", ports={8080: 8080})
    fresh_lab.link("h1", "h2", delay_ms=1)
    program = h1.spawn(["sleep", "60"])
    assert traces_of(fresh_lab.prefix)

    fresh_lab.down()
    assert traces_of(fresh_lab.prefix) == []
    assert not program.is_running
    fresh_lab.down()


def test_up_starts_again_what_has_died(fresh_lab: Lab) -> None:
    fresh_lab.up(2)
    fresh_lab.kill("h1", power=True)
    fresh_lab.kill("h2")
    subprocess.run(["ip", "link", "delete", f"{fresh_lab.prefix}-reg"], check=True, timeout=30)
    fresh_lab.up(2)
    status = fresh_lab.status()
    assert status.registry_answers
    assert [(host.power, host.docker) for host in status.hosts] == [(True, True), (True, True)]


@pytest.mark.parametrize("step", ["bridge", "registry", "booted", "Docker answers"])
def test_an_up_that_was_killed_in_its_middle_is_made_good_by_the_next(fresh_lab: Lab, step: str) -> None:
    with subprocess.Popen(
        lab_command(fresh_lab, "up", "--hosts", "2"), stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if step in line:
                break
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    fresh_lab.up(2)
    status = fresh_lab.status()
    assert [(host.power, host.docker) for host in status.hosts] == [(True, True), (True, True)]
    assert reaches(fresh_lab.host("h1"), "h2")
    fresh_lab.down()
    assert traces_of(fresh_lab.prefix) == []


def test_a_down_that_was_killed_in_its_middle_is_ended_by_the_next_up(fresh_lab: Lab) -> None:
    fresh_lab.up(1)
    h1 = fresh_lab.host("h1")
    h1.engine.pull("demo/web:1")
    file = fresh_lab.directories.state / "lab.json"
    found = state.load(file)
    assert found is not None
    # What a `down` writes down before anything else.
    state.save(file, replace(found, phase=state.Phase.REMOVING))
    fresh_lab.up(1)
    assert fresh_lab.host("h1").engine.get("/images/json") == [], (
        "a new host, not what was left of the old one"
    )


def test_labs_live_side_by_side(lab: Lab, fresh_lab: Lab) -> None:
    fresh_lab.up(1)
    assert fresh_lab.status().subnet != lab.status().subnet
    fresh_lab.down()
    assert all(host.is_healthy() for host in lab.hosts)


def test_a_lab_whose_owner_has_ended_is_removed_by_the_next_session(fresh_lab: Lab) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]; from tower_lab.lab import Lab; import os\n"
        "from tower_lab.processes import identify\n"
        "Lab(sys.argv[3], owner=identify(os.getpid())).up(1)"
    )
    ended = _run([sys.executable, "-c", script, str(_PROGRAM), "", fresh_lab.prefix])
    assert ended.returncode == 0, ended.stderr
    assert fresh_lab.status().up

    assert fresh_lab.prefix in remove_abandoned()
    assert traces_of(fresh_lab.prefix) == []


def test_interfaces_that_no_lab_wrote_down_are_not_touched() -> None:
    require_lab()
    lab = a_lab("x")
    name = f"{lab.prefix}-h1"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True, timeout=30)
    try:
        with pytest.raises(LabError, match=f"interface {name}"):
            lab.up(1)
        with pytest.raises(LabError, match="--force"):
            lab.down()
        assert any(name in trace for trace in traces_of(lab.prefix))
    finally:
        lab.down(force=True)
    assert traces_of(lab.prefix) == []


def test_live_restore_keeps_containers_over_a_restart_of_the_daemon(fresh_lab: Lab) -> None:
    fresh_lab.up(1, live_restore=True)
    h1 = fresh_lab.host("h1")
    h1.engine.pull("demo/web:1")
    h1.engine.run("kept", "demo/web:1", ports={8080: 8080})
    assert served(h1, 8080)
    before = h1.engine.get("/containers/kept/json")["State"]
    fresh_lab.kill("h1")
    assert get(h1.ip, 8080)["version"] == "1", "served without its daemon"
    fresh_lab.start("h1")
    after = h1.engine.get("/containers/kept/json")["State"]
    assert (after["Running"], after["StartedAt"]) == (True, before["StartedAt"])


def test_the_command_line_does_all_of_it(fresh_lab: Lab) -> None:
    assert _run(lab_command(fresh_lab, "up", "--hosts", "2")).returncode == 0
    status = json.loads(_run(lab_command(fresh_lab, "status", "--json")).stdout)
    assert [(host["name"], host["docker"]) for host in status["hosts"]] == [("h1", True), ("h2", True)]
    address = _run(lab_command(fresh_lab, "ip", "h2")).stdout.strip()
    assert address == status["hosts"][1]["address"]
    assert _run(lab_command(fresh_lab, "cut", "h2", "--to", "--peer", "h1")).returncode == 0
    assert "cut (to) h1" in _run(lab_command(fresh_lab, "status")).stdout
    assert _run(lab_command(fresh_lab, "heal", "h2")).returncode == 0
    assert _run(lab_command(fresh_lab, "exec", "h2", "--", "hostname")).stdout == "h2\n"
    assert _run(lab_command(fresh_lab, "exec", "h2", "--", "sh", "-c", "exit 7")).returncode == 7
    assert "demo/web:3-bad" in _run(lab_command(fresh_lab, "images")).stdout
    assert (
        _run(lab_command(fresh_lab, "link", "h1", "h2", "--delay-ms", "5", "--jitter-ms", "2")).returncode
        == 0
    )
    assert "+5±2 ms" in _run(lab_command(fresh_lab, "status")).stdout
    assert _run(lab_command(fresh_lab, "link", "h1", "h2", "--reset")).returncode == 0
    assert _run(lab_command(fresh_lab, "kill", "h2", "--power")).returncode == 0
    assert "off" in _run(lab_command(fresh_lab, "status")).stdout
    assert _run(lab_command(fresh_lab, "start", "h2")).returncode == 0
    assert _run(lab_command(fresh_lab, "down")).returncode == 0
    assert _run(lab_command(fresh_lab, "status")).returncode == 1


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


def _health(host: Host, container: str) -> str:
    health: str = host.engine.get(f"/containers/{container}/json")["State"]["Health"]["Status"]
    return health


def _eventually(condition: Callable[[], bool], timeout_s: float = 15.0) -> bool:
    return wait_until(condition, timeout_s=timeout_s, poll_s=0.05)
