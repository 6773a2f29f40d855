"""Logging in by way of an identity provider: a browser goes there and comes back with a code.

Between the two nothing is kept here: state, nonce and verifier are in a sealed cookie, so the browser may
come back to any host under the same name. Who comes back with another's state has not the cookie; who comes
back twice is refused here, and by the provider, for whom a code is good once.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import urlencode

from cluster.commands import Rejected
from cluster.commands.sign_in import SyncAccount
from cluster.identity.errors import SealBroken
from cluster.identity.open_id import (
    account_name,
    authorization_url,
    check_id_token,
    groups_of,
    random_text,
)
from cluster.identity.refusal import Refused
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import open_client_secret
from cluster.identity.tickets import CHARACTERS_MAX, TicketKind, make_ticket, open_ticket
from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from cluster.model.sign_in import SignInProvider, role_of, subject_key
from cluster.rbac import Decision
from cluster.store import records
from web.auth.authority import Authority, stamp_of
from web.auth.call import Call, Credential, Identity, printable
from web.auth.provider_cache import FRESH_MS, ProviderCache, Published
from web.auth.sessions import START_LOGIN, Sessions, Tokens
from web.ports import ProviderRequest, ProviderUnreachable, Surroundings

log = logging.getLogger(__name__)

SIGN_IN = "account.sign-in"
FLOW_MS = 10 * 60_000
USED_MAX = 10_000
NEXT_CHARACTERS_MAX = 512
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


class SignInFailed(Exception):
    """The browser is sent back to the login page with `code`, one of a few; the text is for the log."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where to send the browser, and what it brings back as a cookie."""

    url: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A login, and where the browser wanted to go."""

    tokens: Tokens
    next: str


class SignIn:
    """Logins of one node by way of providers."""

    def __init__(
        self, surroundings: Surroundings, *, authority: Authority, sessions: Sessions, cache: ProviderCache
    ) -> None:
        self._surroundings = surroundings
        self._authority = authority
        self._sessions = sessions
        self._cache = cache
        self._used: OrderedDict[str, None] = OrderedDict()

    async def begin(self, provider_id: str, *, redirect_uri: str, next_path: str) -> Begun:
        """Return where a browser logs in. Raises SignInFailed."""
        provider = self._find(provider_id)
        published = await self.published(provider)
        ids, keyring = self._surroundings.ids, self._surroundings.cluster.keyring()
        state, nonce, verifier = (random_text(ids.token_bytes(32)) for _ in range(3))
        url = authorization_url(
            published.metadata,
            provider,
            redirect_uri=redirect_uri,
            state=state,
            nonce=nonce,
            verifier=verifier,
        )
        content: dict[str, str | int] = {
            "provider": provider.id,
            "issuer": provider.issuer,
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "redirect": redirect_uri,
            "next": local_path(next_path),
        }
        cookie = make_ticket(
            TicketKind.SIGN_IN,
            content,
            keyring,
            nonce=ids.token_bytes(NONCE_BYTES),
            ends_at_ms=self._surroundings.clock.now_ms() + FLOW_MS,
        )
        if len(cookie) > CHARACTERS_MAX:
            raise SignInFailed("wrong-response", "the addresses are too long for a cookie")
        return Begun(url=url, cookie=cookie)

    async def finish(
        self, call: Call, provider_id: str, *, query: Mapping[str, str], cookie: str
    ) -> SignedIn:
        """Return the login of a browser that came back. Raises SignInFailed, and Problem as a login does."""
        flow = self._flow(call, provider_id, query, cookie)
        provider = self._find(provider_id)
        if provider.issuer != flow["issuer"]:
            self._refuse(call, provider_id, "wrong-response", "the provider was changed meanwhile")
        published = await self.published(provider)
        # RFC 9207: an answer of another provider than the one the browser was sent to.
        issuer = query.get("iss")
        if issuer is not None and issuer != provider.issuer:
            self._refuse(call, provider_id, "wrong-response", "the answer is of another issuer")
        if issuer is None and published.metadata.names_issuer:
            self._refuse(call, provider_id, "wrong-response", "the answer does not name its issuer")
        if "error" in query:
            code = "denied" if query["error"] == "access_denied" else "provider-error"
            reason = f"the provider says {printable(query['error'], 80)}"
            self._refuse(call, provider_id, code, reason)
        answer = await self._exchange(call, provider, published, flow, query.get("code", ""))
        claims = await self._claims(call, provider, answer, str(flow["nonce"]))
        tokens = await self._admit(call, provider, published, answer, claims)
        return SignedIn(tokens=tokens, next=str(flow["next"]))

    async def logout_url(self, provider_id: str, *, back_to: str) -> str | None:
        """Return where to end the login at the provider itself, None where it has no such place."""
        provider = self._find(provider_id)
        metadata = (await self.published(provider)).metadata
        if not metadata.end_session_endpoint:
            return None
        joint = "&" if "?" in metadata.end_session_endpoint else "?"
        query = urlencode({"client_id": provider.client_id, "post_logout_redirect_uri": back_to})
        return f"{metadata.end_session_endpoint}{joint}{query}"

    async def published(self, provider: SignInProvider, *, is_fresh: bool = False) -> Published:
        """Return what a provider publishes, asked for at most now and then. Raises SignInFailed."""
        try:
            return await self._cache.published(provider, age_ms_max=0 if is_fresh else FRESH_MS)
        except ProviderUnreachable as error:
            raise SignInFailed("unavailable", str(error)) from error

    def _flow(
        self, call: Call, provider_id: str, query: Mapping[str, str], cookie: str
    ) -> dict[str, str | int]:
        now_ms = self._surroundings.clock.now_ms()
        keyring = self._surroundings.cluster.keyring()
        flow = open_ticket(TicketKind.SIGN_IN, cookie, keyring, now_ms=now_ms)
        if isinstance(flow, Refused):
            code = "expired" if flow.code == "expired" else "wrong-response"
            self._refuse(call, provider_id, code, "this browser did not begin this login, or long ago")
        if flow["provider"] != provider_id:
            self._refuse(call, provider_id, "wrong-response", "this login was begun with another provider")
        state = str(flow["state"])
        if not hmac.compare_digest(state.encode(), query.get("state", "").encode("utf-8", "replace")):
            self._refuse(call, provider_id, "wrong-response", "the answer is to another login")
        if state in self._used:
            self._refuse(call, provider_id, "wrong-response", "the answer came before")
        if len(self._used) >= USED_MAX:
            self._used.popitem(last=False)
        self._used[state] = None
        return flow

    async def _exchange(
        self,
        call: Call,
        provider: SignInProvider,
        published: Published,
        flow: Mapping[str, str | int],
        code: str,
    ) -> Mapping[str, object]:
        if not 0 < len(code) <= CHARACTERS_MAX:
            self._refuse(call, provider.id, "wrong-response", "the answer has no code")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": str(flow["redirect"]),
            "code_verifier": str(flow["verifier"]),
        }
        basic = None
        secret = self._secret(provider)
        if secret and published.metadata.takes_basic:
            basic = (provider.client_id, secret)
        else:
            form["client_id"] = provider.client_id
            if secret:
                form["client_secret"] = secret
        request = ProviderRequest(
            url=published.metadata.token_endpoint, ca_pem=provider.ca_pem, form=form, basic=basic
        )
        status, answer = await self._fetch(request)
        if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("id_token"), str):
            said = answer.get("error") if isinstance(answer, dict) else None
            words = printable(str(said or "nothing"), 80)
            reason = f"the provider does not take the code: status {status}, {words}"
            self._refuse(call, provider.id, "provider-error", reason)
        return answer

    async def _claims(
        self,
        call: Call,
        provider: SignInProvider,
        answer: Mapping[str, object],
        nonce: str,
    ) -> dict[str, object]:
        token = str(answer["id_token"])
        try:
            key = await self._cache.key_of(provider, token)
        except ProviderUnreachable as error:
            raise SignInFailed("unavailable", str(error)) from error
        if isinstance(key, Refused):
            self._refuse(call, provider.id, "wrong-response", key.reason)
        now_ms = self._surroundings.clock.now_ms()
        claims = check_id_token(token, key, provider=provider, nonce=nonce, now_ms=now_ms)
        if isinstance(claims, Refused):
            self._refuse(call, provider.id, "wrong-response", claims.reason)
        return claims

    async def _admit(
        self,
        call: Call,
        provider: SignInProvider,
        published: Published,
        answer: Mapping[str, object],
        claims: dict[str, object],
    ) -> Tokens:
        groups = groups_of(claims, provider)
        if groups is None and published.metadata.userinfo_endpoint:
            # Some keep the ID token small and tell of groups there alone.
            claims = {**await self._userinfo(provider, published, answer, claims), **claims}
            groups = groups_of(claims, provider)
        role = role_of(groups or (), provider)
        principal_id = await self._sync(call, provider, claims, role)
        if role is None or not principal_id:
            shown = ", ".join(printable(group, 60) for group in (groups or ())[:10]) or "none"
            reason = f"no role is given to the groups of {account_name(claims, provider)}: {shown}"
            self._refuse(call, provider.id, "no-role", reason)
        with self._surroundings.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, principal_id)
        if principal is None:
            self._refuse(call, provider.id, "unavailable", "the account was removed at the same moment")
        return await self._sessions.sign_in(call, principal, provider.id)

    async def _userinfo(
        self,
        provider: SignInProvider,
        published: Published,
        answer: Mapping[str, object],
        claims: Mapping[str, object],
    ) -> dict[str, object]:
        request = ProviderRequest(
            url=published.metadata.userinfo_endpoint,
            ca_pem=provider.ca_pem,
            bearer=str(answer.get("access_token", "")),
        )
        status, found = await self._fetch(request)
        # OpenID Connect Core, 5.3.2: of another subject it is to be thrown away.
        if status != 200 or not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            return {}
        return found

    async def _sync(
        self, call: Call, provider: SignInProvider, claims: Mapping[str, object], role: Role | None
    ) -> str:
        surroundings = self._surroundings
        name = account_name(claims, provider)
        command = SyncAccount(
            principal_id=PrincipalId(surroundings.ids.new_id("us")),
            provider_id=provider.id,
            subject_key=subject_key(provider.issuer, str(claims["sub"])),
            name=name,
            role=role,
        )
        # Who it is, is the provider's word; it is nobody here yet.
        identity = Identity(
            principal_id=command.principal_id,
            name=name,
            role=role or Role.NONE,
            credential=Credential.COOKIE,
            epoch=1,
        )
        stamp = stamp_of(
            surroundings,
            replace(call, identity=identity),
            SIGN_IN,
            f"provider:{provider.id}",
            Decision(role is not None, f"identity provider {provider.id} says who it is"),
        )
        outcome = await surroundings.state.propose(command, audit=stamp)
        if isinstance(outcome, Rejected):
            self._refuse(call, provider.id, "refused", outcome.reason)
        return str(outcome.result)

    async def _fetch(self, request: ProviderRequest) -> tuple[int, object]:
        try:
            return await self._surroundings.providers.fetch(request)
        except ProviderUnreachable as error:
            raise SignInFailed("unavailable", str(error)) from error

    def _secret(self, provider: SignInProvider) -> str:
        if not provider.sealed_secret:
            return ""
        try:
            return open_client_secret(provider, self._surroundings.cluster.keyring()).decode()
        except SealBroken as error:
            raise SignInFailed("unavailable", str(error)) from error

    def _find(self, provider_id: str) -> SignInProvider:
        with self._surroundings.state.read() as txn:
            found = {provider.id: provider for provider in records.PROVIDERS.scan(txn)}
        if provider_id not in found:
            raise SignInFailed("not-configured", f"there is no provider {provider_id[:64]!r}")
        return found[provider_id]

    def _refuse(self, call: Call, provider_id: str, code: str, reason: str) -> NoReturn:
        self._authority.strangers.count(START_LOGIN, "provider", f"sign-in {code}")
        log.warning(
            "sign_in.refused",
            extra={"provider": provider_id, "code": code, "reason": reason, "request_id": call.request_id},
        )
        raise SignInFailed(code, reason)


def local_path(text: str) -> str:
    """Return a path of this site; "/" for what is none, so that no link leads people elsewhere."""
    is_local = len(text) <= NEXT_CHARACTERS_MAX and _LOCAL_PATH.fullmatch(text) is not None
    return text if is_local else "/"
