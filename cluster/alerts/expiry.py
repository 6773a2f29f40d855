"""Observations of what ends at a date: certificates of hosts and of routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.subjects import of_certificate
from cluster.alerts.wording import Said, say, span
from cluster.model.alerts import AlertRule, AlertSubject
from cluster.model.node import Certificate
from cluster.model.route_certificates import RouteCertificate

_RENEWED = Said("a new one is in its place", "al suo posto ce n'è uno nuovo")


def observe_certificates(
    rule: AlertRule,
    nodes: Iterable[Certificate],
    routes: Iterable[RouteCertificate],
    *,
    node_names: Mapping[str, str],
    now_ms: int,
) -> Iterator[tuple[AlertSubject, Observation]]:
    """Yield how long certificates are still good: of each host's the newest, of routes those in use.

    A host's renews itself when a third of its life is left, so it is told of only when that fails: within the
    rule's time and a sixth of its life.
    """
    newest: dict[str, Certificate] = {}
    for certificate in nodes:
        known = newest.get(certificate.node_id)
        if certificate.node_id in node_names and (
            known is None or certificate.not_after_ms > known.not_after_ms
        ):
            newest[certificate.node_id] = certificate
    for node_id, certificate in sorted(newest.items()):
        name = node_names[node_id]
        life_ms = certificate.not_after_ms - certificate.recorded_at_ms
        yield (
            of_certificate("host", node_id=node_id, node_name=name),
            _observe(
                say("The certificate of host {name}", "Il certificato dell'host {name}", name=name),
                certificate.not_after_ms,
                min(rule.within_ms, life_ms // 6),
                now_ms,
                say(
                    "It renews itself while {name} reaches the cluster: its agent's log says why it did not.",
                    "Si rinnova da sé finché {name} raggiunge il cluster: il log dell'agente dice perché non"
                    " è successo.",
                    name=name,
                ),
            ),
        )
    for route in routes:
        hosts = ", ".join(route.hosts[:3]) + (", ..." if len(route.hosts) > 3 else "")
        yield (
            of_certificate(route.name),
            _observe(
                say(
                    "Certificate {name} ({hosts})",
                    "Il certificato {name} ({hosts})",
                    name=route.name,
                    hosts=hosts,
                ),
                route.not_after_ms,
                rule.within_ms,
                now_ms,
                say(
                    "Put a new one in its place: `tower certificate put {name}`.",
                    "Mettine uno nuovo al suo posto: `tower certificate put {name}`.",
                    name=route.name,
                ),
            ),
        )


def _observe(what: Said, not_after_ms: int, within_ms: int, now_ms: int, hint: Said) -> Observation:
    left_ms = not_after_ms - now_ms
    if left_ms > within_ms:
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_RENEWED)
    if left_ms > 0:
        text = say("{what} ends in {span}.", "{what} scade fra {span}.", what=what, span=span(left_ms))
    else:
        text = say(
            "{what} has ended: clients refuse it.", "{what} è scaduto: i client lo rifiutano.", what=what
        )
    return Observation(
        at_ms=now_ms, finding=Finding.BREACHED, text=text, hint=hint, value=round(left_ms / 86_400_000, 2)
    )
