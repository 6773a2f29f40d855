"""What must hold of every token, key and time: nobody gets in who should not, nor twice."""

from __future__ import annotations

import base64
import string
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.identity import base32
from cluster.identity.access_tokens import LEEWAY_MS, TTL_S, AccessClaims, AccessTokens
from cluster.identity.api_tokens import (
    PlainApiToken,
    check_api_token,
    format_api_token,
    new_api_token,
    parse_api_token,
)
from cluster.identity.certificates import load_certificate
from cluster.identity.csrf import check_csrf_token, make_csrf_token
from cluster.identity.errors import CertificateDamaged, SealBroken
from cluster.identity.join_tokens import (
    JoinClaim,
    check_join_token,
    format_join_token,
    parse_join_token,
    prove,
)
from cluster.identity.joining import answer_from_wire, request_from_wire
from cluster.identity.keyring import Purpose, decode_keyring, encode_keyring
from cluster.identity.passwords import check_new_password
from cluster.identity.private_keys import private_key_from_seed
from cluster.identity.refresh_tokens import (
    GRACE_MS,
    RefreshToken,
    Reused,
    Rotated,
    format_refresh_token,
    parse_refresh_token,
    rotate_refresh_token,
    start_session,
)
from cluster.identity.refusal import Refused, in_words
from cluster.identity.sealing import open_sealed, seal
from cluster.identity.setup_tokens import check_setup_token, new_setup_token
from cluster.identity.signing_requests import check_signing_request, make_signing_request
from cluster.identity.throttle import ACCOUNT_BACK_OFF, BackOff, LoginThrottle, Throttled
from cluster.identity.verification import (
    load_der_certificate,
    read_node_certificate,
    verify_node_certificate,
)
from cluster.model.access import ApiToken, LoginSession, Role
from cluster.model.ids import LoginId, PrincipalId
from cluster.model.node import JoinToken
from tests.support.identity_builders import (
    CLUSTER_ID,
    HOUR_MS,
    NOW_MS,
    a_ca,
    a_join_token,
    a_keyring,
    a_node_identity,
    some_bytes,
)

SECRETS = st.binary(min_size=32, max_size=32)
TIMES = st.integers(min_value=NOW_MS - 10 * HOUR_MS, max_value=NOW_MS + 10 * HOUR_MS)
CA = some_bytes("ca", 32)
TOKENS = AccessTokens(a_keyring(), cluster_id=CLUSTER_ID)
ACCESS_TOKEN = TOKENS.issue(
    principal_id=PrincipalId("pr_1"),
    role=Role.VIEWER,
    session_id=LoginId("lg_1"),
    epoch=1,
    token_id="at_1",
    now_ms=NOW_MS,
)


def changed_at(text: str, index: int, character: str) -> str:
    return text[:index] + character + text[index + 1 :]


def a_change_of(text: str) -> st.SearchStrategy[str]:
    """Texts that differ from `text` in one character, by one more, or by one less."""
    alphabet = st.sampled_from(string.ascii_letters + string.digits + "-_. \n=+/é")
    index = st.integers(0, len(text) - 1)
    return st.one_of(
        st.builds(lambda at, character: changed_at(text, at, character), index, alphabet),
        st.builds(lambda at, character: text[:at] + character + text[at:], index, alphabet),
        st.builds(lambda at: text[:at] + text[at + 1 :], index),
    ).filter(lambda changed: changed != text)


# Texts.


@given(st.binary(max_size=40))
def test_base_32_has_one_text_for_each_value(value: bytes) -> None:
    text = base32.encode(value)
    assert len(text) == base32.encoded_length(len(value))
    assert base32.decode(text, len(value)) == value


