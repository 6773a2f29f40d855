"""What the interface takes about images, volumes, networks and Compose projects."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from web.api.schemas import FilterText, PageQuery, Reference, Schema
from web.tools.resource_needs import KEEP_REVISIONS_DEFAULT

IMAGE_CHARACTERS_MAX = 512
PLAN_CHARACTERS_MAX = 48 * 1024
NODES_MAX = 200

ImageReference = Annotated[
    str, StringConstraints(min_length=1, max_length=IMAGE_CHARACTERS_MAX, pattern=r"^[!-~]+$")
]
Nodes = Annotated[list[Reference], Field(max_length=NODES_MAX, description="ids or names; none: every host")]


class ResourcesQuery(PageQuery):
    """Which of them."""

    node: FilterText = Field(default="", description="id or name of a host")
    project: FilterText = ""
    unused: bool | None = Field(default=None, description="by any container, running or not")
    q: FilterText = Field(default="", description="in names and ids")


class SizedResourcesQuery(ResourcesQuery):
    """With `sizes` engines are asked to count, which may take seconds."""

    sizes: bool = False


class ResourceQuery(Schema):
    """Where it is, when several hosts have it."""

    node: FilterText = ""


class RemoveResourceQuery(ResourceQuery):
    """`force` removes what a service could need again; never what a container uses."""

    force: bool = False


class ProjectsQuery(PageQuery):
    """Which projects."""

    node: FilterText = Field(default="", description="id or name of a host")
    state: FilterText = Field(default="", description="running, partial or stopped")
    q: FilterText = Field(default="", description="in names of the project and its services")


class _CleanupBody(Schema):
    nodes: Nodes = Field(default_factory=list)
    plan: Annotated[str, StringConstraints(min_length=1, max_length=PLAN_CHARACTERS_MAX)] | None = Field(
        default=None, description="as the request without it answered: exactly that is removed"
    )


class ImagesCleanupBody(_CleanupBody):
    """Which unused images may go. Without `plan` nothing is removed."""

    keep_revisions: int = Field(
        default=KEEP_REVISIONS_DEFAULT, ge=1, le=20, description="whose images stay, of each service"
    )
    older_than_s: int = Field(default=0, ge=0, le=10 * 365 * 86_400)
    only_untagged: bool = False


class VolumeName(Schema):
    """One volume of one host."""

    node: Reference
    name: Reference


class VolumesCleanupBody(_CleanupBody):
    """Which volumes are to go: each is named. Without `plan` nothing is removed."""

    volumes: list[VolumeName] = Field(default_factory=list, max_length=500)


class NetworksCleanupBody(_CleanupBody):
    """Without `plan` nothing is removed."""


class PullBody(Schema):
    """Which image, and on which hosts."""

    image: ImageReference
    nodes: Nodes = Field(default_factory=list)
