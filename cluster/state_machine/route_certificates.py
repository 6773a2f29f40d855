"""Handlers of the commands on the certificates that routers serve HTTPS with."""

from __future__ import annotations

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.route_certificates import PutRouteCertificate, RemoveRouteCertificate
from cluster.model.route_certificates import ROUTE_CERTIFICATES_MAX, RouteCertificate
from cluster.state_machine.entry import Entry
from cluster.store.records import ROUTE_CERTIFICATES


def put_route_certificate(entry: Entry, command: PutRouteCertificate) -> Outcome:
    is_new = ROUTE_CERTIFICATES.get(entry.txn, command.name) is None
    if is_new and len(ROUTE_CERTIFICATES.scan(entry.txn)) >= ROUTE_CERTIFICATES_MAX:
        return Rejected(
            f"there are {ROUTE_CERTIFICATES_MAX} certificates, the most there may be: remove one first",
            Code.INVALID,
        )
    ROUTE_CERTIFICATES.put(
        entry.txn,
        RouteCertificate(
            name=command.name,
            chain_pem=command.chain_pem,
            sealed_key=command.sealed_key,
            hosts=command.hosts,
            not_after_ms=command.not_after_ms,
            fingerprint=command.fingerprint,
            changed_at_ms=entry.now_ms,
            changed_by=command.changed_by,
        ),
    )
    return Applied()


def remove_route_certificate(entry: Entry, command: RemoveRouteCertificate) -> Outcome:
    if ROUTE_CERTIFICATES.get(entry.txn, command.name) is None:
        return Rejected(f"there is no certificate {command.name}", Code.NOT_FOUND)
    ROUTE_CERTIFICATES.delete(entry.txn, command.name)
    return Applied()
