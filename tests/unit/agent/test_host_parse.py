from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.host import parse
from agent.host.addresses import choose_advertise_address
from agent.host.parse import InterfaceBytes
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


@given(st.text(max_size=200))
def test_parsers_are_total(text: str) -> None:
    assert parse.parse_meminfo(text) is not None
    assert parse.parse_net_dev(text) is not None
    assert parse.parse_os_release(text) is not None
    assert parse.parse_mountinfo(text) is not None
    assert all(isinstance(address, ipaddress.IPv4Address) for address in parse.parse_local_ipv4(text))
    parse.parse_cpu_ticks(text)
    parse.parse_loadavg(text)