@given(st.text(base32.ALPHABET, min_size=1, max_size=20), st.integers(0, 12))
def test_base_32_reads_only_what_it_writes(text: str, byte_count: int) -> None:
    value = base32.decode(text, byte_count)
    assert value is None or base32.encode(value) == text


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for answer in (parse_api_token(text), parse_join_token(text), parse_refresh_token(text)):
        assert isinstance(answer, Refused)
        assert answer.reason
    assert isinstance(TOKENS.verify(text, now_ms=NOW_MS), Refused)
    assert isinstance(check_setup_token(None, text, now_ms=NOW_MS), Refused)
    check_new_password(text, account=text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_no_join_message(value: object) -> None:
    assert isinstance(request_from_wire(value), Refused)
    assert isinstance(answer_from_wire(value), Refused)


@given(st.integers(min_value=-10_000, max_value=10**13))
def test_a_length_of_time_is_always_some_words(duration_ms: int) -> None:
    number, unit = in_words(duration_ms).split(" ")
    assert int(number) >= 0
    assert unit in {"s", "min", "h", "days"}


# Two secrets never open one door.


def a_claim(secret: bytes, transcript: bytes = CA) -> JoinClaim:
    token, _ = a_join_token()
    token = replace(token, secret=secret)
    return JoinClaim(
        token_id=token.token_id,
        node_id="nd_2",
        ca_fingerprint=CA,
        transcript=transcript,
        proof=prove(token, transcript),
    )


def check_join(record: JoinToken, claim: JoinClaim, now_ms: int = NOW_MS) -> bool:
    return not isinstance(check_join_token(record, claim, ca_fingerprint=CA, now_ms=now_ms), Refused)


@given(SECRETS, SECRETS)
def test_only_the_tokens_own_secret_joins(own: bytes, other: bytes) -> None:
    token, record = a_join_token(label="join")
    record = replace(record, secret_hash=_hash_of(own))
    assert check_join(record, a_claim(own))
    assert check_join(record, a_claim(other)) == (own == other)
    assert token.token_id == record.id


def _hash_of(secret: bytes) -> bytes:
    _, record = new_api_token(
        prefix_seed=b"12345",
        secret=secret,
        name="x",
        principal_id=PrincipalId("pr_1"),
        role=Role.VIEWER,
        scopes=frozenset(),
        now_ms=NOW_MS,
        expires_at_ms=None,
    )
    return record.secret_hash


@given(SECRETS, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_join_proof_is_for_one_request(secret: bytes, transcript: bytes, other: bytes) -> None:
    _, record = a_join_token()
    record = replace(record, secret_hash=_hash_of(secret))
    claim = a_claim(secret, transcript)
    assert check_join(record, replace(claim, transcript=other)) == (transcript == other)


@given(SECRETS, st.integers(0, 255))
def test_a_join_proof_with_a_flipped_bit_is_refused(secret: bytes, bit: int) -> None:
    _, record = a_join_token()
    record = replace(record, secret_hash=_hash_of(secret))
    claim = a_claim(secret)
    flipped = bytearray(claim.proof)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not check_join(record, replace(claim, proof=bytes(flipped)))


def an_api_token(secret: bytes, *, expires_at_ms: int | None) -> tuple[PlainApiToken, ApiToken]:
    return new_api_token(
        prefix_seed=some_bytes("prefix", 5),
        secret=secret,
        name="x",
        principal_id=PrincipalId("pr_1"),
        role=Role.VIEWER,
        scopes=frozenset(),
        now_ms=NOW_MS,
        expires_at_ms=expires_at_ms,
    )


@given(SECRETS, SECRETS)
def test_only_an_api_tokens_own_secret_is_accepted(own: bytes, other: bytes) -> None:
    _, record = an_api_token(own, expires_at_ms=None)
    presented, _ = an_api_token(other, expires_at_ms=None)
    accepted = not isinstance(check_api_token(record, presented, now_ms=NOW_MS), Refused)
    assert accepted == (own == other)


@given(SECRETS, SECRETS)
def test_only_the_setup_tokens_own_secret_is_accepted(own: bytes, other: bytes) -> None:
    _, record = new_setup_token(own)
    text, _ = new_setup_token(other)
    assert isinstance(check_setup_token(record, text, now_ms=NOW_MS), Refused) == (own != other)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_a_csrf_token_is_accepted_in_its_own_session_only(own: str, other: str) -> None:
    token = make_csrf_token(a_keyring(), session_id=own, nonce=some_bytes("nonce", 16))
    accepted = check_csrf_token(a_keyring(), session_id=other, cookie=token, header=token) is None
    assert accepted == (own.encode("utf-8", "replace") == other.encode("utf-8", "replace"))


# One changed character is enough.


@given(a_change_of(ACCESS_TOKEN))
def test_a_changed_access_token_is_refused(text: str) -> None:
    assert isinstance(TOKENS.verify(text, now_ms=NOW_MS), Refused)


@given(a_change_of(format_api_token(an_api_token(some_bytes("s", 32), expires_at_ms=None)[0])))
def test_a_changed_api_token_is_malformed(text: str) -> None:
    assert isinstance(parse_api_token(text), Refused)


@given(a_change_of(format_join_token(a_join_token()[0])))
def test_a_changed_join_token_is_malformed_unless_only_its_looks_changed(text: str) -> None:
    token, _ = a_join_token()
    answer = parse_join_token(text)
    only_looks = "".join(text.split()).upper() == format_join_token(token)
    assert answer == token if only_looks else isinstance(answer, Refused)


@given(a_change_of(make_csrf_token(a_keyring(), session_id="lg_1", nonce=some_bytes("nonce", 16))))
def test_a_changed_csrf_token_is_refused(text: str) -> None:
    assert check_csrf_token(a_keyring(), session_id="lg_1", cookie=text, header=text) is not None


@given(st.binary(max_size=100), st.integers(min_value=0), st.integers(1, 255))
def test_changed_sealed_bytes_do_not_open(secret: bytes, position: int, mask: int) -> None:
    sealed = bytearray(
        seal(secret, a_keyring(), purpose=Purpose.SECRETS, context="c", nonce=some_bytes("n", 12))
    )
    assert open_sealed(bytes(sealed), a_keyring(), purpose=Purpose.SECRETS, context="c") == secret
    sealed[position % len(sealed)] ^= mask
    with pytest.raises(SealBroken):
        open_sealed(bytes(sealed), a_keyring(), purpose=Purpose.SECRETS, context="c")


@given(st.lists(SECRETS, min_size=1, max_size=5))
def test_a_keyring_survives_its_text(secrets: list[bytes]) -> None:
    keyring = a_keyring()
    for secret in secrets:
        keyring = keyring.rotated(secret, keep=5)
    assert decode_keyring(encode_keyring(keyring)) == keyring


def a_mutation_of(der: bytes) -> st.SearchStrategy[bytes]:
    """Byte strings that differ from `der` in up to four places, or end early."""
    change = st.tuples(st.integers(0, len(der) - 1), st.integers(0, 255))

    def mutate(changes: list[tuple[int, int]], length: int) -> bytes:
        mutated = bytearray(der)
        for at, value in changes:
            mutated[at] = value
        return bytes(mutated[:length])

    return st.builds(
        mutate, st.lists(change, max_size=4), st.just(len(der)) | st.integers(0, len(der))
    ).filter(lambda mutated: mutated != der)


CSR_KEY = private_key_from_seed(some_bytes("csr", 40))
CSR_DER = x509.load_pem_x509_csr(make_signing_request(node_id="nd_1", key=CSR_KEY).encode()).public_bytes(
    serialization.Encoding.DER
)
CERTIFICATE_DER = load_certificate(a_node_identity().certificate_pem).public_bytes(serialization.Encoding.DER)


def to_pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n"


@given(a_mutation_of(CSR_DER))
@example(CSR_DER[:180] + b"\1" + CSR_DER[181:])
def test_a_mutated_signing_request_certifies_no_other_key(der: bytes) -> None:
    # The bytes around the signed part can be written in more than one way, as the example does.
    request = check_signing_request(to_pem("CERTIFICATE REQUEST", der), node_id="nd_1")
    assert isinstance(request, Refused) or request.public_key == CSR_KEY.public_key()


# The library warns of a serial number that is not positive, which a mutation can make.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(a_mutation_of(CERTIFICATE_DER))
def test_a_mutated_certificate_proves_nothing_new(der: bytes) -> None:
    try:
        certificate = load_der_certificate(der)
    except CertificateDamaged:
        return
    verdict = verify_node_certificate(
        certificate, trusted_ca_pems=(a_ca().certificate_pem,), cluster_id=CLUSTER_ID, now_ms=NOW_MS
    )
    assert isinstance(verdict, Refused) or verdict == read_node_certificate(
        load_der_certificate(CERTIFICATE_DER)
    )


# Times and flags: taking away never gives more.


@given(TIMES)
def test_an_access_token_holds_exactly_from_its_leeway_to_its_leeway(now_ms: int) -> None:
    accepted = isinstance(TOKENS.verify(ACCESS_TOKEN, now_ms=now_ms), AccessClaims)
    assert accepted == (NOW_MS - LEEWAY_MS <= now_ms < NOW_MS + TTL_S * 1000 + LEEWAY_MS)


@given(
    now_ms=TIMES,
    expires_at_ms=TIMES,
    uses_left=st.integers(-1, 3),
    is_revoked=st.booleans(),
    sooner_ms=st.integers(0, HOUR_MS),
)
def test_a_join_token_with_less_never_lets_in_more(
    now_ms: int, expires_at_ms: int, uses_left: int, is_revoked: bool, sooner_ms: int
) -> None:
    token, made = a_join_token()
    record = replace(made, expires_at_ms=expires_at_ms, uses_left=uses_left, is_revoked=is_revoked)
    claim = a_claim(token.secret)
    accepted = check_join(record, claim, now_ms)
    assert accepted == (not is_revoked and uses_left > 0 and now_ms < expires_at_ms)
    for less in (
        replace(record, is_revoked=True),
        replace(record, uses_left=uses_left - 1),
        replace(record, expires_at_ms=expires_at_ms - sooner_ms),
    ):
        assert accepted or not check_join(less, claim, now_ms)


@given(now_ms=TIMES, expires_at_ms=st.none() | TIMES, is_revoked=st.booleans())
def test_an_api_token_with_less_is_never_accepted_more(
    now_ms: int, expires_at_ms: int | None, is_revoked: bool
) -> None:
    plain, made = an_api_token(some_bytes("s", 32), expires_at_ms=expires_at_ms)
    record = replace(made, is_revoked=is_revoked)
    accepted = check_api_token(record, plain, now_ms=now_ms) == record
    assert accepted == (not is_revoked and (expires_at_ms is None or now_ms < expires_at_ms))
    revoked = check_api_token(replace(record, is_revoked=True), plain, now_ms=now_ms)
    assert isinstance(revoked, Refused)


# The chain of refresh tokens.


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40_000)), max_size=25))
def test_whatever_clients_do_one_token_is_valid_and_old_ones_end_the_session(
    steps: list[tuple[int, int]],
) -> None:
    """Present the last token handed out but `back`, after a wait; compare with a simple model."""
    started = start_session(
        session_id=LoginId("lg_1"), principal_id=PrincipalId("pr_1"), keyring=a_keyring(), now_ms=NOW_MS
    )
    session: LoginSession = started.session
    handed_out: list[RefreshToken] = [started.token]
    now_ms = NOW_MS
    for back, wait_ms in steps:
        now_ms += wait_ms
        token = handed_out[max(0, len(handed_out) - 1 - back)]
        in_grace = now_ms - session.rotated_at_ms <= GRACE_MS
        answer = rotate_refresh_token(session, token, keyring=a_keyring(), now_ms=now_ms)
        if session.is_revoked:
            assert isinstance(answer, Refused)
        elif token == handed_out[-1]:
            assert isinstance(answer, Rotated)
            assert answer.token not in handed_out
            handed_out.append(answer.token)
            session = answer.session
        elif token == handed_out[-2] and in_grace:
            assert isinstance(answer, Rotated)
            assert (answer.token, answer.session) == (handed_out[-1], session)
        else:
            assert isinstance(answer, Reused)
            session = answer.session
        assert session.generation == handed_out[-1].generation
    assert parse_refresh_token(format_refresh_token(handed_out[-1])) == handed_out[-1]


