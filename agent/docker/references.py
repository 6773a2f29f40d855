"""Image references: repository, tag and digest. Pure.

The grammar is that of the OCI distribution's `reference` package, less the host name details the
engine checks itself. What it refuses could otherwise climb out of a request's path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?P<repository>(?:(?P<registry>localhost(?::\d+)?|[A-Za-z0-9.-]+(?:\.[A-Za-z0-9-]+|:\d+)[A-Za-z0-9.:-]*"
    r"|\[[0-9a-fA-F:.]+\](?::\d+)?)/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")

DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """`repository[:tag][@digest]`; `registry` is the part of the repository that names a host."""

    repository: str
    registry: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """The digest where there is one, else the tag, else "latest"."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        separator = "@" if self.digest else ":"
        return f"{self.repository}{separator}{self.version}"


def parse_reference(text: str) -> ImageReference | None:
    """Return the parts of an image reference, None when `text` is not one."""
    if len(text) > 512 or (match := _REFERENCE.fullmatch(text)) is None:
        return None
    return ImageReference(
        repository=match["repository"],
        registry=match["registry"] or DOCKER_HUB,
        tag=match["tag"] or "",
        digest=match["digest"] or "",
    )


def is_image_id(text: str) -> bool:
    """Whether `text` is a local image id, whole or shortened to at least twelve digits."""
    return _IMAGE_ID.fullmatch(text) is not None
