"""OpenID Connect as a relying party: what a provider publishes, and what its tokens prove.

Code flow with PKCE (RFC 7636), OpenID Connect Core 1.0 section 3.1.3.7, and what RFC 8725 and RFC 9700 add;
access tokens are checked in `provider_tokens`.
Whatever a provider sends is a stranger's text until a signature of its keys was checked, and is bounded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cluster.identity.refusal import Refused, in_words
from cluster.model.sign_in import SUBJECT_CHARS_MAX, SignInProvider, subject_key

LEEWAY_MS = 60_000
"""How far the clocks of a provider and of a host may differ."""
ISSUED_MAX_MS = 10 * 60_000
"""How old an ID token may be: the flow itself may take ten minutes."""
KEYS_MAX = 64
RSA_BITS_MIN = 2048
GROUPS_MAX = 2000
TOKEN_CHARACTERS_MAX = 64 * 1024
ID_TOKEN = "ID token"  # noqa: S105 (a kind of token)
_CHALLENGE_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._@+-]+")
_NAME_CHARS_MAX = 64

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey
Claims: TypeAlias = Mapping[str, Any]


class SignInRefusal(StrEnum):
    """Why somebody is not let in by way of a provider."""

    BAD_METADATA = "bad_metadata"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_NONCE = "wrong_nonce"
    WRONG_TYPE = "wrong_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """What a provider says of itself (OpenID Connect Discovery 1.0, 3).

    `names_issuer`: it adds `iss` to what it sends the browser back with (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    names_issuer: bool = False
    takes_basic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """One key of a provider, and the one algorithm it is good for."""

    key_id: str
    algorithm: str
    key: PublicKey


def discovery_url(issuer: str) -> str:
    """Return where an issuer says what it is."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_metadata(document: object, *, issuer: str) -> ProviderMetadata | Refused[SignInRefusal]:
    """Return what a discovery document says. It must be about the issuer that was asked. Total."""
    if not isinstance(document, dict):
        return _bad_metadata("is no JSON object")
    if document.get("issuer") != issuer:
        return _bad_metadata(
            f"is about issuer {str(document.get('issuer'))[:200]!r} and not {issuer!r}: they must be equal to"
            " the letter"
        )
    endpoints: dict[str, str] = {}
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
    ):
        value = document.get(name)
        is_needed = name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if value is None and not is_needed:
            continue
        if not isinstance(value, str) or not _is_https(value):
            return _bad_metadata(f"has no https URL as {name}")
        endpoints[name] = value
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return ProviderMetadata(
        issuer=issuer,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        takes_basic=not isinstance(methods, list) or "client_secret_basic" in methods,
        **endpoints,
    )


def read_keys(document: object) -> tuple[VerificationKey, ...]:
    """Return the keys of a JWK set (RFC 7517) that can check an ID token; others are passed over. Total."""
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        return ()
    keys = (_read_key(each) for each in found[:KEYS_MAX] if isinstance(each, dict))
    return tuple(key for key in keys if key is not None)


def _read_key(jwk: Mapping[str, Any]) -> VerificationKey | None:
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(jwk.get("kty")))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    # A private key that somebody publishes proves nothing any more.
    if "d" in jwk:
        return None
    try:
        key = jwt.PyJWK(dict(jwk), algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return VerificationKey(key_id=str(jwk.get("kid", "")), algorithm=algorithm, key=key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return VerificationKey(key_id=str(jwk.get("kid", "")), algorithm=algorithm, key=key)
    return None


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return _base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def random_text(random: bytes) -> str:
    """Return 32 random bytes as a state, nonce or verifier."""
    assert len(random) == _CHALLENGE_BYTES, "32 random bytes are needed"
    return _base64url(random)


def authorization_url(
    metadata: ProviderMetadata,
    provider: SignInProvider,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
) -> str:
    """Return where to send a browser to log in."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
        }
    )
    joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
    return f"{metadata.authorization_endpoint}{joint}{query}"


def key_of(
    token: str, keys: Sequence[VerificationKey], *, kind: str = ID_TOKEN
) -> VerificationKey | Refused[SignInRefusal]:
    """Return the key a token says it is signed with. Nothing else of its header is believed.

    `kind` is what a refusal calls the token.
    """
    if len(token) > TOKEN_CHARACTERS_MAX or not _TOKEN.fullmatch(token):
        return _refused(SignInRefusal.MALFORMED, f"the provider's {kind} is none")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return _refused(SignInRefusal.MALFORMED, f"the provider's {kind} cannot be read")
    if "crit" in header:
        return _refused(SignInRefusal.MALFORMED, f"the provider's {kind} has critical extensions")
    algorithm = header.get("alg")
    fitting = [key for key in keys if key.algorithm == algorithm]
    if "kid" in header:
        fitting = [key for key in fitting if key.key_id == header["kid"]]
    if len(fitting) != 1:
        return _refused(
            SignInRefusal.UNKNOWN_KEY,
            f"the provider's {kind} is signed with {str(algorithm)[:20]!r} and a key that it does not"
            " publish; RS256 and ES256 are taken",
        )
    return fitting[0]


