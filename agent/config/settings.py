"""The settings of one host, and the rules for their values. This file is their documentation.

`agent.config.example` writes packaging/tower.example.toml from the descriptions and defaults here.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from cluster.model.placing import LABEL_CHARS_MAX, LABELS_MAX, check_label
from cluster.model.rules import check_text

ENV_PREFIX = "TOWER_"
API_PORT = 7443

MIB = 1024 * 1024
GIB = 1024 * MIB


def _listen_address(text: str) -> str:
    host, port = split_address(text)
    if host == "":
        raise ValueError('must be "host:port", such as "0.0.0.0:7443" or "[::]:7443"')
    if not 0 < port < 65536:
        raise ValueError("must have a port between 1 and 65535")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of "host:port" or "[v6]:port"; ("", 0) when it has another form."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:\[\]\s]+)):(\d{1,5})", text)
    if match is None:
        return "", 0
    return match[1] or match[2], int(match[3])


def _node_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", text):
        raise ValueError(
            "must be 1 to 63 lower-case letters, digits, dots and dashes, starting and ending with a letter"
            " or digit"
        )
    return text


def _advertise(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", text):
        raise ValueError('must be an address or a host name without a port, such as "10.0.0.5"')
    if text in ("0.0.0.0", "::"):  # noqa: S104  (refused, not bound)
        raise ValueError("must be an address other hosts can reach, not the wildcard address")
    return text


def _texts(value: object) -> object:
    """A list as it is in the file; a variable or flag has one text for all."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _label_pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.strip(), value.strip()


def label_pairs(labels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the labels of the node's settings as sorted pairs."""
    return tuple(sorted(_label_pair(text) for text in labels))


def _labels(texts: tuple[str, ...]) -> tuple[str, ...]:
    pairs = [_label_pair(text) for text in texts]
    for text, (key, value) in zip(texts, pairs, strict=True):
        if "=" not in text:
            raise ValueError(f'must be labels such as "zone=a"; {text!r} has no value')
        check_label("must be labels with proper keys;", key)
        check_text(f"must be labels with proper values; {key}", value, LABEL_CHARS_MAX)
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("must have each label once")
    if len(pairs) > LABELS_MAX:
        raise ValueError(f"must be at most {LABELS_MAX} labels")
    return texts


def _seed_address(text: str) -> str:
    if text and re.fullmatch(r"(\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?", text) is None:
        raise ValueError('must be "host" or "host:port", such as "10.0.0.5:7443"')
    return text if not text or re.search(r":\d{1,5}$", text) else f"{text}:{API_PORT}"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _absolute_or_empty(text: str) -> str:
    return str(_absolute(Path(text))) if text else ""


def _public_url(text: str) -> str:
    if text and not re.fullmatch(r"https://[^/\s?#]+/?", text):
        raise ValueError('must be an https address without a path, such as "https://tower.example.com"')
    return text.rstrip("/")


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise ValueError(
                f'must be addresses or networks, such as "10.0.0.5" or "10.0.1.0/24"; {text!r} is neither'
            ) from None
        if network.prefixlen == 0:
            raise ValueError(f"must name the proxies; {text!r} is everybody, who could say to be anybody")
    return texts


def networks_of(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks that a setting names."""
    return tuple(map(ipaddress.ip_network, texts))


def _one_of(*allowed: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(map(str, allowed))}")
        return value

    return check


Address = Annotated[str, AfterValidator(_listen_address)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Port = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[int, Field(ge=1, le=600_000)]


class Section(BaseModel):
    """One table of tower.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class NodeSettings(Section):
    """This host as a member of the cluster."""

    name: Annotated[str, AfterValidator(_node_name)] = Field(
        default="localhost",
        description="What this host is called. Unique in the cluster, fixed once it has joined.",
        json_schema_extra={"example": "this host's name"},
    )
    data_dir: AbsolutePath = Field(
        default=Path("/var/lib/control-tower"),
        description="Keys, certificates, log, state and metrics of this node. Must be on a local disk.",
    )
    advertise_address: Annotated[str, AfterValidator(_advertise)] = Field(
        default="",
        description=(
            "The address other hosts reach this one at. Empty: the address of the interface with the default"
            " route."
        ),
    )
    labels: Annotated[tuple[str, ...], BeforeValidator(_texts), AfterValidator(_labels)] = Field(
        default=(),
        description=(
            'What placement rules may look at, such as ["zone=a", "disk=ssd"]; in a variable or flag with'
            " commas between. Labels given with `tower node label` win over these."
        ),
    )


class ListenSettings(Section):
    """Where the agent accepts connections. Everything is TLS 1.3."""

    api: Address = Field(
        default="0.0.0.0:7443",
        description="Dashboard, REST, WebSocket and MCP: for people, programs and Prometheus.",
    )
    raft: Address = Field(
        default="0.0.0.0:7444",
        description="Raft between the hosts of the cluster, mutual TLS.",
    )
    peers: Address = Field(
        default="0.0.0.0:7445",
        description="Heartbeats and requests passed on between hosts, mutual TLS. The port after raft's.",
    )

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        seen: dict[int, str] = {}
        for key in ("api", "raft", "peers"):
            port = split_address(getattr(self, key))[1]
            if port in seen:
                raise ValueError(f"{seen[port]} and {key} must not share port {port}")
            seen[port] = key
        ports = {key: port for port, key in seen.items()}
        if ports["peers"] != ports["raft"] + 1:
            raise ValueError(
                f"peers must have port {ports['raft'] + 1}, the one after raft's, where others look for it"
            )
        return self


class ApiSettings(Section):
    """The surfaces for people and programs."""

    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        default="",
        description=(
            "The address people use when it is not this host's own, such as that of a load balancer. Links,"
            " cookies and the MCP origin check use it. Empty: the advertised address and the api port."
        ),
    )
    trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(_texts), AfterValidator(_networks)] = Field(
        default=(),
        description=(
            'Proxies in front of this host, such as ["10.0.0.5", "10.0.1.0/24"]: the client is whom their'
            " X-Forwarded-For names, for records, lockout and rate limits. Nobody else's is believed."
        ),
    )
    proxy_protocol: bool = Field(
        default=False,
        description=(
            "The trusted proxies pass TLS on as it is and begin each connection with the PROXY protocol"
            " (version 1 or 2)."
        ),
    )
    request_body_bytes_max: int = Field(
        default=8 * MIB, ge=64 * 1024, le=256 * MIB, description="Largest request body accepted."
    )
    connections_max: int = Field(
        default=1000, ge=10, le=100_000, description="Connections served at once; more are refused."
    )
    live_clients_max: int = Field(
        default=800, ge=1, le=10_000, description="WebSocket and event-stream clients served at once."
    )
    log_followers_max: int = Field(
        default=100, ge=1, le=10_000, description="Container logs followed at once, over all clients."
    )

    @model_validator(mode="after")
    def _announcers_are_named(self) -> Self:
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError("proxy_protocol needs trusted_proxies: whose connections begin with it")
        return self


