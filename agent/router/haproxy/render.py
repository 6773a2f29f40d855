"""HAProxy's configuration and server states as text. Pure; HAProxy 2.6 and later read it.

One backend for each service and colour with slots declared in advance (`server-template`), because servers
added at runtime crash or lose requests before 3.0; one map value per service is the split. What is in the
slots changes over the runtime socket, and survives a reload through the file of server states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.maps import VISITOR, host_of, match_key, request_target
from agent.router.haproxy.slots import Slot, SlotState
from agent.router.protocol import ServiceRoute
from cluster.model.experiment import VALUE_CHARS_MAX, MatchKind
from cluster.model.service import Sticky

BLUE = "blue"
GREEN = "green"
COLOURS = (BLUE, GREEN)
OWN_BACKENDS = frozenset({"unknown", "previews", "tunnels"})
"""The backends that are no service's."""

SLOTS_MIN = 8
SLOT_NAME_PREFIX = "s"
# HAProxy takes the address of a server from the file of states only where its configuration gives a name;
# this one is never looked up, since `init-addr` does not say to.
_UNUSED_NAME = "unused.invalid"
_UNUSED_ADDRESS = "127.0.0.1"
_UNUSED_PORT = 1

COLOUR_HEADER = "X-Tower-Colour"
SHARE_COOKIE = "tower-share"
LOG_MARK = "tower1"
LOGGED_PER_SECOND = 20
"""Lines of one backend; of more requests, so many are picked by chance."""
_PRIVATE_NETWORKS = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1 fc00::/7"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions:
    """What the configuration depends on besides the services.

    `account` is user and group id of the workers, None for the agent's own. HTTPS is served on `https_port`
    once there are certificates, whose `certificates_digest` changes with them ("": there are none).
    """

    http_port: int
    bind_address: str = "*"
    account: tuple[int, int] | None = None
    https_port: int | None = None
    certificates_digest: str = ""

    @property
    def serves_https(self) -> bool:
        return self.https_port is not None and bool(self.certificates_digest)


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


_FAILURES = {
    502: "the replica of this service that was asked gave no answer",
    503: "no replica of this service can answer on this host at the moment",
    504: "the replica of this service that was asked did not answer in time",
}


def render_config(
    files: HaproxyFiles, options: ConfigOptions, routes: Sequence[ServiceRoute], slots: Mapping[str, int]
) -> str:
    """Return haproxy.cfg. `slots` is the number of slots of each service's colours."""
    lines = [
        "# Written by Control Tower; changes are overwritten.",
        "global",
        f"  stats socket {files.socket} mode 600 level admin expose-fd listeners",
        "  stats timeout 10s",
        f"  log abns@{files.request_log} len 256 format raw local0 info",
        f"  server-state-file {files.server_states}",
        "  hard-stop-after 10m",
        # Without a bound HAProxy sizes its tables by the hard limit, which containers set to a million.
        "  fd-hard-limit 50000",
    ]
    if options.account is not None:
        lines += [f"  uid {options.account[0]}", f"  gid {options.account[1]}"]
    lines += ["", *_defaults(), "", *_frontend(files, options, routes)]
    lines += [
        "",
        "backend unknown",
        "  http-request set-log-level silent",
        *_text_answer("http-request return", 404, "no service of this cluster has this host name"),
        "",
        # By backend: what is to be left out of what HAProxy counts.
        "backend previews",
        "  stick-table type string len 128 size 10k store http_req_cnt,gpc0,gpc1,conn_cur",
        "",
        # By backend and server: websockets and the like under way.
        "backend tunnels",
        "  stick-table type string len 144 size 100k store conn_cur",
    ]
    for route in sorted(routes, key=lambda route: route.service):
        for colour in COLOURS:
            lines += ["", *_backend(route, colour, slots[route.service])]
    return "\n".join(lines) + "\n"


def _defaults() -> Iterable[str]:
    yield from (
        "defaults",
        "  mode http",
        "  log global",
        f'  log-format "{LOG_MARK} %b %si %sp %ST %Tr"',
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
    )


def _frontend(files: HaproxyFiles, options: ConfigOptions, routes: Sequence[ServiceRoute]) -> Iterable[str]:
    yield "frontend http"
    yield f"  bind {options.bind_address}:{options.http_port}"
    if options.serves_https:
        yield f"  # certificates {options.certificates_digest}"
        yield (
            f"  bind {options.bind_address}:{options.https_port} ssl crt {files.certificates}/"
            " alpn h2,http/1.1 ssl-min-ver TLSv1.2"
        )
    # Sent again, another request might be carried out twice.
    yield "  http-request disable-l7-retry unless { method GET HEAD OPTIONS }"
    yield "  http-request set-header X-Forwarded-Proto http"
    if options.serves_https:
        yield "  http-request set-header X-Forwarded-Proto https if { ssl_fc }"
    yield from _finding_the_service(files)
    if options.serves_https:
        yield from _redirecting_to_https(files, options)
    yield from _choosing_a_share(files)
    yield from _targeting(files, routes)
    yield from _choosing_a_colour()
    yield "  use_backend %[var(txn.service)]-%[var(txn.colour)] if { var(txn.service) -m found }"
    yield "  default_backend unknown"


