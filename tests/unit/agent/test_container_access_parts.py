"""The pure parts behind files and settings of containers: archives, listings, successors."""

from __future__ import annotations

import io
import itertools
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.docker.file_listing import child_of, parse_listing, parse_stat
from agent.docker.settings import differences, lost, refusal, successor, update_body
from agent.docker.tar_stream import (
    ArchiveMalformed,
    Body,
    Member,
    TarReader,
    file_header,
    file_trailer,
)
from agent.follow.container_desk import masked
from cluster.model.container_access import (
    FileKind,
    LimitChanges,
    MountedAt,
    PublishedOn,
    ReplacementChanges,
    path_problem,
)

# ---- archives -----------------------------------------------------------------------------------

FILES = st.lists(
    st.tuples(st.text("abcdefü/ ", min_size=1, max_size=200), st.binary(max_size=2000)), max_size=6
)


def read(data: bytes, cuts: list[int]) -> list[tuple[str, bytes]]:
    reader = TarReader()
    found: list[tuple[str, bytes]] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        for event in reader.feed(data[start:end]):
            match event:
                case Member():
                    found.append((event.name, b""))
                case Body():
                    name, content = found[-1]
                    found[-1] = (name, content + event.data)
    assert reader.is_ended
    return found


@given(
    FILES,
    st.lists(st.integers(0, 1 << 20), max_size=20),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_an_archive_reads_the_same_however_its_bytes_come(
    files: list[tuple[str, bytes]], cuts: list[int], form: int
) -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=form) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(output.getvalue())) as archive:
        expected = [
            (info.name.rstrip("/"), content) for info, (_, content) in zip(archive, files, strict=True)
        ]
    assert [(name.rstrip("/"), content) for name, content in read(output.getvalue(), cuts)] == expected


@given(st.binary(max_size=3000))
def test_what_we_pack_others_unpack(content: bytes) -> None:
    header = file_header("näme", size_bytes=len(content), mode=0o640, modified_at_ms=1_700_000_000_000)
    data = header + content + file_trailer(len(content))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (info,) = archive.getmembers()
        inner = archive.extractfile(info)
        assert inner is not None
        assert (info.name, info.mode, inner.read()) == ("näme", 0o640, content)


@given(st.binary(min_size=512, max_size=2048))
def test_bytes_that_are_no_archive_are_refused_or_read_and_nothing_else(data: bytes) -> None:
    reader = TarReader()
    try:
        events = list(reader.feed(data))
    except ArchiveMalformed:
        return
    assert all(isinstance(event, Member | Body) for event in events)


def test_a_header_that_would_fill_the_memory_is_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type = b"x"
    info.size = 1 << 30
    with pytest.raises(ArchiveMalformed):
        list(TarReader().feed(info.tobuf(tarfile.USTAR_FORMAT)))


# ---- listings -----------------------------------------------------------------------------------


def test_a_listing_keeps_names_that_look_like_its_own_marks_apart() -> None:
    output = (
        b"M0/81a4/5/1700000000/./new\nline/x81a4M0'./new\nline/x81a4'\n"
        b"M0/a1ff/9/1700000000/./linkM0'./link' -> '/etc/passwd'\n"
        b"M0/41ed/4096/1700000000/./dirM0./dir\n"
        b"M0/zz/5/1/./brokenM0\n"
        b"M0/81a4/5/1700000000/elsewhereM0\n"
    )
    entries = {entry.name: entry for entry in parse_listing(output, "M0")}
    assert set(entries) == {"link", "dir"} | {name for name in entries if name.startswith("new")}
    assert (entries["link"].kind, entries["link"].link_target) == (FileKind.SYMLINK, "/etc/passwd")
    assert (entries["dir"].kind, entries["dir"].size_bytes) == (FileKind.DIRECTORY, 0)


@given(st.binary(max_size=500))
def test_whatever_a_container_prints_for_a_listing_is_borne(output: bytes) -> None:
    assert isinstance(parse_listing(output, "M0"), tuple)


