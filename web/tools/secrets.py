"""Secrets and configs that containers get as files. The value of a secret goes in and never comes out."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cluster.commands import Code
from cluster.commands.secrets import PutFile, RemoveFile
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_secret
from cluster.model.secrets import CONTENT_BYTES_MAX, FileKind, StoredFile, check_file_name, label_of
from cluster.raft.replicator import ReadLevel
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem, invalid
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.views import ConfigView, FileVersionView, StoredFileView

ATTEMPTS = 3
"""How often a version is chosen anew when somebody else took it."""

GENERATED_BYTES_MIN = 16
GENERATED_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenContent:
    """A value as it was sent, in one of three ways: text, base64, or a number of random bytes to make one of
    (as base64url text) that nobody ever sees.
    """

    value: str | None = field(default=None, repr=False)
    value_base64: str | None = field(default=None, repr=False)
    generate_bytes: int | None = None


async def list_files(context: Context, call: Call, kind: FileKind) -> list[StoredFileView]:
    """Return the secrets or configs by name and environment, without contents."""
    await context.authority.require(call, f"{kind}.read", kind.value)
    with context.surroundings.state.read() as txn:
        return [_view(txn, stored) for stored in records.FILES.scan(txn, kind.value) if not stored.is_removed]


async def put_file(
    context: Context, call: Call, kind: FileKind, name: str, *, environment: str, given: GivenContent
) -> StoredFileView:
    """Keep a new version. Services get it when they are deployed the next time. Raises Problem."""
    action, resource = f"{kind}.put", resource_of(kind, name, environment)
    await context.authority.require(call, action, resource)
    _check_name(kind, name, environment)
    content = _content_of(context.surroundings, given)
    surroundings = context.surroundings

    async def change(permit: Permit) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            await surroundings.state.point(ReadLevel.LINEARIZABLE)
            command = _next_version(surroundings, kind, name, environment, content, call.known().name)
            try:
                await permit.propose(command)
            except Problem as problem:
                if problem.extra.get("code") != Code.VERSION_CONFLICT.value or attempt == ATTEMPTS:
                    raise
            else:
                return

    await context.authority.perform(call, action, resource, change)
    with surroundings.state.read() as txn:
        return _view(txn, _find(txn, kind, name, environment))


async def remove_file(context: Context, call: Call, kind: FileKind, name: str, *, environment: str) -> None:
    """Forget it with all versions. Raises Problem (404, 409 while something in use has it)."""
    action, resource = f"{kind}.remove", resource_of(kind, name, environment)
    await context.authority.require(call, action, resource)
    with context.surroundings.state.read() as txn:
        stored = _find(txn, kind, name, environment)
    command = RemoveFile(kind=kind, name=stored.name, environment=stored.environment)
    await context.authority.perform(call, action, resource, lambda permit: permit.propose(command))


async def get_config(
    context: Context, call: Call, name: str, *, environment: str, version: int | None
) -> ConfigView:
    """Return a config with its content, the newest version unless another is asked for. Raises Problem."""
    kind = FileKind.CONFIG
    await context.authority.require(call, "config.inspect", resource_of(kind, name, environment))
    with context.surroundings.state.read() as txn:
        stored = _find(txn, kind, name, environment)
        found = stored.versions[-1] if version is None else stored.version(version)
        kept = (
            None
            if found is None
            else records.FILE_CONTENTS.get(txn, kind.value, environment, name, found.number)
        )
    if found is None or kept is None:
        numbers = ", ".join(str(each.number) for each in stored.versions)
        raise Problem("not-found", f"{stored.label} has no version {version}; kept are {numbers}")
    try:
        text: str | None = kept.content.decode()
    except UnicodeDecodeError:
        text = None
    return ConfigView(
        name=name,
        environment=environment,
        version=found.number,
        size_bytes=found.size_bytes,
        created_at_ms=found.created_at_ms,
        created_by=found.created_by,
        value=text,
        value_base64=base64.b64encode(kept.content).decode("ascii") if text is None else None,
    )


def resource_of(kind: FileKind, name: str, environment: str) -> str:
    """What the decision and the record call it."""
    return f"{kind}:{environment}/{name}" if environment else f"{kind}:{name}"


def _next_version(
    surroundings: Surroundings, kind: FileKind, name: str, environment: str, content: bytes, by: str
) -> PutFile:
    with surroundings.state.read() as txn:
        stored = records.FILES.get(txn, kind.value, environment, name)
    version = 1 if stored is None else stored.newest + 1
    if kind is FileKind.SECRET:
        content = seal_secret(
            content,
            surroundings.cluster.keyring(),
            name=name,
            environment=environment,
            version=version,
            nonce=surroundings.ids.token_bytes(NONCE_BYTES),
        )
    return PutFile(
        kind=kind, name=name, version=version, content=content, created_by=by, environment=environment
    )


def _content_of(surroundings: Surroundings, given: GivenContent) -> bytes:
    sent = [name for name in ("value", "value_base64", "generate_bytes") if getattr(given, name) is not None]
    if len(sent) != 1:
        raise invalid("value", "give one of value, value_base64 and generate_bytes")
    if given.generate_bytes is not None:
        return base64.urlsafe_b64encode(surroundings.ids.token_bytes(given.generate_bytes)).rstrip(b"=")
    if given.value is not None:
        try:
            content = given.value.encode()
        except UnicodeEncodeError:
            raise invalid("value", "is no text that UTF-8 can write; send it as value_base64") from None
    else:
        try:
            content = base64.b64decode(given.value_base64 or "", validate=True)
        except ValueError:
            raise invalid("value_base64", "is not base64") from None
    if len(content) > CONTENT_BYTES_MAX:
        raise invalid(
            sent[0],
            f"has {len(content)} bytes; at most {CONTENT_BYTES_MAX} are allowed",
            hint="larger files belong into an image or a volume",
        )
    return content


def _check_name(kind: FileKind, name: str, environment: str) -> None:
    try:
        check_file_name(kind, name, environment)
    except ValueError as error:
        where = "environment" if str(error).startswith("environment") else "name"
        value = environment if where == "environment" else name
        raise Problem(
            "invalid", str(error), errors=(FieldError(field=where, rule=str(error), value=value[:80]),)
        ) from error


def _find(txn: ReadTxn, kind: FileKind, name: str, environment: str) -> StoredFile:
    try:
        check_file_name(kind, name, environment)
    except ValueError:
        stored = None
    else:
        stored = records.FILES.get(txn, kind.value, environment, name)
    if stored is None or stored.is_removed:
        raise Problem(
            "not-found",
            f"there is no {label_of(kind, name[:80], environment[:80])}",
            hint=f"`tower {kind} list` lists them; `tower {kind} put {name[:80]}` makes it",
        )
    return stored


def _view(txn: ReadTxn, stored: StoredFile) -> StoredFileView:
    users: dict[int, set[str]] = {}
    for _, _, _, version, service_id, revision in records.FILE_USERS.scan(
        txn, stored.kind.value, stored.environment, stored.name
    ):
        service = records.SERVICES.get(txn, service_id)
        if service is not None and revision in (service.revision, service.stable_revision):
            users.setdefault(int(version), set()).add(str(service_id))
    return StoredFileView(
        name=stored.name,
        environment=stored.environment,
        newest=stored.newest,
        versions=tuple(
            FileVersionView(
                version=version.number,
                size_bytes=version.size_bytes,
                created_at_ms=version.created_at_ms,
                created_by=version.created_by,
                used_by=tuple(sorted(users.get(version.number, ()))),
            )
            for version in reversed(stored.versions)
        ),
    )
