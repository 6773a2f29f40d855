"""Figures from file trees: v1 as recorded, v2 as documented (tests/golden/docker/README.md)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from agent.collect.container_files import ContainerFileOpener, ContainerGone
from agent.ports import ContainerUsage, Pressure

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "docker"
ID = "0c83d476d3d6d6f812ebba919eb3d8b8db478a65966db89b753cf0a4cd4edbdb"
PID = 4242


def a_tree(tmp_path: Path, name: str) -> Path:
    """A copy of a recorded tree whose mounts are where the copy is."""
    tree = tmp_path / name
    shutil.copytree(GOLDEN / name, tree)
    mountinfo = tree / "proc/self/mountinfo"
    mountinfo.write_text(mountinfo.read_text().replace(" /sys/fs/cgroup", f" {tree}/sys/fs/cgroup"))
    return tree


def an_opener(tree: Path) -> ContainerFileOpener:
    return ContainerFileOpener(
        proc=tree / "proc",
        cgroup_root=tree / "sys/fs/cgroup",
        sys_block=tree / "sys/dev/block",
        mountinfo=tree / "proc/self/mountinfo",
    )


def read(tree: Path, *, with_network: bool = True) -> ContainerUsage:
    opener = an_opener(tree)
    files = opener.open(ID, PID)
    assert files is not None
    try:
        return files.read(opener.is_stacked, with_network=with_network)
    finally:
        files.close()


def test_version_1_as_recorded(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, "cgroup-v1")
    directory = tree / "sys/fs/cgroup"
    usage = read(tree)
    assert usage.cpu_ns == int((directory / f"cpuacct/docker/{ID}/cpuacct.usage").read_text())
    assert usage.memory_bytes == 9_166_848
    assert usage.memory_limit_bytes == 64 << 20
    assert usage.throttled_ns == 0
    assert usage.pids == 1
    assert usage.rx_bytes is not None
    assert usage.rx_bytes > 0
    # Its kernel counts no I/O of groups without a limit of it.
    assert (usage.read_bytes, usage.write_bytes) == (None, None)
    assert usage.oom_kills == 0
    # Version 1 keeps no pressure of groups.
    assert usage.pressure == Pressure()


def test_version_2_as_documented(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, "cgroup-v2")
    # In io.stat stand a disk and the logical volume on it.
    (tree / "sys/dev/block/253:0/slaves/sda").mkdir(parents=True)
    (tree / "sys/dev/block/8:0/slaves").mkdir(parents=True)
    usage = read(tree)
    assert usage.cpu_ns == 84_279_000
    assert usage.throttled_ns == 25_010_000
    assert usage.memory_bytes == 9_166_848 - 5_242_880
    assert usage.memory_limit_bytes == 64 << 20
    assert (usage.read_bytes, usage.write_bytes) == (1_048_576, 8_388_608)
    assert usage.pids == 2
    assert usage.oom_kills == 2
    assert usage.pressure == Pressure(cpu_us=1_048_576, memory_us=1_048_576, io_us=1_048_576)


@pytest.mark.parametrize("name", ["cgroup-v1", "cgroup-v2"])
def test_a_figure_whose_controller_is_off_is_unknown(tmp_path: Path, name: str) -> None:
    tree = a_tree(tmp_path, name)
    for file in {
        *tree.rglob("memory.*"),
        *tree.rglob("pids.*"),
        *tree.rglob("*.pressure"),
        *tree.rglob("io.stat"),
        *tree.rglob("blkio.*"),
    }:
        file.unlink()
    usage = read(tree)
    assert usage.cpu_ns is not None
    assert usage.memory_bytes is None
    assert usage.memory_limit_bytes is None
    assert usage.read_bytes is None
    assert usage.pids is None
    assert usage.oom_kills is None
    assert usage.pressure == Pressure()


def test_the_network_is_left_out_where_it_is_shared(tmp_path: Path) -> None:
    usage = read(a_tree(tmp_path, "cgroup-v1"), with_network=False)
    assert (usage.rx_bytes, usage.tx_bytes) == (None, None)
    assert usage.cpu_ns is not None


def test_files_stay_open_show_what_is_new_and_close(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, "cgroup-v2")
    opener = an_opener(tree)
    before = len(os.listdir("/proc/self/fd"))
    files = opener.open(ID, PID)
    assert files is not None
    opened = len(os.listdir("/proc/self/fd"))
    assert opened > before
    (tree / f"sys/fs/cgroup/system.slice/docker-{ID}.scope/memory.current").write_text("9999999\n")
    assert files.read(opener.is_stacked, with_network=True).memory_bytes == 9_999_999 - 5_242_880
    assert len(os.listdir("/proc/self/fd")) == opened
    files.close()
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_process_that_has_ended_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ContainerGone):
        an_opener(a_tree(tmp_path, "cgroup-v1")).open(ID, 1)


def test_a_process_number_given_to_another_has_no_files(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, "cgroup-v1")
    before = len(os.listdir("/proc/self/fd"))
    assert an_opener(tree).open("f" * 64, PID) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_groups_that_are_not_mounted_are_out_of_reach(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, "cgroup-v2")
    (tree / "proc/self/mountinfo").unlink()
    assert an_opener(tree).open(ID, PID) is None
