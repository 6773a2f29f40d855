"""The certificates that routers serve HTTPS with. A private key goes in and never comes out."""

from __future__ import annotations

from cluster.commands.route_certificates import PutRouteCertificate, RemoveRouteCertificate
from cluster.identity.route_certificates import read_certificate
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_certificate_key
from cluster.model.route_certificates import RouteCertificate
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.given_certificates import SOON_MS, read_given
from web.tools.views import RouteCertificateView


async def list_route_certificates(context: Context, call: Call) -> list[RouteCertificateView]:
    """Return them by name, without keys."""
    await context.authority.require(call, "certificate.read", "certificate")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        return [_view(each, now_ms) for each in records.ROUTE_CERTIFICATES.scan(txn)]


async def put_route_certificate(
    context: Context, call: Call, name: str, *, certificate: str, key: str
) -> RouteCertificateView:
    """Keep a certificate with its chain and key; every host's HAProxy serves it in a moment. Raises
    Problem."""
    resource = f"certificate:{name[:63]}"
    await context.authority.require(call, "certificate.put", resource)
    surroundings = context.surroundings
    facts, key_pem = await read_given(
        read_certificate, name, certificate=certificate, key=key, now_ms=surroundings.clock.now_ms()
    )
    try:
        command = PutRouteCertificate(
            name=name,
            chain_pem=certificate,
            sealed_key=seal_certificate_key(
                key_pem,
                surroundings.cluster.keyring(),
                name=name,
                fingerprint=facts.fingerprint,
                nonce=surroundings.ids.token_bytes(NONCE_BYTES),
            ),
            hosts=facts.hosts,
            not_after_ms=facts.not_after_ms,
            fingerprint=facts.fingerprint,
            changed_by=call.known().name,
        )
    except ValueError as error:
        raise Problem("invalid", str(error)) from error
    await context.authority.perform(call, "certificate.put", resource, lambda permit: permit.propose(command))
    with surroundings.state.read() as txn:
        stored = records.ROUTE_CERTIFICATES.get(txn, name)
    if stored is None:
        raise Problem("conflict", f"certificate {name} was removed at the same moment")
    return _view(stored, surroundings.clock.now_ms())


async def remove_route_certificate(context: Context, call: Call, name: str) -> None:
    """Forget one. Raises Problem (404)."""
    resource = f"certificate:{name[:63]}"
    await context.authority.require(call, "certificate.remove", resource)
    with context.surroundings.state.read() as txn:
        known = {each.name for each in records.ROUTE_CERTIFICATES.scan(txn)}
    if name not in known:
        raise Problem(
            "not-found",
            f"there is no certificate {name[:80]!r}",
            hint="`tower certificate list` lists them",
        )
    command = RemoveRouteCertificate(name=name)
    await context.authority.perform(
        call, "certificate.remove", resource, lambda permit: permit.propose(command)
    )


def _view(certificate: RouteCertificate, now_ms: int) -> RouteCertificateView:
    return RouteCertificateView(
        name=certificate.name,
        hosts=certificate.hosts,
        not_after_ms=certificate.not_after_ms,
        ends_soon=certificate.not_after_ms - now_ms < SOON_MS,
        fingerprint=certificate.fingerprint,
        changed_at_ms=certificate.changed_at_ms,
        changed_by=certificate.changed_by,
    )
