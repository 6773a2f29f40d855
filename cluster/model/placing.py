"""Where the replicas of a service may be, and where they had better be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules

CONSTRAINTS_MAX = 32
PREFERENCES_MAX = 8
APART_MAX = 32
NAMES_MAX = 64
LABEL_CHARS_MAX = 256
LABELS_MAX = 128
HEADROOM_PERCENT = 10
"""What reservations leave of a host by default: for the engine, the agent, and all that reserves nothing."""

_LABEL_PREFIX = "node.labels."
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?")
_CONSTRAINT = re.compile(r"\s*(?P<attribute>\S+?)\s*(?P<operator>==|!=)\s*(?P<value>\S|\S.*\S)\s*", re.DOTALL)
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}(\.[a-z0-9][a-z0-9_-]{0,30})?")
_ROLES = {"manager": "voter", "worker": "learner"}


class HostFact(StrEnum):
    """What a rule can look at on a host. The values are Swarm's names."""

    ID = "node.id"
    HOSTNAME = "node.hostname"
    ROLE = "node.role"
    OS = "node.platform.os"
    ARCH = "node.platform.arch"
    LABEL = "node.labels"


class Failover(StrEnum):
    """What becomes of a replica whose host is lost.

    AUTO: it starts elsewhere, unless its volume is on the lost host: then it waits. RESTART: it starts
    elsewhere also then, beside a new, empty volume, once the lost copy has surely stopped. NONE: it waits for
    its host.
    """

    AUTO = "auto"
    RESTART = "restart"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAttribute:
    """One fact of a host; of its labels the one named `label`."""

    fact: HostFact
    label: str = ""

    def __post_init__(self) -> None:
        if self.fact is HostFact.LABEL:
            check_label("placement: label", self.label)
        elif self.label:
            raise ValueError(f"placement: {self.fact} has no label {self.label!r}")

    def __str__(self) -> str:
        return f"{self.fact}.{self.label}" if self.label else str(self.fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A rule every host of the service meets: the attribute is the value, or (`is_equal` false) is not.

    As in Swarm, upper and lower case are the same, and a label that a host does not have is the empty text.
    """

    attribute: HostAttribute
    value: str
    is_equal: bool = True

    def __post_init__(self) -> None:
        rules.check_text(f"placement: constraint on {self.attribute}", self.value, LABEL_CHARS_MAX)

    def __str__(self) -> str:
        return f"{self.attribute} {'==' if self.is_equal else '!='} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSet:
    """Hosts that meet every constraint and, where `names` has any, are among them by name or id."""

    constraints: tuple[Constraint, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rules.check_count("hosts: constraints", self.constraints, CONSTRAINTS_MAX)
        rules.check_count("hosts", self.names, NAMES_MAX)
        for name in self.names:
            rules.check_id("hosts", name)
        if list(self.names) != sorted(set(self.names)):
            raise ValueError("hosts: names must be sorted and different")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRules:
    """Rules on the hosts of a service. Not part of a revision: changing them restarts nothing by itself.

    `spread` are the attributes over whose values replicas are spread evenly, the most important first; after
    them over hosts. At most `replicas_per_host_max` are on one host (0: any number). No host has both this
    and a service of `apart_from`: names within the project, or whole ids (`project.name`). `pin_host` is the
    name or id of the one host it may be on ("": any). Reservations leave `headroom_percent` of a host free.
    `failover` says what follows when a host is lost. `within` are the hosts of the service's environment:
    they are not kept with the service, but filled in where its rules are read, so that an environment's
    hosts can change.
    """

    constraints: tuple[Constraint, ...] = ()
    spread: tuple[HostAttribute, ...] = ()
    replicas_per_host_max: int = 0
    apart_from: tuple[str, ...] = ()
    pin_host: str = ""
    headroom_percent: int = HEADROOM_PERCENT
    failover: Failover = Failover.AUTO
    within: HostSet = field(default_factory=HostSet)

    def __post_init__(self) -> None:
        rules.check_count("placement.constraints", self.constraints, CONSTRAINTS_MAX)
        rules.check_count("placement.preferences", self.spread, PREFERENCES_MAX)
        rules.check_range("placement.max_replicas_per_node", self.replicas_per_host_max, 0, 1000)
        rules.check_range("placement.headroom_percent", self.headroom_percent, 0, 90)
        rules.check_count("placement.apart_from", self.apart_from, APART_MAX)
        if list(self.apart_from) != sorted(set(self.apart_from)):
            raise ValueError("placement.apart_from: services must be sorted and different")
        for reference in self.apart_from:
            if not _REFERENCE.fullmatch(reference):
                raise ValueError(
                    f"placement.apart_from {reference!r}: the name of a service of the project, "
                    "or project.name of another"
                )
        if self.pin_host:
            rules.check_id("placement.pin_host", self.pin_host)


def parse_constraint(text: str) -> Constraint:
    """Return the rule in `text`: `node.labels.KEY==VALUE`, or another attribute, or `!=`.

    Raises ValueError in words that name the rule.
    """
    found = _CONSTRAINT.fullmatch(text)
    if found is None:
        raise ValueError(f"constraint {text!r}: write ATTRIBUTE==VALUE or ATTRIBUTE!=VALUE")
    try:
        attribute = parse_attribute(found["attribute"])
        value = found["value"]
        if attribute.fact is HostFact.ROLE:
            value = _parse_role(value)
        return Constraint(attribute=attribute, value=value, is_equal=found["operator"] == "==")
    except ValueError as error:
        raise ValueError(f"constraint {text!r}: {error}") from error


def parse_attribute(text: str) -> HostAttribute:
    """Return the attribute of hosts that `text` names, as in a constraint or after `spread:`.

    Raises ValueError in words that name the attributes there are.
    """
    name = text.strip()
    if name.startswith(_LABEL_PREFIX):
        return HostAttribute(fact=HostFact.LABEL, label=name.removeprefix(_LABEL_PREFIX))
    if name.startswith("engine.labels."):
        label = name.removeprefix("engine.labels.")
        raise ValueError(
            f"{name}: labels of engines are not known; label the host and use node.labels.{label}"
        )
    if name == HostFact.LABEL or name not in tuple(HostFact):
        known = ", ".join(fact for fact in HostFact if fact is not HostFact.LABEL)
        raise ValueError(f"{name} is not known: use node.labels.KEY, {known}")
    return HostAttribute(fact=HostFact(name))


def check_label(field: str, key: str) -> None:
    """The key of a host's label."""
    if not _LABEL.fullmatch(key):
        raise ValueError(
            f"{field} {key!r}: 1 to 128 of A-Z a-z 0-9 . _ / -, beginning and ending with a letter or digit"
        )


def _parse_role(text: str) -> str:
    """Swarm's managers and workers are the hosts that vote and those that do not."""
    role = _ROLES.get(text.lower(), text.lower())
    if role not in _ROLES.values():
        raise ValueError("a role is voter or learner (or manager or worker, as in Swarm)")
    return role
