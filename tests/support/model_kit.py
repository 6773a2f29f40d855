"""A question to a scripted model, over a cluster with a service: what its asker gets, part by part."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cluster.analytics.sentences import Language
from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from tests.support.deployments import deployed, service_of
from tests.support.identity_builders import NOW_MS
from tests.support.messages_api import MessagesApi, Step, a_messages_api
from tests.support.web_fakes import WebWorld, a_web_world
from web.assistant.answering import Ended, Part, Question, Reference, Said, Suggested, ToolAnswered
from web.assistant.by_model import ByModel
from web.auth.call import Call, Credential, Identity
from web.server import build_app
from web.tools.arguments import Arguments
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT, Context
from web.tools.pace import Pace
from web.tools.registry import PlanNeeded, Tool, ToolRegistry, ToolResult

KEY = "sk-ant-api03-QUITE-secret-1234567890"
PLENTY = 1_000_000


def no_references(*_: object) -> tuple[Reference, ...]:
    return ()


class Probe(Arguments):
    """The arguments of a tool made for a test."""

    of: str = ""


def a_tool(name: str, run: Callable[[str], Awaitable[str]], **fields: Any) -> Tool:
    """Return a tool that reads: `run` is given its one argument."""

    async def run_it(_context: Context, _call: Call, given: Probe) -> str:
        return await run(given.of)

    return Tool(
        name=name, title=name.capitalize(), description="A probe.", input_model=Probe, output=None,
        action="container.read", run=run_it, **fields,
    )  # fmt: skip


class WatchedRegistry(ToolRegistry):
    """Keeps what was called, and whether the conversation was tainted then."""

    def __init__(self, *tools: Tool) -> None:
        super().__init__(tools or REGISTRY.tools)
        self.called: list[tuple[str, bool]] = []

    async def request(
        self,
        context: Context,
        call: Call,
        name: str,
        arguments: Mapping[str, object],
        *,
        is_tainted: bool = False,
    ) -> ToolResult | PlanNeeded:
        self.called.append((name, is_tainted))
        return await super().request(context, call, name, arguments, is_tainted=is_tainted)


@dataclass(slots=True)
class Asking:
    """A cluster, a model's API, and who asks: an operator, unless told otherwise."""

    world: WebWorld
    context: Context
    api: MessagesApi
    by: ByModel
    registry: WatchedRegistry
    parts: list[Part] = field(default_factory=list)

    def a_call_of(self, role: Role) -> Call:
        name = f"the-{role}"
        known = self.world.state.knows(name)
        principal = PrincipalId(f"us_{name}") if known else self.world.add_user(name, role)
        identity = Identity(
            principal_id=principal, name=name, role=role, credential=Credential.COOKIE, epoch=1
        )
        return Call(
            identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="browser", started_s=0.0,
            via="assistant",
        )  # fmt: skip

    def answering(
        self, text: str = "Is all well?", *, call: Call | None = None, **fields: Any
    ) -> AsyncGenerator[Part, None]:
        defaults: dict[str, Any] = {"language": Language.EN, "now_ms": NOW_MS, "tokens_left": PLENTY}
        question = Question(text=text, **{**defaults, **fields})
        return self.by.answer(self.context, call or self.a_call_of(Role.OPERATOR), question)

    async def ask(self, text: str = "Is all well?", **fields: Any) -> Ended:
        """Have a question answered; returns how that ended. The parts are kept."""
        self.parts = [part async for part in self.answering(text, **fields)]
        ends = [part for part in self.parts if isinstance(part, Ended)]
        assert ends == self.parts[-1:], self.parts
        return ends[0]

    def said(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Said))

    def answered(self) -> list[ToolAnswered]:
        return [part for part in self.parts if isinstance(part, ToolAnswered)]

    def replicas(self) -> int:
        return service_of(self.world).replicas

    def suggested(self) -> tuple[str, ...]:
        return next((part.questions for part in self.parts if isinstance(part, Suggested)), ())


@asynccontextmanager
async def asking(
    *steps: Step, tools: tuple[Tool, ...] = (), key: str = KEY, **options: Any
) -> AsyncIterator[Asking]:
    """Serve a cluster and a model that says these steps. Without `tools` there are the product's."""
    registry = WatchedRegistry(*tools)
    world = a_web_world()
    deployed(world, "nd_1", "nd_2")
    context = build_app(world.surroundings, pace=Pace(rollout_wait_s=0.01))[CONTEXT]
    async with a_messages_api(*steps) as api:
        defaults: dict[str, Any] = {"references_of": no_references, "base_url": api.base_url}
        by = ByModel(
            key=key,
            key_secret="model-key",
            model="claude-test",
            registry=registry,
            **{**defaults, **options},
        )
        yield Asking(world=world, context=context, api=api, by=by, registry=registry)
