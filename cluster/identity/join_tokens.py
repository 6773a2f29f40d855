"""Join tokens: one string that lets a host into the cluster, and lets the host know it is the right one.

`TOWER1-<CA fingerprint>-<token id>-<secret>-<checksum>`, 109 characters of base 32. The fingerprint is the
first 160 bits of the SHA-256 of the CA's certificate: finding another certificate with the same is out of
reach, and the host compares it before it sends anything.

The secret never travels, and the state keeps only its hash, with which nobody can join: the proof is that
of SCRAM (RFC 5802, section 3), the secret masked with an HMAC of the whole request under that hash. Who holds
the hash can take the mask off and see that what is below has this hash; nobody else learns anything. The
hash is one SHA-256 and not Argon2, which slows down guessing: nobody guesses 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.identity import base32
from cluster.identity.refusal import Refused, in_words
from cluster.model.ids import JoinTokenId
from cluster.model.node import JoinToken

TOKEN_ID_BYTES = 5
SECRET_BYTES = 32
FINGERPRINT_BYTES = 20
USES_MAX = 1000
_HEAD = "tower1"
_CHECKSUM_BYTES = 4
_PARTS = (
    ("CA fingerprint", FINGERPRINT_BYTES),
    ("token id", TOKEN_ID_BYTES),
    ("secret", SECRET_BYTES),
    ("checksum", _CHECKSUM_BYTES),
)
_NEXT_STEP = "make another with `tower token create` on a host of the cluster"
_PROOF_DOMAIN = b"control-tower/1/join-proof\0"


class JoinRefusal(StrEnum):
    """Why a host may not join."""

    MALFORMED = "malformed"
    WRONG_CA = "wrong_ca"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    USED_UP = "used_up"
    BAD_REQUEST = "bad_request"
    BAD_ANSWER = "bad_answer"
    CLOCK_WRONG = "clock_wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainJoinToken:
    """A join token with its secret, as made or typed in. Its repr is safe to log."""

    ca_fingerprint: bytes
    token_id: JoinTokenId
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinClaim:
    """What a host shows for a token: the CA it checked, and the proof over its request's transcript.

    The caller has checked that the host holds the key `node_id` is made from.
    """

    token_id: str
    node_id: str
    ca_fingerprint: bytes
    transcript: bytes
    proof: bytes


def new_join_token(
    *,
    ca_fingerprint: bytes,
    token_id_seed: bytes,
    secret: bytes,
    created_by: str,
    now_ms: int,
    ttl_ms: int,
    uses: int = 1,
    is_learner: bool = False,
) -> tuple[PlainJoinToken, JoinToken]:
    """Return a token of 5 and 32 random bytes, to show once, and the record to keep.

    `ca_fingerprint` is the 32 bytes of `certificates.fingerprint`.
    """
    assert len(token_id_seed) == TOKEN_ID_BYTES, "a token id is made from 5 random bytes"
    assert len(secret) == SECRET_BYTES, "a join secret is 32 random bytes"
    assert len(ca_fingerprint) == 32, "the CA's whole SHA-256"
    assert ttl_ms > 0, "a token that has expired already"
    assert 1 <= uses <= USES_MAX, "from one use to a thousand"
    token_id = JoinTokenId(base32.encode(token_id_seed))
    token = PlainJoinToken(
        ca_fingerprint=ca_fingerprint[:FINGERPRINT_BYTES], token_id=token_id, secret=secret
    )
    record = JoinToken(
        id=token_id,
        secret_hash=_hash(secret),
        is_learner=is_learner,
        expires_at_ms=now_ms + ttl_ms,
        uses_left=uses,
        created_at_ms=now_ms,
        created_by=created_by,
    )
    return token, record


def format_join_token(token: PlainJoinToken) -> str:
    """Return the text of a token, secret included."""
    body = "-".join([_HEAD, base32.encode(token.ca_fingerprint), token.token_id, base32.encode(token.secret)])
    return f"{body}-{base32.encode(_checksum(body))}".upper()


def parse_join_token(text: str) -> PlainJoinToken | Refused[JoinRefusal]:
    """Return the token `text` stands for, or name the typing error.

    Total. Case, spaces and line breaks do not matter. The reason names the damaged part, never the secret.
    """
    compact = "".join(text.split()).lower()
    head, *parts = compact.split("-")
    if head != _HEAD:
        return _malformed(f"a join token starts with {_HEAD.upper()}-")
    if len(parts) != len(_PARTS):
        return _malformed(
            f"it has {len(parts)} parts after {_HEAD.upper()}, not {len(_PARTS)}; it may have been cut"
        )
    values = []
    for (name, byte_count), part in zip(_PARTS, parts, strict=True):
        problem = _find_problem(name, part, base32.encoded_length(byte_count))
        value = base32.decode(part, byte_count)
        if problem is not None or value is None:
            return _malformed(problem or f"the last character of its {name} is mistyped")
        values.append(value)
    fingerprint, token_id, secret, checksum = values
    if not hmac.compare_digest(_checksum(compact.rpartition("-")[0]), checksum):
        return _malformed("a character is mistyped: its checksum does not match; copy the whole token again")
    return PlainJoinToken(
        ca_fingerprint=fingerprint, token_id=JoinTokenId(base32.encode(token_id)), secret=secret
    )


def names_ca(token: PlainJoinToken, ca_fingerprint: bytes) -> bool:
    """Whether the token is for the CA with this fingerprint (all 32 bytes of it)."""
    return hmac.compare_digest(token.ca_fingerprint, ca_fingerprint[:FINGERPRINT_BYTES])


def prove(token: PlainJoinToken, transcript: bytes) -> bytes:
    """Return the proof that the sender of what `transcript` digests holds the token: 32 bytes."""
    return _mask(_hash(token.secret), transcript, token.secret)


def check_join_token(
    record: JoinToken | None,
    claim: JoinClaim,
    *,
    ca_fingerprint: bytes,
    now_ms: int,
) -> JoinToken | Refused[JoinRefusal]:
    """Return the record found under the token's id when it lets this host in. Total, deterministic.

    Without the secret every refusal is "unknown": only a holder learns that a token expired, was used up
    or revoked. A host that was let in before has lost the answer, and needs no second use.
    """
    if not hmac.compare_digest(claim.ca_fingerprint, ca_fingerprint):
        return _refused(
            JoinRefusal.WRONG_CA, "the join token is for another cluster; make one on this cluster"
        )
    if record is None or record.id != claim.token_id or not _is_proven(record, claim):
        return _refused(
            JoinRefusal.UNKNOWN,
            f"join token {claim.token_id} is not known to this cluster; `tower token list` shows its tokens",
        )
    if record.is_revoked:
        return _refused(JoinRefusal.REVOKED, f"join token {record.id} was revoked; {_NEXT_STEP}")
    if now_ms >= record.expires_at_ms:
        ago = in_words(now_ms - record.expires_at_ms)
        return _refused(JoinRefusal.EXPIRED, f"join token {record.id} expired {ago} ago; {_NEXT_STEP}")
    if record.uses_left <= 0 and claim.node_id not in record.redeemed_by:
        return _refused(JoinRefusal.USED_UP, f"join token {record.id} has no uses left; {_NEXT_STEP}")
    return record


def _is_proven(record: JoinToken, claim: JoinClaim) -> bool:
    if len(claim.proof) != SECRET_BYTES:
        return False
    secret = _mask(record.secret_hash, claim.transcript, claim.proof)
    return hmac.compare_digest(_hash(secret), record.secret_hash)


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _mask(secret_hash: bytes, transcript: bytes, value: bytes) -> bytes:
    """Return `value` with the request's mask put on, or taken off: the same operation."""
    mask = hmac.digest(secret_hash, _PROOF_DOMAIN + transcript, hashlib.sha256)
    return bytes(left ^ right for left, right in zip(mask, value, strict=True))


def _find_problem(name: str, part: str, expected: int) -> str | None:
    if len(part) != expected:
        direction = "missing" if len(part) < expected else "too many"
        return f"its {name} has {len(part)} characters, not {expected}: some are {direction}"
    stranger = next((character for character in part if character not in base32.ALPHABET), None)
    if stranger is not None:
        return (
            f"its {name} holds {stranger!r}; only letters and the digits 2 to 7 occur (0 is O, 1 is I or L)"
        )
    return None


def _checksum(body: str) -> bytes:
    return zlib.crc32(body.encode("utf-8", "replace")).to_bytes(_CHECKSUM_BYTES, "big")


def _malformed(what: str) -> Refused[JoinRefusal]:
    return _refused(JoinRefusal.MALFORMED, f"this is not a join token: {what}")


def _refused(code: JoinRefusal, reason: str) -> Refused[JoinRefusal]:
    return Refused(code=code, reason=reason)
