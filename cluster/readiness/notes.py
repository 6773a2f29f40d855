"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """An ERROR would make the deployment fail, or break its promises; a WARNING is better known before."""

    ERROR = "error"
    WARNING = "warning"


class Check(StrEnum):
    """What is looked at. Names are part of the interface: append only."""

    IMAGE = "image"
    PIN = "pin"
    PLATFORM = "platform"
    IMAGE_SETTINGS = "image-settings"
    HEALTH = "health"
    HOST_PORTS = "host-ports"
    ISOLATION = "isolation"
    ROUTE = "route"
    CAPACITY = "capacity"
    REFERENCES = "references"
    VOLUMES = "volumes"
    SINGLETON = "singleton"
    NETWORK = "network"
    DRAIN = "drain"
    SKEW = "skew"
    CANARY = "canary"
    ROLLBACK = "rollback"
    CLUSTER = "cluster"
    ROUTER = "router"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One finding: of a service, or of the cluster (`subject` ""). `hint` says what to do about it."""

    check: Check
    level: Level
    subject: str
    rule: str
    hint: str = ""

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{subject}{self.rule}{hint}"


def error(check: Check, subject: str, rule: str, hint: str = "") -> Note:
    return Note(check=check, level=Level.ERROR, subject=subject, rule=rule, hint=hint)


def warning(check: Check, subject: str, rule: str, hint: str = "") -> Note:
    return Note(check=check, level=Level.WARNING, subject=subject, rule=rule, hint=hint)
