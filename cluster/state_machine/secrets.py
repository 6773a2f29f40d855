"""Handlers of the commands on secrets, configs and registry logins, and who uses which version.

References lead somewhere: a revision is made only of versions that are kept, and what a revision in use has
is not forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.secrets import (
    PutFile,
    PutRegistryCredential,
    RemoveFile,
    RemoveRegistryCredential,
)
from cluster.model.ids import ServiceId
from cluster.model.secrets import (
    FILES_BYTES_MAX,
    FILES_MAX,
    REGISTRIES_MAX,
    VERSIONS_KEPT,
    FileContent,
    FileKind,
    FileVersion,
    RegistryCredential,
    StoredFile,
    label_of,
)
from cluster.model.service import FileReference, Revision, ServiceSpec
from cluster.state_machine.entry import Entry
from cluster.state_machine.revisions import is_in_use
from cluster.store.records import (
    FILE_CONTENTS,
    FILE_USERS,
    FILES,
    REGISTRY_CREDENTIALS,
    SERVICES,
)


def put_file(entry: Entry, command: PutFile) -> Outcome:
    present = FILES.get(entry.txn, command.kind.value, command.environment, command.name)
    if present is None:
        present = StoredFile(
            kind=command.kind, environment=command.environment, name=command.name, newest=0, versions=()
        )
    if command.version != present.newest + 1:
        return Rejected(
            f"the next version of {present.label} is {present.newest + 1}, not {command.version}: somebody"
            " else changed it meanwhile; do it again",
            Code.VERSION_CONFLICT,
        )
    kept = _make_room(entry, present)
    if isinstance(kept, Rejected):
        return kept
    refused = _check_bounds(entry, present, kept, command)
    if refused is not None:
        return refused
    made = FileVersion(
        number=command.version,
        size_bytes=command.size_bytes,
        created_at_ms=entry.now_ms,
        created_by=command.created_by,
    )
    FILES.put(
        entry.txn,
        replace(present, newest=made.number, versions=(*kept, made), project=command.project),
    )
    FILE_CONTENTS.put(
        entry.txn,
        FileContent(
            kind=command.kind,
            environment=command.environment,
            name=command.name,
            version=made.number,
            content=command.content,
        ),
    )
    return Applied(made.number)


def remove_file(entry: Entry, command: RemoveFile) -> Outcome:
    present = FILES.get(entry.txn, command.kind.value, command.environment, command.name)
    if present is None or present.is_removed:
        return Rejected(
            f"there is no {label_of(command.kind, command.name, command.environment)}", Code.NOT_FOUND
        )
    users = sorted({service_id for _, service_id in _users_in_use(entry, present)})
    if users:
        shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
        return Rejected(
            f"{present.label} is used by {shown}: deploy without it, or remove them, first", Code.IN_USE
        )
    _forget_file(entry, present)
    return Applied()


def put_registry_credential(entry: Entry, command: PutRegistryCredential) -> Outcome:
    is_new = REGISTRY_CREDENTIALS.get(entry.txn, command.registry) is None
    if is_new and len(REGISTRY_CREDENTIALS.scan(entry.txn)) >= REGISTRIES_MAX:
        return Rejected(
            f"there are {REGISTRIES_MAX} registry logins, the most there may be: remove one first",
            Code.INVALID,
        )
    REGISTRY_CREDENTIALS.put(
        entry.txn,
        RegistryCredential(
            registry=command.registry,
            username=command.username,
            sealed_password=command.sealed_password,
            changed_at_ms=entry.now_ms,
            changed_by=command.changed_by,
        ),
    )
    return Applied()


def remove_registry_credential(entry: Entry, command: RemoveRegistryCredential) -> Outcome:
    if REGISTRY_CREDENTIALS.get(entry.txn, command.registry) is None:
        return Rejected(f"there is no login for registry {command.registry}", Code.NOT_FOUND)
    REGISTRY_CREDENTIALS.delete(entry.txn, command.registry)
    return Applied()


# ---- what revisions use ---------------------------------------------------------------------------


def check_references(entry: Entry, spec: ServiceSpec) -> Rejected | None:
    """Whether all a specification names is kept."""
    for kind, reference in _references(spec):
        what = label_of(kind, reference.source, reference.environment)
        if reference.version == 0:
            return Rejected(f"{what}: no version was chosen; deploy with `tower deploy`", Code.INVALID)
        stored = FILES.get(entry.txn, kind.value, reference.environment, reference.source)
        if stored is None or stored.version(reference.version) is None:
            return Rejected(
                f"{what} has no version {reference.version} (any more): deploy the Compose file again, which"
                " takes the newest",
                Code.NOT_FOUND,
            )
    return None


def note_uses(entry: Entry, revision: Revision) -> None:
    """Remember what a new revision uses."""
    for kind, reference in _references(revision.spec):
        FILE_USERS.add(entry.txn, *_user_key(kind, reference, revision))


def forget_uses(entry: Entry, revision: Revision) -> None:
    """A revision is forgotten, and uses nothing any more. What only came with it goes, too."""
    for kind, reference in _references(revision.spec):
        FILE_USERS.remove(entry.txn, *_user_key(kind, reference, revision))
        stored = FILES.get(entry.txn, kind.value, reference.environment, reference.source)
        if stored is not None and (stored.project or stored.is_removed) and not _users(entry, stored):
            _forget_file(entry, stored)


def _references(spec: ServiceSpec) -> Iterator[tuple[FileKind, FileReference]]:
    for reference in spec.secrets:
        yield FileKind.SECRET, reference
    for reference in spec.configs:
        yield FileKind.CONFIG, reference


def _user_key(
    kind: FileKind, reference: FileReference, revision: Revision
) -> tuple[str, str, str, int, str, int]:
    return (
        kind.value,
        reference.environment,
        reference.source,
        reference.version,
        revision.service_id,
        revision.number,
    )


def _users(entry: Entry, stored: StoredFile) -> list[tuple[int, ServiceId, int]]:
    """The revisions that have it: (version, service, revision)."""
    return [
        (int(version), ServiceId(str(service_id)), int(revision))
        for _, _, _, version, service_id, revision in FILE_USERS.scan(
            entry.txn, stored.kind.value, stored.environment, stored.name
        )
    ]


def _users_in_use(entry: Entry, stored: StoredFile) -> set[tuple[int, ServiceId]]:
    """The versions that something runs with, or may soon, and the service."""
    return {
        (version, service_id)
        for version, service_id, revision in _users(entry, stored)
        if (service := SERVICES.get(entry.txn, service_id)) is not None
        and is_in_use(entry.txn, service, revision)
    }


def _make_room(entry: Entry, stored: StoredFile) -> tuple[FileVersion, ...] | Rejected:
    """Forget what is one too many, and return the versions that stay."""
    kept = list(stored.versions)
    while len(kept) >= VERSIONS_KEPT:
        in_use = {version for version, _ in _users_in_use(entry, stored)}
        named = {version for version, _, _ in _users(entry, stored)}
        # One that no revision names goes before one that an earlier revision could be returned to.
        free = [version for version in kept if version.number not in in_use]
        free.sort(key=lambda version: (version.number in named, version.number))
        if not free:
            oldest = kept[0].number
            users = ", ".join(
                sorted(
                    service_id for version, service_id in _users_in_use(entry, stored) if version == oldest
                )
            )
            return Rejected(
                f"all {len(kept)} versions of {stored.label} are in use: deploy what is still on version"
                f" {oldest} again ({users}), then put the new one",
                Code.IN_USE,
            )
        kept.remove(free[0])
        _forget_content(entry, stored, free[0].number)
    return tuple(kept)


def _check_bounds(
    entry: Entry, present: StoredFile, kept: tuple[FileVersion, ...], command: PutFile
) -> Rejected | None:
    others = [
        stored for stored in FILES.scan(entry.txn) if not stored.is_removed and not _is_same(stored, present)
    ]
    if len(others) >= FILES_MAX:
        return Rejected(
            f"there are {FILES_MAX} secrets and configs, the most there may be: remove what is not used",
            Code.INVALID,
        )
    size_bytes = sum(version.size_bytes for stored in others for version in stored.versions)
    size_bytes += sum(version.size_bytes for version in kept)
    if size_bytes + command.size_bytes > FILES_BYTES_MAX:
        return Rejected(
            f"all secrets and configs together have {size_bytes} bytes, and {FILES_BYTES_MAX} is the most:"
            " remove what is not used",
            Code.INVALID,
        )
    return None


def _is_same(one: StoredFile, other: StoredFile) -> bool:
    return (one.kind, one.environment, one.name) == (other.kind, other.environment, other.name)


def _forget_file(entry: Entry, stored: StoredFile) -> None:
    for version in stored.versions:
        _forget_content(entry, stored, version.number)
    if _users(entry, stored):
        # A revision of long ago names it. Should the name return, that must not get the new content.
        FILES.put(entry.txn, replace(stored, versions=()))
    else:
        FILES.delete(entry.txn, stored.kind.value, stored.environment, stored.name)


def _forget_content(entry: Entry, stored: StoredFile, version: int) -> None:
    FILE_CONTENTS.delete(entry.txn, stored.kind.value, stored.environment, stored.name, version)
