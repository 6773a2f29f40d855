"""Whether one image, volume or network of a host may go. Pure.

Containers that do not run count as users: whoever stopped one means to start it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.model.resources import HostImage, HostNetwork, HostVolume, ResourceUser

_USERS_NAMED = 3
_HUB = "docker.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether it may go, and why (not), for people; `italian` says the same. `bytes` is what that frees at
    most."""

    may_go: bool
    why: str
    italian: str
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A revision of a service that is wanted, or could be gone back to; `reference` is what hosts pull."""

    service_id: str
    revision: int
    reference: str
    is_wanted: bool = False


def judge_image(
    image: HostImage,
    pins: Iterable[Pin],
    *,
    now_ms: int,
    older_than_ms: int = 0,
    only_untagged: bool = False,
) -> Verdict:
    """Decide on one image. Those made after `now_ms - older_than_ms` stay."""
    if image.users:
        return _used_by(image.users)
    names = {canonical(name) for name in (*image.tags, *image.digests)}
    for pin in pins:
        if canonical(pin.reference) in names:
            return _pinned(pin)
    if only_untagged and names:
        return _stays("it has a name", "ha un nome")
    if older_than_ms and image.created_at_ms > now_ms - older_than_ms:
        return _stays("it is newer than asked for", "è più recente di quanto richiesto")
    own = image.size_bytes if image.shared_bytes is None else max(0, image.size_bytes - image.shared_bytes)
    if names:
        return _goes("no container uses it", "nessun container la usa", own)
    return _goes("it has no name, and no container uses it", "non ha un nome e nessun container la usa", own)


def judge_volume(volume: HostVolume, services: Mapping[str, str], *, is_named: bool) -> Verdict:
    """Decide on one volume. `services` are the services by the volumes that their revisions name.

    A volume holds what nobody else has: it goes only where somebody `is_named` it.
    """
    if volume.users:
        return _used_by(volume.users)
    if volume.name in services:
        service = services[volume.name]
        return _stays(f"it holds data of service {service}", f"contiene dati del servizio {service}")
    if not is_named:
        return _stays(
            "volumes hold data: it goes only when it is named",
            "i volumi contengono dati: si rimuove solo se indicato per nome",
            volume.size_bytes,
        )
    return _goes("no container uses it", "nessun container lo usa", volume.size_bytes)


def judge_network(network: HostNetwork, scopes: Mapping[str, str]) -> Verdict:
    """Decide on one network. `scopes` are, by a network's name, the projects whose services are in it."""
    if network.is_built_in:
        return _stays("it is the engine's own", "è del motore stesso")
    if network.users:
        return _used_by(network.users)
    if network.scope != "local":
        return _stays(f"it belongs to a {network.scope}", f"appartiene a uno {network.scope}")
    if network.name in scopes:
        scope = scopes[network.name]
        return _stays(
            f"services of {scope} find each other in it", f"i servizi di {scope} vi si trovano tra loro"
        )
    return _goes("no container is in it", "nessun container è collegato", 0)


def canonical(reference: str) -> str:
    """Return a reference as the engine lists it: Docker Hub unsaid, a tag always, a tag beside a digest not.

    By the rules of the OCI distribution's `reference` package for familiar names.
    """
    name, at, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{head}{slash}{last}".removeprefix(_HUB).removeprefix("library/")
    return f"{repository}@{digest}" if at else f"{repository}:{tag or 'latest'}"


def _goes(why: str, italian: str, size: int | None) -> Verdict:
    return Verdict(may_go=True, why=why, italian=italian, bytes=size)


def _stays(why: str, italian: str, size: int | None = None) -> Verdict:
    return Verdict(may_go=False, why=why, italian=italian, bytes=size)


def _pinned(pin: Pin) -> Verdict:
    if pin.is_wanted:
        return _stays(
            f"wanted by {pin.service_id} revision {pin.revision}",
            f"richiesta da {pin.service_id}, revisione {pin.revision}",
        )
    return _stays(
        f"needed to go back to {pin.service_id} revision {pin.revision}",
        f"serve per tornare a {pin.service_id}, revisione {pin.revision}",
    )


def _used_by(users: Sequence[ResourceUser]) -> Verdict:
    named = ", ".join(
        user.name if user.state == "running" else f"{user.name} ({user.state})"
        for user in users[:_USERS_NAMED]
    )
    more = len(users) - _USERS_NAMED
    return _stays(
        f"used by {named}" + (f" and {more} more" if more > 0 else ""),
        f"in uso da {named}" + (f" e altri {more}" if more > 0 else ""),
    )