# The throttle.


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=200))
def test_guesses_let_in_are_bounded_by_free_ones_and_time(waits_ms: list[int]) -> None:
    back_off = BackOff(free=3, first_delay_ms=1_000, delay_max_ms=60_000, forget_ms=10**9)
    throttle = LoginThrottle(account=back_off)
    now_ms, let_in = NOW_MS, 0
    for wait_ms in waits_ms:
        now_ms += wait_ms
        answer = throttle.admit(account="a", address=f"192.0.2.{let_in % 250}", now_ms=now_ms)
        if isinstance(answer, Throttled):
            assert 0 < answer.retry_after_ms <= back_off.delay_max_ms
        else:
            let_in += 1
    # To be let in n + 3 times takes delays of 1, 2, 4 ... s between them.
    elapsed_ms = now_ms - NOW_MS
    excess = max(0, let_in - back_off.free - 1)
    assert sum(back_off.delay_ms(back_off.free + n) for n in range(1, excess + 1)) <= elapsed_ms


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_failures_never_wait_less(fewer: int, more: int) -> None:
    fewer, more = sorted((fewer, more))
    assert ACCOUNT_BACK_OFF.delay_ms(fewer) <= ACCOUNT_BACK_OFF.delay_ms(more)


@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), max_size=300))
def test_the_throttles_memory_is_bounded_whatever_is_typed(attempts: list[tuple[str, str]]) -> None:
    throttle = LoginThrottle(capacity=8)
    for account, address in attempts:
        throttle.admit(account=account, address=address, now_ms=NOW_MS)
    assert throttle.size <= 16
