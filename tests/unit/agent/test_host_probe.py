from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent.host.probe import ProcHostProbe
from agent.host.service_manager import ServiceManager


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc of another mount, as an agent in a container sees the host's."""
    proc = tmp_path / "proc"
    (proc / "1/net").mkdir(parents=True)
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "stat").write_text("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n")
    (proc / "meminfo").write_text(
        "MemTotal: 100 kB\nMemAvailable: 60 kB\nSwapTotal: 10 kB\nSwapFree: 10 kB\n"
    )
    (proc / "loadavg").write_text("0.5 0.4 0.3 1/1 1\n")
    (proc / "uptime").write_text("12.5 1.0\n")
    (proc / "1/net/dev").write_text("h\nh\n  eth0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n")
    (proc / "sys/kernel/random/boot_id").write_text("boot\n")
    return proc


def test_a_reading_has_every_figure(proc: Path, tmp_path: Path) -> None:
    probe = ProcHostProbe(proc, tmp_path)
    reading = probe.read()
    assert (reading.cpu_busy_ticks, reading.cpu_total_ticks, reading.cpu_count) == (200, 1000, 1)
    assert (reading.memory_total_bytes, reading.memory_available_bytes) == (102_400, 61_440)
    assert (reading.load_1, reading.load_5, reading.load_15, reading.uptime_s) == (0.5, 0.4, 0.3, 12.5)
    assert (reading.rx_bytes, reading.tx_bytes) == (1, 2)
    probe.close()


def test_files_stay_open_and_are_read_anew(proc: Path, tmp_path: Path) -> None:
    probe = ProcHostProbe(proc, tmp_path)
    probe.read()
    descriptors = len(os.listdir("/proc/self/fd"))
    (proc / "loadavg").write_text("9.5 0.4 0.3 1/1 1\n")
    assert probe.read().load_1 == 9.5
    assert len(os.listdir("/proc/self/fd")) == descriptors
    probe.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors - 5


def test_what_cannot_be_read_is_unknown_not_zero(tmp_path: Path) -> None:
    probe = ProcHostProbe(tmp_path / "nothing", tmp_path, disk_paths=(tmp_path / "nothing",))
    reading = probe.read()
    assert reading.cpu_busy_ticks is None
    assert reading.memory_total_bytes is None
    assert reading.rx_bytes is None
    facts = probe.facts()
    assert (facts.memory_bytes, facts.cpu_model, facts.disks, facts.addresses) == (0, "", (), ())
    assert facts.cpu_count >= 1


def test_facts_come_from_the_files(proc: Path, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID=debian\nPRETTY_NAME="Debian 12"\n')
    (tmp_path / "machine-id").write_text("machine\n")
    facts = ProcHostProbe(proc, tmp_path, disk_paths=(tmp_path, tmp_path / "proc")).facts()
    assert (facts.os_name, facts.os_version, facts.machine_id, facts.boot_id) == (
        "debian",
        "Debian 12",
        "machine",
        "boot",
    )
    assert (facts.memory_bytes, facts.swap_bytes) == (102_400, 10_240)
    # Two paths on one file system are one disk.
    assert [disk.path for disk in facts.disks] == [str(tmp_path)]


def test_levels_show_every_file_system_on_a_disk_and_what_its_device_did(tmp_path: Path) -> None:
    probe = ProcHostProbe(disk_paths=(tmp_path,))
    levels = probe.levels()
    device = tmp_path.stat().st_dev
    (here,) = [disk for disk in levels.disks if Path(disk.path).stat().st_dev == device]
    assert tmp_path.is_relative_to(here.path)
    assert 0 < here.used_bytes <= here.total_bytes
    assert len({Path(disk.path).stat().st_dev for disk in levels.disks}) == len(levels.disks)
    probe.close()


# ---- the service manager ------------------------------------------------------------------------


def listener(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(path)
    made.settimeout(5)
    return made


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"@tower-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listener(name.replace("@", "\0", 1) if abstract else name) as notified:
        manager = ServiceManager({"NOTIFY_SOCKET": name})
        assert manager.is_present
        manager.ready("leader of 3\nnodes")
        manager.alive()
        manager.extend_timeout(2.5)
        manager.stopping()
        told = [notified.recv(1000).decode() for _ in range(4)]
    assert told == [
        "READY=1\nSTATUS=leader of 3 nodes",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=2500000",
        "STOPPING=1",
    ]


def test_a_service_manager_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        manager = ServiceManager(environment)
        manager.ready("up")
        manager.status("still up")
        assert manager.is_present is bool(environment)


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_answered_twice_per_limit_if_it_watches_us(
    environment: dict[str, str], interval_s: float | None
) -> None:
    assert ServiceManager(environment).watchdog_interval_s == interval_s