@pytest.mark.parametrize(
    ("name", "root", "child"),
    [
        ("etc/passwd", "etc/", "passwd"),
        ("etc/ssl/", "etc/", "ssl"),
        ("etc/ssl/certs", "etc/", None),
        ("./bin/", "./", "bin"),
        ("/bin", "/", "bin"),
        ("etc/..", "etc/", None),
    ],
)
def test_only_what_lies_directly_in_a_directory_is_its_child(name: str, root: str, child: str | None) -> None:
    member = Member(name=name, type=b"0", size_bytes=1, mode=0o644, modified_at_ms=0)
    entry = child_of(member, root)
    assert (entry.name if entry else None) == child


def test_the_engines_file_modes_are_those_of_go() -> None:
    entry, target = parse_stat(
        {
            "name": "x",
            "size": 7,
            "mode": (1 << 27) | 0o777,
            "mtime": "2023-11-14T22:13:20Z",
            "linkTarget": "/y",
        }
    )
    assert (entry.kind, target, entry.modified_at_ms) == (FileKind.SYMLINK, "/y", 1_700_000_000_000)
    assert parse_stat({"mode": (1 << 31) | 0o755})[0].kind is FileKind.DIRECTORY
    assert parse_stat({"mode": (1 << 26) | (1 << 21)})[0].kind is FileKind.DEVICE
    assert parse_stat({"mode": (1 << 23) | 0o755})[0].mode == 0o4755


@pytest.mark.parametrize("path", ["", "etc", "/a/../b", "/..", "/a\0b", "/a\nb", "/\ud800", "/" + "a" * 4096])
def test_a_path_that_may_mean_another_place_is_refused(path: str) -> None:
    assert path_problem(path)


@pytest.mark.parametrize("path", ["/", "/etc/passwd", "/a b/ü", "/..x/x..", "/-n"])
def test_an_ordinary_path_is_not(path: str) -> None:
    assert path_problem(path) == ""


# ---- settings -----------------------------------------------------------------------------------

IDENTIFIER = "ab" * 32


def described(**host: Any) -> dict[str, Any]:
    return {
        "Id": IDENTIFIER,
        "Name": "/web",
        "Image": "sha256:1",
        "SizeRw": 2048,
        "State": {"Running": True},
        "Config": {
            "Image": "shop/web:1",
            "Hostname": IDENTIFIER[:12],
            "Env": ["PATH=/bin", "LEVEL=info", "SECRET=hunter2"],
            "Cmd": ["serve"],
            "Entrypoint": ["/entry"],
            "Labels": {"image": "1", "team": "shop"},
            "ExposedPorts": {"80/tcp": {}, "9090/tcp": {}},
            "WorkingDir": "/srv",
            "Tty": True,
        },
        "HostConfig": {
            "NetworkMode": "shop",
            "PortBindings": {"9090/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9090"}]},
            "Binds": ["/host:/in:ro"],
            "CpuShares": 77,
            "LogConfig": {"Type": "gelf", "Config": {"token": "t0p"}},
            **host,
        },
        "Mounts": [
            {"Type": "bind", "Source": "/host", "Destination": "/in", "RW": False},
            {"Type": "volume", "Name": "f" * 64, "Destination": "/data", "RW": True},
        ],
        "NetworkSettings": {
            "Networks": {
                "shop": {"Aliases": ["web", IDENTIFIER[:12]], "IPAMConfig": {"IPv4Address": "10.0.0.9"}},
                "other": {"Aliases": None},
            }
        },
    }


IMAGE = {
    "Config": {
        "Env": ["PATH=/bin"],
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "Labels": {"image": "1"},
        "ExposedPorts": {"80/tcp": {}},
        "WorkingDir": "/srv",
    }
}


def test_what_the_image_says_by_itself_is_left_to_the_next_image() -> None:
    body, _ = successor(described(), IMAGE, ReplacementChanges(image="shop/web:2"))
    assert body["Image"] == "shop/web:2"
    assert body["Env"] == ["LEVEL=info", "SECRET=hunter2"]
    assert body["Labels"] == {"team": "shop"}
    assert body["ExposedPorts"] == {"9090/tcp": {}}
    assert {"Cmd", "Entrypoint", "WorkingDir", "Hostname"}.isdisjoint(body)


def test_what_we_have_no_name_for_is_kept() -> None:
    body, others = successor(described(Sysctls={"a": "1"}), IMAGE, ReplacementChanges())
    assert body["Tty"]
    assert (body["HostConfig"]["CpuShares"], body["HostConfig"]["Sysctls"]) == (77, {"a": "1"})
    assert body["NetworkingConfig"] == {
        "EndpointsConfig": {"shop": {"IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Aliases": ["web"]}}
    }
    assert others == {"other": {}}