def _finding_the_service(files: HaproxyFiles) -> Iterable[str]:
    lookup = f"concat(,txn.path,/),map_beg({files.path_map})"
    yield "  http-request set-var(txn.host) req.hdr(host),field(1,:),lower"
    yield "  http-request set-var(txn.path) path,bytes(0,2048)"
    yield f"  http-request set-var(txn.service) var(txn.host),{lookup}"
    yield (
        f"  http-request set-var(txn.wildcard) var(txn.host),map_end({files.wildcard_map})"
        " if !{ var(txn.service) -m found }"
    )
    yield (
        f"  http-request set-var(txn.service) var(txn.wildcard),{lookup} if {{ var(txn.wildcard) -m found }}"
    )


def _redirecting_to_https(files: HaproxyFiles, options: ConfigOptions) -> Iterable[str]:
    is_wanted = f"{{ var(txn.service),map_str({files.tls_map}) -m str redirect }} !{{ ssl_fc }}"
    port = "" if options.https_port == 443 else f":{options.https_port}"
    yield f"  http-request set-log-level silent if {is_wanted}"
    # 308, because a request that is not GET must come again as it was.
    yield f"  http-request redirect code 308 location https://%[var(txn.host)]{port}%[pathq] if {is_wanted}"


def _choosing_a_share(files: HaproxyFiles) -> Iterable[str]:
    """One number below 1000 for each request. One that stays with a person moves them only with the split."""
    by_cookie, has_cookie = (
        "{ var(txn.sticky) -m str cookie }",
        f"{{ req.cook({SHARE_COOKIE}) -m reg ^[0-9]{{1,3}}$ }}",
    )
    yield f"  http-request set-var(txn.permille) var(txn.service),map_str_int({files.split_map},0)"
    yield f"  http-request set-var(txn.sticky) var(txn.service),map_str({files.sticky_map})"
    yield "  http-request set-var(txn.share) rand(1000)"
    yield (
        "  http-request set-var(txn.share) src,concat(/,txn.service),crc32(1),mod(1000)"
        " if { var(txn.sticky) -m str address }"
    )
    yield f"  http-request set-var(txn.share) req.cook_val({SHARE_COOKIE}) if {by_cookie} {has_cookie}"
    yield f"  http-request set-var(txn.is_new) bool(true) if {by_cookie} !{has_cookie}"
    yield (
        f'  http-after-response add-header Set-Cookie "{SHARE_COOKIE}=%[var(txn.share)]; Path=/; HttpOnly;'
        ' SameSite=Lax" if { var(txn.is_new) -m bool }'
    )


def _targeting(files: HaproxyFiles, routes: Sequence[ServiceRoute]) -> Iterable[str]:
    """What a request says of where it belongs, and a throw that is kept for each visitor of an experiment.

    Names of headers and cookies cannot be looked up, so the configuration has those of all services; which
    values lead where is in a map.
    """
    headers = sorted({name for route in routes for name in route.headers})
    cookies = sorted({name for route in routes for name in route.cookies})
    named = [(MatchKind.HEADER, f"req.fhdr({name})", name) for name in headers]
    named += [(MatchKind.COOKIE, f"req.cook({name})", name) for name in cookies]
    for kind, fetch, name in named:
        # One more than a value may have: what is longer must not be taken for its beginning.
        yield f"  http-request set-var(txn.told) {fetch},bytes(0,{VALUE_CHARS_MAX + 1})"
        yield (
            f"  http-request set-var(txn.aim) var(txn.service),concat({match_key(kind, name)},txn.told),"
            f"map_str({files.targeting_map})"
            f" if {{ {fetch} -m found }} !{{ var(txn.aim) -m found }}"
        )
    yield (
        f"  http-request set-var(txn.visitor) var(txn.service),concat({VISITOR}),"
        f"map_str({files.targeting_map}) if !{{ var(txn.aim) -m found }}"
    )
    yield "  http-request set-var(txn.share) rand(1000) if { var(txn.visitor) -m found }"
    for name in sorted({name for route in routes for name in route.visitor_cookies}):
        is_known = f"{{ var(txn.visitor) -m beg {name}/ }} {{ req.cook({name}) -m reg ^[0-9]{{1,3}}$ }}"
        yield f"  http-request set-var(txn.share) req.cook_val({name}) if {is_known}"
        yield f"  http-request set-var(txn.is_known) bool(true) if {is_known}"
    yield (
        '  http-after-response add-header Set-Cookie "%[var(txn.visitor),field(1,/)]=%[var(txn.share)];'
        ' Path=/; Max-Age=%[var(txn.visitor),field(2,/)]; HttpOnly; SameSite=Lax"'
        " if { var(txn.visitor) -m found } !{ var(txn.is_known) -m bool }"
    )


