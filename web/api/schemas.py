"""What the interface takes: bodies and query parameters. What it gives is in `web.tools.views`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from web.tools.listing import LIMIT_DEFAULT, LIMIT_MAX

_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
TokenText = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_NO_CONTROL)]
FilterText = Annotated[str, StringConstraints(max_length=256, pattern=_NO_CONTROL)]


class Schema(BaseModel):
    """Unknown fields are refused: a misspelt one would otherwise be ignored in silence."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class PageQuery(Schema):
    """Where a list goes on, and how much of it to give."""

    cursor: str | None = Field(default=None, description="next_cursor of the page before")
    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX)


class SetupBody(Schema):
    """The first administrator, with the one-time token of `tower init`."""

    token: TokenText
    name: Name
    password: Password


class LoginBody(Schema):
    """Name and password. Mode "cookie" is for browsers, "token" for programs."""

    name: Name
    password: Password
    mode: Literal["cookie", "token"] = "cookie"


class RefreshBody(Schema):
    """A program's refresh token; a browser's is in its cookie."""

    refresh_token: TokenText | None = None


class TransferBody(Schema):
    """Who is to lead; null: the voter that is furthest."""

    node_id: Reference | None = None


class DrainBody(Schema):
    """True to empty the host, false to end that."""

    draining: bool


class ContainersQuery(PageQuery):
    """Which containers."""

    node: FilterText = Field(default="", description="id or name of a host")
    project: FilterText = ""
    service: FilterText = ""
    state: FilterText = Field(default="", description="running, exited, paused, ...")
    q: FilterText = Field(default="", description="in name, image, id, project or service")


class ContainerQuery(Schema):
    """Where the container is, when several hosts have one of that name."""

    node: FilterText = ""


class RemoveContainerQuery(ContainerQuery):
    """`force` removes one that runs."""

    force: bool = False
