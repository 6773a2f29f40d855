"""What a container may be given beyond its image, files and network: the engine's own settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules

DAY_MS = 86_400_000
ITEMS_MAX = 64

_CAPABILITY = re.compile(r"ALL|[A-Z][A-Z0-9_]{1,31}")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
_SIGNAL = re.compile(
    r"SIG(HUP|INT|QUIT|ILL|TRAP|ABRT|BUS|FPE|KILL|USR1|SEGV|USR2|PIPE|ALRM|TERM|STKFLT|CHLD|CONT|STOP|TSTP"
    r"|TTIN|TTOU|URG|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|PWR|SYS|RTMIN([+][0-9]{1,2})?|RTMAX(-[0-9]{1,2})?)"
    r"|[1-9]|[1-5][0-9]|6[0-4]"
)
_ULIMITS = frozenset(
    {
        "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
        "rtprio", "rttime", "sigpending", "stack",
    }
)  # fmt: skip
# Only those that the kernel keeps per namespace: any other would change the host, and the engine refuses it.
_SYSCTL = re.compile(
    r"(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+"
    r"|net\.[A-Za-z0-9._/-]+)"
)
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?")
_NUMBER_MAX = 2**63 - 1


class RestartCondition(StrEnum):
    """When a container that ended is started again."""

    ANY = "any"
    ON_FAILURE = "on-failure"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRule:
    """What follows when a container ends by itself.

    `delay_ms` passes before each attempt (0: the cluster's own, growing delay). With `attempts_max` (0: no
    limit) as many attempts within `window_ms` (0: ever) are enough.
    """

    condition: RestartCondition = RestartCondition.ANY
    delay_ms: int = 0
    attempts_max: int = 0
    window_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_range("restart_policy.delay_ms", self.delay_ms, 0, DAY_MS)
        rules.check_range("restart_policy.max_attempts", self.attempts_max, 0, 1_000_000)
        rules.check_range("restart_policy.window_ms", self.window_ms, 0, DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """A limit of the container's processes; -1 is unlimited."""

    name: str
    soft: int
    hard: int

    def __post_init__(self) -> None:
        if self.name not in _ULIMITS:
            raise ValueError(f"ulimits {self.name!r}: there are {', '.join(sorted(_ULIMITS))}")
        for value in (self.soft, self.hard):
            rules.check_range(f"ulimits.{self.name}", value, -1, _NUMBER_MAX)
        if self.hard != -1 and not -1 < self.soft <= self.hard:
            raise ValueError(
                f"ulimits.{self.name}: soft {self.soft} is above hard {self.hard}; it may be at most as high"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDriver:
    """Where the engine puts what the container prints. `options` are sorted pairs, and may hold a token."""

    name: str
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        rules.check_text("logging.driver", self.name, 64, chars_min=1)
        rules.check_pairs("logging.options", self.options, ITEMS_MAX, 4096)

    @property
    def is_local(self) -> bool:
        """Whether the log stays in the engine's own files or the host's journal."""
        return self.name in ("json-file", "local", "journald", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the host in the container. `permissions` are of r, w and m."""

    source: str
    target: str
    permissions: str = "rwm"

    def __post_init__(self) -> None:
        for name, path in (("source", self.source), ("target", self.target)):
            rules.check_text(f"devices: {name}", path, 4096, chars_min=1)
            if not path.startswith("/"):
                raise ValueError(f"devices: {name} {path!r}: an absolute path is needed, such as /dev/fuse")
        if not self.permissions or sorted(self.permissions) != sorted(set(self.permissions) & set("rwm")):
            raise ValueError(f"devices: permissions {self.permissions!r}: some of r, w and m, each once")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """The engine's settings of one container; a default leaves the image's or the engine's own.

    `init` None leaves it to the engine whether a small process 1 reaps and passes on signals. Capabilities
    are without CAP_. `sysctls` are sorted pairs, `extra_hosts` pairs of name and address in the file's order.
    Sizes are bytes; 0 is the engine's default. `platform` is as "linux/amd64".
    """

    entrypoint: tuple[str, ...] | None = None
    user: str = ""
    working_dir: str = ""
    hostname: str = ""
    domainname: str = ""
    init: bool | None = None
    is_read_only: bool = False
    is_privileged: bool = False
    has_no_new_privileges: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    group_add: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    shm_size_bytes: int = 0
    oom_score_adj: int = 0
    stop_signal: str = ""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    log: LogDriver | None = None
    platform: str = ""
    restart: RestartRule = field(default_factory=RestartRule)

    def __post_init__(self) -> None:
        if self.entrypoint is not None:
            rules.check_count("entrypoint", self.entrypoint, 1024)
            for item in self.entrypoint:
                rules.check_text("entrypoint", item, 128 * 1024)
        rules.check_text("user", self.user, 128)
        rules.check_text("working_dir", self.working_dir, 4096)
        if self.working_dir and not self.working_dir.startswith("/"):
            raise ValueError(f"working_dir {self.working_dir!r}: an absolute path is needed")
        for name in ("hostname", "domainname"):
            value: str = getattr(self, name)
            if value and not _HOST_NAME.fullmatch(value):
                raise ValueError(f"{name} {value!r}: 1 to 63 of letters, digits, . and -")
        for name in ("cap_add", "cap_drop"):
            capabilities: tuple[str, ...] = getattr(self, name)
            _check_words(name, capabilities, _CAPABILITY, "a capability such as NET_ADMIN, or ALL")
        rules.check_count("devices", self.devices, ITEMS_MAX)
        for name in ("group_add", "dns", "dns_search", "dns_options"):
            words: tuple[str, ...] = getattr(self, name)
            rules.check_count(name, words, ITEMS_MAX)
            for word in words:
                rules.check_text(name, word, 256, chars_min=1)
        rules.check_count("ulimits", self.ulimits, ITEMS_MAX)
        rules.check_pairs("sysctls", self.sysctls, ITEMS_MAX, 1024)
        for key, _ in self.sysctls:
            if not _SYSCTL.fullmatch(key):
                raise ValueError(
                    f"sysctls {key!r}: only those a container has for itself: net.*, fs.mqueue.*, and"
                    " kernel.* of shared memory, semaphores and messages"
                )
        rules.check_range("shm_size", self.shm_size_bytes, 0, 2**60)
        rules.check_range("oom_score_adj", self.oom_score_adj, -1000, 1000)
        if self.stop_signal and not _SIGNAL.fullmatch(self.stop_signal):
            raise ValueError(f"stop_signal {self.stop_signal!r}: a signal such as SIGTERM")
        rules.check_count("extra_hosts", self.extra_hosts, ITEMS_MAX)
        for name, address in self.extra_hosts:
            rules.check_text("extra_hosts", name, 253, chars_min=1)
            rules.check_text("extra_hosts", address, 64, chars_min=1)
        if self.platform and not _PLATFORM.fullmatch(self.platform):
            raise ValueError(f"platform {self.platform!r}: write it as linux/amd64 or linux/arm64/v8")


def _check_words(name: str, words: tuple[str, ...], pattern: re.Pattern[str], rule: str) -> None:
    rules.check_count(name, words, ITEMS_MAX)
    for word in words:
        if not pattern.fullmatch(word):
            raise ValueError(f"{name} {word!r}: {rule}")
