"""Tokens people and programs carry: access, refresh, API, setup and CSRF."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cluster.identity import access_tokens
from cluster.identity.access_tokens import AccessClaims, AccessRefusal, AccessTokens
from cluster.identity.api_tokens import (
    ApiTokenRefusal,
    PlainApiToken,
    check_api_token,
    format_api_token,
    new_api_token,
    parse_api_token,
)
from cluster.identity.csrf import CsrfRefusal, check_csrf_token, make_csrf_token
from cluster.identity.keyring import Keyring, Purpose
from cluster.identity.redaction import redact
from cluster.identity.refresh_tokens import (
    DAY_MS,
    GRACE_MS,
    RefreshRefusal,
    RefreshToken,
    Reused,
    Rotated,
    format_refresh_token,
    parse_refresh_token,
    rotate_refresh_token,
    start_session,
)
from cluster.identity.refusal import Refused
from cluster.identity.setup_tokens import SetupRefusal, check_setup_token, new_setup_token
from cluster.model.access import ApiToken, LoginSession, Role, SetupToken
from cluster.model.ids import LoginId, PrincipalId
from tests.support.identity_builders import CLUSTER_ID, HOUR_MS, NOW_MS, a_keyring, some_bytes


def refusal(answer: object) -> object:
    assert isinstance(answer, Refused), answer
    assert answer.reason
    return answer.code


# Access tokens.


def access(keyring: Keyring | None = None, *, cluster_id: str = CLUSTER_ID) -> AccessTokens:
    return AccessTokens(keyring or a_keyring(), cluster_id=cluster_id)


def an_access_token(tokens: AccessTokens | None = None, *, now_ms: int = NOW_MS) -> str:
    return (tokens or access()).issue(
        principal_id=PrincipalId("pr_1"),
        role=Role.OPERATOR,
        session_id=LoginId("lg_1"),
        epoch=3,
        token_id="at_1",
        now_ms=now_ms,
    )


def test_every_node_with_the_cluster_key_accepts_a_token_of_any_other() -> None:
    claims = access().verify(an_access_token(), now_ms=NOW_MS)
    assert claims == AccessClaims(
        cluster_id=CLUSTER_ID,
        principal_id=PrincipalId("pr_1"),
        role=Role.OPERATOR,
        session_id=LoginId("lg_1"),
        epoch=3,
        token_id="at_1",
        issued_at_s=NOW_MS // 1000,
        expires_at_s=NOW_MS // 1000 + 600,
    )


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [
        (-30_001, AccessRefusal.NOT_YET_VALID),
        (-30_000, None),
        (629_999, None),
        (630_000, AccessRefusal.EXPIRED),
    ],
)
def test_a_token_holds_ten_minutes_and_half_a_minute_of_leeway(
    offset_ms: int, expected: AccessRefusal | None
) -> None:
    answer = access().verify(an_access_token(), now_ms=NOW_MS + offset_ms)
    assert (answer.code if isinstance(answer, Refused) else None) is expected


def test_a_token_that_was_accepted_before_expires_all_the_same() -> None:
    tokens = access()
    token = an_access_token(tokens)
    first = tokens.verify(token, now_ms=NOW_MS)
    assert tokens.verify(token, now_ms=NOW_MS + 600_000) == first
    assert refusal(tokens.verify(token, now_ms=NOW_MS + 630_000)) is AccessRefusal.EXPIRED
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    assert refusal(tokens.verify(changed, now_ms=NOW_MS)) is AccessRefusal.BAD_SIGNATURE


def test_only_so_many_accepted_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_tokens, "VERIFIED_MAX", 2)
    tokens = access()
    for number in range(4):
        assert isinstance(
            tokens.verify(an_access_token(tokens, now_ms=NOW_MS + 1000 * number), now_ms=NOW_MS), AccessClaims
        )
    assert len(tokens._verified) == 2


def test_a_token_of_another_cluster_with_the_same_key_is_refused() -> None:
    token = an_access_token(access(cluster_id="cl_other"))
    assert refusal(access().verify(token, now_ms=NOW_MS)) is AccessRefusal.WRONG_CLUSTER


def test_a_token_of_another_key_is_refused() -> None:
    token = an_access_token(access(a_keyring("other")))
    assert refusal(access().verify(token, now_ms=NOW_MS)) is AccessRefusal.UNKNOWN_KEY


def test_a_token_signed_before_a_key_rotation_still_holds() -> None:
    rotated = a_keyring().rotated(some_bytes("next", 32))
    assert isinstance(access(rotated).verify(an_access_token(), now_ms=NOW_MS), AccessClaims)


def _claims() -> dict[str, Any]:
    return {
        "iss": CLUSTER_ID,
        "sub": "pr_1",
        "role": "admin",
        "sid": "lg_1",
        "epoch": 3,
        "iat": NOW_MS // 1000,
        "exp": NOW_MS // 1000 + 600,
        "jti": "at_1",
    }


def _sign(claims: dict[str, Any], **headers: Any) -> str:
    key = Ed25519PrivateKey.from_private_bytes(a_keyring().current.derive(Purpose.ACCESS_TOKENS))
    headers = {"typ": "at+jwt", "kid": a_keyring().current.key_id} | headers
    return jwt.encode(claims, key, algorithm="EdDSA", headers=headers)


def test_the_hand_signed_token_of_these_tests_is_accepted_unaltered() -> None:
    assert isinstance(access().verify(_sign(_claims()), now_ms=NOW_MS), AccessClaims)


@pytest.mark.parametrize("name", sorted(_claims()))
def test_a_token_without_one_of_its_claims_is_refused(name: str) -> None:
    claims = {key: value for key, value in _claims().items() if key != name}
    assert refusal(access().verify(_sign(claims), now_ms=NOW_MS)) in (
        AccessRefusal.MALFORMED,
        AccessRefusal.WRONG_CLUSTER,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "root"},
        {"role": ["admin"]},
        {"sub": ""},
        {"sub": 7},
        {"epoch": True},
        {"epoch": "3"},
        {"epoch": 3.0},
        {"iat": str(NOW_MS // 1000)},
        {"exp": NOW_MS // 1000 + 86_400},
        {"exp": NOW_MS // 1000},
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused_though_we_signed_it(changes: dict[str, Any]) -> None:
    answer = access().verify(_sign(_claims() | changes), now_ms=NOW_MS)
    assert refusal(answer) in (AccessRefusal.MALFORMED, AccessRefusal.WRONG_CLUSTER)


def test_only_our_algorithm_type_and_header_are_accepted() -> None:
    secret = some_bytes("hmac", 64)
    kid = a_keyring().current.key_id
    unsigned = jwt.encode(_claims(), "", algorithm="none", headers={"typ": "at+jwt", "kid": kid})
    symmetric = jwt.encode(_claims(), secret, algorithm="HS512", headers={"typ": "at+jwt", "kid": kid})
    for token in (
        unsigned,
        symmetric,
        _sign(_claims(), typ="JWT"),
        _sign(_claims(), jku="https://evil.example/keys"),
        _sign(_claims(), crit=["exp"]),
    ):
        assert refusal(access().verify(token, now_ms=NOW_MS)) is AccessRefusal.MALFORMED


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "x" * 5000, "é.é.é", f"{'a' * 40}.{'b' * 40}.{'c' * 86}"])
def test_text_that_is_no_access_token_is_refused(text: str) -> None:
    assert refusal(access().verify(text, now_ms=NOW_MS)) is AccessRefusal.MALFORMED


def test_changed_claims_are_refused() -> None:
    head, body, signature = an_access_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["role"] = "admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    answer = access().verify(f"{head}.{forged}.{signature}", now_ms=NOW_MS)
    assert refusal(answer) is AccessRefusal.BAD_SIGNATURE


# Refresh tokens.


def a_session() -> Rotated:
    return start_session(
        session_id=LoginId("lg_01jd3"), principal_id=PrincipalId("pr_1"), keyring=a_keyring(), now_ms=NOW_MS
    )


def rotate(
    session: LoginSession | None, token: RefreshToken, *, now_ms: int = NOW_MS, keyring: Keyring | None = None
) -> Rotated | Reused | Refused[RefreshRefusal]:
    return rotate_refresh_token(session, token, keyring=keyring or a_keyring(), now_ms=now_ms)


def rotated(answer: object) -> Rotated:
    assert isinstance(answer, Rotated), answer
    return answer


def test_a_refresh_token_is_exchanged_for_the_next() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token, now_ms=NOW_MS + HOUR_MS))
    assert second.session.generation == second.token.generation == 1
    assert second.token.secret != first.token.secret
    assert second.session.idle_expires_at_ms == NOW_MS + HOUR_MS + 7 * DAY_MS
    assert second.session.expires_at_ms == first.session.expires_at_ms


def test_a_refresh_token_survives_its_text() -> None:
    token = a_session().token
    assert parse_refresh_token(format_refresh_token(token)) == token


def test_two_nodes_that_rotate_at_once_hand_out_the_same_token() -> None:
    first = a_session()
    one, other = (rotated(rotate(first.session, first.token)) for _ in range(2))
    assert one == other


def test_a_client_that_lost_the_answer_gets_the_same_successor_within_the_grace_period() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token))
    again = rotated(rotate(second.session, first.token, now_ms=NOW_MS + GRACE_MS))
    assert again.token == second.token
    assert again.session == second.session


def test_the_same_successor_is_found_after_the_cluster_key_was_rotated() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token))
    keyring = a_keyring().rotated(some_bytes("next", 32))
    assert rotated(rotate(second.session, first.token, keyring=keyring)).token == second.token
    gone = a_keyring("all new")
    answer = rotate(second.session, first.token, keyring=gone)
    assert refusal(answer) is RefreshRefusal.UNKNOWN
    # The token now valid is known by its hash, whatever became of the key.
    assert rotated(rotate(second.session, second.token, keyring=gone)).session.generation == 2


def test_a_token_that_comes_back_after_the_grace_period_ends_the_session() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token))
    answer = rotate(second.session, first.token, now_ms=NOW_MS + GRACE_MS + 1)
    assert isinstance(answer, Reused)
    assert answer.session == replace(second.session, is_revoked=True)
    assert "somebody else may hold a copy" in answer.reason
    assert refusal(rotate(answer.session, second.token)) is RefreshRefusal.REVOKED


def test_a_token_two_generations_old_ends_the_session_at_once() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token))
    third = rotated(rotate(second.session, second.token))
    assert isinstance(rotate(third.session, first.token), Reused)


def test_an_invented_token_does_not_end_anybodys_session() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token))
    for generation in (0, 1, 2):
        invented = replace(first.token, generation=generation, secret=some_bytes("guess", 32))
        assert refusal(rotate(second.session, invented)) is RefreshRefusal.UNKNOWN


def test_a_token_newer_than_the_record_is_unknown_as_after_restoring_a_backup() -> None:
    first = a_session()
    second = rotated(rotate(first.session, first.token))
    assert refusal(rotate(first.session, second.token)) is RefreshRefusal.UNKNOWN


@pytest.mark.parametrize(("idle_days", "total_days"), [(7, 30), (30, 7)])
def test_a_session_ends_idle_or_at_its_longest(idle_days: int, total_days: int) -> None:
    first = a_session()
    session = replace(
        first.session,
        idle_expires_at_ms=NOW_MS + idle_days * DAY_MS,
        expires_at_ms=NOW_MS + total_days * DAY_MS,
    )
    end_ms = NOW_MS + 7 * DAY_MS
    assert isinstance(rotate(session, first.token, now_ms=end_ms - 1), Rotated)
    assert refusal(rotate(session, first.token, now_ms=end_ms)) is RefreshRefusal.EXPIRED


def test_use_does_not_carry_a_session_past_its_longest() -> None:
    first = a_session()
    late_ms = first.session.expires_at_ms - 1
    session = replace(first.session, idle_expires_at_ms=late_ms + 1)
    assert rotated(rotate(session, first.token, now_ms=late_ms)).session.idle_expires_at_ms == late_ms + 1


def test_a_session_nobody_knows_is_refused() -> None:
    first = a_session()
    assert refusal(rotate(None, first.token)) is RefreshRefusal.UNKNOWN
    assert refusal(rotate(replace(first.session, id=LoginId("lg_2")), first.token)) is RefreshRefusal.UNKNOWN


# API tokens.


def an_api_token(**changes: Any) -> tuple[PlainApiToken, ApiToken]:
    plain, record = new_api_token(
        prefix_seed=some_bytes("prefix", 5),
        secret=some_bytes("secret", 32),
        name="ci",
        principal_id=PrincipalId("pr_1"),
        role=Role.VIEWER,
        scopes=frozenset({"containers"}),
        now_ms=NOW_MS,
        expires_at_ms=NOW_MS + DAY_MS,
    )
    return plain, replace(record, **changes)


def test_an_api_token_is_read_back_and_gives_its_record() -> None:
    plain, record = an_api_token()
    text = format_api_token(plain)
    assert text.startswith(f"tower_{plain.prefix}_")
    assert parse_api_token(text) == plain
    assert check_api_token(record, plain, now_ms=NOW_MS) == record


def test_an_api_token_holds_until_the_last_millisecond() -> None:
    plain, record = an_api_token()
    assert check_api_token(record, plain, now_ms=NOW_MS + DAY_MS - 1) == record
    answer = check_api_token(record, plain, now_ms=NOW_MS + DAY_MS)
    assert refusal(answer) is ApiTokenRefusal.EXPIRED
    assert check_api_token(replace(record, expires_at_ms=None), plain, now_ms=NOW_MS * 2) is not None


def test_a_revoked_api_token_is_refused() -> None:
    plain, record = an_api_token(is_revoked=True)
    assert refusal(check_api_token(record, plain, now_ms=NOW_MS)) is ApiTokenRefusal.REVOKED


def test_an_unknown_prefix_and_a_wrong_secret_are_answered_alike() -> None:
    plain, record = an_api_token(is_revoked=True)
    wrong = replace(plain, secret=some_bytes("guess", 32))
    unknown = check_api_token(None, plain, now_ms=NOW_MS)
    assert refusal(unknown) is ApiTokenRefusal.UNKNOWN
    assert check_api_token(record, wrong, now_ms=NOW_MS) == unknown


def test_a_mistyped_api_token_is_told_from_an_unknown_one() -> None:
    text = format_api_token(an_api_token()[0])
    for wrong, words in (
        (text[:-9] + "a" + text[-8:], "checksum"),
        (text.upper(), "does not start with 'tower_'"),
        ("", "does not start with 'tower_'"),
        (text + "\n", "checksum"),
        (format_refresh_token(a_session().token), "8 characters"),
        (new_setup_token(some_bytes("s", 32))[0], "8 characters"),
    ):
        answer = parse_api_token(wrong)
        assert refusal(answer) is ApiTokenRefusal.MALFORMED
        assert isinstance(answer, Refused)
        assert words in answer.reason


# The setup token.


def test_the_setup_token_makes_one_administrator() -> None:
    text, record = new_setup_token(some_bytes("setup", 32))
    used = check_setup_token(record, f" {text}\n", now_ms=NOW_MS)
    assert used == replace(record, is_used=True)
    assert isinstance(used, SetupToken)
    assert refusal(check_setup_token(used, text, now_ms=NOW_MS)) is SetupRefusal.USED


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"), SetupRefusal.MALFORMED),
        (lambda _: "", SetupRefusal.MALFORMED),
        (lambda _: new_setup_token(some_bytes("another", 32))[0], SetupRefusal.UNKNOWN),
    ],
)
def test_another_setup_token_is_refused(change: Callable[[str], str], code: SetupRefusal) -> None:
    text, record = new_setup_token(some_bytes("setup", 32))
    assert refusal(check_setup_token(record, change(text), now_ms=NOW_MS)) is code


def test_a_setup_token_may_have_an_end() -> None:
    text, record = new_setup_token(some_bytes("setup", 32), expires_at_ms=NOW_MS)
    assert isinstance(check_setup_token(record, text, now_ms=NOW_MS - 1), SetupToken)
    assert refusal(check_setup_token(record, text, now_ms=NOW_MS)) is SetupRefusal.EXPIRED
    assert refusal(check_setup_token(None, text, now_ms=NOW_MS)) is SetupRefusal.UNKNOWN


# CSRF.


def test_a_csrf_token_is_good_for_its_session_only() -> None:
    token = make_csrf_token(a_keyring(), session_id="lg_1", nonce=some_bytes("nonce", 16))
    assert check_csrf_token(a_keyring(), session_id="lg_1", cookie=token, header=token) is None
    answer = check_csrf_token(a_keyring(), session_id="lg_2", cookie=token, header=token)
    assert refusal(answer) is CsrfRefusal.WRONG_SESSION


@pytest.mark.parametrize(
    ("cookie", "header", "code"),
    [
        (None, "x", CsrfRefusal.MISSING),
        ("x", None, CsrfRefusal.MISSING),
        ("x", "", CsrfRefusal.MISSING),
        ("x", "y", CsrfRefusal.MISMATCH),
        ("x", "x", CsrfRefusal.WRONG_SESSION),
        ("\ud800", "\ud800", CsrfRefusal.WRONG_SESSION),
    ],
)
def test_a_request_without_a_signed_pair_is_refused(
    cookie: str | None, header: str | None, code: CsrfRefusal
) -> None:
    answer = check_csrf_token(a_keyring(), session_id="lg_1", cookie=cookie, header=header)
    assert refusal(answer) is code


def test_a_csrf_token_survives_a_rotation_of_the_cluster_key() -> None:
    token = make_csrf_token(a_keyring(), session_id="lg_1", nonce=some_bytes("nonce", 16))
    rotated_keys = a_keyring().rotated(some_bytes("next", 32))
    assert check_csrf_token(rotated_keys, session_id="lg_1", cookie=token, header=token) is None


# Redaction.


def test_every_token_of_ours_is_redacted_and_its_public_part_stays() -> None:
    plain, _ = an_api_token()
    api, refresh = format_api_token(plain), format_refresh_token(a_session().token)
    setup, _ = new_setup_token(some_bytes("setup", 32))
    text = f"a {api} b {refresh} c {setup} d {an_access_token()} e"
    redacted = redact(text)
    for secret in (api[15:60], refresh[30:60], setup[15:60], an_access_token().split(".")[2]):
        assert secret not in redacted
    assert f"tower_{plain.prefix}_[redacted] b tower_rt_lg_01jd3_0_[redacted] c" in redacted
    assert redacted.endswith(" e")
