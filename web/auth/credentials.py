"""From a token to the account it stands for, checked against the replicated state.

The signature says who somebody was at login; the account's and the session's records say whether that still
holds. So a changed role, a removed account or a logout ends access with the next request on every node that
has applied it.
"""

from __future__ import annotations

from cluster.identity.access_tokens import AccessClaims, AccessTokens
from cluster.identity.api_tokens import check_api_token, parse_api_token
from cluster.identity.keyring import Keyring
from cluster.identity.refusal import Refused
from cluster.model.access import Principal
from cluster.rbac import narrowest
from cluster.store import ReadTxn, records
from web.auth.call import Credential, Identity
from web.auth.catching_up import CatchingUp
from web.auth.kept_records import KeptRecords
from web.auth.not_accepted import NotAccepted
from web.auth.problems import Problem
from web.auth.provider_tokens import ProviderTokens
from web.auth.tool_bounds import ToolBounds
from web.ports import Surroundings

_API_TOKEN_START = "tower_"  # noqa: S105 (how every token of ours begins)


class Authenticator:
    """Checks credentials for one node."""

    def __init__(
        self,
        surroundings: Surroundings,
        catching_up: CatchingUp,
        kept: KeptRecords | None = None,
        *,
        provider_tokens: ProviderTokens,
    ) -> None:
        self._surroundings = surroundings
        self._kept = kept or KeptRecords(surroundings.state)
        self._catching_up = catching_up
        self._provider_tokens = provider_tokens
        self._access_tokens: tuple[Keyring, AccessTokens] | None = None

    @property
    def access_tokens(self) -> AccessTokens:
        """Made once per keyring: deriving and loading the keys takes longer than checking a token."""
        keyring = self._surroundings.cluster.keyring()
        if self._access_tokens is None or self._access_tokens[0] is not keyring:
            tokens = AccessTokens(keyring, cluster_id=self._surroundings.cluster.cluster_id)
            self._access_tokens = (keyring, tokens)
        return self._access_tokens[1]

    async def bearer(self, token: str, *, takes_provider_tokens: bool = False) -> Identity | NotAccepted:
        """Return whose token this is: an API token, or the access token of a login.

        With `takes_provider_tokens` also one of an identity provider. Raises Problem when it cannot be
        checked now.
        """
        if token.startswith(_API_TOKEN_START):
            return await self._api_token(token)
        if takes_provider_tokens and self._provider_tokens.are_meant(token):
            return await self._provider_tokens.check(token)
        return await self._access_token(token, Credential.ACCESS_TOKEN)

    async def cookie(self, token: str) -> Identity | NotAccepted:
        """Return whose login the access cookie is of."""
        return await self._access_token(token, Credential.COOKIE)

    def recheck(self, identity: Identity) -> str | None:
        """Return why an identity proven earlier holds no more, or None. For long-lived connections.

        A changed role ends it too: what the connection shows was decided with the old one.
        """
        now_ms = self._surroundings.clock.now_ms()
        with self._surroundings.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, identity.principal_id)
            if principal is None:
                return "this account was removed"
            if principal.is_suspended:
                return "this account's identity provider lets it in no more"
            if principal.epoch != identity.epoch:
                return "this account was changed; log in again"
            if identity.session_id is not None:
                session = records.LOGINS.get(txn, identity.session_id)
                if session is None or not session.is_live(now_ms):
                    return "this session has ended; log in again"
            if identity.token_prefix is not None:
                token = records.API_TOKENS.get(txn, identity.token_prefix)
                if token is None or token.is_revoked:
                    return "this API token was revoked"
                if token.expires_at_ms is not None and now_ms >= token.expires_at_ms:
                    return "this API token has expired"
        return None

    async def _access_token(self, token: str, credential: Credential) -> Identity | NotAccepted:
        claims = self.access_tokens.verify(token, now_ms=self._surroundings.clock.now_ms())
        if isinstance(claims, Refused):
            return NotAccepted(f"access token {claims.code.replace('_', ' ')}", claims.reason)
        identity = self._login(claims, credential)
        if isinstance(identity, Identity) or not self._may_be_behind(claims):
            return identity
        # We signed this token, so the records are older than it, or it was revoked: ask which.
        if not await self._catching_up.catch_up():
            raise Problem(
                "unavailable",
                "this node cannot confirm the login now: no leader is known",
                hint="try another host of the cluster, or again in a moment",
                retry_after_s=2,
            )
        self._kept.drop(_key_of(claims))
        return self._login(claims, credential)

    def _login(self, claims: AccessClaims, credential: Credential) -> Identity | NotAccepted:
        principal, session = self._kept.get(
            _key_of(claims),
            lambda txn: (
                records.PRINCIPALS.get(txn, claims.principal_id),
                records.LOGINS.get(txn, claims.session_id),
            ),
        )
        if principal is None:
            return NotAccepted("account removed", "this account does not exist any more")
        if principal.is_suspended:
            return NotAccepted("account suspended", "this account's identity provider lets it in no more")
        if principal.epoch != claims.epoch:
            return NotAccepted("account changed", "this account was changed since the login; log in again")
        if session is None or not session.is_live(self._surroundings.clock.now_ms()):
            return NotAccepted("session ended", "this session has ended; log in again")
        return Identity(
            principal_id=principal.id,
            name=principal.name,
            role=principal.role,
            credential=credential,
            epoch=principal.epoch,
            session_id=session.id,
        )

    def _may_be_behind(self, claims: AccessClaims) -> bool:
        """Whether a record that is newer than what this node has applied could accept the token."""
        with self._surroundings.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, claims.principal_id)
            session = records.LOGINS.get(txn, claims.session_id)
        return principal is None or principal.epoch < claims.epoch or session is None

    async def _api_token(self, text: str) -> Identity | NotAccepted:
        presented = parse_api_token(text)
        if isinstance(presented, Refused):
            return NotAccepted(f"API token {presented.code}", presented.reason)
        with self._surroundings.state.read() as txn:
            is_unknown = records.API_TOKENS.get(txn, presented.prefix) is None
        if is_unknown:
            await self._catching_up.catch_up()
        with self._surroundings.state.read() as txn:
            record = records.API_TOKENS.get(txn, presented.prefix)
            principal = _owner(txn, None if record is None else record.principal_id)
        checked = check_api_token(record, presented, now_ms=self._surroundings.clock.now_ms())
        if isinstance(checked, Refused):
            return NotAccepted(f"API token {checked.code}", checked.reason)
        if principal is None:
            return NotAccepted("account removed", "this token's account does not exist any more")
        if principal.is_suspended:
            return NotAccepted(
                "account suspended", "this token's account is let in no more by its identity provider"
            )
        return Identity(
            principal_id=principal.id,
            name=principal.name,
            role=narrowest(principal.role, checked.role),
            credential=Credential.API_TOKEN,
            epoch=principal.epoch,
            token_prefix=checked.prefix,
            scopes=checked.scopes,
            tools=ToolBounds(is_read_only=checked.is_read_only, toolsets=checked.toolsets),
        )


def _owner(txn: ReadTxn, principal_id: str | None) -> Principal | None:
    return None if principal_id is None else records.PRINCIPALS.get(txn, principal_id)


def _key_of(claims: AccessClaims) -> tuple[str, ...]:
    return ("login", claims.principal_id, claims.session_id)
