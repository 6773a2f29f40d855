"""Which version of its secrets and configs a deployment gets: the newest there is when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.commands.secrets import PutFile
from cluster.compose import ComposeProject, ComposeService, InlineConfig
from cluster.model.secrets import CONTENT_BYTES_MAX, FileKind, StoredFile, label_of
from cluster.model.service import FileReference
from cluster.store import ReadTxn, records
from web.auth.authority import Authority
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.tools.secrets import resource_of

SERVICE_BYTES_MAX = 4 * 1024 * 1024
"""All files of one service together: each of its replicas holds them in its host's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The services with every reference pinned, and the new versions of inline configs to be kept first."""

    services: tuple[ComposeService, ...]
    inline: tuple[PutFile, ...]


def pin_files(txn: ReadTxn, project: ComposeProject, *, environment: str, by: str) -> Pinned:
    """Pin what the services name to the newest version now: of `environment` where it has its own, else of
    all environments.

    Raises Problem: 422 with every name that nothing is known of.
    """
    inline = {config.name: _inline(txn, config, project.name, by) for config in project.configs}
    made = {name: command for name, (_, command) in inline.items() if command is not None}
    pins = _Pins(txn, environment, {name: version for name, (version, _) in inline.items()}, made)
    services = tuple(pins.service(service) for service in project.services)
    if pins.errors:
        first = pins.errors[0]
        raise Problem("invalid", f"{first.field}: {first.rule}", errors=pins.errors)
    return Pinned(services=services, inline=tuple(made.values()))


async def require_use(
    authority: Authority,
    call: Call,
    services: Sequence[ComposeService],
    *,
    inline: Sequence[InlineConfig] = (),
) -> None:
    """Refuse a caller who may not use what the services name. Raises Problem (403).

    Configs whose content stands in the file are a part of it.
    """
    given = {(FileKind.CONFIG, config.name) for config in inline}
    wanted = {
        (kind, reference.source, reference.environment)
        for service in services
        for kind, reference in _references(service)
        if (kind, reference.source) not in given
    }
    for kind, name, environment in sorted(wanted):
        await authority.require(call, f"{kind}.use", resource_of(kind, name, environment))


def _references(service: ComposeService) -> list[tuple[FileKind, FileReference]]:
    return [
        *((FileKind.SECRET, reference) for reference in service.spec.secrets),
        *((FileKind.CONFIG, reference) for reference in service.spec.configs),
    ]


def _inline(txn: ReadTxn, config: InlineConfig, project: str, by: str) -> tuple[int, PutFile | None]:
    """The version with this content, and the command that makes it when it is new."""
    content = config.content.encode()
    stored = records.FILES.get(txn, FileKind.CONFIG.value, "", config.name)
    if stored is not None and not stored.is_removed:
        present = records.FILE_CONTENTS.get(txn, FileKind.CONFIG.value, "", config.name, stored.newest)
        if present is not None and present.content == content:
            return stored.newest, None
    if len(content) > CONTENT_BYTES_MAX:
        rule = f"has {len(content)} bytes; at most {CONTENT_BYTES_MAX} are allowed"
        field = f"configs.{config.key}.content"
        raise Problem("invalid", f"{field}: {rule}", errors=(FieldError(field=field, rule=rule),))
    version = 1 if stored is None else stored.newest + 1
    return version, PutFile(
        kind=FileKind.CONFIG,
        name=config.name,
        version=version,
        content=content,
        created_by=by,
        project=project,
    )


class _Pins:
    """Pins one service after the other, and collects what is wrong."""

    def __init__(
        self, txn: ReadTxn, environment: str, inline: Mapping[str, int], made: Mapping[str, PutFile]
    ) -> None:
        self._txn = txn
        self._environment = environment
        self._inline = inline
        self._made = made
        self.errors: list[FieldError] = []

    def service(self, service: ComposeService) -> ComposeService:
        """Return the service with its references pinned; those with an error stay as they are."""
        spec = service.spec
        if not spec.secrets and not spec.configs:
            return service
        pinned: dict[FileKind, tuple[FileReference, ...]] = {}
        size_bytes = 0
        for kind, key, references in (
            (FileKind.SECRET, "secrets", spec.secrets),
            (FileKind.CONFIG, "configs", spec.configs),
        ):
            found = []
            for index, reference in enumerate(references):
                pin, pin_bytes = self._pin(kind, f"services.{service.name}.{key}[{index}]", reference)
                size_bytes += pin_bytes
                found.append(pin)
            pinned[kind] = tuple(found)
        if size_bytes > SERVICE_BYTES_MAX:
            self.errors.append(
                FieldError(
                    field=f"services.{service.name}",
                    rule=f"its secrets and configs have {size_bytes} bytes together; at most"
                    f" {SERVICE_BYTES_MAX} are allowed",
                    hint="large files belong into an image or a volume",
                )
            )
        return replace(
            service,
            spec=replace(spec, secrets=pinned[FileKind.SECRET], configs=pinned[FileKind.CONFIG]),
        )

    def _pin(self, kind: FileKind, field: str, reference: FileReference) -> tuple[FileReference, int]:
        name = reference.source
        if kind is FileKind.CONFIG and name in self._inline:
            made = self._made.get(name)
            size_bytes = 0 if made is None else made.size_bytes
            return replace(reference, version=self._inline[name], environment=""), size_bytes
        stored = self._find(kind, name)
        if stored is None:
            what = label_of(kind, name, "")
            where = f" (neither of environment {self._environment} nor of all)" if self._environment else ""
            self.errors.append(
                FieldError(
                    field=field,
                    rule=f"there is no {what}{where}",
                    value=name,
                    hint=f"`tower {kind} put {name} FILE` makes it; `tower {kind} list` shows what there is",
                )
            )
            return reference, 0
        version = stored.versions[-1] if reference.version == 0 else stored.version(reference.version)
        if version is None:
            numbers = ", ".join(str(each.number) for each in stored.versions)
            self.errors.append(
                FieldError(
                    field=field,
                    rule=f"{stored.label} has no version {reference.version}; kept are {numbers}",
                    value=reference.version,
                    hint="leave the version out to get the newest",
                )
            )
            return reference, 0
        return (
            replace(reference, version=version.number, environment=stored.environment),
            version.size_bytes,
        )

    def _find(self, kind: FileKind, name: str) -> StoredFile | None:
        for environment in dict.fromkeys((self._environment, "")):
            stored = records.FILES.get(self._txn, kind.value, environment, name)
            if stored is not None and not stored.is_removed:
                return stored
        return None
