"""What HAProxy answers on its sockets, as values. Pure; columns are found by name, for they move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_FINAL_CLASSES = ("hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
_ADMIN_MAINTENANCE = 0x01 | 0x02 | 0x20
_ADMIN_DRAIN = 0x08 | 0x10


class AnswerMalformed(Exception):
    """HAProxy's answer is not what its management guide describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStats:
    """One server in one worker. `in_flight` counts requests, not idle connections."""

    backend: str
    server: str
    status: str
    check_status: str
    in_flight: int
    address: str

    @property
    def is_check_passed(self) -> bool:
        """Whether the newest check passed; a check under way is shown as "* L7OK"."""
        return self.check_status.removeprefix("* ") in ("L4OK", "L6OK", "L7OK", "L7OKC")

    @property
    def is_check_failed(self) -> bool:
        """Whether the newest check failed; one that was never checked has not."""
        status = self.check_status.removeprefix("* ")
        return status not in ("", "UNK", "INI", "CHECKED") and not self.is_check_passed

    @property
    def is_settled_drain(self) -> bool:
        """Healthy and drained. "DRAIN 1/2" has not passed its checks yet, whatever the last one says."""
        return self.status == "DRAIN" and self.is_check_passed


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCounters:
    """What one server of one worker counted since the worker began.

    `attempts` are requests that were sent or were to be sent there, `retries` those of them that were tried
    once more, here or elsewhere. `answers` count when their first line comes; `informational` ones (1xx) come
    before an answer, or are the upgrade to a websocket. `failed_attempts` got no connection or no answer; 3.x
    counts some of them twice.
    """

    attempts: int = 0
    retries: int = 0
    answers: int = 0
    informational: int = 0
    server_errors: int = 0
    failed_attempts: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCounters:
    """What one backend of one worker counted since the worker began.

    `answers` count when they are whole, with those that HAProxy gave itself; `upgrades` are those of them
    that became a tunnel.
    """

    requests: int = 0
    answers: int = 0
    upgrades: int = 0
    server_errors: int = 0
    in_flight: int = 0
    servers: Mapping[str, ServerCounters] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewCounters:
    """Previews through one backend of one worker; `answers` and `server_errors` are a replica's."""

    requests: int = 0
    answers: int = 0
    server_errors: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one worker said at one moment, by backend."""

    previews: Mapping[str, PreviewCounters]
    backends: Mapping[str, BackendCounters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The processes of one HAProxy: present ones, those that only finish old connections, failed reloads."""

    master: int
    present: tuple[int, ...]
    old: tuple[int, ...]
    failed_reloads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """One line of `show servers state`."""

    backend: str
    number: int
    address: str
    port: int
    weight: int
    is_maintenance: bool
    is_drained: bool


def parse_servers(answer: str) -> list[ServerStats]:
    """Parse `show stat <backend> 4 -1`."""
    return [
        ServerStats(
            backend=row["pxname"],
            server=row["svname"],
            status=row.get("status", ""),
            check_status=row.get("check_status", ""),
            in_flight=_count(row, "scur") + _count(row, "qcur"),
            address=row.get("addr", ""),
        )
        for row in _rows(answer)
        if row["svname"] not in ("BACKEND", "FRONTEND")
    ]


def parse_counters(answer: str) -> dict[str, BackendCounters]:
    """Parse `show stat <backend> 6 -1`. Servers that never had a request are left out."""
    backends: dict[str, dict[str, str]] = {}
    servers: dict[str, dict[str, ServerCounters]] = {}
    for row in _rows(answer):
        if row["svname"] == "BACKEND":
            backends[row["pxname"]] = row
        elif _count(row, "stot"):
            servers.setdefault(row["pxname"], {})[row["svname"]] = ServerCounters(
                attempts=_count(row, "stot"),
                # A redispatch after an answer that did not come counts as both, after a connection as one.
                retries=max(_count(row, "wretr"), _count(row, "wredis")),
                answers=sum(_count(row, name) for name in _FINAL_CLASSES),
                informational=_count(row, "hrsp_1xx"),
                server_errors=_count(row, "hrsp_5xx"),
                failed_attempts=_count(row, "econ") + _count(row, "eresp"),
                in_flight=_count(row, "scur"),
            )
    return {
        name: BackendCounters(
            requests=_count(row, "stot"),
            answers=sum(_count(row, each) for each in ("hrsp_1xx", *_FINAL_CLASSES)),
            upgrades=_count(row, "hrsp_1xx"),
            server_errors=_count(row, "hrsp_5xx"),
            in_flight=_count(row, "scur"),
            servers=servers.get(name, {}),
        )
        for name, row in backends.items()
    }


