"""What identity providers publish, asked for now and then: anybody can make this node want to know."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass

from cluster.identity.open_id import (
    ID_TOKEN,
    ProviderMetadata,
    SignInRefusal,
    VerificationKey,
    discovery_url,
    key_of,
    read_keys,
    read_metadata,
)
from cluster.identity.refusal import Refused
from cluster.model.sign_in import SignInProvider
from web.ports import ProviderRequest, ProviderUnreachable, Surroundings

log = logging.getLogger(__name__)

FRESH_MS = 10 * 60_000
"""For how long what a provider published is taken for what it publishes."""
FAILURE_MS = 5_000
"""For how long it is not asked again after it did not answer: anybody may begin a login."""
KEYS_AGAIN_MS = 10_000
"""An unknown key makes its keys be read again, this often at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a provider said when it was asked."""

    version: int
    at_ms: int
    metadata: ProviderMetadata
    keys: tuple[VerificationKey, ...]


class ProviderCache:
    """Metadata and keys of the providers one node has asked."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._published: dict[str, Published] = {}
        self._failed: dict[str, tuple[int, int, str]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def published(self, provider: SignInProvider, *, age_ms_max: int = FRESH_MS) -> Published:
        """Return what a provider publishes, as it was at most so long ago. Raises ProviderUnreachable.

        While it does not answer, what it published last holds for who would take what is ten minutes old.
        """
        known = self._known(provider, age_ms_max)
        if known is not None:
            return known
        # By provider: one that does not answer must not hold up the logins of the others.
        async with self._asking[provider.id]:
            known = self._known(provider, age_ms_max)
            if known is not None:
                return known
            now_ms = self._surroundings.clock.now_ms()
            failed = self._failed.get(provider.id)
            if failed is not None and failed[0] == provider.version and now_ms - failed[1] < FAILURE_MS:
                raise ProviderUnreachable(failed[2])
            try:
                found = await self._ask(provider, now_ms)
            except ProviderUnreachable as error:
                log.warning(
                    "sign_in.provider_unreachable", extra={"provider": provider.id, "error": str(error)}
                )
                last = self._published.get(provider.id)
                if last is not None and last.version == provider.version and age_ms_max >= FRESH_MS:
                    # Keys are changed rarely.
                    return last
                self._failed[provider.id] = (provider.version, now_ms, str(error))
                raise
            self._failed.pop(provider.id, None)
            self._published[provider.id] = found
            return found

    def _known(self, provider: SignInProvider, age_ms_max: int) -> Published | None:
        found = self._published.get(provider.id)
        if found is None or found.version != provider.version:
            return None
        return found if self._surroundings.clock.now_ms() - found.at_ms < age_ms_max else None

    async def key_of(
        self, provider: SignInProvider, token: str, *, kind: str = ID_TOKEN
    ) -> VerificationKey | Refused[SignInRefusal]:
        """Return the key of a provider that a token says it is signed with. Raises ProviderUnreachable.

        It may have changed its keys since they were read, so they are read again for one that is unknown: not
        for each such token, which costs nobody anything to make.
        """
        key = key_of(token, (await self.published(provider)).keys, kind=kind)
        if isinstance(key, Refused) and key.code is SignInRefusal.UNKNOWN_KEY:
            return key_of(token, (await self.published(provider, age_ms_max=KEYS_AGAIN_MS)).keys, kind=kind)
        return key

    async def _ask(self, provider: SignInProvider, now_ms: int) -> Published:
        document = await self._get(provider, discovery_url(provider.issuer), "discovery document")
        metadata = read_metadata(document, issuer=provider.issuer)
        if isinstance(metadata, Refused):
            raise ProviderUnreachable(metadata.reason)
        keys = read_keys(await self._get(provider, metadata.jwks_uri, "keys"))
        if not keys:
            raise ProviderUnreachable("the provider publishes no key for RS256 or ES256")
        return Published(version=provider.version, at_ms=now_ms, metadata=metadata, keys=keys)

    async def _get(self, provider: SignInProvider, url: str, what: str) -> object:
        request = ProviderRequest(url=url, ca_pem=provider.ca_pem)
        status, document = await self._surroundings.providers.fetch(request)
        if status != 200:
            raise ProviderUnreachable(f"the provider's {what} cannot be read: status {status}")
        return document
