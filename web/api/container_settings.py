"""Settings of containers: limits at once, the rest by making the container anew."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from cluster.model.container_access import (
    LimitChanges,
    MountedAt,
    PublishedOn,
    ReplacementChanges,
    ReplacementStep,
    path_problem,
)
from web.api.endpoint import Ask, Endpoint
from web.api.schemas import ContainerQuery, Reference, Schema
from web.auth.problems import invalid
from web.middleware.errors import problem_of
from web.middleware.routes import needs
from web.tools import container_settings
from web.tools.container_settings import LimitsChanged, RecreationPlan, SettingsView

NDJSON = "application/x-ndjson"
_MIB = 1024 * 1024
_Text = Annotated[str, StringConstraints(max_length=128 * 1024, pattern=r"^[^\x00]*$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00=]+$")]
_Place = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class LimitsBody(Schema):
    """Limits to change at once; what is left out stays. `pids` 0 takes its limit away."""

    memory_bytes: int | None = Field(default=None, ge=6 * _MIB, le=1 << 50)
    memory_reservation_bytes: int | None = Field(default=None, ge=6 * _MIB, le=1 << 50)
    cpus: float | None = Field(default=None, ge=0.01, le=4096)
    cpu_shares: int | None = Field(default=None, ge=2, le=262_144)
    pids: int | None = Field(default=None, ge=0, le=4_194_304)
    restart_policy: Literal["no", "on-failure", "unless-stopped", "always"] | None = None
    restarts_max: int = Field(default=0, ge=0, le=1000, description="of on-failure; 0: as often as it takes")


class PublishedBody(Schema):
    """A port of the container, published on one of the host; 0: the engine chooses."""

    container_port: int = Field(ge=1, le=65_535)
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    host_ip: Annotated[str, StringConstraints(max_length=45, pattern=r"^[0-9a-fA-F.:]*$")] = ""
    host_port: int = Field(default=0, ge=0, le=65_535)


class MountBody(Schema):
    """A volume, a path of the host, or memory, at a path of the container."""

    kind: Literal["volume", "bind", "tmpfs"]
    target: _Place
    source: Annotated[str, StringConstraints(max_length=4096)] = ""
    read_only: bool = False


class ChangesBody(Schema):
    """What the container made anew is to have otherwise; what is left out stays.

    In `variables` and `labels` null removes one; `ports` and `mounts` replace all there are.
    """

    image: Reference | None = None
    command: list[_Text] | None = Field(default=None, max_length=1000, description="empty: the image's own")
    variables: dict[_Name, _Text | None] = Field(default={}, max_length=1000, repr=False)
    labels: dict[_Name, _Text | None] = Field(default={}, max_length=1000)
    ports: list[PublishedBody] | None = Field(default=None, max_length=500)
    mounts: list[MountBody] | None = Field(default=None, max_length=200)


class RecreateBody(ChangesBody):
    """The changes, and the container that the plan was made for."""

    container_id: Reference


async def get_settings(ask: Ask[None, ContainerQuery]) -> SettingsView:
    return await container_settings.get_settings(
        ask.context, ask.call, ask.path["container"], node=ask.query.node
    )


async def change_limits(ask: Ask[LimitsBody, ContainerQuery]) -> LimitsChanged:
    changes = LimitChanges(**ask.body.model_dump())
    return await container_settings.change_limits(
        ask.context, ask.call, ask.path["container"], changes, node=ask.query.node
    )


async def plan(ask: Ask[ChangesBody, ContainerQuery]) -> RecreationPlan:
    return await container_settings.plan_recreation(
        ask.context, ask.call, ask.path["container"], _changes(ask.body), node=ask.query.node
    )


async def recreate(ask: Ask[RecreateBody, ContainerQuery]) -> web.StreamResponse:
    """Tell the steps as lines of JSON. Once begun it is done, whether or not anybody still listens."""
    steps = container_settings.recreate(
        ask.context,
        ask.call,
        ask.path["container"],
        _changes(ask.body),
        container_id=ask.body.container_id,
        node=ask.query.node,
    )
    # What is refused before anything is done is an answer of its own.
    step = await anext(steps, None)
    response = web.StreamResponse()
    response.content_type = NDJSON
    response.charset = "utf-8"
    response.headers["X-Accel-Buffering"] = "no"
    with suppress(ConnectionError):
        await response.prepare(ask.request)
    try:
        while step is not None:
            with suppress(ConnectionError):
                await response.write(_line(step))
            step = await anext(steps, None)
    except Exception as error:
        problem = problem_of(error, request_id=ask.call.request_id)
        with suppress(ConnectionError):
            await response.write(json.dumps({"error": problem.detail}).encode() + b"\n")
    with suppress(ConnectionError):
        await response.write_eof()
    return response


def _line(step: ReplacementStep) -> bytes:
    return json.dumps(dataclasses.asdict(step)).encode() + b"\n"


def _changes(body: ChangesBody) -> ReplacementChanges:
    """Return what the body asks for. Raises Problem."""
    for index, mount in enumerate(body.mounts or ()):
        problem = path_problem(mount.target)
        if problem:
            raise invalid(f"mounts.{index}.target", problem, value=mount.target[:200])
        if mount.kind == "bind" and path_problem(mount.source):
            raise invalid(f"mounts.{index}.source", path_problem(mount.source), value=mount.source[:200])
        if mount.kind == "volume" and not mount.source:
            raise invalid(f"mounts.{index}.source", "name the volume")
    return ReplacementChanges(
        image=body.image,
        command=None if body.command is None else tuple(body.command),
        environment=tuple(sorted(body.variables.items())),
        labels=tuple(sorted(body.labels.items())),
        ports=None if body.ports is None else tuple(PublishedOn(**port.model_dump()) for port in body.ports),
        mounts=None
        if body.mounts is None
        else tuple(MountedAt(**mount.model_dump()) for mount in body.mounts),
    )


_PROBLEMS = ("not-found", "ambiguous", "conflict", "refused", "host-unavailable")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/containers/{container}/settings",
        run=get_settings,
        access=needs("container.inspect"),
        summary="How a container is set",
        tag="containers",
        query=ContainerQuery,
        answer=SettingsView,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="PATCH",
        path="/containers/{container}/settings",
        run=change_limits,
        access=needs("container.update"),
        summary="Change what a container may use, at once",
        tag="containers",
        body=LimitsBody,
        query=ContainerQuery,
        answer=LimitsChanged,
        problems=(*_PROBLEMS, "audit-unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/containers/{container}/recreate/plan",
        run=plan,
        access=needs("container.recreate"),
        summary="What making a container anew with other settings would do",
        tag="containers",
        body=ChangesBody,
        query=ContainerQuery,
        answer=RecreationPlan,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="POST",
        path="/containers/{container}/recreate",
        run=recreate,
        access=needs("container.recreate"),
        summary="Make a container anew with other settings, and put the old one back if that fails",
        tag="containers",
        body=RecreateBody,
        query=ContainerQuery,
        media_types=(NDJSON,),
        problems=(*_PROBLEMS, "audit-unavailable"),
    ),
)
