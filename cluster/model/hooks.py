"""Commands that are run around a deployment, and how their runs went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model import rules
from cluster.model.ids import NodeId, ServiceId

HOOKS_MAX = 16
TIMEOUT_DEFAULT_MS = 5 * 60_000
TIMEOUT_MAX_MS = 86_400_000
TAIL_CHARS_MAX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command in a container of the new revision; whatever ends with another status than 0 has failed.

    It goes to the image's entrypoint, as with `docker compose run`. `is_repeatable`: when its host is lost
    while it runs, it is run again elsewhere, possibly beside the first. Without it the deployment fails
    then: half a migration must not be run twice.
    """

    command: tuple[str, ...]
    timeout_ms: int = TIMEOUT_DEFAULT_MS
    is_repeatable: bool = False

    def __post_init__(self) -> None:
        rules.check_count("hooks: command", self.command, 1024)
        if not self.command:
            raise ValueError("hooks: command is empty; give the words of a command")
        for word in self.command:
            rules.check_text("hooks: command", word, 128 * 1024)
        rules.check_range("hooks: timeout_ms", self.timeout_ms, 1000, TIMEOUT_MAX_MS)


class HookKind(StrEnum):
    """PRE: before the first container of the new revision. POST: after it has all requests."""

    PRE = "pre"
    POST = "post"

    @property
    def key(self) -> str:
        """Its name in a Compose file."""
        return f"{self.value}_deploy"


class HookPhase(StrEnum):
    """Where a hook of a rollout stands.

    ORDERED: a host is to run it, and has not begun. RUNNING: the host has said that it begins, which it does
    before it does. LOST: its host was lost meanwhile, nobody knows how it ended. WAIVED: it failed, and a
    person had the rollout go on.
    """

    WAITING = "waiting"
    ORDERED = "ordered"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    WAIVED = "waived"

    @property
    def is_passed(self) -> bool:
        return self in (HookPhase.SUCCEEDED, HookPhase.WAIVED)

    @property
    def has_failed(self) -> bool:
        return self in (HookPhase.FAILED, HookPhase.LOST)

    @property
    def is_at_host(self) -> bool:
        return self in (HookPhase.ORDERED, HookPhase.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """One hook of one rollout, as it was when the rollout began. `number` counts from 0 within its kind.

    `attempts` counts the orders; a host's report counts only with the newest. `since_ms` is when `phase`
    began, `deadline_ms` when it is given up at the earliest (0: not said), both log time or the deciding
    leader's. `exit_code` is None unless the command has ended; `tail` is the end of what it printed.
    """

    kind: HookKind
    number: int
    hook: Hook
    phase: HookPhase = HookPhase.WAITING
    node_id: NodeId | None = None
    attempts: int = 0
    since_ms: int = 0
    deadline_ms: int = 0
    exit_code: int | None = None
    reason: str = ""
    tail: str = ""

    def __post_init__(self) -> None:
        rules.check_range("hook number", self.number, 0, HOOKS_MAX - 1)
        rules.check_text("hook reason", self.reason, 1024)
        rules.check_text("hook tail", self.tail, TAIL_CHARS_MAX)

    @property
    def title(self) -> str:
        """What it is called, for people."""
        return f"{self.kind.key} hook {self.number + 1}"


def hook_container_name(service_id: ServiceId, revision: int, kind: HookKind, number: int) -> str:
    """The same on every host and attempt. No replica's name has a word in the place of its revision."""
    return f"tower-{service_id}-{revision}-{kind}-{number}"
