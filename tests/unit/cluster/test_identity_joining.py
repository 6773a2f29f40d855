"""Join tokens and the join itself, from the typed string to the stored identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.identity.certificates import NODE_TTL_MS, fingerprint
from cluster.identity.join_tokens import (
    JoinClaim,
    JoinRefusal,
    PlainJoinToken,
    check_join_token,
    format_join_token,
    names_ca,
    parse_join_token,
    prove,
)
from cluster.identity.joining import (
    JoinAccepted,
    JoinAnswer,
    Joined,
    JoinMember,
    answer_from_wire,
    answer_join,
    answer_to_wire,
    begin_join,
    check_join_request,
    finish_join,
    request_from_wire,
    request_to_wire,
)
from cluster.identity.private_keys import SEED_BYTES, private_key_from_seed
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import make_signing_request
from cluster.model.ids import NodeId
from cluster.model.node import JoinToken
from tests.support.identity_builders import (
    CLUSTER_ID,
    HOUR_MS,
    NOW_MS,
    Joining,
    a_ca,
    a_join_token,
    a_joining,
    a_keyring,
    a_node_identity,
    some_bytes,
)


def refusal(answer: object) -> object:
    assert isinstance(answer, Refused), answer
    assert answer.reason
    return answer.code


def a_claim(token: PlainJoinToken, **changes: Any) -> JoinClaim:
    transcript = some_bytes("transcript", 32)
    claim = JoinClaim(
        token_id=token.token_id,
        node_id="nd_2",
        ca_fingerprint=fingerprint(a_ca().certificate_pem),
        transcript=transcript,
        proof=prove(token, transcript),
    )
    return replace(claim, **changes)


def check(
    record: JoinToken | None, claim: JoinClaim, *, now_ms: int = NOW_MS
) -> JoinToken | Refused[JoinRefusal]:
    return check_join_token(
        record,
        claim,
        ca_fingerprint=fingerprint(a_ca().certificate_pem),
        now_ms=now_ms,
    )


# The string.


def test_a_token_is_read_back_from_its_text_whatever_the_terminal_did_to_it() -> None:
    token, _ = a_join_token()
    text = format_join_token(token)
    assert len(text) == 109
    assert text.startswith("TOWER1-")
    for variant in (text, text.lower(), f"  {text}\n", f"{text[:40]}\n{text[40:]}"):
        assert parse_join_token(variant) == token


def test_the_token_names_the_ca_it_is_for() -> None:
    token, _ = a_join_token(a_ca("right"))
    assert names_ca(token, fingerprint(a_ca("right").certificate_pem))
    assert not names_ca(token, fingerprint(a_ca("wrong").certificate_pem))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", "starts with TOWER1-"),
        (lambda text: text.replace("TOWER1", "SWMTKN"), "starts with TOWER1-"),
        (lambda text: text[:60], "has 3 parts"),
        (lambda text: text.replace("-", "--", 1), "has 5 parts"),
        (lambda text: text[:-1], "its checksum has 6 characters, not 7"),
        (lambda text: text[:10] + text[11:], "its CA fingerprint has 31 characters, not 32"),
        (lambda text: text[:60] + "A" + text[60:], "its secret has 53 characters, not 52"),
        (lambda text: text[:60] + "0" + text[61:], "its secret holds '0'"),
        (lambda text: text[:10] + ("B" if text[10] == "A" else "A") + text[11:], "checksum does not match"),
        (lambda text: text[:60] + ("B" if text[60] == "A" else "A") + text[61:], "checksum does not match"),
    ],
)
def test_a_typing_error_is_named_and_the_token_is_not_quoted(
    change: Callable[[str], str], words: str
) -> None:
    token, _ = a_join_token()
    text = format_join_token(token)
    answer = parse_join_token(change(text))
    assert refusal(answer) is JoinRefusal.MALFORMED
    assert isinstance(answer, Refused)
    assert words in answer.reason
    assert text.split("-")[3][:12] not in answer.reason.upper()


# The token's rules.


def test_a_good_token_lets_a_host_in() -> None:
    token, record = a_join_token(uses=2)
    assert check(record, a_claim(token)) == record


@pytest.mark.parametrize(
    ("changes", "now_ms", "code"),
    [
        ({"is_revoked": True}, NOW_MS, JoinRefusal.REVOKED),
        ({}, NOW_MS + HOUR_MS, JoinRefusal.EXPIRED),
        ({"uses_left": 0}, NOW_MS, JoinRefusal.USED_UP),
    ],
)
def test_a_token_that_has_ended_says_how_and_what_to_do(
    changes: dict[str, Any], now_ms: int, code: JoinRefusal
) -> None:
    token, record = a_join_token()
    answer = check(replace(record, **changes), a_claim(token), now_ms=now_ms)
    assert refusal(answer) is code
    assert isinstance(answer, Refused)
    assert "tower token create" in answer.reason


def test_a_token_holds_until_the_last_millisecond() -> None:
    token, record = a_join_token()
    assert check(record, a_claim(token), now_ms=NOW_MS + HOUR_MS - 1) == record
    assert refusal(check(record, a_claim(token), now_ms=NOW_MS + HOUR_MS)) is JoinRefusal.EXPIRED


def test_a_host_that_lost_the_answer_needs_no_second_use_but_a_token_that_still_stands() -> None:
    token, record = a_join_token()
    used = replace(record, uses_left=0, redeemed_by=(NodeId("nd_2"),))
    assert check(used, a_claim(token)) == used
    assert refusal(check(used, a_claim(token, node_id="nd_3"))) is JoinRefusal.USED_UP
    assert refusal(check(replace(used, is_revoked=True), a_claim(token))) is JoinRefusal.REVOKED


def test_an_unknown_id_and_a_wrong_secret_are_answered_alike() -> None:
    token, record = a_join_token()
    wrong = replace(token, secret=some_bytes("guess", 32))
    unknown = check(None, a_claim(token))
    guessed = check(replace(record, is_revoked=True), a_claim(wrong))
    assert refusal(unknown) is JoinRefusal.UNKNOWN
    assert unknown == guessed


def test_a_token_of_another_cluster_is_refused_as_such() -> None:
    token, record = a_join_token()
    claim = a_claim(token, ca_fingerprint=fingerprint(a_ca("other").certificate_pem))
    assert refusal(check(record, claim)) is JoinRefusal.WRONG_CA


@pytest.mark.parametrize("proof", [b"", b"x" * 31, b"x" * 33, b"\0" * 32])
def test_a_proof_that_is_none_is_refused(proof: bytes) -> None:
    token, record = a_join_token()
    assert refusal(check(record, a_claim(token, proof=proof))) is JoinRefusal.UNKNOWN


def test_a_proof_does_not_serve_another_request() -> None:
    token, record = a_join_token()
    claim = a_claim(token, transcript=some_bytes("another request", 32))
    assert refusal(check(record, claim)) is JoinRefusal.UNKNOWN


def test_what_the_state_keeps_does_not_let_anybody_in() -> None:
    token, record = a_join_token()
    thief = replace(token, secret=record.secret_hash)
    assert refusal(check(record, a_claim(thief))) is JoinRefusal.UNKNOWN


# The join.

MEMBERS = (
    JoinMember(node_id="nd_1", peer_address="10.0.0.1:7444", is_voter=True),
    JoinMember(node_id="nd_2", peer_address="10.0.0.2:7444", is_voter=False),
)


def accept(joining: Joining) -> JoinAccepted:
    accepted = check_join_request(
        joining.request, record=joining.record, ca_pem=joining.ca.certificate_pem, now_ms=NOW_MS
    )
    assert isinstance(accepted, JoinAccepted), accepted
    return accepted


def answer(joining: Joining, **changes: Any) -> JoinAnswer:
    made = answer_join(
        accept(joining),
        ca=joining.ca,
        trusted_ca_pem=joining.ca.certificate_pem,
        cluster_id=CLUSTER_ID,
        cluster_name="prod",
        keyring=a_keyring(),
        members=MEMBERS,
        now_ms=NOW_MS,
        serial=7,
    )
    return replace(made, **changes)


def test_a_host_with_a_good_token_gets_its_certificate_and_the_cluster_keys() -> None:
    joining = a_joining(is_learner=True)
    joined = finish_join(joining.pending, answer(joining), now_ms=NOW_MS)
    assert isinstance(joined, Joined)
    assert (joined.node_id, joined.cluster_id, joined.cluster_name) == (
        joining.request.node_id,
        CLUSTER_ID,
        "prod",
    )
    assert joined.keyring == a_keyring()
    assert joined.is_learner
    assert joined.members == MEMBERS


def test_both_messages_survive_the_wire() -> None:
    joining = a_joining()
    request = json.loads(json.dumps(request_to_wire(joining.request)))
    assert request_from_wire(request) == joining.request
    made = answer(joining)
    assert answer_from_wire(json.loads(json.dumps(answer_to_wire(made)))) == made


def test_neither_secret_nor_cluster_key_is_on_the_wire_in_the_clear() -> None:
    joining = a_joining()
    token, _ = a_join_token(joining.ca)
    wire = json.dumps(request_to_wire(joining.request)) + json.dumps(answer_to_wire(answer(joining)))
    for secret in (token.secret, a_keyring().current.secret):
        assert secret.hex() not in wire
    assert format_join_token(token).split("-")[3].lower() not in wire


def test_nothing_is_sent_to_a_host_with_another_ca() -> None:
    token, _ = a_join_token(a_ca("right"))
    refused = begin_join(
        token=token,
        ca_pem=a_ca("wrong").certificate_pem,
        node_name="host-2",
        addresses=("10.0.0.2",),
        peer_address="10.0.0.2:7444",
        api_address="10.0.0.2:7443",
        node_key_seed=some_bytes("joiner", SEED_BYTES),
        recipient_seed=some_bytes("recipient", 32),
    )
    assert refusal(refused) is JoinRefusal.WRONG_CA
    assert isinstance(refused, Refused)
    assert f"SHA256:{fingerprint(a_ca('wrong').certificate_pem).hex()}" in refused.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"node_name": "evil"},
        {"addresses": ("bank.example",)},
        {"addresses": ("host-2.example",)},
        {"peer_address": "10.6.6.6:7444"},
        {"api_address": "10.6.6.6:7443"},
        {"recipient_key": some_bytes("thief", 32)},
        {"token_id": "aaaaaaaa"},
    ],
)
def test_a_request_altered_on_its_way_is_refused(changes: dict[str, Any]) -> None:
    joining = a_joining()
    altered = replace(joining.request, **changes)
    refused = check_join_request(
        altered, record=joining.record, ca_pem=joining.ca.certificate_pem, now_ms=NOW_MS
    )
    assert refusal(refused) is JoinRefusal.UNKNOWN


def test_nobody_asks_again_in_the_name_of_another_host() -> None:
    joining = a_joining()
    token, _ = a_join_token(joining.ca)
    key = private_key_from_seed(some_bytes("thief", SEED_BYTES))
    theft = replace(
        joining.request, signing_request=make_signing_request(node_id=joining.request.node_id, key=key)
    )
    refused = check_join_request(
        replace(theft, proof=prove(token, theft.transcript())),
        record=replace(joining.record, uses_left=0, redeemed_by=(NodeId(theft.node_id),)),
        ca_pem=joining.ca.certificate_pem,
        now_ms=NOW_MS,
    )
    assert refusal(refused) is JoinRefusal.BAD_REQUEST
    assert isinstance(refused, Refused)
    assert "not made from the key" in refused.reason


def test_moving_a_byte_from_one_field_to_the_next_changes_the_transcript() -> None:
    request = a_joining().request
    moved = replace(request, peer_address="10.0.0.2:744", api_address="410.0.0.2:7443")
    assert moved.transcript() != request.transcript()
    assert (
        replace(request, addresses=("ab", "c")).transcript()
        != replace(request, addresses=("a", "bc")).transcript()
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"node_id": "No Id"}, "node_id"),
        ({"node_name": "two words"}, "node_name"),
        ({"token_id": "short"}, "token_id"),
        ({"addresses": ()}, "addresses"),
        ({"addresses": ("*.example",)}, "addresses"),
        ({"peer_address": "10.0.0.2"}, "peer_address"),
        ({"api_address": "10.0.0.2:99999"}, "api_address"),
        ({"signing_request": "x"}, "signing_request"),
        ({"node_id": "nd_3"}, "signing_request"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], word: str) -> None:
    joining = a_joining()
    refused = check_join_request(
        replace(joining.request, **changes),
        record=joining.record,
        ca_pem=joining.ca.certificate_pem,
        now_ms=NOW_MS,
    )
    assert refusal(refused) is JoinRefusal.BAD_REQUEST
    assert isinstance(refused, Refused)
    assert word in refused.reason


def test_an_answer_with_another_ca_is_refused() -> None:
    joining = a_joining()
    other = answer(joining, ca_pem=a_ca("other").certificate_pem)
    assert refusal(finish_join(joining.pending, other, now_ms=NOW_MS)) is JoinRefusal.WRONG_CA


def test_an_answer_may_bring_further_cas_while_the_ca_is_rotated() -> None:
    joining = a_joining()
    both = a_ca("next").certificate_pem + joining.ca.certificate_pem
    joined = finish_join(joining.pending, answer(joining, ca_pem=both), now_ms=NOW_MS)
    assert isinstance(joined, Joined)
    assert joined.ca_pem == both


def test_an_answer_with_the_certificate_of_another_key_or_node_is_refused() -> None:
    joining = a_joining()
    other_node = a_node_identity(node_id="nd_9", ca=joining.ca).certificate_pem
    other_key = a_node_identity(node_id=joining.request.node_id, ca=joining.ca).certificate_pem
    for pem in (other_node, other_key, "nonsense"):
        refused = finish_join(joining.pending, answer(joining, certificate_pem=pem), now_ms=NOW_MS)
        assert refusal(refused) is JoinRefusal.BAD_ANSWER


def test_cluster_keys_sealed_for_another_request_do_not_open() -> None:
    joining = a_joining()
    made = answer(joining)
    other = replace(joining.pending, request=replace(joining.request, peer_address="10.0.0.9:7444"))
    for pending, sealed in (
        (other, made.sealed_keys),
        (joining.pending, made.sealed_keys[:-1]),
        (joining.pending, b""),
    ):
        refused = finish_join(pending, replace(made, sealed_keys=sealed), now_ms=NOW_MS)
        assert refusal(refused) is JoinRefusal.BAD_ANSWER


@pytest.mark.parametrize("offset_ms", [-10 * 60_000, NODE_TTL_MS + 1000])
def test_a_host_with_a_wrong_clock_is_told_so(offset_ms: int) -> None:
    joining = a_joining()
    refused = finish_join(joining.pending, answer(joining), now_ms=NOW_MS + offset_ms)
    assert refusal(refused) is JoinRefusal.CLOCK_WRONG
    assert isinstance(refused, Refused)
    assert "timedatectl" in refused.reason or "clock" in refused.reason


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"version": 1}])
def test_json_that_is_no_message_is_refused(value: object) -> None:
    assert refusal(request_from_wire(value)) is JoinRefusal.BAD_REQUEST
    assert refusal(answer_from_wire(value)) is JoinRefusal.BAD_ANSWER


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "version is 2"),
        ({"extra": 1}, "field 'extra' is not known"),
        ({"proof": "aa"}, "field 'proof' is not 32 bytes"),
        ({"addresses": "10.0.0.1"}, "field 'addresses' is not a list"),
        ({"addresses": [1]}, "field 'addresses' holds something that is not text"),
        ({"node_id": 3}, "field 'node_id' is not a text"),
        ({"node_name": "\ud800"}, "field 'node_name' is not a text"),
        ({"signing_request": "x" * 20_000}, "field 'signing_request' is not a text of at most"),
    ],
)
def test_a_wrong_field_on_the_wire_is_named(changes: dict[str, Any], words: str) -> None:
    wire = request_to_wire(a_joining().request) | changes
    refused = request_from_wire(wire)
    assert refusal(refused) is JoinRefusal.BAD_REQUEST
    assert isinstance(refused, Refused)
    assert words in refused.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": [{"node_id": "nd_1", "peer_address": "a:1"}]}, "field 'members'"),
        ({"is_learner": 1}, "field 'is_learner'"),
        ({"sealed_keys": "zz"}, "field 'sealed_keys' is not hexadecimal"),
        ({"cluster_id": "No"}, "cluster_id"),
    ],
)
def test_a_wrong_field_of_the_answer_is_named(changes: dict[str, Any], words: str) -> None:
    refused = answer_from_wire(answer_to_wire(answer(a_joining())) | changes)
    assert refusal(refused) is JoinRefusal.BAD_ANSWER
    assert isinstance(refused, Refused)
    assert words in refused.reason
