"""What everything in a lab is called, where it is, and at which address: pure.

Every name begins with the lab's prefix: several labs live on one machine, and each removes only its own.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tower_lab.errors import LabError

DEFAULT_PREFIX = "twlab"
MAX_HOSTS = 50
REGISTRY = "registry"
REGISTRY_PORT = 5000
PRIVATE_REGISTRY_PORT = 5001
# Names with which a cut or a link speaks of what is no host.
ROOT = "root"

_PREFIX = re.compile(r"[a-z][a-z0-9]{1,7}")
_HOST = re.compile(r"h([1-9][0-9]?)")
# A path of a Unix socket holds 108 bytes with the ending zero (unix(7)).
_MAX_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """Where a lab keeps things on this machine."""

    state: Path
    """What runs: records of processes, logs, each host's /run. Gone after a reboot."""
    data: Path
    """What hosts have on disk: images, containers, the agents' data."""
    cache: Path
    """Layers of the images the lab builds, shared by all labs, kept over `down`."""

    @staticmethod
    def of(prefix: str, environ: Mapping[str, str]) -> Directories:
        """The directories of the lab `prefix`: TOWER_LAB_DIR holds state and data where it is set."""
        cache = Path(environ.get("TOWER_LAB_CACHE") or "/var/cache/tower-lab")
        chosen = environ.get("TOWER_LAB_DIR")
        if chosen:
            root = Path(os.path.abspath(chosen))
            return Directories(state=root / prefix / "state", data=root / prefix / "data", cache=cache)
        return Directories(
            state=Path("/run/tower-lab") / prefix, data=Path("/var/lib/tower-lab") / prefix, cache=cache
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One network namespace on the lab's bridge: a host or the registry."""

    name: str
    address: ipaddress.IPv4Address
    prefix_length: int
    gateway: ipaddress.IPv4Address
    namespace: str
    """Name for `ip netns`."""
    link: str
    """The machine's end of the veth pair; the other end is `eth0`."""
    bridge: str

    @property
    def namespace_file(self) -> Path:
        """The file that names its network namespace."""
        return Path("/run/netns") / self.namespace

    @property
    def mac(self) -> str:
        """Its Ethernet address: always the same, so a host that comes back is no stranger to ARP caches."""
        return mac_of(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Names and addresses of the lab `prefix` on `subnet`."""

    prefix: str
    subnet: ipaddress.IPv4Network
    directories: Directories

    @property
    def bridge(self) -> str:
        """The bridge; the machine itself has the subnet's first address on it."""
        return f"{self.prefix}0"

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """The machine's own address on the bridge."""
        return self.subnet.network_address + 1

    @property
    def registry(self) -> Endpoint:
        """The image registry."""
        return self._endpoint(REGISTRY, f"{self.prefix}-reg", 2)

    @property
    def registry_address(self) -> str:
        """`address:port` of the image registry, as the daemons know it."""
        return f"{self.registry.address}:{REGISTRY_PORT}"

    @property
    def private_registry_address(self) -> str:
        """`address:port` of the registry that wants a login, where a test has one started."""
        return f"{self.registry.address}:{PRIVATE_REGISTRY_PORT}"

    def host(self, name: str) -> Endpoint:
        """The host `name` (h1, h2, ...).

        Raises:
            LabError: no host can have that name.
        """
        return self._endpoint(name, f"{self.prefix}-{name}", 10 + host_number(name))

    def address_of(self, name: str) -> ipaddress.IPv4Address:
        """The address of a host, of `registry`, or of `root` (the machine itself)."""
        if name == ROOT:
            return self.gateway
        return self.registry.address if name == REGISTRY else self.host(name).address

    def hosts_file(self) -> str:
        """/etc/hosts of every host: all the names a lab can have, so that it never changes."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost", f"{self.gateway} {ROOT}"]
        lines.append(f"{self.registry.address} {REGISTRY}")
        lines += [f"{self.host(name).address} {name}" for name in host_names(MAX_HOSTS)]
        return "\n".join(lines) + "\n"

    def host_state(self, name: str) -> Path:
        """State of one host."""
        return self.directories.state / name

    def host_data(self, name: str) -> Path:
        """Disk of one host."""
        return self.directories.data / name

    def docker_socket(self, name: str) -> Path:
        """The Docker socket of a host, as the machine sees it; in the host it is /run/docker.sock."""
        return self.host_state(name) / "run" / "docker.sock"

    def _endpoint(self, name: str, namespace: str, offset: int) -> Endpoint:
        return Endpoint(
            name=name,
            address=self.subnet.network_address + offset,
            prefix_length=self.subnet.prefixlen,
            gateway=self.gateway,
            namespace=namespace if name != REGISTRY else f"{self.prefix}-{REGISTRY}",
            link=namespace,
            bridge=self.bridge,
        )


def mac_of(address: ipaddress.IPv4Address) -> str:
    """A locally administered Ethernet address that holds an IPv4 address."""
    return "02:54:" + ":".join(f"{byte:02x}" for byte in address.packed)


def host_names(count: int) -> tuple[str, ...]:
    """h1 to h`count`.

    Raises:
        LabError: a lab cannot have that many.
    """
    if not 1 <= count <= MAX_HOSTS:
        raise LabError(f"--hosts {count}: a lab has 1 to {MAX_HOSTS} hosts")
    return tuple(f"h{number}" for number in range(1, count + 1))


def host_number(name: str) -> int:
    """The number of a host: 2 for h2.

    Raises:
        LabError: it is no name of a host.
    """
    match = _HOST.fullmatch(name)
    if match is None or int(match[1]) > MAX_HOSTS:
        raise LabError(f"{name!r} is no host of a lab; hosts are called h1, h2, ... h{MAX_HOSTS}")
    return int(match[1])


def check_prefix(prefix: str, directories: Directories) -> None:
    """Refuse a prefix that would make interface names or socket paths too long.

    Raises:
        LabError: with the rule it breaks.
    """
    if not _PREFIX.fullmatch(prefix):
        raise LabError(f"prefix {prefix!r}: must be a small letter, then 1 to 7 small letters or digits")
    longest = directories.state / f"h{MAX_HOSTS}" / "run" / "docker.sock"
    if len(os.fsencode(longest)) > _MAX_SOCKET_PATH:
        raise LabError(
            f"TOWER_LAB_DIR makes {longest} longer than the {_MAX_SOCKET_PATH} bytes a Unix socket can have; "
            "choose a shorter directory"
        )


def choose_subnet(taken: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The first /24 from 10.213.0.0 on that overlaps nothing this machine routes or holds.

    Raises:
        LabError: all of 10.213.0.0/16 is taken.
    """
    used = tuple(taken)
    for candidate in ipaddress.IPv4Network("10.213.0.0/16").subnets(new_prefix=24):
        if not any(candidate.overlaps(other) for other in used):
            return candidate
    raise LabError(
        "every /24 of 10.213.0.0/16 is routed on this machine; name a free one: --subnet 10.77.5.0/24"
    )


def parse_subnet(text: str, taken: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The subnet a person named.

    Raises:
        LabError: it is no IPv4 /24 or larger, or this machine routes some of it already.
    """
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise LabError(f"--subnet {text!r}: not an IPv4 network such as 10.77.5.0/24 ({error})") from error
    if subnet.prefixlen > 24:
        raise LabError(f"--subnet {text}: too small for {MAX_HOSTS} hosts; use a /24")
    for other in taken:
        if subnet.overlaps(other):
            raise LabError(f"--subnet {text}: this machine already routes {other}; choose another")
    return subnet
