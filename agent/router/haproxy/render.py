"""HAProxy's configuration, maps and server states as text. Pure; HAProxy 2.6 and later read it.

One backend for each service and colour with slots declared in advance (`server-template`), because servers
added at runtime crash or lose requests before 3.0; one map value per service is the split. What is in the
slots changes over the runtime socket, and survives a reload through the file of server states.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agent.router.haproxy.slots import Slot, SlotState
from agent.router.protocol import ServiceRoute

BLUE = "blue"
GREEN = "green"
COLOURS = (BLUE, GREEN)

SLOTS_MIN = 8
SOCKET_PATH_CHARS_MAX = 90
"""sun_path has 107, and HAProxy binds to a longer, temporary name first."""
SLOT_NAME_PREFIX = "s"
_UNUSED_ADDRESS = "127.0.0.1"
_UNUSED_PORT = 1

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+-]*")
# What may stand in a request target (RFC 3986), less the quote that would end the word in the configuration.
_TARGET_SAFE = "/?&=%:@!$()*+,;~-._"

SERVER_STATE_VERSION = "1"
_SERVER_STATE_FIELDS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight"
    " srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state"
    " srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port"
    " srv_check_addr srv_agent_addr srv_agent_port"
)
# src/server.h: what the configuration says of every slot, and a drain that was asked for.
_ADMIN_DISABLED_IN_CONFIG = 0x04
_ADMIN_DRAIN = 0x08


@dataclass(frozen=True, slots=True)
class HaproxyFiles:
    """Where the files of one HAProxy are."""

    directory: Path

    @property
    def problem(self) -> str:
        """Why HAProxy cannot work there; empty when it can."""
        if not _PLAIN_PATH.fullmatch(str(self.directory)):
            return (
                f"{self.directory}: the path of HAProxy's directory may have letters, digits and _ . / + - "
                "only: choose another node.data_dir"
            )
        if len(str(self.socket)) > SOCKET_PATH_CHARS_MAX:
            return (
                f"{self.directory}: too long a path for the sockets HAProxy makes there: choose a shorter "
                "node.data_dir"
            )
        return ""

    @property
    def config(self) -> Path:
        return self.directory / "haproxy.cfg"

    @property
    def socket(self) -> Path:
        return self.directory / "haproxy.sock"

    @property
    def master_socket(self) -> Path:
        return self.directory / "master.sock"

    @property
    def server_states(self) -> Path:
        return self.directory / "servers.state"

    @property
    def host_map(self) -> Path:
        return self.directory / "host.map"

    @property
    def wildcard_map(self) -> Path:
        return self.directory / "wildcard.map"

    @property
    def split_map(self) -> Path:
        return self.directory / "split.map"

    @property
    def log(self) -> Path:
        return self.directory / "haproxy.log"

    @property
    def process(self) -> Path:
        return self.directory / "process.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions:
    """What the configuration depends on besides the services. `account`: user and group id of the workers,
    None for the agent's own.
    """

    http_port: int
    bind_address: str = "*"
    account: tuple[int, int] | None = None


def backend_name(service: str, colour: str) -> str:
    return f"{service}-{colour}"


def split_backend_name(backend: str) -> tuple[str, str] | None:
    """Return service and colour of a backend of ours."""
    service, _, colour = backend.rpartition("-")
    return (service, colour) if service and colour in COLOURS else None


def slot_name(number: int) -> str:
    return f"{SLOT_NAME_PREFIX}{number}"


def slot_count(replicas_max: int) -> int:
    """Twice the most replicas, at least eight; a power of two, so that growing seldom needs a reload."""
    return max(SLOTS_MIN, 1 << max(0, 2 * replicas_max - 1).bit_length())


def render_config(
    files: HaproxyFiles, options: ConfigOptions, routes: Sequence[ServiceRoute], slots: Mapping[str, int]
) -> str:
    """Return haproxy.cfg. `slots` is the number of slots of each service's colours."""
    lines = [
        "# Written by Control Tower; changes are overwritten.",
        "global",
        f"  stats socket {files.socket} mode 600 level admin expose-fd listeners",
        "  stats timeout 10s",
        f"  server-state-file {files.server_states}",
        "  hard-stop-after 10m",
        # Without a bound HAProxy sizes its tables by the hard limit, which containers set to a million.
        "  fd-hard-limit 50000",
    ]
    if options.account is not None:
        lines += [f"  uid {options.account[0]}", f"  gid {options.account[1]}"]
    lines += [
        "",
        "defaults",
        "  mode http",
        "  option forwardfor",
        # At each attempt, not only the last: a host that has just died must not be tried three times.
        "  option redispatch 1",
        # Without it keep-alive requests are lost at every reload.
        "  option idle-close-on-response",
        "  retries 3",
        "  retry-on conn-failure empty-response",
        "  timeout connect 1s",
        "  timeout check 1s",
        "  timeout client 60s",
        "  timeout server 60s",
        "  timeout queue 5s",
        "  timeout http-request 10s",
        "  timeout tunnel 1h",
        "  load-server-state-from-file global",
        # inter is also the longest wait for the first check of a server that leaves maintenance.
        "  default-server inter 500ms fastinter 250ms downinter 500ms fall 2 rise 1",
        *_text_answer("http-error", 503, "no replica of this service can answer on this host at the moment"),
        "",
        "frontend http",
        f"  bind {options.bind_address}:{options.http_port}",
        # Sent again, another request might be carried out twice.
        "  http-request disable-l7-retry unless { method GET HEAD OPTIONS }",
        "  http-request set-header X-Forwarded-Proto http",
        f"  http-request set-var(txn.service) req.hdr(host),field(1,:),lower,map_str({files.host_map})",
        "  http-request set-var(txn.service)"
        f" req.hdr(host),field(1,:),lower,map_end({files.wildcard_map}) if !{{ var(txn.service) -m found }}",
        f"  http-request set-var(txn.permille) var(txn.service),map_str_int({files.split_map},0)",
        "  http-request set-var(txn.dice) rand(1000)",
        f"  http-request set-var(txn.colour) str({BLUE})",
        f"  http-request set-var(txn.colour) str({GREEN}) if {{ var(txn.dice),sub(txn.permille) lt 0 }}",
        "  use_backend %[var(txn.service)]-%[var(txn.colour)] if { var(txn.service) -m found }",
        "  default_backend unknown",
        "",
        "backend unknown",
        *_text_answer("http-request return", 404, "no service of this cluster has this host name"),
    ]
    for route in sorted(routes, key=lambda route: route.service):
        for colour in COLOURS:
            lines += ["", *_backend(route, colour, slots[route.service])]
    return "\n".join(lines) + "\n"


