"""Secrets for containers, passwords for registries and keys of routers, as they are in the replicated state.

Each is sealed for its one place (`seal_context`, `credential_context`): copied to another name, environment
or version, or given to another registry or user, it does not open.
"""

from __future__ import annotations

from cluster.identity.keyring import Keyring, Purpose
from cluster.identity.sealing import open_sealed, seal
from cluster.model.assistant import Conversation, KeptExchange, exchange_context, title_context
from cluster.model.exports import export_secret_context
from cluster.model.plans import Plan, plan_arguments_context
from cluster.model.route_certificates import RouteCertificate, certificate_key_context
from cluster.model.second_factors import SecondFactor, second_factor_context
from cluster.model.secrets import (
    FileContent,
    FileKind,
    RegistryCredential,
    credential_context,
    seal_context,
)
from cluster.model.sign_in import SignInProvider, provider_secret_context
from cluster.model.web_certificates import WebCertificate, web_key_context
from cluster.model.webhooks import secret_context


def seal_secret(
    value: bytes, keyring: Keyring, *, name: str, environment: str, version: int, nonce: bytes
) -> bytes:
    """Return a secret's value sealed for one version of it. `nonce` is 12 random bytes, never used twice."""
    context = seal_context(FileKind.SECRET, name, environment, version)
    return seal(value, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_content(stored: FileContent, keyring: Keyring) -> bytes:
    """Return what a container is to see. Raises SealBroken."""
    if stored.kind is FileKind.CONFIG:
        return stored.content
    context = seal_context(stored.kind, stored.name, stored.environment, stored.version)
    return open_sealed(stored.content, keyring, purpose=Purpose.SECRETS, context=context)


def seal_password(password: bytes, keyring: Keyring, *, registry: str, username: str, nonce: bytes) -> bytes:
    """Return a registry's password sealed for that registry and user."""
    context = credential_context(registry, username)
    return seal(password, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_password(credential: RegistryCredential, keyring: Keyring) -> bytes:
    """Return the password of a login. Raises SealBroken."""
    context = credential_context(credential.registry, credential.username)
    return open_sealed(credential.sealed_password, keyring, purpose=Purpose.SECRETS, context=context)


def seal_certificate_key(
    key_pem: bytes, keyring: Keyring, *, name: str, fingerprint: str, nonce: bytes
) -> bytes:
    """Return a private key sealed for the certificate with that name and fingerprint."""
    context = certificate_key_context(name, fingerprint)
    return seal(key_pem, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_certificate_key(certificate: RouteCertificate, keyring: Keyring) -> bytes:
    """Return the private key of a certificate. Raises SealBroken."""
    context = certificate_key_context(certificate.name, certificate.fingerprint)
    return open_sealed(certificate.sealed_key, keyring, purpose=Purpose.SECRETS, context=context)


def seal_webhook_secret(secret: bytes, keyring: Keyring, *, webhook_id: str, url: str, nonce: bytes) -> bytes:
    """Return what a webhook is signed or authorised with, sealed for it and the origin of its URL."""
    context = secret_context(webhook_id, url)
    return seal(secret, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_webhook_secret(sealed: bytes, keyring: Keyring, *, webhook_id: str, url: str) -> bytes:
    """Return a webhook's secret. Raises SealBroken."""
    context = secret_context(webhook_id, url)
    return open_sealed(sealed, keyring, purpose=Purpose.SECRETS, context=context)


def seal_export_secret(secret: bytes, keyring: Keyring, *, export_id: str, url: str, nonce: bytes) -> bytes:
    """Return what an export authorises itself with, sealed for it and the origin of its URL."""
    context = export_secret_context(export_id, url)
    return seal(secret, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_export_secret(sealed: bytes, keyring: Keyring, *, export_id: str, url: str) -> bytes:
    """Return an export's secret. Raises SealBroken."""
    context = export_secret_context(export_id, url)
    return open_sealed(sealed, keyring, purpose=Purpose.SECRETS, context=context)


def seal_second_factor(secret: bytes, keyring: Keyring, *, principal_id: str, nonce: bytes) -> bytes:
    """Return an authenticator's secret sealed for its account."""
    context = second_factor_context(principal_id)
    return seal(secret, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_second_factor(factor: SecondFactor, keyring: Keyring) -> bytes:
    """Return an authenticator's secret. Raises SealBroken."""
    context = second_factor_context(factor.principal_id)
    return open_sealed(factor.sealed_secret, keyring, purpose=Purpose.SECRETS, context=context)


def seal_client_secret(
    secret: bytes, keyring: Keyring, *, provider_id: str, issuer: str, nonce: bytes
) -> bytes:
    """Return a client secret sealed for one provider and issuer."""
    context = provider_secret_context(provider_id, issuer)
    return seal(secret, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_client_secret(provider: SignInProvider, keyring: Keyring) -> bytes:
    """Return the client secret of a provider that has one. Raises SealBroken."""
    context = provider_secret_context(provider.id, provider.issuer)
    return open_sealed(provider.sealed_secret, keyring, purpose=Purpose.SECRETS, context=context)


def seal_web_key(key_pem: bytes, keyring: Keyring, *, name: str, fingerprint: str, nonce: bytes) -> bytes:
    """Return the private key of a certificate of the dashboard, sealed for that certificate."""
    context = web_key_context(name, fingerprint)
    return seal(key_pem, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_web_key(certificate: WebCertificate, keyring: Keyring) -> bytes:
    """Return the private key of a certificate of the dashboard. Raises SealBroken."""
    context = web_key_context(certificate.name, certificate.fingerprint)
    return open_sealed(certificate.sealed_key, keyring, purpose=Purpose.SECRETS, context=context)


def seal_plan_arguments(
    arguments: bytes, keyring: Keyring, *, plan_id: str, tool: str, principal_id: str, nonce: bytes
) -> bytes:
    """Return the arguments of a call sealed for one plan, tool and asker."""
    context = plan_arguments_context(plan_id, tool, principal_id)
    return seal(arguments, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_plan_arguments(plan: Plan, keyring: Keyring) -> bytes:
    """Return the arguments of a plan that is open. Raises SealBroken."""
    context = plan_arguments_context(plan.id, plan.tool, plan.asker.principal_id)
    return open_sealed(plan.sealed_arguments, keyring, purpose=Purpose.SECRETS, context=context)


def seal_title(
    title: bytes, keyring: Keyring, *, principal_id: str, conversation_id: str, nonce: bytes
) -> bytes:
    """Return a conversation's title, sealed for it and its account."""
    context = title_context(principal_id, conversation_id)
    return seal(title, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_title(conversation: Conversation, keyring: Keyring) -> bytes:
    """Return a conversation's title. Raises SealBroken."""
    context = title_context(conversation.principal_id, conversation.id)
    return open_sealed(conversation.sealed_title, keyring, purpose=Purpose.SECRETS, context=context)


def seal_exchange(
    exchange: bytes, keyring: Keyring, *, principal_id: str, conversation_id: str, number: int, nonce: bytes
) -> bytes:
    """Return a question with its answer, sealed for its place in one conversation of one account."""
    context = exchange_context(principal_id, conversation_id, number)
    return seal(exchange, keyring, purpose=Purpose.SECRETS, context=context, nonce=nonce)


def open_exchange(kept: KeptExchange, keyring: Keyring) -> bytes:
    """Return a question with its answer. Raises SealBroken."""
    context = exchange_context(kept.principal_id, kept.conversation_id, kept.number)
    return open_sealed(kept.sealed, keyring, purpose=Purpose.SECRETS, context=context)
