"""Observations of what ends at a date: certificates of hosts, of routes and of the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.subjects import of_certificate
from cluster.alerts.wording import Said, say, span
from cluster.model.alerts import AlertRule, AlertSubject
from cluster.model.node import Certificate
from cluster.model.route_certificates import RouteCertificate
from cluster.model.web_certificates import WebCertificate

_RENEWED = Said("a new one is in its place", "al suo posto ce n'è uno nuovo")


def observe_certificates(
    rule: AlertRule,
    nodes: Iterable[Certificate],
    routes: Iterable[RouteCertificate],
    web: Iterable[WebCertificate],
    *,
    node_names: Mapping[str, str],
    now_ms: int,
) -> Iterator[tuple[AlertSubject, Observation]]:
    """Yield how long certificates are still good: of each host's the newest, of routes and `web`, the
    dashboard's, those in use.

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
        yield (
            of_certificate(route.name),
            _observe(
                say(
                    "Certificate {name} ({hosts})",
                    "Il certificato {name} ({hosts})",
                    name=route.name,
                    hosts=_few(route.hosts),
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
    for shown in _lasting(web):
        yield (
            of_certificate(shown.name, is_of_dashboard=True),
            _observe(
                say(
                    "Certificate {name} of the dashboard ({hosts})",
                    "Il certificato {name} della dashboard ({hosts})",
                    name=shown.name,
                    hosts=_few(shown.hosts),
                ),
                shown.not_after_ms,
                rule.within_ms,
                now_ms,
                say(
                    "Put a new one in its place: `tower certificate put {name} --dashboard`. Without one,"
                    " browsers are shown the cluster's own, which they do not know.",
                    "Mettine uno nuovo al suo posto: `tower certificate put {name} --dashboard`. Senza, i"
                    " browser ricevono quello del cluster, che non conoscono.",
                    name=shown.name,
                ),
            ),
        )


def _lasting(web: Iterable[WebCertificate]) -> list[WebCertificate]:
    """Return those that end last for one of their names: what another one outlives everywhere is replaced."""
    by_end = sorted(web, key=lambda each: (each.not_after_ms, each.name))
    last = {host: each.name for each in by_end for host in each.hosts}
    return sorted((each for each in by_end if each.name in last.values()), key=lambda each: each.name)


def _few(hosts: Sequence[str]) -> str:
    return ", ".join(hosts[:3]) + (", ..." if len(hosts) > 3 else "")


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
