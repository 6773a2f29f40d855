"""The tools for one container, whoever made it, and for the images it is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from cluster.model.inventory import ContainerAction
from web.auth.call import Call
from web.tools.arguments import Arguments, Cursor, Named, Short
from web.tools.containers import ACTION_OF, act_on_container, get_container
from web.tools.context import Context
from web.tools.registry import Tool
from web.tools.resource_views import ImageView
from web.tools.resources import ResourceFilter, list_images
from web.tools.times import moment
from web.tools.untrusted import cleaned
from web.tools.views import ContainerDetail

_MIB = 1024 * 1024
_USERS_SHOWN = 10
_LABELS_SHOWN = 40


class OneContainer(Arguments):
    """Which container."""

    container: Named = Field(description="name, id or start of an id")
    node: Short = Field(default="", description="if several have one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One container. What its engine says is there for those who may inspect; values of environment variables
    are shown to nobody. `can` are the tools that the caller may use on it."""

    name: str
    id: str
    node: str
    image: str
    state: str
    status: str
    health: str | None
    project: str | None
    service: str | None
    revision: int | None
    is_managed: bool
    created: str
    started: str | None
    finished: str | None
    exit_code: int | None
    was_out_of_memory: bool | None
    error: str | None
    restarts: int | None
    restart_policy: str | None
    cpu_percent: float | None
    cpu_limit: float | None
    memory_mib: int | None
    memory_limit_mib: int | None
    ports: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    mounts: tuple[str, ...] | None
    environment: tuple[str, ...] | None
    labels: Mapping[str, str] | None
    can: tuple[str, ...] | None


async def _get_container(context: Context, call: Call, given: OneContainer) -> Inspected:
    view = await get_container(context, call, given.container, node=given.node)
    detail: Mapping[str, object] = view.detail or {}
    return Inspected(
        name=view.name,
        id=view.id[:12],
        node=view.node_name,
        image=view.image,
        state=view.state,
        status=view.status,
        health=view.health if view.health not in ("", "none") else None,
        project=view.project or None,
        service=view.service or None,
        revision=view.revision or None,
        is_managed=view.is_managed,
        created=moment(view.created_at_ms),
        started=_moment(detail.get("started_at_ms")),
        finished=_moment(detail.get("finished_at_ms")),
        exit_code=_whole(detail.get("exit_code")) if view.state != "running" else None,
        was_out_of_memory=True if detail.get("oom_killed") else None,
        error=_words(detail.get("error")),
        restarts=_whole(detail.get("restart_count")),
        restart_policy=_words(detail.get("restart_policy")),
        cpu_percent=view.cpu_percent,
        cpu_limit=_number(detail.get("cpu_limit")),
        memory_mib=_mib(view.memory_bytes),
        memory_limit_mib=_mib(view.memory_limit_bytes),
        ports=tuple(
            f"{port.host_port or 'not published'}->{port.container_port}/{port.protocol}"
            for port in view.ports
        )
        or None,
        networks=tuple(
            f"{each.get('name')} {each.get('ip_address') or ''}".rstrip()
            for each in _objects(detail.get("networks"))
        )
        or None,
        mounts=tuple(map(_mount, _objects(detail.get("mounts")))) or None,
        environment=_texts(detail.get("environment")) or None,
        labels={cleaned(key): cleaned(text) for key, text in sorted(view.labels.items())[:_LABELS_SHOWN]}
        or None,
        can=_tools(view) or None,
    )


def _tools(view: ContainerDetail) -> tuple[str, ...]:
    verbs = (ContainerAction.START, ContainerAction.STOP, ContainerAction.RESTART)
    return tuple(f"{verb.value}-container" for verb in verbs if ACTION_OF[verb] in view.can)


def _mount(mount: Mapping[str, object]) -> str:
    suffix = " (read-only)" if mount.get("read_only") else ""
    return cleaned(f"{mount.get('kind')} {mount.get('source')} -> {mount.get('target')}{suffix}")


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(cleaned(str(each)) for each in value) if isinstance(value, list | tuple) else ()


