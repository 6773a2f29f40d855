from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from agent.collect import cgroup
from agent.collect.cgroup import DiskBytes, Figure
from agent.collect.rates import container_sample, host_sample, rate_per_s
from agent.collect.samples import ContainerSample
from agent.host.parse import MountPoint
from agent.ports import ContainerUsage, HostReading, Pressure

ID = "0c83d476d3d6"
ROOT = PurePosixPath("/sys/fs/cgroup")


def a_mount(path: str, *options: str, kind: str = "cgroup", root: str = "/") -> MountPoint:
    return MountPoint(root=root, path=path, kind=kind, source="cgroup", options=frozenset(options))


def test_memberships_are_read_by_controller() -> None:
    text = (
        f"4:memory:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n1:name=systemd:/x:y\n0::/docker/{ID}\nnonsense\n"
    )
    assert cgroup.parse_memberships(text) == {
        "memory": f"/docker/{ID}",
        "cpu": f"/docker/{ID}",
        "cpuacct": f"/docker/{ID}",
        "name=systemd": "/x:y",
        "": f"/docker/{ID}",
    }


@pytest.mark.parametrize(
    ("member", "own"),
    [
        (f"/docker/{ID}", f"/docker/{ID}"),
        (f"/system.slice/docker-{ID}.scope", f"/system.slice/docker-{ID}.scope"),
        # systemd inside the container moves its first process further down.
        (f"/docker/{ID}/init.scope", f"/docker/{ID}"),
        ("/user.slice", None),
        ("/", None),
    ],
)
def test_only_groups_of_the_container_itself_count(member: str, own: str | None) -> None:
    assert cgroup.own_groups({"memory": member}, ID) == ({"memory": own} if own else {})


def test_a_controller_mounted_with_another_is_found() -> None:
    mounts = [a_mount("/sys/fs/cgroup/cpu,cpuacct", "rw", "cpu", "cpuacct")]
    member = {"cpu": f"/docker/{ID}", "cpuacct": f"/docker/{ID}", "memory": f"/docker/{ID}"}
    directory = ROOT / "cpu,cpuacct/docker" / ID
    assert cgroup.controller_directories(mounts, member, root=ROOT) == {
        "cpu": directory,
        "cpuacct": directory,
    }


@pytest.mark.parametrize(
    ("mount", "member"),
    [
        (a_mount("/host/cgroup", kind="cgroup2"), f"/docker/{ID}"),
        (a_mount("/sys/fs/cgroup", kind="tmpfs"), f"/docker/{ID}"),
        (a_mount("/sys/fs/cgroup", kind="cgroup2"), f"/../docker/{ID}"),
        (a_mount("/sys/fs/cgroup", kind="cgroup2", root="/other"), f"/docker/{ID}"),
    ],
    ids=["elsewhere", "no group", "outside of the namespace", "another part"],
)
def test_groups_that_cannot_be_seen_here_are_left_out(mount: MountPoint, member: str) -> None:
    assert cgroup.controller_directories([mount], {"": member}, root=ROOT) == {}


def test_a_mount_of_a_part_shows_what_lies_below_it() -> None:
    mount = a_mount("/sys/fs/cgroup", kind="cgroup2", root="/lab")
    found = cgroup.controller_directories([mount], {"": f"/lab/docker/{ID}"}, root=ROOT)
    assert found == {"": ROOT / "docker" / ID}


def test_v1_files_come_before_those_of_a_v2_without_controllers() -> None:
    files = cgroup.candidate_files({"memory": PurePosixPath("/m"), "": PurePosixPath("/u")})
    assert [str(file.path) for file in files[Figure.MEMORY]] == [
        "/m/memory.usage_in_bytes",
        "/u/memory.current",
    ]
    assert [str(file.path) for file in files[Figure.CPU]] == ["/u/cpu.stat"]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (cgroup.parse_number, "42\n", 42),
        (cgroup.parse_number, "max\n", None),
        (cgroup.parse_number, "", None),
        (cgroup.parse_limit, "max\n", None),
        (cgroup.parse_limit, "67108864\n", 67_108_864),
        (cgroup.parse_limit, "9223372036854771712\n", None),
        (cgroup.parse_limit, "9223372036854710272\n", None),
        (cgroup.parse_cpu_usage_v2, "usage_usec 5\nuser_usec 3\n", 5000),
        (cgroup.parse_cpu_usage_v2, "user_usec 3\n", None),
        (cgroup.parse_throttled_v1, "nr_periods 1\nthrottled_time 7\n", 7),
        (cgroup.parse_throttled_v2, "usage_usec 5\n", None),
        (cgroup.parse_throttled_v2, "throttled_usec 7\n", 7000),
        (cgroup.parse_inactive_file, "inactive_file 1\ntotal_inactive_file 9\n", 9),
        (cgroup.parse_inactive_file, "inactive_file 1\n", 1),
        (cgroup.parse_inactive_file, "active_file 1\n", None),
    ],
)
def test_figures_are_read_in_one_unit(parse, text: str, value: int | None) -> None:  # type: ignore[no-untyped-def]  # several parsers
    assert parse(text) == value