def parse_previews(answer: str) -> dict[str, PreviewCounters]:
    """Parse `show table previews`, whose keys are backends."""
    return {
        key: PreviewCounters(
            requests=_count(entry, "http_req_cnt"),
            answers=_count(entry, "gpc0"),
            server_errors=_count(entry, "gpc1"),
            in_flight=_count(entry, "conn_cur"),
        )
        for key, entry in _entries(answer)
    }


def parse_tunnels(answer: str) -> dict[str, int]:
    """Parse `show table tunnels`: how many are under way, by "backend/server"."""
    return {key: _count(entry, "conn_cur") for key, entry in _entries(answer)}


def _entries(answer: str) -> Iterator[tuple[str, dict[str, str]]]:
    lines = [line for line in answer.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# table:"):
        raise AnswerMalformed(f"no stick table: {answer[:200]!r}")
    for line in lines[1:]:
        entry = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "key" in entry:
            yield entry["key"], entry


def _rows(answer: str) -> Iterator[dict[str, str]]:
    lines = answer.splitlines()
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines or not lines[0].startswith("# pxname"):
        raise AnswerMalformed(f"no table of statistics: {answer[:200]!r}")
    names = lines[0].removeprefix("# ").split(",")
    for line in lines[1:]:
        if line.strip():
            row = dict(zip(names, line.split(","), strict=False))
            if "svname" not in row:
                raise AnswerMalformed(f"a short line of statistics: {line[:200]!r}")
            yield row


def _count(row: dict[str, str], name: str) -> int:
    text = row.get(name, "")
    return int(text) if text.isdecimal() else 0


def parse_workers(answer: str) -> Workers:
    """Parse `show proc` of the master's socket."""
    master = failed = 0
    present: list[int] = []
    old: list[int] = []
    section: list[int] | None = present
    for line in answer.splitlines():
        words = line.split()
        if line.startswith("# old workers"):
            section = old
        elif line.startswith("# workers"):
            section = present
        elif line.startswith("# programs"):
            section = None
        elif len(words) >= 2 and words[0].isdecimal():
            if words[1] == "master":
                master = int(words[0])
                failed = _failed_reloads(line)
            elif words[1] == "worker" and section is not None:
                section.append(int(words[0]))
    if not master:
        raise AnswerMalformed(f"no master among the processes: {answer[:200]!r}")
    return Workers(master=master, present=tuple(present), old=tuple(old), failed_reloads=failed)


def _failed_reloads(line: str) -> int:
    _, found, rest = line.partition("[failed: ")
    number = rest.partition("]")[0].strip()
    return int(number) if found and number.isdecimal() else 0


def parse_server_states(answer: str) -> list[ServerState]:
    """Parse `show servers state`."""
    lines = [line for line in answer.splitlines() if line.strip()]
    header = next((line for line in lines if line.startswith("# be_id")), None)
    if header is None:
        raise AnswerMalformed(f"no table of server states: {answer[:200]!r}")
    names = header.removeprefix("# ").split()
    states = []
    for line in lines[lines.index(header) + 1 :]:
        row = dict(zip(names, line.split(), strict=False))
        try:
            admin = int(row["srv_admin_state"])
            states.append(
                ServerState(
                    backend=row["be_name"],
                    number=int(row["srv_id"]),
                    address=row["srv_addr"],
                    port=int(row["srv_port"]),
                    weight=int(row["srv_uweight"]),
                    is_maintenance=bool(admin & _ADMIN_MAINTENANCE),
                    is_drained=bool(admin & _ADMIN_DRAIN),
                )
            )
        except (KeyError, ValueError) as error:
            raise AnswerMalformed(f"a line of server states: {line[:200]!r}") from error
    return states
