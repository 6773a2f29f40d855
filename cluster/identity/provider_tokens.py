"""Access tokens of an identity provider, as a resource server takes them: RFC 9068 by the rules of RFC 8725.

An ID token says that somebody logged in at a client; it is never taken for leave to act here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt

from cluster.identity.open_id import (
    TOKEN_CHARACTERS_MAX,
    SignInRefusal,
    VerificationKey,
    check_dates,
    names_subject,
    signed_claims,
)
from cluster.identity.refusal import Refused
from cluster.model.sign_in import SignInProvider

KIND = "access token"
_EXPLICIT_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_GENERAL_TYPE = "jwt"
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")
"""Claims that belong to a login (OpenID Connect Core 1.0, 2 and 3.3.2.11)."""


def issuer_named_by(token: str) -> str | None:
    """Return the issuer a token says it is of, None when it says none: nothing is proven by it. Total."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return issuer if isinstance(issuer, str) else None


def check_provider_token(
    token: str, key: VerificationKey, *, providers: Sequence[SignInProvider], now_ms: int
) -> tuple[SignInProvider, dict[str, Any]] | Refused[SignInRefusal]:
    """Return the claims of an access token that `key` signed, and the one of `providers` it is for. Total.

    `providers` are of one issuer, whose key it is.
    """
    claims = signed_claims(token, key, kind=KIND)
    if isinstance(claims, Refused):
        return claims
    if any(claims.get("iss") != provider.issuer for provider in providers):
        return _refused(SignInRefusal.WRONG_ISSUER, "the access token is of another issuer")
    wrong_type = _check_type(jwt.get_unverified_header(token), claims)
    if wrong_type is not None:
        return wrong_type
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list):
        audiences = []
    meant = [each for each in providers if each.token_audience and each.token_audience in audiences]
    if not meant:
        return _refused(
            SignInRefusal.WRONG_AUDIENCE,
            "the access token is for another audience than the one its identity provider has here",
        )
    if not names_subject(claims):
        return _refused(SignInRefusal.MALFORMED, "the access token does not say whom it is about")
    if "cnf" in claims:
        # RFC 9449, 7.1: whoever takes it without that proof lets a stolen one pass.
        return _refused(
            SignInRefusal.WRONG_TYPE, "the access token is bound to a key, and proofs of it are not read here"
        )
    dated = check_dates(claims, now_ms, kind=KIND)
    return (meant[0], claims) if dated is None else dated


def _check_type(header: dict[str, Any], claims: dict[str, Any]) -> Refused[SignInRefusal] | None:
    declared = str(header.get("typ", "")).lower()
    if declared in _EXPLICIT_TYPES:
        return None
    # Some providers give every token the same type, and their ID tokens are known by what is in them.
    is_of_login = any(name in claims for name in _OF_ID_TOKENS) or claims.get("typ", "Bearer") != "Bearer"
    if declared != _GENERAL_TYPE or is_of_login:
        return _refused(
            SignInRefusal.WRONG_TYPE,
            "the token is no access token (typ at+jwt, RFC 9068): an ID token is not taken",
        )
    return None


def _refused(code: SignInRefusal, reason: str) -> Refused[SignInRefusal]:
    return Refused(code=code, reason=reason)