def _choosing_a_colour() -> Iterable[str]:
    is_preview = "{ var(txn.preview) -m found }"
    yield f"  http-request set-var(txn.colour) str({BLUE})"
    yield f"  http-request set-var(txn.other) str({GREEN})"
    for name, colour in (("other", BLUE), ("colour", GREEN)):
        yield (
            f"  http-request set-var(txn.{name}) str({colour}) if {{ var(txn.share),sub(txn.permille) lt 0 }}"
        )
    for name, colour, other in (("colour", GREEN, BLUE), ("other", BLUE, GREEN)):
        yield f"  http-request set-var(txn.{name}) str({colour}) if {{ var(txn.aim) -m str {GREEN} }}"
        yield f"  http-request set-var(txn.{name}) str({other}) if {{ var(txn.aim) -m str {BLUE} }}"
    yield (
        "  http-request set-var(txn.colour) var(txn.other)"
        " if { var(txn.service),concat(-,txn.colour),nbsrv eq 0 }"
        " { var(txn.service),concat(-,txn.other),nbsrv gt 0 }"
    )
    yield (
        f"  http-request set-var(txn.preview) req.hdr({COLOUR_HEADER})"
        f" if {{ req.hdr({COLOUR_HEADER}) -m str {BLUE} {GREEN} }} {{ src {_PRIVATE_NETWORKS} }}"
        " { var(txn.service) -m found }"
    )
    yield f"  http-request del-header {COLOUR_HEADER}"
    yield f"  http-request set-var(txn.colour) var(txn.preview) if {is_preview}"
    yield f"  http-request set-log-level silent if {is_preview}"
    # One for which there is no server never reaches what is counted.
    yield (
        "  http-request track-sc0 var(txn.service),concat(-,txn.colour) table previews"
        f" if {is_preview} {{ var(txn.service),concat(-,txn.colour),nbsrv gt 0 }}"
    )
    yield "  http-response sc-inc-gpc0(0) if { sc0_tracked }"
    yield "  http-response sc-inc-gpc1(0) if { sc0_tracked } { status ge 500 }"


def _backend(route: ServiceRoute, colour: str, slots: int) -> Iterable[str]:
    name = backend_name(route.service, colour)
    yield f"backend {name}"
    if route.sticky is Sticky.ADDRESS:
        yield "  balance source"
        # Otherwise nearly everybody would change places with each replica that comes or goes.
        yield "  hash-type consistent"
    else:
        yield "  balance roundrobin"
    if route.sticky is Sticky.COOKIE:
        yield f"  cookie tower-{route.service} insert indirect nocache httponly dynamic attr SameSite=Lax"
        # The same on every host, so that a person finds the same replica through any of them.
        yield f"  dynamic-cookie-key {hashlib.sha256(route.service.encode()).hexdigest()[:32]}"
    # Which colour it was is all that tells a failing new revision from a failing service.
    for status, words in _FAILURES.items():
        yield from _text_answer("http-error", status, words, f" hdr {COLOUR_HEADER} {colour}")
    yield "  http-request set-var(txn.rate) be_sess_rate"
    yield (
        "  http-request set-log-level silent"
        f" if {{ rand(1000),mul(txn.rate),div(1000) ge {LOGGED_PER_SECOND} }}"
    )
    yield "  http-response set-var(txn.slot) srv_name if { status 101 }"
    yield f"  http-response track-sc1 str({name}/),concat(,txn.slot) table tunnels if {{ status 101 }}"
    if route.health_path:
        yield "  option httpchk"
        host = f" hdr Host {host_of(route.hosts[0])}" if route.hosts else ""
        yield f"  http-check send meth GET uri '{request_target(route.health_path)}' ver HTTP/1.1{host}"
    # inter is also the longest wait for the first check of a server that leaves maintenance.
    yield (
        f"  server-template {SLOT_NAME_PREFIX} {slots} {_UNUSED_NAME}:{_UNUSED_PORT}"
        f" init-addr last,{_UNUSED_ADDRESS} disabled weight 100"
        # Of a host that is gone nothing is acknowledged: its requests do not wait for the whole timeout.
        " tcp-ut 5s check inter 500ms fastinter 250ms downinter 500ms fall 2 rise 1"
    )


def _text_answer(rule: str, status: int, words: str, more: str = "") -> Iterable[str]:
    yield f'  {rule} status {status} content-type "text/plain; charset=utf-8" string "{words}\\n"{more}'


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
