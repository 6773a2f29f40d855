"""Secrets and registry passwords open where they were put, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.identity.errors import SealBroken
from cluster.identity.stored_secrets import open_content, open_password, seal_password, seal_secret
from cluster.model.secrets import (
    SEALED_EXTRA_BYTES,
    FileContent,
    FileKind,
    RegistryCredential,
    StoredFile,
)
from tests.support.identity_builders import a_keyring, some_bytes

VALUE = b"sk_live_51Hd8"
KEYRING = a_keyring()


def a_content() -> FileContent:
    sealed = seal_secret(
        VALUE, KEYRING, name="stripe_key", environment="prod", version=3, nonce=some_bytes("nonce", 12)
    )
    return FileContent(kind=FileKind.SECRET, environment="prod", name="stripe_key", version=3, content=sealed)


def a_credential() -> RegistryCredential:
    sealed = seal_password(VALUE, KEYRING, registry="ghcr.io", username="ci", nonce=some_bytes("nonce", 12))
    return RegistryCredential(
        registry="ghcr.io", username="ci", sealed_password=sealed, changed_at_ms=1, changed_by="ann"
    )


def test_a_secret_opens_where_it_was_put() -> None:
    assert open_content(a_content(), KEYRING) == VALUE


def test_a_sealed_secret_is_longer_by_what_the_model_says_and_does_not_show_the_value() -> None:
    sealed = a_content().content
    assert len(sealed) == len(VALUE) + SEALED_EXTRA_BYTES
    assert VALUE not in sealed


@pytest.mark.parametrize(
    "moved", [{"name": "other_key"}, {"environment": ""}, {"environment": "staging"}, {"version": 2}]
)
def test_a_secret_moved_to_another_place_does_not_open(moved: dict[str, Any]) -> None:
    with pytest.raises(SealBroken):
        open_content(replace(a_content(), **moved), KEYRING)


def test_a_changed_secret_does_not_open() -> None:
    stored = a_content()
    changed = stored.content[:-1] + bytes([stored.content[-1] ^ 1])
    with pytest.raises(SealBroken) as caught:
        open_content(replace(stored, content=changed), KEYRING)
    assert VALUE.decode() not in str(caught.value)


def test_a_config_is_kept_as_it_is() -> None:
    stored = FileContent(kind=FileKind.CONFIG, environment="", name="web.conf", version=1, content=VALUE)
    assert open_content(stored, KEYRING) == VALUE


def test_a_password_opens_for_its_registry_and_user_alone() -> None:
    assert open_password(a_credential(), KEYRING) == VALUE
    for moved in (
        replace(a_credential(), registry="evil.example"),
        replace(a_credential(), username="other"),
    ):
        with pytest.raises(SealBroken):
            open_password(moved, KEYRING)


def test_a_password_is_no_secret_of_a_container() -> None:
    stored = replace(a_content(), content=a_credential().sealed_password)
    with pytest.raises(SealBroken):
        open_content(stored, KEYRING)


def test_no_repr_shows_what_is_kept() -> None:
    content, credential = a_content(), a_credential()
    assert repr(content.content)[2:-1] not in repr(content)
    assert repr(credential.sealed_password)[2:-1] not in repr(credential)
    config = FileContent(kind=FileKind.CONFIG, environment="", name="c", version=1, content=VALUE)
    assert VALUE.decode() not in repr(config)


def test_people_are_told_of_a_secret_by_name_and_environment() -> None:
    stored = StoredFile(kind=FileKind.SECRET, environment="prod", name="k", newest=0, versions=())
    assert stored.label == "secret k of environment prod"
