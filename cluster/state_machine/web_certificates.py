"""Handlers of the commands on the certificates the dashboard is served with."""

from __future__ import annotations

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.web_certificates import PutWebCertificate, RemoveWebCertificate
from cluster.model.web_certificates import WEB_CERTIFICATES_MAX, WebCertificate
from cluster.state_machine.entry import Entry
from cluster.store.records import WEB_CERTIFICATES


def put_web_certificate(entry: Entry, command: PutWebCertificate) -> Outcome:
    is_new = WEB_CERTIFICATES.get(entry.txn, command.name) is None
    if is_new and len(WEB_CERTIFICATES.scan(entry.txn)) >= WEB_CERTIFICATES_MAX:
        return Rejected(
            f"there are {WEB_CERTIFICATES_MAX} certificates, the most there may be: remove one first",
            Code.FULL,
        )
    WEB_CERTIFICATES.put(
        entry.txn,
        WebCertificate(
            name=command.name,
            chain_pem=command.chain_pem,
            sealed_key=command.sealed_key,
            hosts=command.hosts,
            not_before_ms=command.not_before_ms,
            not_after_ms=command.not_after_ms,
            fingerprint=command.fingerprint,
            changed_at_ms=entry.now_ms,
            changed_by=command.changed_by,
        ),
    )
    return Applied()


def remove_web_certificate(entry: Entry, command: RemoveWebCertificate) -> Outcome:
    if WEB_CERTIFICATES.get(entry.txn, command.name) is None:
        return Rejected(f"there is no certificate {command.name}", Code.NOT_FOUND)
    WEB_CERTIFICATES.delete(entry.txn, command.name)
    return Applied()