def test_a_volume_without_a_name_goes_along() -> None:
    body, _ = successor(described(), IMAGE, ReplacementChanges())
    assert body["HostConfig"]["Binds"] == ["/host:/in:ro", f"{'f' * 64}:/data"]
    asked = described(Mounts=[{"Type": "volume", "Target": "/data", "VolumeOptions": {"NoCopy": True}}])
    host = successor(asked, IMAGE, ReplacementChanges())[0]["HostConfig"]
    assert host["Binds"] == ["/host:/in:ro"], "one place is mounted once"
    assert host["Mounts"] == [
        {"Type": "volume", "Target": "/data", "Source": "f" * 64, "VolumeOptions": {"NoCopy": True}}
    ]


def test_mounts_and_ports_that_are_given_take_the_place_of_all() -> None:
    changes = ReplacementChanges(
        mounts=(
            MountedAt(kind="volume", source="data", target="/data"),
            MountedAt(kind="tmpfs", target="/run"),
        ),
        ports=(PublishedOn(container_port=80, host_port=8080),),
    )
    body, _ = successor(described(), IMAGE, changes)
    host = body["HostConfig"]
    assert host["Binds"] == []
    assert [each["Target"] for each in host["Mounts"]] == ["/data"]
    assert host["Tmpfs"] == {"/run": ""}
    assert host["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    assert body["ExposedPorts"] == {"80/tcp": {}}
    said = list(lost(described(), changes))
    assert any("/in" in each for each in said)
    assert any("2.0 KiB" in each for each in said)


def test_an_entrypoint_of_its_own_keeps_the_command_beside_it() -> None:
    found = described()
    found["Config"]["Entrypoint"] = ["/mine"]
    body, _ = successor(found, IMAGE, ReplacementChanges())
    assert (body["Entrypoint"], body["Cmd"]) == (["/mine"], ["serve"])


def test_variables_and_labels_are_changed_one_by_one_and_their_values_not_told() -> None:
    changes = ReplacementChanges(
        environment=(("LEVEL", "debug"), ("SECRET", None), ("NEW", "s3cret")), labels=(("team", None),)
    )
    body, _ = successor(described(), IMAGE, changes)
    assert body["Env"] == ["LEVEL=debug", "NEW=s3cret"]
    assert body["Labels"] == {}
    told = str(differences(described(), changes))
    assert "environment NEW" in told
    assert not any(secret in told for secret in ("hunter2", "s3cret", "debug"))
    assert "s3cret" not in repr(changes)


def test_a_container_that_would_vanish_when_stopped_is_not_replaced() -> None:
    assert "--rm" in refusal(described(AutoRemove=True))
    assert refusal(described()) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"Memory": 100, "MemorySwap": 200}),
        ({"Memory": 50, "MemorySwap": 100}, {"Memory": 100, "MemorySwap": 200}),
        ({"Memory": 50, "MemorySwap": 70}, {"Memory": 100, "MemorySwap": 100}),
        ({"Memory": 50, "MemorySwap": -1}, {"Memory": 100, "MemorySwap": -1}),
    ],
)
def test_a_larger_memory_takes_the_swap_that_docker_chose_along(
    before: dict[str, int], after: dict[str, int]
) -> None:
    assert update_body(before, LimitChanges(memory_bytes=100)) == after


def test_a_processor_limit_is_told_as_it_was_made() -> None:
    assert update_body({}, LimitChanges(cpus=0.5)) == {"NanoCpus": 500_000_000}
    assert update_body({"CpuQuota": 1, "CpuPeriod": 50_000}, LimitChanges(cpus=2)) == {"CpuQuota": 100_000}
    assert update_body({}, LimitChanges(pids=0)) == {"PidsLimit": -1}


def test_a_description_is_told_without_its_secrets() -> None:
    told = masked(described())
    assert "hunter2" not in str(told)
    assert "t0p" not in str(told)
    config = told["Config"]
    assert isinstance(config, dict)
    assert [each.partition("=")[0] for each in config["Env"]] == ["PATH", "LEVEL", "SECRET"]
    assert masked({})["Config"] == {}
