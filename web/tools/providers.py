"""Identity providers: who they are, what their groups make of people here, and whether they answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cluster.commands.sign_in import PutProvider, RemoveProvider
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_client_secret
from cluster.model.access import Role
from cluster.model.sign_in import GroupRole, SignInProvider, check_provider
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.auth.sign_in import SignInFailed
from web.middleware.routes import API
from web.tools.context import Context

SECRET_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProviderView:
    """A button of the login page."""

    id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRoleView:
    """Members of the group get the role."""

    group: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """An identity provider, without its secret. `redirect_urls` are to be registered there.

    `accounts` counts those it vouches for; access tokens for `token_audience` are taken by MCP, "": none are.
    """

    id: str
    label: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: tuple[str, ...]
    groups_claim: str
    name_claim: str
    roles: tuple[GroupRoleView, ...]
    ca_pem: str
    version: int
    changed_at_ms: int
    changed_by: str
    redirect_urls: tuple[str, ...]
    accounts: int
    token_audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCheckView:
    """What a provider publishes, as this host read it just now."""

    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str
    keys: int
    names_issuer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderWish:
    """What somebody wants a provider to be. `client_secret` None: as it was; "": none (a public client)."""

    label: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    groups_claim: str
    name_claim: str
    roles: tuple[GroupRole, ...]
    ca_pem: str = field(repr=False)
    expected_version: int | None
    token_audience: str = ""


def login_providers(context: Context) -> list[LoginProviderView]:
    """Return what the login page offers; for everybody."""
    with context.surroundings.state.read() as txn:
        found = records.PROVIDERS.scan(txn)
    return [LoginProviderView(id=provider.id, label=provider.label) for provider in found]


def redirect_url(origin: str, provider_id: str) -> str:
    """Return where a provider sends browsers back to."""
    return f"{origin}{API}/auth/providers/{provider_id}/callback"


async def list_providers(context: Context, call: Call) -> list[ProviderView]:
    """Return them by id."""
    await context.authority.require(call, "provider.read", "provider")
    return _views(context)


async def get_provider(context: Context, call: Call, provider_id: str) -> ProviderView:
    """Return one. Raises Problem (404)."""
    await context.authority.require(call, "provider.read", f"provider:{provider_id[:64]}")
    return _view_of(context, provider_id)


async def put_provider(context: Context, call: Call, provider_id: str, wish: ProviderWish) -> ProviderView:
    """Keep a provider, or change one as a whole. Raises Problem."""
    resource = f"provider:{provider_id[:64]}"
    await context.authority.require(call, "provider.put", resource)
    if wish.roles:
        # Or whoever may put providers could make themselves more than they are.
        await context.authority.require(call, "user.set-role", "user")
        for each in wish.roles:
            lacked = context.authority.powers(call).lacks(each.role)
            if lacked is not None:
                reason = f"role {each.role} includes {lacked}, which you do not hold everywhere"
                await context.authority.refuse(call, "user.set-role", "user", reason)
    present = _stored(context).get(provider_id)
    version = 0 if present is None else present.version
    provider = SignInProvider(
        id=provider_id,
        label=wish.label,
        issuer=wish.issuer,
        client_id=wish.client_id,
        scopes=wish.scopes,
        groups_claim=wish.groups_claim,
        name_claim=wish.name_claim,
        roles=wish.roles,
        ca_pem=wish.ca_pem,
        token_audience=wish.token_audience,
        changed_by=call.known().name,
    )
    try:
        check_provider(provider)
    except ValueError as error:
        raise _invalid(error) from error
    if wish.ca_pem:
        await asyncio.to_thread(_check_ca, wish.ca_pem)
    provider = replace(provider, sealed_secret=_sealed(context, provider, present, wish.client_secret))
    command = PutProvider(
        provider=provider,
        expected_version=version if wish.expected_version is None else wish.expected_version,
    )
    await context.authority.perform(call, "provider.put", resource, lambda permit: permit.propose(command))
    return _view_of(context, provider_id)


async def remove_provider(context: Context, call: Call, provider_id: str) -> None:
    """Forget a provider; its accounts get in no more. Raises Problem."""
    resource = f"provider:{provider_id[:64]}"
    await context.authority.require(call, "provider.remove", resource)
    _require(context, provider_id)
    command = RemoveProvider(provider_id=provider_id)
    await context.authority.perform(call, "provider.remove", resource, lambda permit: permit.propose(command))


async def check(context: Context, call: Call, provider_id: str) -> ProviderCheckView:
    """Ask a provider what it publishes, now. Raises Problem: 503 with the reason when that is no use."""
    await context.authority.require(call, "provider.read", f"provider:{provider_id[:64]}")
    provider = _require(context, provider_id)
    try:
        published = await context.sign_in.published(provider, is_fresh=True)
    except SignInFailed as error:
        raise Problem(
            "unavailable",
            str(error),
            hint="check the issuer, and whether this host may call it: setting outbound.allowed_networks",
        ) from error
    metadata = published.metadata
    return ProviderCheckView(
        authorization_endpoint=metadata.authorization_endpoint,
        token_endpoint=metadata.token_endpoint,
        end_session_endpoint=metadata.end_session_endpoint,
        keys=len(published.keys),
        names_issuer=metadata.names_issuer,
    )


def _sealed(
    context: Context, provider: SignInProvider, present: SignInProvider | None, secret: str | None
) -> bytes:
    if secret is None and present is not None and present.sealed_secret:
        if present.issuer == provider.issuer:
            return present.sealed_secret
        # It is sealed for its issuer: otherwise whoever changes that would be sent the secret.
        raise Problem(
            "invalid",
            "client_secret: is needed again, because the issuer is another one",
            errors=(FieldError(field="client_secret", rule="give it again for another issuer"),),
        )
    if not secret:
        return b""
    surroundings = context.surroundings
    return seal_client_secret(
        secret.encode(),
        surroundings.cluster.keyring(),
        provider_id=provider.id,
        issuer=provider.issuer,
        nonce=surroundings.ids.token_bytes(NONCE_BYTES),
    )


def _check_ca(ca_pem: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        rule = "holds no certificate in PEM form"
        raise Problem(
            "invalid", f"ca_pem: {rule}", errors=(FieldError(field="ca_pem", rule=rule),)
        ) from error


def _invalid(error: ValueError) -> Problem:
    name = str(error).partition(" ")[0].rstrip(":")
    return Problem("invalid", str(error), errors=(FieldError(field=name, rule=str(error)),))


def _stored(context: Context) -> Mapping[str, SignInProvider]:
    with context.surroundings.state.read() as txn:
        return {provider.id: provider for provider in records.PROVIDERS.scan(txn)}


def _require(context: Context, provider_id: str) -> SignInProvider:
    found = _stored(context).get(provider_id)
    if found is None:
        raise Problem("not-found", f"there is no provider {provider_id[:64]!r}")
    return found


def _view_of(context: Context, provider_id: str) -> ProviderView:
    _require(context, provider_id)
    (view,) = [view for view in _views(context) if view.id == provider_id]
    return view


def _views(context: Context) -> list[ProviderView]:
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        providers = records.PROVIDERS.scan(txn)
        owners = [principal.provider_id for principal in records.PRINCIPALS.scan(txn)]
        addresses = [node.api_address for node in records.NODES.scan(txn) if node.is_member]
    origins = dict.fromkeys((*surroundings.public_origins, *(f"https://{each}" for each in addresses)))
    return [
        ProviderView(
            id=provider.id,
            label=provider.label,
            issuer=provider.issuer,
            client_id=provider.client_id,
            has_secret=bool(provider.sealed_secret),
            scopes=provider.scopes,
            groups_claim=provider.groups_claim,
            name_claim=provider.name_claim,
            roles=tuple(GroupRoleView(group=each.group, role=each.role) for each in provider.roles),
            ca_pem=provider.ca_pem,
            version=provider.version,
            changed_at_ms=provider.changed_at_ms,
            changed_by=provider.changed_by,
            redirect_urls=tuple(redirect_url(origin.rstrip("/"), provider.id) for origin in origins),
            accounts=owners.count(provider.id),
            token_audience=provider.token_audience,
        )
        for provider in providers
    ]
