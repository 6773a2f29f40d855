"""Observations of hosts: which are down, and how many more the cluster can lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.subjects import CLUSTER, of_host
from cluster.model.alerts import AlertRule, AlertSubject
from cluster.model.node import Node, NodeRole, NodeStatus

_FINDINGS = {
    NodeStatus.UP: Finding.CLEAR,
    NodeStatus.SUSPECT: Finding.BETWEEN,
    NodeStatus.DOWN: Finding.BREACHED,
    NodeStatus.LEFT: Finding.GONE,
}


def observe_hosts(nodes: Iterable[Node], now_ms: int) -> Iterator[tuple[AlertSubject, Observation]]:
    """Yield how each host is. One that is only suspect neither begins an alert nor ends one."""
    for node in nodes:
        finding = _FINDINGS[node.status]
        because = f": {node.status_reason}" if node.status_reason else ""
        yield (
            of_host(node),
            Observation(
                at_ms=now_ms,
                finding=finding,
                text=f"Host {node.name} is down{because}."
                if finding is Finding.BREACHED
                else "it is up again"
                if finding is Finding.CLEAR
                else "",
                hint=f"See whether {node.name} has power and network; if it does not come back, `tower node"
                f" remove {node.name}` and join another host.",
                since_ms=node.status_at_ms if finding is Finding.BREACHED else None,
            ),
        )


def observe_quorum(
    rule: AlertRule, nodes: Iterable[Node], now_ms: int
) -> Iterator[tuple[AlertSubject, Observation]]:
    """Yield whether the cluster could lose `rule.count` more hosts and go on. One host alone has no quorum
    to lose."""
    voters = [node for node in nodes if node.is_member and node.role is NodeRole.VOTER]
    lost = sorted(node.name for node in voters if node.status is not NodeStatus.UP)
    spare = len(voters) - len(lost) - (len(voters) // 2 + 1)
    if len(voters) < 2 or spare >= rule.count:
        yield CLUSTER, Observation(at_ms=now_ms, finding=Finding.CLEAR, text="enough voters are up")
        return
    if spare <= 0:
        more = "losing one more host stops all changes"
    else:
        more = f"it can lose {spare} more and no further one"
    away = f" ({', '.join(lost[:5])} {'is' if len(lost) == 1 else 'are'} away)" if lost else ""
    if len(voters) % 2 == 0:
        hint = "An even number of voters survives no more losses than one fewer: add a host."
    else:
        hint = "Bring back the hosts that are away, or replace them: `tower node list`."
    yield (
        CLUSTER,
        Observation(
            at_ms=now_ms,
            finding=Finding.BREACHED,
            text=f"Of {len(voters)} voters {len(voters) - len(lost)} are up{away}: {more}.",
            hint=hint,
            value=float(max(0, spare)),
        ),
    )