def _words(value: object) -> str | None:
    return cleaned(value) if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(value: object) -> str | None:
    return moment(value) if isinstance(value, int) and value > 0 else None


def _mib(size_bytes: int | None) -> int | None:
    return None if size_bytes is None else round(size_bytes / _MIB)


# ---- acting


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedOn:
    """What was done, and what happens by itself."""

    container: str
    node: str
    done: str
    note: str | None
    next: str


def _acting(action: ContainerAction) -> Callable[[Context, Call, OneContainer], Awaitable[ActedOn]]:
    async def run(context: Context, call: Call, given: OneContainer) -> ActedOn:
        acted = await act_on_container(context, call, given.container, action, node=given.node)
        return ActedOn(
            container=acted.name,
            node=acted.node_name,
            done=action.value,
            note=acted.note or None,
            next=f"call get-container with container={acted.name} and node={acted.node_name}",
        )

    return run


def _acting_tool(action: ContainerAction, title: str, description: str, *, is_idempotent: bool) -> Tool:
    return Tool(
        name=f"{action.value}-container",
        title=title,
        description=description,
        input_model=OneContainer,
        output=ActedOn,
        action=ACTION_OF[action],
        run=_acting(action),
        is_read_only=False,
        is_destructive=action is not ContainerAction.START,
        is_idempotent=is_idempotent,
    )


# ---- images


class ListImages(Arguments):
    """Which images; everything may be left out."""

    node: Short = ""
    text: Short = Field(default="", description="part of a name or id")
    unused: bool = Field(default=False, description="only those no container uses")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: Cursor = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLine:
    """One image of one host. `removable` says why cleaning up may take it, `kept` why not."""

    name: str
    id: str
    node: str
    size_mib: int
    created: str
    used_by: tuple[str, ...] | None
    kept: str | None
    removable: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLines:
    """Images by host and name."""

    images: tuple[ImageLine, ...]
    next_cursor: str | None
    unreachable: tuple[str, ...] | None


async def _list_images(context: Context, call: Call, given: ListImages) -> ImageLines:
    wanted = ResourceFilter(node=given.node, text=given.text, unused=True if given.unused else None)
    page = await list_images(context, call, wanted, cursor=given.cursor, limit=given.limit, with_sizes=False)
    return ImageLines(
        images=tuple(map(_image, page.items)),
        next_cursor=page.next_cursor,
        unreachable=tuple(f"{each.node_name}: {each.reason}" for each in page.problems) or None,
    )


def _image(view: ImageView) -> ImageLine:
    return ImageLine(
        name=view.name,
        id=view.id.removeprefix("sha256:")[:12],
        node=view.node_name,
        size_mib=round(view.size_bytes / _MIB),
        created=moment(view.created_at_ms),
        used_by=tuple(user.name for user in view.users[:_USERS_SHOWN]) or None,
        kept=None if view.may_go else view.why,
        removable=view.why if view.may_go else None,
    )


CONTAINER_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get-container",
        title="One container",
        description="Say how one container is made and does: state, exit code, restarts, limits, mounts,"
        " networks, names of its environment variables. For what it wrote use get-container-logs.",
        input_model=OneContainer,
        output=Inspected,
        action="container.read",
        run=_get_container,
        is_open_world=True,
    ),
    _acting_tool(
        ContainerAction.RESTART,
        "Restart a container",
        "Stop and start one container. Whoever uses it waits meanwhile: for a service use restart-service,"
        " which loses no requests.",
        is_idempotent=False,
    ),
    _acting_tool(
        ContainerAction.START,
        "Start a container",
        "Start a container that is stopped.",
        is_idempotent=True,
    ),
    _acting_tool(
        ContainerAction.STOP,
        "Stop a container",
        "Stop a container; it stays and can be started again. A service brings its replicas back: for those"
        " use scale-service.",
        is_idempotent=True,
    ),
    Tool(
        name="list-images",
        title="List images",
        description="List the images of every host with size, who uses them, and whether cleaning up may take"
        " them.",
        input_model=ListImages,
        output=ImageLines,
        action="image.read",
        run=_list_images,
    ),
)
