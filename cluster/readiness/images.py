"""Checks on images: that hosts can have them, that they run there, and what they say of their containers."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.model.ids import NodeId
from cluster.model.readiness import ImageAnswer, ImageConfig
from cluster.readiness.deploying import Deploying, Setting, reference_of
from cluster.readiness.notes import Check, Note, error, warning

ROOM_FACTOR = 2
"""An image is downloaded packed and kept unpacked, both at once for a while."""


def check_images(service: Deploying, setting: Setting) -> Iterator[Note]:
    """Yield what is wrong with the image, host by host."""
    reference = reference_of(service.spec)
    yield from _check_pin(service)
    unknown: dict[str, list[str]] = {}
    for node_id in sorted(service.candidates | set(service.targets)):
        answer = setting.image(node_id, reference)
        if answer is None:
            # That the host says nothing is said once, of the host.
            continue
        if answer.unknown:
            unknown.setdefault(answer.unknown, []).append(setting.name(node_id))
        elif answer.refusal:
            yield _refused(service, setting, node_id, answer)
        else:
            yield from _check_platform(service, setting, node_id, answer)
    for reason, names in unknown.items():
        yield warning(
            Check.IMAGE,
            service.service_id,
            f"whether {', '.join(names)} can have the image is not known: {reason}",
        )
    yield from _check_settings(service, setting, reference)


def _refused(service: Deploying, setting: Setting, node_id: NodeId, answer: ImageAnswer) -> Note:
    name = setting.name(node_id)
    if node_id in service.targets:
        return error(
            Check.IMAGE,
            service.service_id,
            f"{name} cannot have {service.spec.image}: {answer.refusal}",
            "check its name and tag, and `tower registry list` for the login",
        )
    return warning(
        Check.IMAGE,
        service.service_id,
        f"no replica could move to {name}, which cannot have {service.spec.image}: {answer.refusal}",
    )


def _check_pin(service: Deploying) -> Iterator[Note]:
    spec, before = service.spec, service.before
    name, _, pinned = spec.image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not spec.digest:
        yield warning(
            Check.PIN,
            service.service_id,
            f"{spec.image} has no digest at a registry, so hosts may run different images of that name",
            "push it to a registry that all hosts reach",
        )
    elif not pinned and tag in ("", "latest"):
        yield warning(
            Check.PIN,
            service.service_id,
            f"{spec.image} means another image with each push; this deployment stays with {spec.digest[:19]}",
            "name a version",
        )
    elif before is not None and before.image == spec.image and before.digest not in ("", spec.digest):
        yield warning(
            Check.PIN,
            service.service_id,
            f"the tag was moved: {spec.image} was {before.digest[:19]} when it was deployed last, and is"
            f" {spec.digest[:19]} now",
        )


def _check_platform(
    service: Deploying, setting: Setting, node_id: NodeId, image: ImageAnswer
) -> Iterator[Note]:
    host = setting.answer(node_id)
    assert host is not None, "it said something of the image"
    is_target = node_id in service.targets
    name = setting.name(node_id)
    say = error if is_target else warning
    wanted = service.spec.options.platform or host.platform
    if wanted and image.platforms and not any(_runs(each, wanted) for each in image.platforms):
        yield say(
            Check.PLATFORM,
            service.service_id,
            f"{name} is {wanted}, and the image is for {', '.join(image.platforms)}",
            "build it for that platform too, or keep the service off with a placement constraint",
        )
    if image.is_here:
        return
    if host.free_bytes is None:
        yield warning(
            Check.PLATFORM, service.service_id, f"how much room {name} has for the image is not known"
        )
    size_bytes = _known_size(service, setting)
    if size_bytes and host.free_bytes is not None and size_bytes * ROOM_FACTOR > host.free_bytes:
        yield say(
            Check.PLATFORM,
            service.service_id,
            f"{name} has {_mib(host.free_bytes)} MiB for images, and the image takes {_mib(size_bytes)} MiB,"
            " twice that while it is unpacked",
            "remove images there that nothing uses",
        )


def _runs(platform: str, wanted: str) -> bool:
    """Whether an image for one platform runs on the other. What the variant is need not be said."""
    one, other = platform.split("/"), wanted.split("/")
    return all(a == b for a, b in zip(one, other, strict=False))


def _known_size(service: Deploying, setting: Setting) -> int:
    """How large the image is on a host that has it; 0 where none does."""
    reference = reference_of(service.spec)
    sizes = [
        found.size_bytes
        for node_id in setting.hosts
        if (found := setting.image(node_id, reference)) is not None
    ]
    return max(sizes, default=0)


def image_config(service: Deploying, setting: Setting) -> ImageConfig | None:
    """Return what the image says of its containers, from a host that has it; None where none does."""
    reference = reference_of(service.spec)
    for node_id in sorted(setting.hosts):
        found = setting.image(node_id, reference)
        if found is not None and found.config is not None:
            return found.config
    return None


def _check_settings(service: Deploying, setting: Setting, reference: str) -> Iterator[Note]:
    config = image_config(service, setting)
    answers = [setting.image(node_id, reference) for node_id in setting.hosts]
    if config is None:
        if any(each is not None and not each.refusal for each in answers):
            yield warning(
                Check.IMAGE_SETTINGS,
                service.service_id,
                "how large the image is and what it starts is known once a host has pulled it: none has yet",
            )
        return
    spec = service.spec
    has_command = config.entrypoint or config.command or spec.command or spec.options.entrypoint
    if not has_command:
        yield warning(
            Check.IMAGE_SETTINGS, service.service_id, "the image names nothing to start", "set command"
        )
    if (spec.options.stop_signal or config.stop_signal) in ("SIGKILL", "KILL", "9"):
        yield warning(
            Check.IMAGE_SETTINGS,
            service.service_id,
            "it is stopped with SIGKILL, so it never gets to finish what it does",
            "set stop_signal: SIGTERM",
        )
    if spec.route is not None and config.ports and spec.route.port not in config.ports:
        shown = ", ".join(map(str, config.ports))
        yield warning(
            Check.IMAGE_SETTINGS,
            service.service_id,
            f"requests go to port {spec.route.port}, and the image exposes {shown}",
        )


def check_rollback(service: Deploying, setting: Setting) -> Iterator[Note]:
    """Yield what would keep the service from going back to what runs now."""
    before = service.before
    if before is None or not service.is_new_spec:
        return
    reference = reference_of(before)
    answers = [
        found for node_id in sorted(setting.hosts) if (found := setting.image(node_id, reference)) is not None
    ]
    if answers and all(each.refusal for each in answers):
        yield warning(
            Check.ROLLBACK,
            service.service_id,
            f"there would be no way back: no host has or can get {before.image}, which runs now",
        )
    for lost in service.lost_files:
        yield warning(
            Check.ROLLBACK,
            service.service_id,
            f"there would be no way back: {lost} is not kept any more, and what runs now has it",
        )


def _mib(size_bytes: int) -> int:
    return size_bytes >> 20