class DockerSettings(Section):
    """The Docker Engine of this host (20.10 or newer)."""

    socket: AbsolutePath = Field(
        default=Path("/var/run/docker.sock"), description="Unix socket of the Docker Engine."
    )
    request_timeout_s: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="How long one request may take. Pulling and stopping have their own bounds.",
    )
    pull_timeout_s: float = Field(
        default=600.0, ge=10, le=86_400, description="How long pulling one image may take in all."
    )
    pull_stall_timeout_s: float = Field(
        default=60.0, ge=5, le=3600, description="How long a pull may go on without any progress."
    )
    relist_interval_s: float = Field(
        default=60.0,
        ge=5,
        le=3600,
        description="How often everything is listed again, should an event have been missed.",
    )
    files_dir: AbsolutePath = Field(
        default=Path("/run/control-tower/files"),
        description="Where secrets and configs of containers are. In memory (tmpfs), and seen by Docker under"
        " the same path.",
    )


class HaproxySettings(Section):
    """The HAProxy the agent runs on this host to route requests to services (2.6 or newer)."""

    enabled: bool = Field(
        default=True, description="Run HAProxy on this host. Without it this host routes nothing."
    )
    bin: str = Field(default="haproxy", min_length=1, description="Program name, or its absolute path.")
    http_port: Port = Field(default=80, description="Port for http requests to services.")
    https_port: Port = Field(
        default=443, description="Port for https requests, once the cluster has a certificate."
    )
    certificates_dir: Annotated[str, AfterValidator(_absolute_or_empty)] = Field(
        default="",
        description="Certificates of this host beside the cluster's: NAME.pem (certificate, chain, key), or"
        " what ACME clients keep, NAME/fullchain.pem and NAME/privkey.pem (/etc/letsencrypt/live).",
    )


