"""Joining a cluster: the two messages, and both sides' checks. No I/O.

    host                                            any member
     | -- TLS, nothing verified: give me the CA -----> |
     | compares its SHA-256 with the token's           |
     | == TLS, verified with that CA ================> |
     | -- JoinRequest: CSR, X25519 key, proof -------> |  check_join_request; commit token use and node
     | <- JoinAnswer: certificate, CA, members,        |
     |    the cluster keys sealed to the X25519 key -- |
     | finish_join: checks all of it, keeps it         |

Nothing but "give me the CA" is sent before the fingerprint matched. The proof signs every field of the
request, so a request cannot be altered on its way, and the cluster keys are sealed (HPKE, RFC 9180) to a key
that lives for one join, under the same transcript: TLS that ends elsewhere, say at a proxy, gives neither
away.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from cluster.identity import base32
from cluster.identity.addresses import parse_addresses
from cluster.identity.certificates import (
    NODE_TTL_MS,
    CertificateAuthority,
    fingerprint,
    format_fingerprint,
    is_key_of,
    issue_node_certificate,
    load_certificate,
    split_pems,
)
from cluster.identity.errors import CertificateDamaged, KeyringDamaged
from cluster.identity.join_tokens import (
    TOKEN_ID_BYTES,
    JoinClaim,
    JoinRefusal,
    PlainJoinToken,
    check_join_token,
    names_ca,
    prove,
)
from cluster.identity.keyring import Keyring, decode_keyring, encode_keyring
from cluster.identity.private_keys import encode_private_key, node_id_of, private_key_from_seed
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import (
    SigningRequest,
    check_signing_request,
    is_identifier,
    make_signing_request,
)
from cluster.identity.verification import CertificateRefusal, verify_node_certificate
from cluster.model import rules
from cluster.model.ids import JoinTokenId
from cluster.model.node import JoinToken

PROTOCOL_VERSION = 1
RECIPIENT_SEED_BYTES = 32
MEMBERS_MAX = 1000
_TEXT_CHARACTERS_MAX = 16_384
_TRANSCRIPT_DOMAIN = b"control-tower/1/join-transcript\0"
_KEYS_INFO = b"control-tower/1/join-keys\0"
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_LENGTHS = {"ca_fingerprint": 32, "recipient_key": 32, "proof": 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What a host asks with.

    `addresses` go into its certificate; its peers reach it at `peer_address`, people and programs at
    `api_address` (both `host:port`).
    `recipient_key` is the X25519 public key the cluster keys are to be sealed to.
    """

    ca_fingerprint: bytes
    token_id: JoinTokenId
    node_id: str
    node_name: str
    signing_request: str
    recipient_key: bytes
    addresses: tuple[str, ...]
    peer_address: str
    api_address: str
    proof: bytes = b""

    def transcript(self) -> bytes:
        """Return the SHA-256 of every field but the proof, each with its length before it."""
        fields = [
            self.ca_fingerprint,
            self.token_id.encode(),
            self.node_id.encode(),
            self.node_name.encode(),
            self.signing_request.encode(),
            self.recipient_key,
            self.peer_address.encode(),
            self.api_address.encode(),
            *(address.encode() for address in self.addresses),
        ]
        digest = hashlib.sha256(_TRANSCRIPT_DOMAIN)
        for value in fields:
            digest.update(len(value).to_bytes(4, "big") + value)
        return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinMember:
    """One member of the cluster, as told to the host that joins."""

    node_id: str
    peer_address: str
    is_voter: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """What the host gets: its certificate, whom to trust, the cluster keys sealed to it, whom to talk to."""

    cluster_id: str
    cluster_name: str
    certificate_pem: str
    ca_pem: str
    sealed_keys: bytes
    is_learner: bool
    members: tuple[JoinMember, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJoin:
    """The host's side while it waits for the answer. Its repr is safe to log."""

    request: JoinRequest
    ca_pem: str
    node_key: ec.EllipticCurvePrivateKey = field(repr=False)
    recipient_key: X25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAccepted:
    """The request is in order: commit the token's use and the node, then `answer_join`."""

    request: JoinRequest
    record: JoinToken
    signing_request: SigningRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Everything the new member keeps."""

    node_id: str
    node_name: str
    cluster_id: str
    cluster_name: str
    node_key_pem: str = field(repr=False)
    certificate_pem: str
    ca_pem: str
    keyring: Keyring
    is_learner: bool
    members: tuple[JoinMember, ...]


def begin_join(
    *,
    token: PlainJoinToken,
    ca_pem: str,
    node_name: str,
    addresses: tuple[str, ...],
    peer_address: str,
    api_address: str,
    node_key_seed: bytes,
    recipient_seed: bytes,
) -> PendingJoin | Refused[JoinRefusal]:
    """Return the request to send, once the CA a host was given is the one its token names.

    Call this before sending anything else. The node's id is made from its new key. `node_key_seed` is 40 and
    `recipient_seed` 32 random bytes.
    """
    try:
        ca_fingerprint = fingerprint(ca_pem)
    except CertificateDamaged:
        return _refused(
            JoinRefusal.WRONG_CA, "that host did not answer with a CA certificate: is it Control Tower?"
        )
    if not names_ca(token, ca_fingerprint):
        return _refused(
            JoinRefusal.WRONG_CA,
            f"that host's CA is {format_fingerprint(ca_fingerprint)}, which is not the one in the token: the "
            "address or the token is of another cluster, or somebody is in between; nothing was sent",
        )
    node_key = private_key_from_seed(node_key_seed)
    node_id = node_id_of(node_key.public_key())
    recipient_key = X25519PrivateKey.from_private_bytes(recipient_seed)
    public_key = recipient_key.public_key()
    unsigned = JoinRequest(
        ca_fingerprint=ca_fingerprint,
        token_id=token.token_id,
        node_id=node_id,
        node_name=node_name,
        signing_request=make_signing_request(node_id=node_id, key=node_key),
        recipient_key=public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw),
        addresses=addresses,
        peer_address=peer_address,
        api_address=api_address,
    )
    wrong = _find_wrong_field(unsigned)
    if wrong is not None:
        return wrong
    request = replace(unsigned, proof=prove(token, unsigned.transcript()))
    return PendingJoin(request=request, ca_pem=ca_pem, node_key=node_key, recipient_key=recipient_key)


def check_join_request(
    request: JoinRequest,
    *,
    record: JoinToken | None,
    ca_pem: str,
    now_ms: int,
) -> JoinAccepted | Refused[JoinRefusal]:
    """Return whether a request may be granted, given the record under its token id. Total, deterministic.

    Whether the node id or the address is another member's is for the caller to look up. A node that
    asks again, because it lost the answer, is accepted while its token stands.
    """
    wrong = _find_wrong_field(request)
    if wrong is not None:
        return wrong
    signing_request = check_signing_request(request.signing_request, node_id=request.node_id)
    if isinstance(signing_request, Refused):
        return _bad_request("signing_request", signing_request.reason)
    if request.node_id != node_id_of(signing_request.public_key):
        return _bad_request("node_id", f"{request.node_id} is not made from the key in the signing request")
    claim = JoinClaim(
        token_id=request.token_id,
        node_id=request.node_id,
        ca_fingerprint=request.ca_fingerprint,
        transcript=request.transcript(),
        proof=request.proof,
    )
    accepted = check_join_token(record, claim, ca_fingerprint=fingerprint(ca_pem), now_ms=now_ms)
    if isinstance(accepted, Refused):
        return accepted
    return JoinAccepted(request=request, record=accepted, signing_request=signing_request)


def answer_join(
    accepted: JoinAccepted,
    *,
    ca: CertificateAuthority,
    trusted_ca_pem: str,
    cluster_id: str,
    cluster_name: str,
    keyring: Keyring,
    members: tuple[JoinMember, ...],
    now_ms: int,
    serial: int,
    ttl_ms: int = NODE_TTL_MS,
) -> JoinAnswer:
    """Return the answer to a granted request, once the grant is committed.

    `trusted_ca_pem` holds every CA certificate the cluster trusts now, `ca`'s among them.
    The sealing draws its own ephemeral key inside the library, so two answers to one request differ.
    """
    request = accepted.request
    addresses = parse_addresses(request.addresses)
    assert not isinstance(addresses, Refused), "the request was checked"
    certificate_pem = issue_node_certificate(
        ca,
        accepted.signing_request,
        cluster_id=cluster_id,
        addresses=addresses,
        now_ms=now_ms,
        serial=serial,
        ttl_ms=ttl_ms,
    )
    recipient = X25519PublicKey.from_public_bytes(request.recipient_key)
    info = _KEYS_INFO + request.transcript()
    return JoinAnswer(
        cluster_id=cluster_id,
        cluster_name=cluster_name,
        certificate_pem=certificate_pem,
        ca_pem=trusted_ca_pem,
        sealed_keys=_SUITE.encrypt(encode_keyring(keyring).encode(), recipient, info),
        is_learner=accepted.record.is_learner,
        members=members,
    )


def finish_join(pending: PendingJoin, answer: JoinAnswer, *, now_ms: int) -> Joined | Refused[JoinRefusal]:
    """Return what to keep, when the answer comes from the CA that was checked and is for this host."""
    request = pending.request
    try:
        certificate = load_certificate(answer.certificate_pem)
        known_ca = request.ca_fingerprint in [fingerprint(pem) for pem in split_pems(answer.ca_pem)]
    except CertificateDamaged as error:
        return _bad_answer(str(error))
    if not known_ca:
        return _refused(JoinRefusal.WRONG_CA, "the answer does not hold the CA that was checked")
    verified = verify_node_certificate(
        certificate,
        trusted_ca_pems=(pending.ca_pem,),
        cluster_id=answer.cluster_id,
        node_id=request.node_id,
        now_ms=now_ms,
    )
    if isinstance(verified, Refused):
        if verified.code in (CertificateRefusal.NOT_YET_VALID, CertificateRefusal.EXPIRED):
            return _refused(
                JoinRefusal.CLOCK_WRONG, f"{verified.reason}; then join again with the same token"
            )
        return _bad_answer(verified.reason)
    if not is_key_of(pending.node_key, certificate):
        return _bad_answer("the certificate is for another key than this host's")
    keyring = _open_keys(pending, answer.sealed_keys)
    if isinstance(keyring, Refused):
        return keyring
    return Joined(
        node_id=request.node_id,
        node_name=request.node_name,
        cluster_id=answer.cluster_id,
        cluster_name=answer.cluster_name,
        node_key_pem=encode_private_key(pending.node_key),
        certificate_pem=answer.certificate_pem,
        ca_pem=answer.ca_pem,
        keyring=keyring,
        is_learner=answer.is_learner,
        members=answer.members,
    )


def request_to_wire(request: JoinRequest) -> dict[str, object]:
    """Return the request as JSON values: bytes as base 32."""
    return {
        "version": PROTOCOL_VERSION,
        "ca_fingerprint": base32.encode(request.ca_fingerprint),
        "token_id": request.token_id,
        "node_id": request.node_id,
        "node_name": request.node_name,
        "signing_request": request.signing_request,
        "recipient_key": base32.encode(request.recipient_key),
        "addresses": list(request.addresses),
        "peer_address": request.peer_address,
        "api_address": request.api_address,
        "proof": base32.encode(request.proof),
    }


def request_from_wire(value: object) -> JoinRequest | Refused[JoinRefusal]:
    """Return the request in decoded JSON, or name the field that is wrong. Total."""
    fields = _Fields(value, JoinRequest)
    request = JoinRequest(
        ca_fingerprint=fields.fixed_bytes("ca_fingerprint"),
        token_id=JoinTokenId(fields.text("token_id")),
        node_id=fields.text("node_id"),
        node_name=fields.text("node_name"),
        signing_request=fields.text("signing_request"),
        recipient_key=fields.fixed_bytes("recipient_key"),
        addresses=fields.texts("addresses"),
        peer_address=fields.text("peer_address"),
        api_address=fields.text("api_address"),
        proof=fields.fixed_bytes("proof"),
    )
    if fields.problem is not None:
        return _refused(JoinRefusal.BAD_REQUEST, f"the join request's {fields.problem}")
    return _find_wrong_field(request) or request


def answer_to_wire(answer: JoinAnswer) -> dict[str, object]:
    """Return the answer as JSON values."""
    return {
        "version": PROTOCOL_VERSION,
        "cluster_id": answer.cluster_id,
        "cluster_name": answer.cluster_name,
        "certificate_pem": answer.certificate_pem,
        "ca_pem": answer.ca_pem,
        "sealed_keys": answer.sealed_keys.hex(),
        "is_learner": answer.is_learner,
        "members": [
            {"node_id": member.node_id, "peer_address": member.peer_address, "is_voter": member.is_voter}
            for member in answer.members
        ],
    }


def answer_from_wire(value: object) -> JoinAnswer | Refused[JoinRefusal]:
    """Return the answer in decoded JSON, or name the field that is wrong. Total."""
    fields = _Fields(value, JoinAnswer)
    members = []
    for item in fields.items("members"):
        member = _Fields(item, JoinMember, versioned=False)
        members.append(
            JoinMember(
                node_id=member.text("node_id"),
                peer_address=member.text("peer_address"),
                is_voter=member.flag("is_voter"),
            )
        )
        fields.adopt(member, "members")
    answer = JoinAnswer(
        cluster_id=fields.text("cluster_id"),
        cluster_name=fields.text("cluster_name"),
        certificate_pem=fields.text("certificate_pem"),
        ca_pem=fields.text("ca_pem"),
        sealed_keys=fields.hex_bytes("sealed_keys"),
        is_learner=fields.flag("is_learner"),
        members=tuple(members),
    )
    if fields.problem is None and not is_identifier(answer.cluster_id):
        return _bad_answer("its cluster_id is no identifier")
    return answer if fields.problem is None else _bad_answer(f"its {fields.problem}")


_Message = JoinRequest | JoinAnswer | JoinMember


class _Fields:
    """Takes typed fields out of untrusted JSON; `problem` is the first thing that was wrong."""

    def __init__(self, value: object, form: type[_Message], *, versioned: bool = True) -> None:
        names = [each.name for each in dataclasses.fields(form)]
        self.problem: str | None = None
        self._values: Mapping[object, object] = value if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            self._note("body is not a JSON object")
            return
        if versioned and self._values.get("version") != PROTOCOL_VERSION:
            version = str(self._values.get("version"))[:16]
            self._note(
                f"version is {version}, and this side speaks {PROTOCOL_VERSION}; "
                "install the same release of Control Tower on both hosts"
            )
        known = {*names, "version"} if versioned else set(names)
        for name in sorted(str(key) for key in self._values if key not in known):
            self._note(f"field {name[:40]!r} is not known")
        for name in names:
            if name not in self._values:
                self._note(f"field {name!r} is missing")

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if isinstance(value, str) and len(value) <= _TEXT_CHARACTERS_MAX and _is_unicode(value):
            return value
        self._note(f"field {name!r} is not a text of at most {_TEXT_CHARACTERS_MAX} characters")
        return ""

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            self._note(f"field {name!r} is neither true nor false")
        return value is True

    def items(self, name: str) -> list[object]:
        value = self._values.get(name)
        if isinstance(value, list) and len(value) <= MEMBERS_MAX:
            return value
        self._note(f"field {name!r} is not a list of at most {MEMBERS_MAX}")
        return []

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.items(name)
        texts = tuple(value for value in values if isinstance(value, str) and _is_unicode(value))
        if len(texts) != len(values):
            self._note(f"field {name!r} holds something that is not text")
        return texts

    def fixed_bytes(self, name: str) -> bytes:
        value = base32.decode(self.text(name), _LENGTHS[name])
        if value is None:
            self._note(f"field {name!r} is not {_LENGTHS[name]} bytes in base 32")
        return value or b""

    def hex_bytes(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            self._note(f"field {name!r} is not hexadecimal")
            return b""

    def adopt(self, other: _Fields, name: str) -> None:
        if other.problem is not None:
            self._note(f"field {name!r}: {other.problem}")

    def _note(self, problem: str) -> None:
        if self.problem is None:
            self.problem = problem


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _find_wrong_field(request: JoinRequest) -> Refused[JoinRefusal] | None:
    if not is_identifier(request.node_id):
        return _bad_request("node_id", f"{request.node_id[:80]!r} is no identifier")
    if base32.decode(request.token_id, TOKEN_ID_BYTES) is None:
        return _bad_request("token_id", "it is not 8 letters and digits")
    if not request.addresses:
        return _bad_request("addresses", "there is none; name one this host is reached at")
    addresses = parse_addresses(request.addresses)
    if isinstance(addresses, Refused):
        return _bad_request("addresses", addresses.reason)
    try:
        rules.check_name("node_name", request.node_name)
        rules.check_address("peer_address", request.peer_address)
        rules.check_address("api_address", request.api_address)
    except ValueError as error:
        return _refused(JoinRefusal.BAD_REQUEST, f"the join request's {error}"[:400])
    return None


def _open_keys(pending: PendingJoin, sealed: bytes) -> Keyring | Refused[JoinRefusal]:
    info = _KEYS_INFO + pending.request.transcript()
    try:
        return decode_keyring(_SUITE.decrypt(sealed, pending.recipient_key, info).decode())
    except (InvalidTag, ValueError, KeyringDamaged):
        return _bad_answer("the cluster keys in it were not sealed for this host and request")


def _bad_request(name: str, what: str) -> Refused[JoinRefusal]:
    return _refused(JoinRefusal.BAD_REQUEST, f"the join request's {name}: {what}")


def _bad_answer(what: str) -> Refused[JoinRefusal]:
    return _refused(JoinRefusal.BAD_ANSWER, f"the cluster's answer cannot be used: {what}")


def _refused(code: JoinRefusal, reason: str) -> Refused[JoinRefusal]:
    return Refused(code=code, reason=reason)
