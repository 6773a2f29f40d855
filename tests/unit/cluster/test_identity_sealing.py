"""The cluster key: derived keys, its text, and secrets sealed with it."""

from __future__ import annotations

import pytest

from cluster.identity.errors import KeyringDamaged, SealBroken
from cluster.identity.keyring import ClusterKey, Keyring, Purpose, decode_keyring, encode_keyring
from cluster.identity.sealing import open_sealed, seal, sealing_key_id
from tests.support.identity_builders import a_keyring, some_bytes

NONCE = some_bytes("nonce", 12)


def sealed_password(keyring: Keyring | None = None) -> bytes:
    return seal(
        b"hunter2", keyring or a_keyring(), purpose=Purpose.SECRETS, context="secret/t1/db", nonce=NONCE
    )


def test_each_purpose_and_each_cluster_has_its_own_key() -> None:
    derived = {
        key.derive(purpose)
        for key in (a_keyring("one").current, a_keyring("two").current)
        for purpose in Purpose
    }
    assert len(derived) == 2 * len(Purpose)


def test_derived_keys_never_change_between_releases() -> None:
    key = ClusterKey(secret=bytes(range(32)))
    assert key.key_id == "6h5gomzq"
    assert {purpose.value: key.derive(purpose).hex()[:16] for purpose in Purpose} == {
        "ca-key": "49c74abdac5c8465",
        "secrets": "883844372c7fe40b",
        "access-tokens": "22336d8da22e5a2e",
        "refresh-tokens": "e738205fa5c77b8b",
        "csrf": "e5dbe7758cfb775a",
        "tickets": "46d80c945fcef5b5",
    }


def test_a_sealed_secret_opens_in_its_place() -> None:
    opened = open_sealed(sealed_password(), a_keyring(), purpose=Purpose.SECRETS, context="secret/t1/db")
    assert opened == b"hunter2"


def test_a_sealed_secret_opens_nowhere_else() -> None:
    with pytest.raises(SealBroken, match="secret/t2/db: the sealed bytes were changed, or belong to another"):
        open_sealed(sealed_password(), a_keyring(), purpose=Purpose.SECRETS, context="secret/t2/db")
    with pytest.raises(SealBroken):
        open_sealed(sealed_password(), a_keyring(), purpose=Purpose.CA_KEY, context="secret/t1/db")


def test_a_missing_cluster_key_is_named() -> None:
    sealed = sealed_password(a_keyring("theirs"))
    theirs, mine = a_keyring("theirs").current.key_id, a_keyring("mine").current.key_id
    with pytest.raises(SealBroken, match=f"sealed with cluster key {theirs}, and this node holds {mine}"):
        open_sealed(sealed, a_keyring("mine"), purpose=Purpose.SECRETS, context="secret/t1/db")


@pytest.mark.parametrize("sealed", [b"", b"TS1", b"hello" * 20, sealed_password()[:30]])
def test_bytes_that_were_never_sealed_or_were_cut_are_an_error(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        open_sealed(sealed, a_keyring(), purpose=Purpose.SECRETS, context="secret/t1/db")


def test_a_rotated_keyring_opens_what_the_one_before_sealed_and_seals_with_the_new_key() -> None:
    old = a_keyring()
    new = old.rotated(some_bytes("next", 32))
    sealed = sealed_password(old)
    assert open_sealed(sealed, new, purpose=Purpose.SECRETS, context="secret/t1/db") == b"hunter2"
    assert sealing_key_id(sealed) == old.current.key_id
    assert sealing_key_id(sealed_password(new)) == new.current.key_id
    assert sealing_key_id(b"unsealed") is None


def test_a_rotated_keyring_forgets_the_oldest_keys() -> None:
    keyring = a_keyring()
    for step in range(5):
        keyring = keyring.rotated(some_bytes(step, 32), keep=2)
    assert len(keyring.keys) == 3


def test_a_keyring_survives_its_text() -> None:
    keyring = a_keyring().rotated(some_bytes("next", 32))
    assert decode_keyring(encode_keyring(keyring)) == keyring


_KEYRING = encode_keyring(Keyring(current=ClusterKey(secret=b"\0" * 32)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_KEYRING.replace("keys 1", "keys 2"), "line 1"),
        (_KEYRING[:-1], "cut"),
        (_KEYRING[:-2] + "\n", "line 2 .* is not a key id and a key"),
        (_KEYRING.replace("aaaaaaaa", "bbbbbbbb", 1), "line 2 .* does not match its key id"),
    ],
)
def test_a_damaged_keyring_names_the_line_and_no_key(text: str, words: str) -> None:
    with pytest.raises(KeyringDamaged, match=words) as caught:
        decode_keyring(text)
    assert "aaaaaaaaaaaa" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "tower-cluster-keys 1", "tower-cluster-keys 1\n"])
def test_a_keyring_without_keys_is_an_error(text: str) -> None:
    with pytest.raises(KeyringDamaged):
        decode_keyring(text)
