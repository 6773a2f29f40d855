"""The certificates the dashboard and the interface are served with. A key goes in and never comes out."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.commands.web_certificates import PutWebCertificate, RemoveWebCertificate
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_web_key
from cluster.identity.web_certificates import read_web_certificate
from cluster.model.web_certificates import WebCertificate, served_by_name
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.given_certificates import SOON_MS, read_given


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCertificateView:
    """A certificate, without its key. It is served to who asks for one of `hosts` by name.

    `state` is serving, soon (it ends within two weeks), ended (the cluster's own is served), or shadowed:
    others that end later are served for all of its names.
    """

    name: str
    hosts: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    state: str
    fingerprint: str
    changed_at_ms: int
    changed_by: str


async def list_web_certificates(context: Context, call: Call) -> list[WebCertificateView]:
    """Return them by name, without keys."""
    await context.authority.require(call, "certificate.read", "certificate")
    return _views(context)


async def put_web_certificate(
    context: Context, call: Call, name: str, *, certificate: str, key: str
) -> WebCertificateView:
    """Keep a certificate with its chain and key; every host serves it a moment later. Raises Problem."""
    resource = f"certificate:{name[:63]}"
    await context.authority.require(call, "certificate.serve-dashboard", resource)
    surroundings = context.surroundings
    facts, key_pem = await read_given(
        read_web_certificate, name, certificate=certificate, key=key, now_ms=surroundings.clock.now_ms()
    )
    try:
        command = PutWebCertificate(
            name=name,
            chain_pem=certificate,
            sealed_key=seal_web_key(
                key_pem,
                surroundings.cluster.keyring(),
                name=name,
                fingerprint=facts.fingerprint,
                nonce=surroundings.ids.token_bytes(NONCE_BYTES),
            ),
            hosts=facts.hosts,
            not_before_ms=facts.not_before_ms,
            not_after_ms=facts.not_after_ms,
            fingerprint=facts.fingerprint,
            changed_by=call.known().name,
        )
    except ValueError as error:
        raise Problem("invalid", str(error)) from error
    await context.authority.perform(
        call, "certificate.serve-dashboard", resource, lambda permit: permit.propose(command)
    )
    found = [view for view in _views(context) if view.name == name]
    if not found:
        raise Problem("conflict", f"certificate {name} was removed at the same moment")
    return found[0]


async def remove_web_certificate(context: Context, call: Call, name: str) -> None:
    """Serve its names with the cluster's own certificate again. Raises Problem (404)."""
    resource = f"certificate:{name[:63]}"
    await context.authority.require(call, "certificate.stop-serving-dashboard", resource)
    if name not in {view.name for view in _views(context)}:
        raise Problem("not-found", f"the dashboard has no certificate {name[:80]!r}")
    command = RemoveWebCertificate(name=name)
    await context.authority.perform(
        call, "certificate.stop-serving-dashboard", resource, lambda permit: permit.propose(command)
    )


def _views(context: Context) -> list[WebCertificateView]:
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        stored = records.WEB_CERTIFICATES.scan(txn)
    return [
        WebCertificateView(
            name=each.name,
            hosts=each.hosts,
            not_before_ms=each.not_before_ms,
            not_after_ms=each.not_after_ms,
            state=_state(each, stored, now_ms),
            fingerprint=each.fingerprint,
            changed_at_ms=each.changed_at_ms,
            changed_by=each.changed_by,
        )
        for each in stored
    ]


def _state(certificate: WebCertificate, stored: list[WebCertificate], now_ms: int) -> str:
    if now_ms >= certificate.not_after_ms:
        return "ended"
    serving = served_by_name(stored, now_ms)
    if certificate.name not in {serving[host].name for host in certificate.hosts if host in serving}:
        return "shadowed"
    return "soon" if certificate.not_after_ms - now_ms < SOON_MS else "serving"
