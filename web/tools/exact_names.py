"""What numbers are of, named so that nothing else is meant.

`host:h1`, `service:shop.web`, `container:h1/web-1`: the dashboard's charts are opened by these names. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping


def exact_name(*, kind: str, name: str, service: str, node: str) -> str:
    """Return the exact name of what is measured; "" for what has no charts of its own.

    `node` is a host's name, "" for what is on several. Of a service all replicas are meant, whoever of them
    was measured; file systems and agents are their host's.
    """
    if kind == "container" and name != service:
        return f"container:{node}/{name}" if node and name else ""
    if kind in ("container", "route"):
        return f"service:{service}" if service else ""
    return f"host:{node}" if node else ""


def exact_name_of(labels: Mapping[str, str]) -> str:
    """Return the exact name of a series by its labels, hosts by their names; "" for several together."""
    kind, service = labels.get("kind", ""), labels.get("service", "")
    if kind:
        return exact_name(
            kind=kind, name=labels.get("subject", ""), service=service, node=labels.get("node", "")
        )
    if service:
        return f"service:{service}"
    return f"host:{labels['node']}" if set(labels) == {"node"} else ""