def check_id_token(
    token: str, key: VerificationKey, *, provider: SignInProvider, nonce: str, now_ms: int
) -> dict[str, Any] | Refused[SignInRefusal]:
    """Return the claims of an ID token that `key` signed for this client and this login. Total."""
    claims = signed_claims(token, key)
    return claims if isinstance(claims, Refused) else _check_claims(claims, provider, nonce, now_ms)


def signed_claims(
    token: str, key: VerificationKey, *, kind: str = ID_TOKEN
) -> dict[str, Any] | Refused[SignInRefusal]:
    """Return what `key` signed; nothing of it is checked but the signature. Total."""
    try:
        # Issuer, audience and dates are checked by the caller: in words, by type, and with our clock.
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidSignatureError:
        return _refused(SignInRefusal.BAD_SIGNATURE, f"the signature of the provider's {kind} is wrong")
    except (jwt.PyJWTError, ValueError):
        return _refused(SignInRefusal.MALFORMED, f"the provider's {kind} cannot be read")
    return claims


def _check_claims(
    claims: dict[str, Any], provider: SignInProvider, nonce: str, now_ms: int
) -> dict[str, Any] | Refused[SignInRefusal]:
    if claims.get("iss") != provider.issuer:
        return _refused(SignInRefusal.WRONG_ISSUER, "the ID token is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or provider.client_id not in audiences:
        return _refused(SignInRefusal.WRONG_AUDIENCE, "the ID token is for another client")
    party = claims.get("azp")
    if (party is not None or len(audiences) > 1) and party != provider.client_id:
        return _refused(SignInRefusal.WRONG_AUDIENCE, "the ID token was given to another client")
    if not names_subject(claims):
        return _refused(SignInRefusal.MALFORMED, "the ID token does not say whom it is about")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode("utf-8", "replace"), nonce.encode()
    ):
        return _refused(SignInRefusal.WRONG_NONCE, "the ID token was made for another login")
    dated = check_dates(claims, now_ms, age_ms_max=ISSUED_MAX_MS)
    return claims if dated is None else dated


def names_subject(claims: Claims) -> bool:
    """Whether claims say whom they are about, in a way that an account can be found by."""
    subject = claims.get("sub")
    return isinstance(subject, str) and 0 < len(subject) <= SUBJECT_CHARS_MAX


def check_dates(
    claims: Claims, now_ms: int, *, age_ms_max: int | None = None, kind: str = ID_TOKEN
) -> Refused[SignInRefusal] | None:
    """Return why a token does not hold now, or None. `age_ms_max` None: it holds until it ends. Total."""
    dates: dict[str, int] = {}
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name)
        if value is None and name == "nbf":
            continue
        # A bool is an int to Python; NumericDate may have a fraction (RFC 7519, 2).
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**53:
            return _refused(SignInRefusal.MALFORMED, f"the {kind} has no moment as {name}")
        dates[name] = int(value * 1000)
    if now_ms >= dates["exp"] + LEEWAY_MS:
        return _refused(
            SignInRefusal.EXPIRED,
            f"the {kind} ended {in_words(now_ms - dates['exp'])} ago: do the clocks of this host and the"
            " provider differ?",
        )
    if age_ms_max is not None and now_ms >= dates["iat"] + age_ms_max + LEEWAY_MS:
        return _refused(SignInRefusal.EXPIRED, f"the {kind} was made long ago")
    begins_ms = max(dates["iat"], dates.get("nbf", 0))
    if now_ms < begins_ms - LEEWAY_MS:
        return _refused(
            SignInRefusal.NOT_YET_VALID,
            f"the {kind} begins in {in_words(begins_ms - now_ms)}: the clocks of this host and the provider"
            " differ",
        )
    return None


def claim_at(claims: Claims, path: str) -> object:
    """Return the claim of that name, or else what a path with dots leads to. None: nothing."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def groups_of(claims: Claims, provider: SignInProvider) -> tuple[str, ...] | None:
    """Return somebody's groups, None when the claims do not speak of groups."""
    found = claim_at(claims, provider.groups_claim)
    if found is None:
        return None
    if isinstance(found, str):
        return (found,)
    if not isinstance(found, list):
        return ()
    return tuple(group for group in found[:GROUPS_MAX] if isinstance(group, str))


def account_name(claims: Claims, provider: SignInProvider) -> str:
    """Return what an account of these claims should be called, in the signs that names here have."""
    for path in (provider.name_claim, "preferred_username", "email"):
        found = claim_at(claims, path)
        if isinstance(found, str):
            name = _NOT_IN_NAMES.sub("-", found).lstrip("._@+-")[:_NAME_CHARS_MAX]
            if name:
                return name
    return f"user-{subject_key(provider.issuer, str(claims.get('sub')))[:8]}"


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https" and bool(parts.hostname) and parts.username is None and len(url) <= 2048
        )
    except ValueError:
        return False


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _bad_metadata(what: str) -> Refused[SignInRefusal]:
    return _refused(SignInRefusal.BAD_METADATA, f"the provider's discovery document {what}")


def _refused(code: SignInRefusal, reason: str) -> Refused[SignInRefusal]:
    return Refused(code=code, reason=reason)
