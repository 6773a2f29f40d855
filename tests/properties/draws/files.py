"""Secrets, configs, and what else is kept sealed."""

from __future__ import annotations

from typing import Any

from cluster.commands import route_certificates, secrets
from cluster.model.secrets import FileKind
from cluster.model.service import FileReference
from cluster.store.records import FILES
from tests.properties.draws.context import Choices, Draw

NAMES = ["f1", "f2"]


def file_commands(draw: Draw) -> Choices:
    rng, name, kind = draw.rng, draw.rng.choice(NAMES), draw.rng.choice(list(FileKind))
    put = lambda: secrets.PutFile(  # noqa: E731 (one of a list of choices)
        kind=kind,
        name=name,
        version=_newest(draw, kind, name) + rng.choice([1, 1, 1, 2]),
        content=bytes(40),
        created_by="u1",
        project=rng.choice(["", "", "p"]),
    )
    return [put, put, put, lambda: secrets.RemoveFile(kind=kind, name=name)]


def sealed_commands(draw: Draw) -> Choices:
    rng = draw.rng
    registry, certificate = rng.choice(["a.example", "b.example"]), rng.choice(["web", "api"])
    return [
        lambda: secrets.PutRegistryCredential(
            registry=registry, username="u", sealed_password=bytes(40), changed_by="u1"
        ),
        lambda: secrets.RemoveRegistryCredential(registry=registry),
        lambda: route_certificates.PutRouteCertificate(
            name=certificate,
            chain_pem="pem",
            sealed_key=bytes(40),
            hosts=("a.example",),
            not_after_ms=draw.now_ms + rng.choice([0, 60_000]),
            fingerprint=rng.choice("ab") * 64,
            changed_by="u1",
        ),
        lambda: route_certificates.RemoveRouteCertificate(name=certificate),
    ]


def references(draw: Draw) -> dict[str, Any]:
    """Fields of a specification that name a version, mostly one that is there, or none."""
    rng, name = draw.rng, draw.rng.choice(NAMES)
    key, kind = rng.choice([("secrets", FileKind.SECRET), ("configs", FileKind.CONFIG)])
    version = max(0, _newest(draw, kind, name) - rng.choice([0, 0, 1, 4]))
    return rng.choice([{}, {}, {key: (FileReference(source=name, target="/f", version=version),)}])


def _newest(draw: Draw, kind: FileKind, name: str) -> int:
    present = FILES.get(draw.txn, kind.value, "", name)
    return 0 if present is None else present.newest
