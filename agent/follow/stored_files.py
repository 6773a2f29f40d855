"""From the state on this host to what containers are to see and what registries are told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from agent.docker.references import parse_reference
from agent.ports import FilesRefused, PullRefused, PullRefusedReason, RegistryAuth
from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Keyring
from cluster.identity.stored_secrets import open_content, open_password
from cluster.model.secrets import FileKind, label_of, registry_name
from cluster.model.service import FileReference
from cluster.store import ReadTxn
from cluster.store.records import FILE_CONTENTS, REGISTRY_CREDENTIALS


class ReadableState(Protocol):
    """The state as this host has it."""

    def read(self) -> AbstractContextManager[ReadTxn]: ...


class StoredFiles:
    """The contents of secrets and configs, opened with this host's cluster key."""

    def __init__(self, state: ReadableState, keyring: Callable[[], Keyring]) -> None:
        self._state = state
        self._keyring = keyring

    def open(self, kind: FileKind, reference: FileReference) -> bytes:
        """Return the content of the version a reference was pinned to. Raises FilesRefused."""
        with self._state.read() as txn:
            stored = FILE_CONTENTS.get(
                txn, kind.value, reference.environment, reference.source, reference.version
            )
        if stored is None:
            what = label_of(kind, reference.source, reference.environment)
            raise FilesRefused(
                f"{what} has no version {reference.version} any more: deploy the Compose file again, which"
                " takes the newest"
            )
        try:
            return open_content(stored, self._keyring())
        except SealBroken as error:
            raise FilesRefused(str(error)) from error


class RegistryLogins:
    """The logins of registries, opened with this host's cluster key."""

    def __init__(self, state: ReadableState, keyring: Callable[[], Keyring]) -> None:
        self._state = state
        self._keyring = keyring

    def of_image(self, image: str) -> RegistryAuth | None:
        """Return the login for the registry an image is from, None when there is none.

        Raises PullRefused when it does not open here.
        """
        reference = parse_reference(image)
        if reference is None:
            return None
        with self._state.read() as txn:
            credential = REGISTRY_CREDENTIALS.get(txn, registry_name(reference.registry))
        if credential is None:
            return None
        try:
            password = open_password(credential, self._keyring())
        except SealBroken as error:
            raise PullRefused(
                f"cannot pull {image}: the login of registry {credential.registry} does not open here"
                f" ({error}); `tower registry login {credential.registry}` replaces it",
                status=0,
                reason=PullRefusedReason.AUTH,
            ) from error
        return RegistryAuth(username=credential.username, password=password.decode(errors="replace"))
