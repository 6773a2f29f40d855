"""The tools for secrets, configs and registry logins.

No value of a secret passes through a tool, in either direction: whatever calls tools keeps its conversations.
A secret is made here without anybody seeing it, or put with the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cluster.model.secrets import FileKind
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.arguments import Arguments, Short
from web.tools.context import Context
from web.tools.registries import list_registries
from web.tools.registry import Tool
from web.tools.secrets import (
    GENERATED_BYTES_MAX,
    GENERATED_BYTES_MIN,
    GivenContent,
    get_config,
    list_files,
    put_file,
    resource_of,
)
from web.tools.times import moment
from web.tools.untrusted import cleaned, marked
from web.tools.views import StoredFileView
from web.tools.withheld import WITHHELD

MARK_BYTES = 6
CONTENT_CHARACTERS_MAX = 40_000
NAMES_MAX = 200

Name = Annotated[str, StringConstraints(min_length=1, max_length=63)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFileLine:
    """One secret or config, in short."""

    name: str
    environment: str | None
    version: int
    size_bytes: int
    put_at: str
    put_by: str
    used_by: tuple[str, ...] | None


def _line(view: StoredFileView) -> StoredFileLine:
    newest = view.versions[0]
    users = [f"{user} (version {version.version})" for version in view.versions for user in version.used_by]
    return StoredFileLine(
        name=view.name,
        environment=view.environment or None,
        version=newest.version,
        size_bytes=newest.size_bytes,
        put_at=moment(newest.created_at_ms),
        put_by=newest.created_by,
        used_by=tuple(users) or None,
    )


class ListSecrets(Arguments):
    """Which kind."""

    kind: Literal["secret", "config"] = Field(default="secret", description="secret or config")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFileLines:
    """By name and environment; `more` is how many were left out."""

    items: tuple[StoredFileLine, ...]
    more: int | None


async def _list(context: Context, call: Call, given: ListSecrets) -> StoredFileLines:
    found = sorted(
        await list_files(context, call, FileKind(given.kind)), key=lambda view: (view.name, view.environment)
    )
    return StoredFileLines(
        items=tuple(_line(view) for view in found[:NAMES_MAX]), more=max(0, len(found) - NAMES_MAX) or None
    )


class GenerateSecret(Arguments):
    """What it is called, and how long it is to be."""

    name: Name
    environment: Short = Field(default="", description="for this environment alone; empty for all")
    bytes: int = Field(default=32, ge=GENERATED_BYTES_MIN, le=GENERATED_BYTES_MAX)


async def _generate(context: Context, call: Call, given: GenerateSecret) -> StoredFileLine:
    return _line(
        await put_file(
            context,
            call,
            FileKind.SECRET,
            given.name,
            environment=given.environment,
            given=GivenContent(generate_bytes=given.bytes),
        )
    )


class GetConfig(Arguments):
    """Which config."""

    name: Name
    environment: Short = ""
    version: int | None = Field(default=None, ge=1, description="the newest when left out")


async def _get_config(context: Context, call: Call, given: GetConfig) -> str:
    view = await get_config(context, call, given.name, environment=given.environment, version=given.version)
    what = f"config {view.name} version {view.version}"
    if view.value is None:
        return f"{what} has {view.size_bytes} bytes that are no text."
    text = "\n".join(map(cleaned, view.value[:CONTENT_CHARACTERS_MAX].split("\n")))
    if len(view.value) > CONTENT_CHARACTERS_MAX:
        text += f"\n[{len(view.value) - CONTENT_CHARACTERS_MAX} more characters left out]"
    return marked(text, source=what, mark=context.surroundings.ids.token_bytes(MARK_BYTES).hex())


class PutConfig(Arguments):
    """What it is called, and what is in it."""

    name: Name
    content: str = Field(min_length=1, max_length=256 * 1024, description="the whole file")
    environment: Short = ""


async def _put_config(context: Context, call: Call, given: PutConfig) -> StoredFileLine:
    if WITHHELD in given.content:
        # A program was shown this instead of a secret, and would now put it in the secret's place.
        raise invalid(
            "content",
            f"it has {WITHHELD} where a secret was left out when it was read",
            hint="put it with `tower config put` on the command line",
        )
    return _line(
        await put_file(
            context,
            call,
            FileKind.CONFIG,
            given.name,
            environment=given.environment,
            given=GivenContent(value=given.content),
        )
    )


class ListRegistries(Arguments):
    """None are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLine:
    """One login, without its password."""

    registry: str
    username: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLines:
    """The logins by registry."""

    registries: tuple[RegistryLine, ...]


async def _list_registries(context: Context, call: Call, _: ListRegistries) -> RegistryLines:
    return RegistryLines(
        registries=tuple(
            RegistryLine(registry=view.registry, username=view.username, since=moment(view.changed_at_ms))
            for view in await list_registries(context, call)
        )
    )


SECRET_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="list-secrets",
        title="List secrets or configs",
        description="List the secrets (or with kind=config the configs) that Compose files can name, with"
        " version and the services that use them. Values of secrets are shown to nobody.",
        input_model=ListSecrets,
        output=StoredFileLines,
        action="secret.read",
        run=_list,
    ),
    Tool(
        name="generate-secret",
        title="Make a random secret",
        description="Keep a new version of a secret: random bytes as text that nobody sees. Services get it"
        " when they are deployed the next time. A value that exists already is put with `tower secret put`"
        " on the command line, never through a tool.",
        input_model=GenerateSecret,
        output=StoredFileLine,
        action="secret.put",
        run=_generate,
        resource_of=lambda given: resource_of(FileKind.SECRET, given.name, given.environment),
        is_read_only=False,
        is_idempotent=False,
    ),
    Tool(
        name="get-config",
        title="Read a config",
        description="Return the content of a config, the newest version unless another is asked for.",
        input_model=GetConfig,
        output=None,
        action="config.inspect",
        run=_get_config,
        resource_of=lambda given: resource_of(FileKind.CONFIG, given.name, given.environment),
        is_open_world=True,
    ),
    Tool(
        name="put-config",
        title="Write a config",
        description="Keep a new version of a config. Services get it when they are deployed the next time."
        " Not for passwords or keys: everybody with role operator can read configs.",
        input_model=PutConfig,
        output=StoredFileLine,
        action="config.put",
        run=_put_config,
        resource_of=lambda given: resource_of(FileKind.CONFIG, given.name, given.environment),
        is_read_only=False,
        is_idempotent=False,
    ),
    Tool(
        name="list-registries",
        title="List registry logins",
        description="List the registries that hosts log in to for pulling images, and as whom.",
        input_model=ListRegistries,
        output=RegistryLines,
        action="registry.read",
        run=_list_registries,
    ),
)
