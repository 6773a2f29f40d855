from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.host import parse
from agent.host.addresses import choose_advertise_address
from agent.host.block_devices import BlockDevices
from agent.host.parse import InterfaceBytes
from agent.host.sensors import read_sensors
from agent.ports import InterfaceAddress

STAT = """\
cpu  100 20 30 1000 50 5 6 7 99 9
cpu0 50 10 15 500 25 2 3 3 50 4
cpu1 50 10 15 500 25 3 3 4 49 5
intr 12345 0 0
"""

NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:2305380162  102881    0    0    0     0          0         0  5979562   55330    0    0    0     0       0          0
docker0:   5       1    0    0    0     0          0         0        6       1    0    0    0     0       0          0
vethab12cd:   7       1    0    0    0     0          0         0        8       1    0    0    0     0       0          0
"""  # noqa: E501  the kernel's own width

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
down0\t0000000A\t00000000\t0000\t0\t0\t0\t000000FF\t0\t0\t0
"""

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.2
              /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
     |-- 192.168.1.7
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
     |-- 198.51.100.9
        /32 host LOCAL
Local:
           |-- 192.0.2.2
              /32 host LOCAL
"""


def test_processor_time_counts_stolen_as_busy_and_waiting_as_idle() -> None:
    ticks = parse.parse_cpu_ticks(STAT)
    assert ticks is not None
    # Guest time is in user time already.
    assert ticks.total == 100 + 20 + 30 + 1000 + 50 + 5 + 6 + 7
    assert ticks.busy == ticks.total - 1050
    assert ticks.cpu_count == 2
    assert parse.parse_cpu_ticks("intr 1") is None


def test_memory_is_in_bytes() -> None:
    memory = parse.parse_meminfo(
        "MemTotal:  100 kB\nMemAvailable:   60 kB\nHugePages_Total:  2\nActive(anon): 3 kB\n"
    )
    assert memory == {
        "MemTotal": 102_400,
        "MemAvailable": 61_440,
        "HugePages_Total": 2,
        "Active(anon)": 3072,
    }


def test_load_and_uptime_are_read_or_unknown() -> None:
    assert parse.parse_loadavg("0.66 0.33 1.02 2/345 6789\n") == (0.66, 0.33, 1.02)
    assert parse.parse_uptime("2340.93 4000.00\n") == 2340.93
    assert parse.parse_loadavg("") is None
    assert parse.parse_uptime("x") is None


def test_only_the_way_out_of_the_host_counts_as_its_traffic() -> None:
    interfaces = parse.parse_net_dev(NET_DEV)
    assert set(interfaces) == {"lo", "eth0", "docker0", "vethab12cd"}
    assert parse.physical_bytes(interfaces) == InterfaceBytes(rx_bytes=2_305_380_162, tx_bytes=5_979_562)


def test_where_all_interfaces_are_virtual_all_but_the_loopback_count() -> None:
    one = InterfaceBytes(rx_bytes=1, tx_bytes=2)
    assert parse.physical_bytes({"lo": one, "veth0": one, "tun0": one}) == InterfaceBytes(
        rx_bytes=2, tx_bytes=4
    )
    assert parse.physical_bytes({}) == InterfaceBytes(rx_bytes=0, tx_bytes=0)


def test_os_release_is_unquoted_as_a_shell_would() -> None:
    text = 'ID=debian\n# a comment\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nBROKEN="x\nEMPTY=\n'
    assert parse.parse_os_release(text) == {
        "ID": "debian",
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "BROKEN": '"x',
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("cpuinfo", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD  EPYC 9R14\n", "AMD EPYC 9R14"),
        ("processor\t: 0\nModel\t\t: Raspberry Pi 4\n", "Raspberry Pi 4"),
        ("", ""),
    ],
)
def test_the_processor_has_a_name_where_the_kernel_tells(cpuinfo: str, model: str) -> None:
    assert parse.parse_cpu_model(cpuinfo) == model


def test_addresses_are_joined_with_their_interface() -> None:
    addresses = parse.interface_addresses(parse.parse_local_ipv4(FIB_TRIE), parse.parse_routes(ROUTES))
    assert [(a.interface, a.address, a.prefix_length, a.is_default_route) for a in addresses] == [
        ("docker0", "172.17.0.1", 16, False),
        ("eth0", "192.0.2.2", 24, True),
        ("wlan0", "192.168.1.7", 24, False),
        ("", "198.51.100.9", 32, False),
    ]
    assert choose_advertise_address(addresses) == "192.0.2.2"


def test_link_local_and_loopback_ipv6_are_left_out() -> None:
    text = (
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fd000000000000000000000000000002 04 40 00 82     eth0\n"
        "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n"
    )
    assert parse.parse_if_inet6(text) == (
        InterfaceAddress(interface="eth0", address="fd00::2", prefix_length=64),
    )


def an_address(address: str, interface: str = "eth0", *, default: bool = False) -> InterfaceAddress:
    return InterfaceAddress(interface=interface, address=address, prefix_length=24, is_default_route=default)


@pytest.mark.parametrize(
    ("addresses", "chosen"),
    [
        ([], None),
        ([an_address("10.0.0.5")], "10.0.0.5"),
        ([an_address("172.17.0.1", "docker0"), an_address("10.0.0.5")], "10.0.0.5"),
        ([an_address("10.0.0.5"), an_address("10.1.0.5", "eth1")], None),
        ([an_address("10.0.0.5"), an_address("10.1.0.5", "eth1", default=True)], "10.1.0.5"),
        ([an_address("fd00::2"), an_address("10.0.0.5")], "10.0.0.5"),
        ([an_address("fd00::2")], "fd00::2"),
        ([an_address("172.18.0.1", "br-1234")], None),
    ],
)
def test_the_advertised_address_is_chosen_only_where_it_is_clear(
    addresses: list[InterfaceAddress], chosen: str | None
) -> None:
    assert choose_advertise_address(addresses) == chosen


def test_mounts_have_their_file_systems_options() -> None:
    text = (
        "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "40 31 0:38 /docker/ab /with\\040space rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "nonsense\n"
    )
    v1, v2 = parse.parse_mountinfo(text)
    assert (v1.path, v1.kind, v1.root) == ("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "/")
    assert {"cpu", "cpuacct"} <= v1.options
    assert (v2.path, v2.root) == ("/with space", "/docker/ab")


def test_pressure_is_the_time_in_which_something_waited() -> None:
    some = "some avg10=1.00 avg60=0.50 avg300=0.10 total=123456\n"
    assert parse.parse_pressure(some + "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n") == 123_456
    assert parse.parse_pressure("full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n") is None
    assert parse.parse_pressure("") is None


DISKSTATS = """\
   7       0 loop0 5 0 40 1 0 0 0 0 0 1 1
   8       0 sda 100 0 2000 10 50 0 4000 20 0 15 30 0 0 0 0
   8       1 sda1 90 0 1800 10 50 0 4000 20 0 15 30
   8      16 sdb 0 0 0 0 0 0 0 0 0 0 0
 253       0 dm-0 90 0 1800 10 50 0 4000 20 0 15 30
