"""No secret is in a repr, in a reason or in an error: what is logged must not let anybody in."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from cluster.identity import base32
from cluster.identity.api_tokens import (
    check_api_token,
    format_api_token,
    new_api_token,
    parse_api_token,
)
from cluster.identity.errors import KeyringDamaged, SealBroken
from cluster.identity.join_tokens import format_join_token, parse_join_token
from cluster.identity.joining import Joined, answer_join, check_join_request, finish_join
from cluster.identity.keyring import Purpose, decode_keyring, encode_keyring
from cluster.identity.private_keys import encode_private_key
from cluster.identity.redaction import redact
from cluster.identity.refresh_tokens import (
    format_refresh_token,
    parse_refresh_token,
    rotate_refresh_token,
    start_session,
)
from cluster.identity.sealing import open_sealed, seal
from cluster.identity.setup_tokens import check_setup_token, new_setup_token
from cluster.model.access import Role
from cluster.model.ids import LoginId, PrincipalId
from tests.support.identity_builders import (
    CLUSTER_ID,
    NOW_MS,
    a_ca,
    a_join_token,
    a_joining,
    a_keyring,
    a_node_identity,
    some_bytes,
)


def forms(secret: bytes) -> set[str]:
    """Return the ways a secret could be written."""
    return {
        repr(secret)[2:-1],
        secret.hex(),
        base32.encode(secret),
        base32.encode(secret).upper(),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
    }


def shown_in(text: str, secret: bytes) -> set[str]:
    return {form for form in forms(secret) if form in text}


def test_keys_are_not_in_reprs() -> None:
    keyring, ca, identity, joining = a_keyring(), a_ca(), a_node_identity(), a_joining()
    shown = repr([keyring, ca, identity, joining.pending])
    assert not shown_in(shown, keyring.current.secret)
    for pem in (encode_private_key(ca.key), identity.node_key_pem):
        assert pem.splitlines()[1] not in shown
    assert "PRIVATE KEY" not in shown
    assert keyring.current.key_id not in forms(keyring.current.secret)


def test_tokens_are_not_in_reprs() -> None:
    secret = some_bytes("secret", 32)
    api = new_api_token(
        prefix_seed=some_bytes("prefix", 5),
        secret=secret,
        name="ci",
        principal_id=PrincipalId("pr_1"),
        role=Role.ADMIN,
        scopes=frozenset(),
        now_ms=NOW_MS,
        expires_at_ms=None,
    )
    join, record = a_join_token()
    _, setup = new_setup_token(secret)
    session = start_session(
        session_id=LoginId("lg_1"), principal_id=PrincipalId("pr_1"), keyring=a_keyring(), now_ms=NOW_MS
    )
    shown = repr([api, join, record, setup, session])
    assert not shown_in(shown, secret)
    assert not shown_in(shown, join.secret)
    assert not shown_in(shown, session.token.secret)
    assert not shown_in(shown, record.secret_hash)


def test_what_a_new_member_keeps_shows_neither_key() -> None:
    joining = a_joining()
    accepted = check_join_request(
        joining.request, record=joining.record, ca_pem=joining.ca.certificate_pem, now_ms=NOW_MS
    )
    answer = answer_join(
        accepted,  # type: ignore[arg-type]
        ca=joining.ca,
        trusted_ca_pem=joining.ca.certificate_pem,
        cluster_id=CLUSTER_ID,
        cluster_name="prod",
        keyring=a_keyring(),
        members=(),
        now_ms=NOW_MS,
        serial=1,
    )
    joined = finish_join(joining.pending, answer, now_ms=NOW_MS)
    assert isinstance(joined, Joined)
    shown = repr([accepted, answer, joined])
    assert not shown_in(shown, a_keyring().current.secret)
    assert joined.node_key_pem.splitlines()[1] not in shown


def test_refusals_quote_no_secret() -> None:
    secret, keyring = some_bytes("secret", 32), a_keyring()
    plain, record = new_api_token(
        prefix_seed=some_bytes("prefix", 5),
        secret=secret,
        name="ci",
        principal_id=PrincipalId("pr_1"),
        role=Role.ADMIN,
        scopes=frozenset(),
        now_ms=NOW_MS,
        expires_at_ms=NOW_MS,
    )
    join, _ = a_join_token(label="join")
    setup_text, setup = new_setup_token(secret, expires_at_ms=NOW_MS)
    session = start_session(
        session_id=LoginId("lg_1"), principal_id=PrincipalId("pr_1"), keyring=keyring, now_ms=NOW_MS
    )
    revoked = replace(session.session, is_revoked=True)
    answers = [
        check_api_token(record, plain, now_ms=NOW_MS),
        check_api_token(None, plain, now_ms=NOW_MS),
        parse_api_token(format_api_token(plain)[:-1]),
        parse_api_token(format_api_token(plain) + "x"),
        parse_join_token(format_join_token(join)[:-1]),
        parse_join_token(format_join_token(join).replace("-", "", 3)),
        check_setup_token(setup, setup_text, now_ms=NOW_MS),
        check_setup_token(None, setup_text + "x", now_ms=NOW_MS),
        rotate_refresh_token(revoked, session.token, keyring=keyring, now_ms=NOW_MS),
        parse_refresh_token(format_refresh_token(session.token) + "x"),
    ]
    shown = repr(answers)
    for kept_back in (secret, join.secret, session.token.secret):
        assert not shown_in(shown, kept_back)


def test_errors_quote_no_secret() -> None:
    keyring = a_keyring()
    secret = keyring.current.secret
    with pytest.raises(KeyringDamaged) as damaged:
        decode_keyring(encode_keyring(keyring)[:-2] + "1\n")
    sealed = seal(b"hunter2", keyring, purpose=Purpose.SECRETS, context="s", nonce=some_bytes("n", 12))
    with pytest.raises(SealBroken) as broken:
        open_sealed(sealed, keyring, purpose=Purpose.SECRETS, context="t")
    with pytest.raises(SealBroken) as missing:
        open_sealed(sealed, a_keyring("other"), purpose=Purpose.SECRETS, context="s")
    shown = repr([damaged.value, broken.value, missing.value])
    assert not shown_in(shown, secret)
    assert not shown_in(shown, a_keyring("other").current.secret)


def test_join_tokens_and_private_keys_are_redacted() -> None:
    join, _ = a_join_token()
    text, pem = format_join_token(join), a_node_identity().node_key_pem
    redacted = redact(f"tower join 10.0.0.1 --token {text}\n{pem}")
    assert text.split("-")[3] not in redacted
    assert pem.splitlines()[1] not in redacted
    assert text.split("-")[2] in redacted
