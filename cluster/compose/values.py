"""Compose's own notations: durations, sizes, ports, volumes, commands."""

from __future__ import annotations

import re
import shlex

from cluster.model.container import Device, Ulimit
from cluster.model.service import PortProtocol, PublishedPort, VolumeKind, VolumeMount

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)")
_DURATION_MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_SIZE_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_PORT = re.compile(
    r"(?:(?:(?P<ip>[0-9.]+|\[[0-9A-Fa-f:]+\]):)?(?P<host>[0-9]*):)?(?P<container>[0-9]+)(?:/(?P<protocol>tcp|udp|sctp))?"
)


def parse_duration_ms(text: str) -> int:
    """Milliseconds of "90s", "1m30s", "500ms". Raises ValueError with the rule."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write it as 90s, 1m30s or 500ms")
    return round(sum(float(number) * _DURATION_MS[unit] for number, unit in parts))


def parse_size_bytes(text: str) -> int:
    """Bytes of "512M", "1.5g", "65536". Units are powers of 1024, as in Docker. Raises ValueError with the
    rule.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size: write it as 512M or 2G")
    return int(float(match[1]) * _SIZE_BYTES[match[2].lower()])


def parse_cpus_millis(text: str) -> int:
    """Thousandths of a core of "0.5". Raises ValueError with the rule."""
    try:
        millis = round(float(text) * 1000)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no number of cores: write it as 0.5 or 2") from error
    if millis < 1:
        raise ValueError(f"{text!r}: at least 0.001 of a core")
    return millis


def parse_port(text: str) -> PublishedPort:
    """The short syntax: "8080", "80:8080", "127.0.0.1:80:8080/udp". Raises ValueError with the rule."""
    match = _PORT.fullmatch(text)
    if match is None:
        hint = "; ranges are not supported: name each port" if re.search(r"[0-9]-[0-9]", text) else ""
        raise ValueError(f'{text!r} is no port: write it as "80:8080" or "8080"{hint}')
    host = match["host"]
    return PublishedPort(
        container_port=int(match["container"]),
        protocol=PortProtocol(match["protocol"] or "tcp"),
        host_port=int(host) if host else 0,
        host_ip=(match["ip"] or "").strip("[]"),
    )


def parse_volume(text: str) -> VolumeMount:
    """The short syntax: "data:/var/lib/x", "/srv/x:/x:ro", "/cache". Raises ValueError with the rule."""
    parts = text.split(":")
    options = parts.pop().split(",") if len(parts) == 3 else []
    unknown = [option for option in options if option not in ("rw", "ro", "z", "Z")]
    if unknown or not 1 <= len(parts) <= 2:
        raise ValueError(
            f"{text!r} is no volume: write it as name:/path, /host/path:/path or either with :ro"
        )
    source, target = parts if len(parts) == 2 else ("", parts[0])
    if source.startswith((".", "~")):
        raise ValueError(
            f"{text!r}: a path relative to the file means nothing on another host; give an absolute "
            "path or a named volume"
        )
    return VolumeMount(
        kind=VolumeKind.BIND if source.startswith("/") else VolumeKind.VOLUME,
        source=source,
        target=target,
        is_read_only="ro" in options,
    )


def parse_command(text: str) -> tuple[str, ...]:
    """The words of a command line, as a shell would split it. Raises ValueError with the rule."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"the command cannot be split into words: {error}") from error


def parse_tmpfs(text: str) -> VolumeMount:
    """Memory at a path: "/run", "/run:size=64m,mode=1777". Raises ValueError with the rule."""
    target, _, given = text.partition(":")
    size_bytes = mode = 0
    for option in given.split(",") if given else ():
        name, _, content = option.partition("=")
        if name == "size" and content:
            size_bytes = parse_size_bytes(content)
        elif name == "mode" and content:
            mode = parse_octal(content)
        elif name not in ("rw", "nosuid", "nodev", "noexec"):
            raise ValueError(f"{text!r}: there are size and mode, such as /run:size=64m,mode=1777")
    return VolumeMount(kind=VolumeKind.TMPFS, target=target, memory_size_bytes=size_bytes, memory_mode=mode)


def parse_octal(text: str) -> int:
    """Permissions such as "0440". Raises ValueError with the rule."""
    try:
        return int(text.removeprefix("0o"), 8)
    except ValueError as error:
        raise ValueError(f"{text!r} are no permissions: write them in octal, such as 0440") from error


def parse_rate(text: str) -> float:
    """A share from 0 to 1 of "1%" or "0.01". Raises ValueError with the rule."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise ValueError(f"{text!r} is no share: write it as 1% or 0.01") from error
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is not from 0% to 100%: write it as 1% or 0.01")
    return value


def parse_permille(text: str) -> int:
    """Thousandths of "10", "10%" or "0.5%". Raises ValueError with the rule."""
    try:
        permille = float(text.removesuffix("%")) * 10
    except ValueError as error:
        raise ValueError(f"{text!r} is no weight: write it in percent, such as 10 or 0.5") from error
    if not 1 <= permille <= 1000 or permille != round(permille):
        raise ValueError(f"{text!r}: a weight is from 0.1 to 100 percent, in steps of 0.1")
    return round(permille)


def parse_extra_host(text: str) -> tuple[str, str]:
    """Name and address of "name:address" or "name=address". Raises ValueError with the rule."""
    name, separator, address = text.partition("=")
    if not separator:
        name, separator, address = text.partition(":")
    if not name or not address:
        raise ValueError(f"{text!r} is no host: write it as name:address")
    return name, address.strip("[]")


def parse_device(text: str) -> Device:
    """A device: "/dev/fuse", "/dev/a:/dev/b", "/dev/a:/dev/b:r". Raises ValueError with the rule."""
    source, *more = text.split(":")
    if len(more) > 2:
        raise ValueError(f"{text!r} is no device: write it as /dev/a or /dev/a:/dev/b:rwm")
    permissions = more[1] if len(more) == 2 else "rwm"
    return Device(source=source, target=more[0] if more else source, permissions=permissions)


def parse_ulimit(name: str, soft: str, hard: str) -> Ulimit:
    """A limit of processes. Raises ValueError with the rule."""
    try:
        return Ulimit(name=name, soft=int(soft), hard=int(hard))
    except ValueError as error:
        if "ulimits" in str(error):
            raise
        raise ValueError(
            f"ulimits.{name}: {soft!r} and {hard!r} must be whole numbers; -1 is unlimited"
        ) from error


def parse_capability(text: str) -> str:
    """A capability without CAP_, in capitals."""
    return text.upper().removeprefix("CAP_")