class TraefikSettings(Section):
    """A Traefik (2.11 or newer) that you run, instead of the agent's HAProxy.

    Its HTTP provider asks this agent what to do, with an API token in a header:
    `providers.http.endpoint: https://HOST:7443/api/v1/router/traefik/v3` (or `/v2`).
    """

    enabled: bool = Field(default=False, description="Route through Traefik; HAProxy is not started then.")
    api_url: str = Field(
        default="",
        description="Where Traefik's API answers (`api: {}`), such as http://127.0.0.1:8080: with it a change"
        " is known to be in force at once. Without it the agent waits for the time Traefik may take.",
    )
    metrics_url: str = Field(
        default="",
        description="Traefik's Prometheus metrics, such as http://127.0.0.1:8082/metrics: canaries are judged"
        " by them. Without them no rollout through Traefik can be judged.",
    )
    entry_points: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        default=("web",), description="Its entry points for HTTP."
    )
    tls_entry_points: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        default=("websecure",), description="Its entry points for HTTPS."
    )
    certificate_resolver: str = Field(
        default="", description="The resolver that gives certificates; empty: Traefik's own certificates."
    )
    throttle_s: float = Field(
        default=2.0, ge=0, le=60, description="Its providers.providersThrottleDuration."
    )


class BalancerSettings(Section):
    """A load balancer that you run and that neither HAProxy nor Traefik is: it is told by a webhook."""

    webhook_url: str = Field(
        default="",
        description="Where what it should do is posted as JSON. 200 or 204: it is in force. 202: somebody"
        " will acknowledge it. HAProxy is not started then.",
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="Signs the body: X-Tower-Signature, hex HMAC-SHA256."
    )


class LogSettings(Section):
    """The agent's own log, on standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe lines written."
    )
    format: Literal["json", "text"] = Field(
        default="json", description="One JSON object a line, or short lines for a person."
    )


class LogsSettings(Section):
    """What containers write, kept on this host's disk to be searched, also after they are gone."""

    history: bool = Field(
        default=True,
        description="Keep it. Without it logs are read from the engine, while it has them.",
    )
    history_bytes_max: int = Field(
        default=0,
        ge=0,
        le=16 * 1024 * GIB,
        description="Largest size on disk; the oldest goes first. 0: a twentieth of the disk, at most 2 GiB.",
    )
    history_age_max_d: int = Field(default=14, ge=1, le=3650, description="Older lines go, in days.")
    lines_per_second_max: int = Field(
        default=10_000,
        ge=10,
        le=1_000_000,
        description="Of one container, over ten seconds; more is left out of the history, and counted.",
    )

    @field_validator("history_bytes_max")
    @classmethod
    def _is_enough(cls, value: int) -> int:
        if 0 < value < 16 * MIB:
            raise ValueError("must be 0 or at least 16777216 (16 MiB)")
        return value


