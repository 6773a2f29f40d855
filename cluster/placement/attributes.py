"""What a host is, as placement rules name it, and which of the rules it breaks."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.model.node import Node
from cluster.model.placing import Constraint, HostAttribute, HostFact, PlacementRules

# The kernel's names and Docker's for the same processors.
_ARCHITECTURES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "386": "i386",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
    "armv7l": "arm",
    "armv6l": "arm",
}
_OS = "linux"
"""Every host's: the agent runs on no other."""


def values_of(node: Node, attribute: HostAttribute) -> tuple[str, ...]:
    """Return what the attribute is on the host, in lower case: the names it goes by, at least one.

    What a host does not have, or does not tell, is the empty text.
    """
    match attribute.fact:
        case HostFact.ID:
            return (node.id.lower(),)
        case HostFact.HOSTNAME:
            return node.name.lower(), (node.facts.hostname or node.name).lower()
        case HostFact.ROLE:
            return (node.role.value,)
        case HostFact.OS:
            return (_OS,)
        case HostFact.ARCH:
            return (_architecture(node.facts.arch),)
        case HostFact.LABEL:
            return (node.effective_labels.get(attribute.label, "").lower(),)


def meets(node: Node, constraint: Constraint) -> bool:
    """Whether the host may be used, by this constraint alone."""
    wanted = constraint.value.lower()
    if constraint.attribute.fact is HostFact.ARCH:
        wanted = _architecture(wanted)
    return (wanted in values_of(node, constraint.attribute)) is constraint.is_equal


def violations(node: Node, several: Iterable[PlacementRules]) -> list[str]:
    """Return what of these rules the host breaks, for people, after its name."""
    found: list[str] = []
    for rules in several:
        if rules.pin_host and rules.pin_host not in (node.name, node.id):
            found.append(f"is not {rules.pin_host}, the host it is pinned to")
        if rules.within.names and not {node.name, node.id} & set(rules.within.names):
            found.append("is not one of the environment's hosts")
        found += [
            f"does not meet {constraint} ({_told(node, constraint.attribute)})"
            for constraint in (*rules.within.constraints, *rules.constraints)
            if not meets(node, constraint)
        ]
    return list(dict.fromkeys(found))


def _architecture(name: str) -> str:
    return _ARCHITECTURES.get(name.lower(), name.lower())


def _told(node: Node, attribute: HostAttribute) -> str:
    value = values_of(node, attribute)[0]
    if attribute.fact is HostFact.LABEL and attribute.label not in node.effective_labels:
        return "it has no such label"
    return f"it is {value}" if value else "it is empty"
