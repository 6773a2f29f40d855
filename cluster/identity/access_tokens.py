"""Access tokens: who a request is from, checked without asking anybody (JWT, RFC 7519; EdDSA, RFC 8037).

Ten minutes long, signed with a key derived from the cluster key, so every node makes and checks them. The
`epoch` is the account's number at login: a node that knows a higher one refuses the token before it
expires. Checked as RFC 8725 asks: one algorithm, the key by id, the type, every claim present and typed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cluster.identity.keyring import Keyring, Purpose
from cluster.identity.refusal import Refused, in_words
from cluster.model.access import Role
from cluster.model.ids import LoginId, PrincipalId

TTL_S = 600
LEEWAY_MS = 30_000
_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"
_CHARACTERS_MAX = 4096
VERIFIED_MAX = 4096
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]{86})")
_TEXT_CLAIMS = ("iss", "sub", "role", "sid", "jti")
_NUMBER_CLAIMS = ("epoch", "iat", "exp")
_ROLES = frozenset(role.value for role in Role)


class AccessRefusal(StrEnum):
    """Why an access token is not accepted."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_CLUSTER = "wrong_cluster"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What an access token says: principal, role, session, the account's epoch, and when."""

    cluster_id: str
    principal_id: PrincipalId
    role: Role
    session_id: LoginId
    epoch: int
    token_id: str
    issued_at_s: int
    expires_at_s: int


class AccessTokens:
    """Makes and checks access tokens with the keys of one keyring (built once per keyring)."""

    def __init__(self, keyring: Keyring, *, cluster_id: str) -> None:
        self._cluster_id = cluster_id
        self._key_id = keyring.current.key_id
        self._signing_key = Ed25519PrivateKey.from_private_bytes(
            keyring.current.derive(Purpose.ACCESS_TOKENS)
        )
        self._verifying_keys: dict[str, Ed25519PublicKey] = {
            key.key_id: Ed25519PrivateKey.from_private_bytes(key.derive(Purpose.ACCESS_TOKENS)).public_key()
            for key in keyring.keys
        }
        self._verified: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        """What tokens say whose signature was found to be ours, by the token's digest; those used least
        lately make room. A signature stays true: dates are looked at each time, records by the caller."""

    def issue(
        self,
        *,
        principal_id: PrincipalId,
        role: Role,
        session_id: LoginId,
        epoch: int,
        token_id: str,
        now_ms: int,
    ) -> str:
        """Return a token that is valid for ten minutes; about 50 microseconds."""
        issued_at_s = now_ms // 1000
        claims = {
            "iss": self._cluster_id,
            "sub": principal_id,
            "role": role.value,
            "sid": session_id,
            "epoch": epoch,
            "iat": issued_at_s,
            "exp": issued_at_s + TTL_S,
            "jti": token_id,
        }
        headers = {"typ": _TYPE, "kid": self._key_id}
        return jwt.encode(claims, self._signing_key, algorithm=_ALGORITHM, headers=headers)

    def verify(self, token: str, *, now_ms: int) -> AccessClaims | Refused[AccessRefusal]:
        """Return what a token says when this cluster made it and it is valid now.

        About 150 microseconds the first time, 5 from then on. Total. The caller still compares `epoch` and
        the session with the account's record.
        """
        digest = hashlib.blake2b(token.encode(errors="surrogatepass"), digest_size=32).digest()
        claims = self._verified.get(digest)
        if claims is None:
            checked = self._decode(token)
            if isinstance(checked, Refused):
                return checked
            claims = checked
            if len(self._verified) >= VERIFIED_MAX:
                self._verified.popitem(last=False)
            self._verified[digest] = claims
        else:
            self._verified.move_to_end(digest)
        return _check_claims(claims, now_ms)

    def _decode(self, token: str) -> dict[str, Any] | Refused[AccessRefusal]:
        """Return what a token of this cluster says, with dates and types unchecked."""
        key = self._find_key(token)
        if isinstance(key, Refused):
            return key
        try:
            # The dates are checked below: the library would read the system clock.
            return jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=self._cluster_id,
                options={
                    "require": [*_TEXT_CLAIMS, *_NUMBER_CLAIMS],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                },
            )
        except jwt.InvalidSignatureError:
            return _refused(AccessRefusal.BAD_SIGNATURE, "the access token was changed; log in again")
        except jwt.InvalidIssuerError:
            return _refused(
                AccessRefusal.WRONG_CLUSTER, "the access token is of another cluster; log in to this one"
            )
        except jwt.PyJWTError:
            return _malformed()

    def _find_key(self, token: str) -> Ed25519PublicKey | Refused[AccessRefusal]:
        shape = _SHAPE.fullmatch(token) if len(token) <= _CHARACTERS_MAX else None
        if shape is None or not _is_canonical(shape.group(1)):
            return _malformed()
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return _malformed()
        if header.keys() != {"alg", "typ", "kid"} or header["alg"] != _ALGORITHM or header["typ"] != _TYPE:
            return _malformed()
        key = self._verifying_keys.get(header["kid"])
        if key is None:
            return _refused(
                AccessRefusal.UNKNOWN_KEY,
                "the access token was signed with a key this node does not hold; log in again",
            )
        return key


def _check_claims(claims: dict[str, Any], now_ms: int) -> AccessClaims | Refused[AccessRefusal]:
    texts = [claims[name] for name in _TEXT_CLAIMS]
    numbers = [claims[name] for name in _NUMBER_CLAIMS]
    # type() and not isinstance(): a bool is an int to Python.
    if not all(type(text) is str and text for text in texts) or not all(
        type(number) is int for number in numbers
    ):
        return _malformed()
    if claims["role"] not in _ROLES:
        return _malformed()
    issued_at_s, expires_at_s = claims["iat"], claims["exp"]
    if not 0 < expires_at_s - issued_at_s <= TTL_S:
        return _malformed()
    if now_ms < issued_at_s * 1000 - LEEWAY_MS:
        return _refused(
            AccessRefusal.NOT_YET_VALID,
            f"the access token was made {in_words(issued_at_s * 1000 - now_ms)} in the future: "
            "the clocks of the cluster's hosts differ; check `timedatectl` on them",
        )
    if now_ms >= expires_at_s * 1000 + LEEWAY_MS:
        return _refused(
            AccessRefusal.EXPIRED,
            f"the access token expired {in_words(now_ms - expires_at_s * 1000)} ago; refresh it or log in",
        )
    return AccessClaims(
        cluster_id=claims["iss"],
        principal_id=PrincipalId(claims["sub"]),
        role=Role(claims["role"]),
        session_id=LoginId(claims["sid"]),
        epoch=claims["epoch"],
        token_id=claims["jti"],
        issued_at_s=issued_at_s,
        expires_at_s=expires_at_s,
    )


def _is_canonical(segment: str) -> bool:
    """Whether no other text decodes to the same bytes: base 64 leaves the last character spare bits."""
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    return base64.urlsafe_b64encode(decoded).rstrip(b"=") == segment.encode("ascii")


def _malformed() -> Refused[AccessRefusal]:
    return _refused(AccessRefusal.MALFORMED, "this is not an access token of Control Tower; log in")


def _refused(code: AccessRefusal, reason: str) -> Refused[AccessRefusal]:
    return Refused(code=code, reason=reason)
