"""Access tokens of identity providers: whose account here one stands for, and what it may.

Only of providers that were given an audience for it, and only for accounts that somebody logged in to by way
of them. What the provider says of groups in the token narrows the account's role and never widens it: that is
for logins, which leave an entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.identity.open_id import groups_of
from cluster.identity.provider_tokens import KIND, check_provider_token, issuer_named_by
from cluster.identity.refusal import Refused
from cluster.model.access import Principal
from cluster.model.sign_in import SignInProvider, role_of, subject_key
from cluster.rbac import narrowest
from cluster.store import records
from web.auth.call import Credential, Identity
from web.auth.catching_up import CatchingUp
from web.auth.not_accepted import NotAccepted
from web.auth.problems import Problem
from web.auth.provider_cache import ProviderCache
from web.ports import ProviderUnreachable, Surroundings


class ProviderTokens:
    """Checks access tokens of identity providers for one node."""

    def __init__(self, surroundings: Surroundings, catching_up: CatchingUp, cache: ProviderCache) -> None:
        self._surroundings = surroundings
        self._catching_up = catching_up
        self._cache = cache

    def providers(self) -> Sequence[SignInProvider]:
        """Return those whose tokens are taken; none unless somebody said so."""
        with self._surroundings.state.read() as txn:
            return [each for each in records.PROVIDERS.scan(txn) if each.token_audience]

    def are_meant(self, token: str) -> bool:
        """Whether a token says that it is of a provider whose tokens are taken. Proves nothing."""
        return bool(self._of_issuer(token))

    async def check(self, token: str) -> Identity | NotAccepted:
        """Return whose token this is. Raises Problem (503) when its provider's keys cannot be had."""
        providers = self._of_issuer(token)
        if not providers:
            return NotAccepted("provider token wrong issuer", "tokens of this issuer are not taken here")
        try:
            key = await self._cache.key_of(providers[0], token, kind=KIND)
        except ProviderUnreachable as error:
            raise Problem(
                "unavailable",
                f"the token cannot be checked now, because its identity provider cannot be asked: {error}",
                hint="again in a moment, or with an API token",
                retry_after_s=5,
            ) from error
        if isinstance(key, Refused):
            return _not_accepted(key)
        now_ms = self._surroundings.clock.now_ms()
        checked = check_provider_token(token, key, providers=providers, now_ms=now_ms)
        if isinstance(checked, Refused):
            return _not_accepted(checked)
        provider, claims = checked
        return await self._identity(provider, claims)

    def _of_issuer(self, token: str) -> Sequence[SignInProvider]:
        providers = self.providers()
        if not providers:
            return ()
        issuer = issuer_named_by(token)
        return [provider for provider in providers if provider.issuer == issuer]

    async def _identity(self, provider: SignInProvider, claims: Mapping[str, Any]) -> Identity | NotAccepted:
        role = role_of(groups_of(claims, provider) or (), provider)
        if role is None:
            return NotAccepted(
                "provider token without a role",
                f"no group in this token's claim {provider.groups_claim} has a role here; have the identity"
                " provider put groups into its access tokens",
            )
        subject = subject_key(provider.issuer, str(claims["sub"]))
        principal = self._account(subject)
        if principal is None:
            # The login that made it may have been on another host, just now.
            await self._catching_up.catch_up()
            principal = self._account(subject)
        if principal is None or principal.provider_id != provider.id:
            return NotAccepted(
                "provider token without an account",
                "whose token this is has no account here; log in to the dashboard once, by way of"
                f" {provider.label}",
            )
        if principal.is_suspended:
            return NotAccepted("account suspended", "this account's identity provider lets it in no more")
        return Identity(
            principal_id=principal.id,
            name=principal.name,
            role=narrowest(principal.role, role),
            credential=Credential.PROVIDER_TOKEN,
            epoch=principal.epoch,
            issuer=provider.issuer,
        )

    def _account(self, subject: str) -> Principal | None:
        with self._surroundings.state.read() as txn:
            found = records.PRINCIPALS_BY_SUBJECT.scan(txn, subject, limit=1)
            return records.PRINCIPALS.get(txn, found[0][1]) if found else None


def _not_accepted(refused: Refused[Any]) -> NotAccepted:
    return NotAccepted(f"provider token {refused.code.replace('_', ' ')}", refused.reason)