def _backend(route: ServiceRoute, colour: str, slots: int) -> Iterable[str]:
    yield f"backend {backend_name(route.service, colour)}"
    yield "  balance roundrobin"
    if route.health_path:
        yield "  option httpchk"
        host = f" hdr Host {route.hosts[0].removeprefix('*.')}" if route.hosts else ""
        yield f"  http-check send meth GET uri '{request_target(route.health_path)}' ver HTTP/1.1{host}"
    yield (
        f"  server-template {SLOT_NAME_PREFIX} {slots} {_UNUSED_ADDRESS}:{_UNUSED_PORT} check disabled"
        " weight 100"
    )


def _text_answer(rule: str, status: int, words: str) -> Iterable[str]:
    yield f'  {rule} status {status} content-type "text/plain; charset=utf-8" string "{words}\\n"'


def request_target(path: str) -> str:
    """Return `path` as it may stand in a request line: everything unusual is percent-encoded."""
    return quote(path, safe=_TARGET_SAFE)


def host_entries(routes: Iterable[ServiceRoute]) -> list[tuple[str, str]]:
    """Return (host, service), sorted; a host that two services claim is the first's."""
    return sorted(_claims(routes, is_wildcard=False).items())


def wildcard_entries(routes: Iterable[ServiceRoute]) -> list[tuple[str, str]]:
    """Return (".suffix", service), the longest first: the first that matches wins."""
    claims = _claims(routes, is_wildcard=True)
    return sorted(
        ((host.removeprefix("*"), service) for host, service in claims.items()),
        key=lambda entry: (-len(entry[0]), entry),
    )


def _claims(routes: Iterable[ServiceRoute], *, is_wildcard: bool) -> dict[str, str]:
    claims: dict[str, str] = {}
    for route in routes:
        for host in route.hosts:
            if host.startswith("*.") is is_wildcard:
                claims.setdefault(host.lower(), route.service)
    return claims


def render_map(entries: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{key} {value}\n" for key, value in entries)


def render_server_states(backends: Mapping[str, Sequence[Slot]]) -> str:
    """Return the file of server states in which every slot is as `backends` says.

    A server is taken for healthy, because it was when it was last seen: checks correct that at once, and
    until then requests are sent on to another one.
    """
    lines = [SERVER_STATE_VERSION, f"# {_SERVER_STATE_FIELDS}"]
    for backend, slots in sorted(backends.items()):
        for slot in slots:
            if slot.endpoint is None or slot.state is SlotState.FREE:
                continue
            admin = _ADMIN_DISABLED_IN_CONFIG
            if slot.state is not SlotState.READY:
                admin |= _ADMIN_DRAIN
            endpoint = slot.endpoint
            lines.append(
                f"1 {backend} {slot.number} {slot_name(slot.number)} {endpoint.address} 2 {admin}"
                f" {endpoint.weight} 100 0 15 3 2 6 0 0 0 - {endpoint.port} - 0 0 - - 0"
            )
    return "\n".join(lines) + "\n"
