"""What services need of images, volumes and networks, also while no container uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.cleanup import Pin
from cluster.model.service import Revision, Service, VolumeKind
from cluster.readiness.deploying import engine_volume, reference_of
from cluster.store import ReadTxn, records
from web.ports import State

KEEP_REVISIONS_DEFAULT = 3
"""Of each service: the one that runs, and two to go back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """`volumes` are services by the engine's name of a volume, `networks` projects by that of a network."""

    images: tuple[Pin, ...]
    volumes: Mapping[str, str]
    networks: Mapping[str, str]


def read_needs(state: State, *, keep_revisions: int = KEEP_REVISIONS_DEFAULT) -> Needs:
    """Return what is needed of the state as this node has it."""
    with state.read() as txn:
        assigned = {(each.key.service_id, each.key.revision) for each in records.ASSIGNMENTS.scan(txn)}
        services = [(service, _revisions(txn, service)) for service in records.SERVICES.scan(txn)]
    images: list[Pin] = []
    volumes: dict[str, str] = {}
    networks: dict[str, str] = {}
    for service, revisions in services:
        networks[f"tower-{service.scope}"] = service.scope
        wanted = {service.revision, service.stable_revision}
        if service.kept is not None:
            wanted.add(service.kept.revision)
        newest = {revision.number for revision in revisions[-keep_revisions:]}
        for revision in revisions:
            for mount in revision.spec.volumes:
                if mount.kind is VolumeKind.VOLUME and mount.source:
                    volumes[engine_volume(service.scope, mount.source)] = service.id
            is_wanted = revision.number in wanted or (service.id, revision.number) in assigned
            if is_wanted or revision.number in newest:
                images.append(
                    Pin(
                        service_id=service.id,
                        revision=revision.number,
                        reference=reference_of(revision.spec),
                        is_wanted=is_wanted,
                    )
                )
    return Needs(images=tuple(images), volumes=volumes, networks=networks)


def _revisions(txn: ReadTxn, service: Service) -> list[Revision]:
    return sorted(records.REVISIONS.scan(txn, service.id), key=lambda revision: revision.number)