def test_disk_bytes_of_both_versions_leave_stacked_devices_out() -> None:
    v1 = "8:0 Read 10\n8:0 Write 20\n8:0 Sync 5\n253:0 Read 10\n253:0 Write 20\nTotal 60\n"
    v2 = "8:0 rbytes=10 wbytes=20 rios=1 wios=1\n253:0 rbytes=10 wbytes=20\n7:0 \n"
    for text in (v1, v2):
        assert cgroup.parse_disk(text) == DiskBytes(read_bytes=20, write_bytes=40)
        assert cgroup.parse_disk(text, stacked={"253:0"}) == DiskBytes(read_bytes=10, write_bytes=20)
    assert cgroup.devices_in(v2) == {"8:0", "253:0", "7:0"}
    assert cgroup.parse_disk("") == DiskBytes(read_bytes=0, write_bytes=0)
    assert cgroup.parse_disk("Total 0\n") is None


def test_the_working_set_is_never_negative() -> None:
    assert cgroup.working_set(100, 30) == 70
    assert cgroup.working_set(100, None) == 100
    assert cgroup.working_set(10, 30) == 0
    assert cgroup.working_set(None, 30) is None


# ---- rates --------------------------------------------------------------------------------------


def a_usage(**figures: int) -> ContainerUsage:
    return ContainerUsage(**{"cpu_ns": None, "memory_bytes": None, "memory_limit_bytes": None, **figures})


@pytest.mark.parametrize(
    ("previous", "current", "elapsed_s", "rate"),
    [
        (100, 300, 2.0, 100.0),
        (100, 100, 2.0, 0.0),
        (300, 100, 2.0, None),
        (None, 100, 2.0, None),
        (100, None, 2.0, None),
        (100, 300, 0.0, None),
        (100, 300, -1.0, None),
    ],
)
def test_a_counter_that_went_back_has_no_rate(
    previous: int | None, current: int | None, elapsed_s: float, rate: float | None
) -> None:
    assert rate_per_s(previous, current, elapsed_s) == rate


def test_processor_time_is_per_cent_of_one_processor() -> None:
    sample = container_sample(a_usage(cpu_ns=0), a_usage(cpu_ns=20_000_000_000), 10.0, cpu_count=2)
    assert sample.cpu_percent == pytest.approx(200.0)
    assert container_sample(None, a_usage(cpu_ns=5), 0.0, cpu_count=2).cpu_percent is None


def test_what_cannot_be_is_left_out_and_what_is_a_little_too_much_is_the_whole() -> None:
    def between(elapsed_s: float, **grown: int) -> ContainerSample:
        before = a_usage(**dict.fromkeys(grown, 0))
        return container_sample(before, a_usage(**grown), elapsed_s, cpu_count=2)

    assert between(10.0, cpu_ns=20_500_000_000).cpu_percent == 200.0
    assert between(10.0, cpu_ns=90_000_000_000).cpu_percent is None
    assert between(10.0, rx_bytes=10**15).rx_bytes_per_s is None
    # Several processors' queues may wait at once.
    assert between(10.0, throttled_ns=30_000_000_000).throttled_percent == 100.0


def test_pressure_is_the_share_of_time_something_waited() -> None:
    def pressed(**us: int) -> ContainerUsage:
        return replace(a_usage(), pressure=Pressure(**us))

    sample = container_sample(pressed(cpu_us=0), pressed(cpu_us=2_500_000, io_us=9), 10.0, cpu_count=2)
    assert sample.pressure_cpu_percent == pytest.approx(25.0)
    assert sample.pressure_io_percent is None


def a_reading(busy: int | None, total: int | None, **figures: int) -> HostReading:
    unknown = {name: None for name in HostReading.__dataclass_fields__ if name != "pressure"}
    return HostReading(
        **{**unknown, "cpu_count": 2, "cpu_busy_ticks": busy, "cpu_total_ticks": total, **figures}
    )  # type: ignore[arg-type]  # all optional


@pytest.mark.parametrize(
    ("previous", "current", "percent"),
    [
        ((0, 0), (50, 200), 25.0),
        ((0, 0), (210, 200), 100.0),
        ((0, 100), (0, 100), None),
        ((100, 200), (50, 300), None),
        ((None, None), (1, 2), None),
    ],
)
def test_the_host_is_busy_between_nothing_and_everything(
    previous: tuple[int | None, int | None], current: tuple[int | None, int | None], percent: float | None
) -> None:
    assert host_sample(a_reading(*previous), a_reading(*current), 10.0).cpu_percent == percent


def test_modes_are_shares_of_the_kernels_ticks() -> None:
    now = a_reading(50, 200, cpu_user_ticks=30, cpu_system_ticks=20, cpu_iowait_ticks=10, cpu_steal_ticks=0)
    before = a_reading(0, 0, cpu_user_ticks=0, cpu_system_ticks=0, cpu_iowait_ticks=12, cpu_steal_ticks=0)
    sample = host_sample(before, now, 10.0)
    assert (sample.cpu_user_percent, sample.cpu_system_percent, sample.cpu_steal_percent) == (15, 10, 0)
    # The kernel's own figure goes back a little now and then.
    assert sample.cpu_iowait_percent is None


def test_used_memory_is_what_is_not_available() -> None:
    sample = host_sample(None, a_reading(1, 2, memory_total_bytes=100, memory_available_bytes=60), 0.0)
    assert sample.memory_used_bytes == 40
    assert host_sample(None, a_reading(1, 2), 0.0).memory_used_bytes is None
