"""What a store of containers' files promises: the one on disk and the one tests use keep the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.host.memory_files import MemoryFiles, mounted_file_system
from agent.ports import FilesRefused, FileStore, PlacedFile
from tests.support.fake_files import FakeFiles

CLUSTER = "cl_1"
WEB, API = "tower-shop.web-1-0", "tower-shop.api-1-0"


def a_file(name: str = "secret-0", content: bytes = b"s3cret", **fields: Any) -> PlacedFile:
    defaults: dict[str, Any] = {"uid": os.geteuid(), "gid": os.getegid(), "mode": 0o444}
    return PlacedFile(name=name, content=content, **{**defaults, **fields})


def on_disk(path: Path, kind: str = "tmpfs") -> MemoryFiles:
    return MemoryFiles(path / "files", CLUSTER, file_system_of=lambda _: kind)


def read(store: FileStore, container: str = WEB, name: str = "secret-0") -> bytes:
    return Path(store.path(container, name)).read_bytes()


def status(path: Path) -> tuple[int, int, int]:
    """Owner, group and mode."""
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@pytest.fixture(params=["disk", "fake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    return on_disk(tmp_path) if request.param == "disk" else FakeFiles()


async def test_containers_with_files_are_listed(store: FileStore) -> None:
    assert await store.containers() == frozenset()
    await store.put(WEB, (a_file(),))
    await store.put(API, (a_file(), a_file("config-0")))
    assert await store.containers() == {WEB, API}


async def test_files_are_removed_and_removing_them_again_is_nothing(store: FileStore) -> None:
    await store.put(WEB, (a_file(),))
    await store.remove(WEB)
    await store.remove(WEB)
    assert await store.containers() == frozenset()


async def test_everything_is_removed_at_once(store: FileStore) -> None:
    await store.remove_all()
    await store.put(WEB, (a_file(),))
    await store.remove_all()
    assert await store.containers() == frozenset()


async def test_each_file_has_a_place_of_its_own(store: FileStore) -> None:
    places = {store.path(WEB, "secret-0"), store.path(WEB, "secret-1"), store.path(API, "secret-0")}
    assert len(places) == 3
    assert all(place.startswith("/") for place in places)


# ---- on disk ----------------------------------------------------------------------------------


async def test_a_file_has_content_and_mode_and_only_root_reaches_it(tmp_path: Path) -> None:
    store = on_disk(tmp_path)
    await store.put(WEB, (a_file(content=b"\x00\xff", mode=0o400),))
    path = Path(store.path(WEB, "secret-0"))
    assert read(store) == b"\x00\xff"
    assert status(path)[2] == 0o400
    assert [status(each)[2] for each in list(path.parents)[:3]] == [0o700, 0o700, 0o700]


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
async def test_a_file_belongs_to_whom_it_is_for(tmp_path: Path) -> None:
    store = on_disk(tmp_path)
    await store.put(WEB, (a_file(uid=1000, gid=1001, mode=0o440),))
    await store.put(WEB, (a_file(uid=1000, gid=1001, mode=0o440, content=b"again"),))
    assert status(Path(store.path(WEB, "secret-0"))) == (1000, 1001, 0o440)


async def test_a_file_that_is_open_keeps_its_content_when_it_is_replaced(tmp_path: Path) -> None:
    store = on_disk(tmp_path)
    await store.put(WEB, (a_file(content=b"old"),))
    descriptor = os.open(store.path(WEB, "secret-0"), os.O_RDONLY)
    try:
        await store.put(WEB, (a_file(content=b"new"),))
        assert os.pread(descriptor, 10, 0) == b"old"
    finally:
        os.close(descriptor)
    assert read(store) == b"new"


def leave_half(path: Path) -> None:
    path.write_bytes(b"half")


async def test_what_a_killed_agent_left_half_written_is_no_hindrance(tmp_path: Path) -> None:
    store = on_disk(tmp_path)
    await store.put(WEB, (a_file(),))
    leave_half(Path(store.path(WEB, ".secret-0.new")))
    await store.put(WEB, (a_file(content=b"whole"),))
    assert read(store) == b"whole"


@pytest.mark.parametrize("kind", ["ext4", ""])
async def test_nothing_is_written_to_a_disk(tmp_path: Path, kind: str) -> None:
    store = on_disk(tmp_path, kind)
    with pytest.raises(FilesRefused, match=r"docker\.files_dir"):
        await store.put(WEB, (a_file(),))
    with pytest.raises(FileNotFoundError):
        read(store)


async def test_a_directory_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir(mode=0o755)
    with pytest.raises(FilesRefused, match="other users can get at it"):
        await on_disk(tmp_path).put(WEB, (a_file(),))


async def test_a_link_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "files").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FilesRefused, match="is no directory"):
        await on_disk(tmp_path).put(WEB, (a_file(),))


async def test_files_of_another_cluster_are_left_alone(tmp_path: Path) -> None:
    other = MemoryFiles(tmp_path / "files", "cl_2", file_system_of=lambda _: "tmpfs")
    await other.put(WEB, (a_file(),))
    store = on_disk(tmp_path)
    await store.remove_all()
    assert await store.containers() == frozenset()
    assert await other.containers() == {WEB}


@pytest.mark.parametrize(
    "act", [lambda s: s.put(WEB, (a_file(),)), lambda s: s.remove(WEB), lambda s: s.containers()]
)
async def test_a_file_in_the_way_is_told_with_its_path(
    tmp_path: Path, act: Callable[[FileStore], Any]
) -> None:
    (tmp_path / "files").write_text("")
    with pytest.raises(FilesRefused, match=str(tmp_path)):
        await act(on_disk(tmp_path))


def test_the_kernel_tells_the_kind_of_file_system() -> None:
    assert mounted_file_system(Path("/proc/self")) == "proc"
    assert mounted_file_system(Path("/")) not in ("", "proc")


def test_no_content_is_in_a_repr() -> None:
    assert "s3cret" not in repr(a_file())