class RaftSettings(Section):
    """Timing and bounds of the consensus.

    The defaults suit hosts of one site. For links slower than 50 ms raise all times in
    proportion, on every host alike.
    """

    heartbeat_ms: Milliseconds = Field(default=150, description="How often the leader shows it is alive.")
    lease_ms: Milliseconds = Field(
        default=600, description="How long a leader's confirmation by a majority lets it answer reads."
    )
    quorum_check_ms: Milliseconds = Field(
        default=700, description="A leader that has not heard a majority for so long steps down."
    )
    election_min_ms: Milliseconds = Field(
        default=800, description="A follower that hears no leader for so long, at least, asks for votes."
    )
    election_max_ms: Milliseconds = Field(
        default=1400, description="The longest such wait; each is drawn at random between the two."
    )
    log_bytes_max: int = Field(
        default=256 * MIB, ge=16 * MIB, le=64 * GIB, description="Size at which the log is compacted."
    )
    log_entries_max: int = Field(
        default=20_000, ge=1000, le=10_000_000, description="Entries at which the log is compacted."
    )
    log_trailing: int = Field(
        default=10_000,
        ge=100,
        le=10_000_000,
        description="Entries kept behind a compaction for nodes that lag a little.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        order = ("heartbeat_ms", "lease_ms", "quorum_check_ms", "election_min_ms", "election_max_ms")
        values = [getattr(self, key) for key in order]
        if not 2 * values[0] <= values[1]:
            raise ValueError(f"lease_ms ({values[1]}) must be at least twice heartbeat_ms ({values[0]})")
        for lower, upper in itertools.pairwise(order[1:]):
            if not getattr(self, lower) < getattr(self, upper):
                raise ValueError(
                    f"{lower} ({getattr(self, lower)}) must be below {upper} ({getattr(self, upper)}):"
                    " a leader cut off from its majority has to stop before another is elected"
                )
        if self.log_trailing >= self.log_entries_max:
            raise ValueError(
                f"log_trailing ({self.log_trailing}) must be below log_entries_max ({self.log_entries_max})"
            )
        return self


class LimitSettings(Section):
    """Bounds of what this node keeps on disk."""

    state_bytes_max: int = Field(
        default=4 * GIB,
        ge=64 * MIB,
        le=1024 * GIB,
        description="Largest size of the replicated state. The file is sparse: this reserves nothing.",
    )
    disk_free_bytes_min: int = Field(
        default=32 * MIB,
        ge=1 * MIB,
        le=64 * GIB,
        description="With less space free this node hands over leadership and accepts no writes.",
    )


class MetricsSettings(Section):
    """What is measured on this host."""

    interval_s: Annotated[int, AfterValidator(_one_of(10, 30, 60))] = Field(
        default=10, description="How often. Readings fall on multiples of it: 10, 30 or 60."
    )
    watched_interval_s: Annotated[int, AfterValidator(_one_of(1, 2, 5))] = Field(
        default=1, description="How often while somebody watches live: 1, 2 or 5."
    )
    cgroup_root: AbsolutePath = Field(
        default=Path("/sys/fs/cgroup"), description="Where the control group file systems are mounted."
    )
    proc_root: AbsolutePath = Field(
        default=Path("/proc"),
        description="The host's process file system; another path when the agent runs in a container.",
    )


class BootstrapSettings(Section):
    """For automated installation: what `tower init` and `tower join` otherwise ask or print.

    Used once, before the node is a member; ignored afterwards.
    """

    admin_password: SecretStr | None = Field(
        default=None, description="Password of the first administrator, instead of one made and printed once."
    )
    join_address: Annotated[str, AfterValidator(_seed_address)] = Field(
        default="", description="Join the cluster through this host:port at the first start."
    )
    join_token: SecretStr | None = Field(default=None, description="The join token for it.")

    @model_validator(mode="after")
    def _join_is_complete(self) -> Self:
        if bool(self.join_address) != (self.join_token is not None):
            raise ValueError("join_address and join_token go together: give both or neither")
        return self


class Settings(Section):
    """Everything this host's agent is told. Read it once and hand each part what it needs."""

    node: NodeSettings = NodeSettings()
    listen: ListenSettings = ListenSettings()
    api: ApiSettings = ApiSettings()
    docker: DockerSettings = DockerSettings()
    haproxy: HaproxySettings = HaproxySettings()
    traefik: TraefikSettings = TraefikSettings()
    balancer: BalancerSettings = BalancerSettings()
    log: LogSettings = LogSettings()
    logs: LogsSettings = LogsSettings()
    raft: RaftSettings = RaftSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings = MetricsSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.traefik.enabled and self.balancer.webhook_url:
            raise ValueError("traefik.enabled and balancer.webhook_url: a host has one router; choose one")
        if not self.haproxy.enabled or self.traefik.enabled or self.balancer.webhook_url:
            return self
        ports = {name: getattr(self.haproxy, name) for name in ("http_port", "https_port")}
        if len(set(ports.values())) < len(ports):
            raise ValueError(
                f"haproxy.http_port and haproxy.https_port must not share port {ports['http_port']}"
            )
        for name, port in ports.items():
            for other in ("api", "raft", "peers"):
                if split_address(getattr(self.listen, other))[1] == port:
                    raise ValueError(f"haproxy.{name} and listen.{other} must not share port {port}")
        return self


def setting_keys() -> tuple[str, ...]:
    """Return every setting as "section.key", in the order of the example file."""
    return tuple(f"{section}.{name}" for section, name, _ in each_setting())


def variable_of(key: str) -> str:
    """Return the environment variable of "section.key"."""
    return ENV_PREFIX + key.replace(".", "_").upper()


def is_secret(field: FieldInfo) -> bool:
    """Whether the value must not be shown."""
    return "SecretStr" in str(field.annotation)


def each_section() -> Iterator[tuple[str, type[Section]]]:
    """Yield the name and model of every table of the file."""
    for section, outer in Settings.model_fields.items():
        model = outer.annotation
        assert isinstance(model, type)
        assert issubclass(model, Section)
        yield section, model


def each_setting() -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield section, name and field of every setting."""
    for section, model in each_section():
        for name, field in model.model_fields.items():
            yield section, name, field


def find_setting(key: str) -> FieldInfo | None:
    """Return the field of "section.key", None when there is no such setting."""
    for section, name, field in each_setting():
        if f"{section}.{name}" == key:
            return field
    return None
