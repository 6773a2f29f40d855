"""Permissions besides an account's role: roles somebody made, and bindings to part of the cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.access import Role

NAMES_MAX = 64
"""Most names one constraint of a scope lists."""
PERMISSIONS_MAX = 64
CUSTOM_ROLES_MAX = 200
BINDINGS_OF_HOLDER_MAX = 64
HOURS_MAX = 16
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ACTIONS = re.compile(r"\*|[a-z][a-z-]{0,31}\.(\*|[a-z][a-z-]{0,31})|\*\.[a-z][a-z-]{0,31}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_BUILT_IN = frozenset(role.value for role in Role)


class PermissionEffect(StrEnum):
    """What a permission does: one that denies wins over all that allow."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessScope:
    """Which things are meant. Constraints are all to be met; of one with several names any will do.

    None: no constraint. Empty: nothing meets it. `services` are ids or names, `nodes` ids or names of hosts,
    `names` names of containers (`web` or `h1/web`). Labels are `key=value`, or `key` for any value;
    `without_labels` must all be absent. Labels of images do not count.
    """

    projects: tuple[str, ...] | None = None
    services: tuple[str, ...] | None = None
    nodes: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    without_labels: tuple[str, ...] | None = None
    environments: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("projects", "services", "nodes", "names", "labels", "without_labels", "environments"):
            values: tuple[str, ...] | None = getattr(self, name)
            if values is None:
                continue
            rules.check_count(f"scope.{name}", values, NAMES_MAX)
            for value in values:
                rules.check_text(f"scope.{name}", value, 512, chars_min=1)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == EVERYTHING

    def __str__(self) -> str:
        words = (
            ("project", self.projects),
            ("service", self.services),
            ("host", self.nodes),
            ("container", self.names),
            ("label", self.labels),
            ("without label", self.without_labels),
            ("environment", self.environments),
        )
        parts = [f"{word} {' or '.join(values) or 'none'}" for word, values in words if values is not None]
        return ", ".join(parts) or "everything"


EVERYTHING = AccessScope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Times of the week by a wall clock: from `start` until before `end` ("HH:MM"), on `days`, in `tz`.

    With `end` not after `start` they go over midnight and belong to the day they began. Where clocks are put
    forward the missing time is not waited for; where they are put back the repeated hour counts twice.
    """

    days: tuple[str, ...] = DAYS
    start: str = "00:00"
    end: str = "24:00"
    tz: str = "UTC"

    def __post_init__(self) -> None:
        if not self.days or not set(self.days) <= set(DAYS):
            raise ValueError(f"hours.days {list(self.days)}: some of {', '.join(DAYS)}")
        rules.check_count("hours.days", self.days, len(DAYS))
        if not _CLOCK.fullmatch(self.start):
            raise ValueError(f"hours.start {self.start[:20]!r}: a time from 00:00 to 23:59")
        if self.end != "24:00" and not _CLOCK.fullmatch(self.end):
            raise ValueError(f"hours.end {self.end[:20]!r}: a time from 00:00 to 24:00")
        rules.check_text("hours.tz", self.tz, 64, chars_min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Actions that are allowed or denied, on what is in `scope`, in `hours` (none: always).

    An action is `container.restart`, `container.*`, `*.read` or `*`.
    """

    effect: PermissionEffect = PermissionEffect.ALLOW
    actions: tuple[str, ...]
    scope: AccessScope = field(default_factory=AccessScope)
    hours: tuple[Hours, ...] = ()

    def __post_init__(self) -> None:
        rules.check_count("actions", self.actions, NAMES_MAX)
        if not self.actions:
            raise ValueError("actions: at least one is needed")
        for action in self.actions:
            check_action_pattern(action)
        rules.check_count("hours", self.hours, HOURS_MAX)


def check_action_pattern(text: str) -> None:
    """Raises ValueError unless it is `*`, `kind.*`, `*.verb` or `kind.verb`."""
    if not _ACTIONS.fullmatch(text):
        raise ValueError(f"action {text[:80]!r}: write container.restart, container.*, *.read or *")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRole:
    """A role somebody made. `note` says what it is for; `by` who changed it last."""

    name: str
    permissions: tuple[Permission, ...]
    note: str = ""
    by: str = ""
    changed_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_name("role", self.name)
        if self.name in _BUILT_IN:
            raise ValueError(f"role {self.name!r}: it is built in and stays as it is; choose another name")
        rules.check_count("permissions", self.permissions, PERMISSIONS_MAX)
        if not self.permissions:
            raise ValueError("permissions: at least one is needed")
        rules.check_text("note", self.note, 256)
        rules.check_text("by", self.by, 128)

    @property
    def denies(self) -> bool:
        """Whether anything is denied by it."""
        return any(each.effect is PermissionEffect.DENY for each in self.permissions)


class HolderKind(StrEnum):
    USER = "user"
    TOKEN = "token"  # noqa: S105 (a kind of holder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose permissions: an account by its id, or an API token by its prefix."""

    kind: HolderKind
    id: str

    def __post_init__(self) -> None:
        rules.check_id("holder", self.id)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A role, built in or made by somebody, for a holder on what is in `scope`, in `hours` (none: always).

    `scope` and `hours` narrow those of the role's own permissions.
    """

    id: str
    holder: Holder
    role: str
    scope: AccessScope = field(default_factory=AccessScope)
    hours: tuple[Hours, ...] = ()
    note: str = ""
    by: str = ""
    created_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_id("binding id", self.id)
        rules.check_name("role", self.role)
        if self.role == Role.NONE:
            raise ValueError("role none: there is nothing in it to bind")
        rules.check_count("hours", self.hours, HOURS_MAX)
        rules.check_text("note", self.note, 256)
        rules.check_text("by", self.by, 128)
