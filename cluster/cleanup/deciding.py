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
    """Whether it may go, and why (not), for people. `bytes` is what that frees at most."""

    may_go: bool
    why: str
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A revision of a service that is wanted, or could be gone back to; `reference` is what hosts pull."""

    service_id: str
    revision: int
    reference: str
    is_wanted: bool = False

    @property
    def words(self) -> str:
        kind = "wanted by" if self.is_wanted else "needed to go back to"
        return f"{kind} {self.service_id} revision {self.revision}"


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
        return Verdict(may_go=False, why=_used_by(image.users))
    names = {canonical(name) for name in (*image.tags, *image.digests)}
    for pin in pins:
        if canonical(pin.reference) in names:
            return Verdict(may_go=False, why=pin.words)
    if only_untagged and (image.tags or image.digests):
        return Verdict(may_go=False, why="it has a name")
    if older_than_ms and image.created_at_ms > now_ms - older_than_ms:
        return Verdict(may_go=False, why="it is newer than asked for")
    why = (
        "no container uses it" if image.tags or image.digests else "it has no name, and no container uses it"
    )
    own = image.size_bytes if image.shared_bytes is None else max(0, image.size_bytes - image.shared_bytes)
    return Verdict(may_go=True, why=why, bytes=own)


def judge_volume(volume: HostVolume, services: Mapping[str, str], *, is_named: bool) -> Verdict:
    """Decide on one volume. `services` are the services by the volumes that their revisions name.

    A volume holds what nobody else has: it goes only where somebody `is_named` it.
    """
    if volume.users:
        return Verdict(may_go=False, why=_used_by(volume.users))
    if volume.name in services:
        return Verdict(may_go=False, why=f"it holds data of service {services[volume.name]}")
    if not is_named:
        return Verdict(
            may_go=False, why="volumes hold data: it goes only when it is named", bytes=volume.size_bytes
        )
    return Verdict(may_go=True, why="no container uses it", bytes=volume.size_bytes)


def judge_network(network: HostNetwork, scopes: Mapping[str, str]) -> Verdict:
    """Decide on one network. `scopes` are, by a network's name, the projects whose services are in it."""
    if network.is_built_in:
        return Verdict(may_go=False, why="it is the engine's own")
    if network.users:
        return Verdict(may_go=False, why=_used_by(network.users))
    if network.scope != "local":
        return Verdict(may_go=False, why=f"it belongs to a {network.scope}")
    if network.name in scopes:
        return Verdict(may_go=False, why=f"services of {scopes[network.name]} find each other in it")
    return Verdict(may_go=True, why="no container is in it", bytes=0)


def canonical(reference: str) -> str:
    """Return a reference as the engine lists it: Docker Hub unsaid, a tag always, a tag beside a digest not.

    By the rules of the OCI distribution's `reference` package for familiar names.
    """
    name, at, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{head}{slash}{last}".removeprefix(_HUB).removeprefix("library/")
    return f"{repository}@{digest}" if at else f"{repository}:{tag or 'latest'}"


def _used_by(users: Sequence[ResourceUser]) -> str:
    named = ", ".join(
        user.name if user.state == "running" else f"{user.name} ({user.state})"
        for user in users[:_USERS_NAMED]
    )
    more = len(users) - _USERS_NAMED
    return f"used by {named}" + (f" and {more} more" if more > 0 else "")
