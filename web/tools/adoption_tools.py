"""The tool that makes running containers services."""

from __future__ import annotations

from pydantic import Field

from web.auth.call import Call
from web.tools.adopting import ADOPT, AdoptionView, AdoptRequest, adopt
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.registry import Tool


class AdoptContainers(Arguments):
    """Which, and whether only to look."""

    names: list[Named] = Field(min_length=1, max_length=16, description="Compose projects, or containers")
    node: Short = Field(default="", description="only on this host")
    routes: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="host:port by service; '' for the only one"
    )
    dry_run: bool = True
    force: bool = Field(default=False, description="accept the losses that were told")


async def _adopt(context: Context, call: Call, given: AdoptContainers) -> AdoptionView:
    request = AdoptRequest(
        names=tuple(given.names),
        node=given.node,
        routes=given.routes,
        is_dry_run=given.dry_run,
        is_forced=given.force,
    )
    return await adopt(context, call, request)


ADOPTION_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="adopt-containers",
        title="Adopt running containers",
        description="Make running Compose projects and containers services of the cluster without stopping or"
        " starting anything. Only tells what would become of what unless dry_run is false.",
        input_model=AdoptContainers,
        output=AdoptionView,
        action=ADOPT,
        run=_adopt,
        is_read_only=False,
        is_open_world=True,
    ),
)