"""


def test_disk_bytes_are_sectors_of_512_and_an_unused_device_is_left_out() -> None:
    devices = parse.parse_diskstats(DISKSTATS)
    assert set(devices) == {"loop0", "sda", "sda1", "dm-0"}
    assert devices["sda"] == parse.DeviceBytes(number="8:0", read_bytes=1_024_000, write_bytes=2_048_000)


def test_bytes_of_partitions_images_and_logical_volumes_do_not_count_again(tmp_path: Path) -> None:
    for name in ("sda", "loop0", "dm-0", "cciss!c0d0"):
        (tmp_path / name / "slaves").mkdir(parents=True)
    (tmp_path / "dm-0/slaves/sda1").mkdir()
    found = BlockDevices(tmp_path)
    assert found.total(parse.parse_diskstats(DISKSTATS)) == (1_024_000, 2_048_000)
    raid = "  104 0 cciss/c0d0 1 0 2 0 1 0 4 0 0 0 0\n"
    assert found.total(parse.parse_diskstats(raid)) == (1024, 2048)
    assert found.total({}) is None


MOUNTS = """\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:20 / /proc rw - proc proc rw
22 20 0:21 / /run rw - tmpfs tmpfs rw
23 20 253:0 /docker /srv/part rw - xfs /dev/mapper/vg-data rw
24 20 253:0 / /srv rw - xfs /dev/mapper/vg-data rw
25 20 0:30 / /mnt/nas rw - nfs4 nas:/export rw
26 20 0:31 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
27 20 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
28 20 0:40 /@home /home rw - btrfs /dev/sdb rw
29 20 0:41 /@var /var rw - btrfs /dev/sdb rw
30 20 0:50 / /tank/a rw - zfs tank/a rw
31 20 0:51 / /tank/b rw - zfs tank/b rw
32 20 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
"""


def test_a_file_system_on_a_disk_is_one_disk_however_often_it_is_mounted() -> None:
    found = parse.disk_mounts(parse.parse_mountinfo(MOUNTS))
    assert [(mount.path, mount.kind) for mount in found] == [
        ("/", "ext4"),
        ("/home", "btrfs"),
        ("/srv", "xfs"),
        ("/tank/a", "zfs"),
    ]


def a_sensor(directory: Path, chip: str, **files: str) -> None:
    (directory / chip).mkdir(parents=True)
    for name, text in files.items():
        (directory / chip / name).write_text(f"{text}\n")


def test_sensors_are_named_by_chip_and_label_and_what_cannot_be_is_left_out(tmp_path: Path) -> None:
    hwmon = tmp_path / "hwmon"
    a_sensor(hwmon, "hwmon0", name="coretemp", temp1_label="Package id 0", temp1_input="41500")
    a_sensor(hwmon, "hwmon3", name="nvme", temp1_input="38850", temp2_input="255000", temp3_input="-128000")
    a_sensor(hwmon, "hwmon10", name="nvme", temp1_input="40000", temp2_input="")
    a_sensor(tmp_path / "thermal", "thermal_zone0", type="acpitz", temp="27800")
    assert {each.name: each.celsius for each in read_sensors(tmp_path)} == {
        "coretemp Package id 0": 41.5,
        "nvme temp1": 38.85,
        "nvme temp1 #2": 40.0,
    }


def test_thermal_zones_are_read_where_the_hardware_monitor_has_nothing(tmp_path: Path) -> None:
    assert read_sensors(tmp_path) == ()
    a_sensor(tmp_path / "thermal", "thermal_zone0", type="cpu-thermal", temp="47774")
    (found,) = read_sensors(tmp_path)
    assert (found.name, found.celsius) == ("cpu-thermal", 47.774)


@given(st.text(max_size=200))
def test_parsers_are_total(text: str) -> None:
    assert parse.parse_meminfo(text) is not None
    assert parse.parse_net_dev(text) is not None
    assert parse.parse_os_release(text) is not None
    assert parse.parse_mountinfo(text) is not None
    assert all(isinstance(address, ipaddress.IPv4Address) for address in parse.parse_local_ipv4(text))
    parse.parse_cpu_ticks(text)
    parse.parse_pressure(text)
    parse.parse_diskstats(text)
    parse.parse_loadavg(text)
