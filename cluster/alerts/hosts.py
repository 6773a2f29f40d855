"""Observations of hosts: which are down, and how many more the cluster can lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.subjects import CLUSTER, of_host
from cluster.alerts.wording import Said, say
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
        yield (
            of_host(node),
            Observation(
                at_ms=now_ms,
                finding=finding,
                text=_host_text(node, finding),
                hint=say(
                    "See whether {name} has power and network; if it does not come back, `tower node remove"
                    " {name}` and join another host.",
                    "Guarda se {name} ha corrente e rete; se non torna, `tower node remove {name}` e aggiungi"
                    " un altro host.",
                    name=node.name,
                ),
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
        yield CLUSTER, Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_ENOUGH)
        return
    if spare <= 0:
        more = Said("losing one more host stops all changes", "perdere un altro host ferma ogni modifica")
    else:
        more = say(
            "it can lose {spare} more and no further one",
            "può perderne ancora {spare} e non di più",
            spare=str(spare),
        )
    away = Said()
    if lost:
        names = ", ".join(lost[:5])
        away = (
            say(" ({names} is away)", " (manca {names})", names=names)
            if len(lost) == 1
            else say(" ({names} are away)", " (mancano {names})", names=names)
        )
    yield (
        CLUSTER,
        Observation(
            at_ms=now_ms,
            finding=Finding.BREACHED,
            text=say(
                "Of {voters} voters {up} are up{away}: {more}.",
                "Di {voters} votanti {up} sono attivi{away}: {more}.",
                voters=str(len(voters)),
                up=str(len(voters) - len(lost)),
                away=away,
                more=more,
            ),
            hint=_EVEN if len(voters) % 2 == 0 else _BRING_BACK,
            value=float(max(0, spare)),
        ),
    )


_ENOUGH = Said("enough voters are up", "abbastanza votanti sono attivi")
_EVEN = Said(
    "An even number of voters survives no more losses than one fewer: add a host.",
    "Un numero pari di votanti non regge più perdite di uno in meno: aggiungi un host.",
)
_BRING_BACK = Said(
    "Bring back the hosts that are away, or replace them: `tower node list`.",
    "Riporta gli host che mancano, o sostituiscili: `tower node list`.",
)


def _host_text(node: Node, finding: Finding) -> Said:
    if finding is Finding.CLEAR:
        return Said("it is up again", "è di nuovo attivo")
    if finding is not Finding.BREACHED:
        return Said()
    because = f": {node.status_reason}" if node.status_reason else ""
    return say(
        "Host {name} is down{because}.",
        "L'host {name} non risponde{because}.",
        name=node.name,
        because=because,
    )
