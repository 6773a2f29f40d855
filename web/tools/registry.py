"""The registry of tools: what a program may call by name, with typed input, under its caller's role.

A tool is one use case with a name, a description and the annotations clients look at. Whoever calls it (MCP,
the assistant, a test) goes through `ToolRegistry.call`, and so through the authority like every REST request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from cluster.model.plans import Plan
from cluster.rbac import ACTIONS
from web.auth.call import Call
from web.auth.problems import Problem
from web.middleware.errors import problem_of
from web.tools.answer_size import as_text, bounded, bounded_text
from web.tools.context import Context
from web.tools.planning import PlanMade, make_plan, plan_made, why_asked
from web.tools.portable_schema import portable
from web.tools.previewing import Preview, preview_by_name
from web.tools.toolsets import why_outside
from web.tools.untrusted import all_seen, seen
from web.tools.validation import problem_of_validation
from web.tools.withheld import withhold, withhold_all


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool. `output` is the dataclass that `run` returns; None: it returns text.

    `action` is what the caller must be allowed, on `resource_of` the arguments. A tool that does one of
    several things, as its arguments say, names the others in `more_actions`: one of them is enough to see it,
    and the use case asks for the one that is meant. `preview` says what a call would come to, and refuses
    what `run` would; without one what is known from `resource_of` is told. `run_previewed` does what was
    previewed and refuses what is not that any more; without it `run` does. `is_destructive` and
    `is_idempotent` say something only of tools that change things; `is_open_world` of those that show or
    fetch what others wrote.
    """

    name: str
    title: str
    description: str
    input_model: type[BaseModel]
    output: type[Any] | None
    action: str
    run: Callable[[Context, Call, Any], Awaitable[object]]
    resource_of: Callable[[Any], str] | None = None
    preview: Callable[[Context, Call, Any], Awaitable[Preview]] | None = None
    run_previewed: Callable[[Context, Call, Any, Preview], Awaitable[object]] | None = None
    more_actions: tuple[str, ...] = ()
    is_read_only: bool = True
    is_destructive: bool = False
    is_idempotent: bool = True
    is_open_world: bool = False

    def __post_init__(self) -> None:
        for action in self.actions:
            assert action in ACTIONS, action
        assert self.resource_of is None or not self.more_actions, (
            "the use case asks for the one that is meant"
        )

    @property
    def actions(self) -> tuple[str, ...]:
        """What it may do."""
        return (self.action, *self.more_actions)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, without references and null types: every client reads that."""
        return portable(self.input_model.model_json_schema(mode="validation"))

    @cached_property
    def output_schema(self) -> dict[str, Any] | None:
        """JSON Schema of the result, None for text. What is null in `output` is left out of results.

        None too for what changes something: a program may be given a plan instead, and a schema that allows
        either says nothing and costs its readers as much as one that says something.
        """
        if self.output is None or not self.is_read_only:
            return None
        return portable(self._outputs.json_schema(mode="serialization"))

    @cached_property
    def _outputs(self) -> TypeAdapter[Any]:
        output: Any = self.output
        return TypeAdapter(output)

    def subject_of(self, given: BaseModel) -> str:
        """What a call with these arguments is done to, as far as they say."""
        return ACTIONS[self.action].resource.value if self.resource_of is None else self.resource_of(given)

    async def foresee(self, context: Context, call: Call, given: BaseModel) -> Preview:
        """Return what a call would come to. Raises Problem for what the caller may not, and what `preview`
        refuses."""
        if self.preview is not None:
            return await self.preview(context, call, given)
        return await preview_by_name(
            context, call, action=self.action, resource=self.subject_of(given), title=self.title
        )

    async def carry_out(self, context: Context, call: Call, given: BaseModel, preview: Preview) -> ToolResult:
        """Do what was previewed. Raises what the use case raises."""
        if self.run_previewed is not None:
            return self.to_result(await self.run_previewed(context, call, given, preview))
        return self.to_result(await self.run(context, call, given))

    def to_result(self, returned: object) -> ToolResult:
        """Return what `run` returned as a caller gets it: without secrets and what hides, not too long."""
        if isinstance(returned, str):
            return ToolResult(text=bounded_text(withhold(seen(returned))), structured=None)
        return result_of(self._outputs, returned)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gives: JSON values and the same as text, or text alone."""

    text: str
    structured: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNeeded:
    """A call that is kept as a plan: what its caller is told, and the plan itself."""

    plan: Plan
    result: ToolResult


def result_of(adapter: TypeAdapter[Any], returned: object) -> ToolResult:
    """Return a value as a caller gets it: as JSON, and as text that says the same.

    Without secrets, not too long, and without characters that nobody sees: names, labels and reasons are
    strangers' words too.
    """
    told = all_seen(adapter.dump_python(returned, mode="json", exclude_none=True))
    structured = bounded(withhold_all(told))
    return ToolResult(text=as_text(structured), structured=structured)


_PLANS_MADE = TypeAdapter(PlanMade)


class ToolRegistry:
    """The tools there are, by name."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Return every tool, by name."""
        return tuple(self._tools[name] for name in sorted(self._tools))

    def get(self, name: str) -> Tool | None:
        """Return the tool of that name."""
        return self._tools.get(name)

    def visible_to(self, context: Context, call: Call) -> tuple[Tool, ...]:
        """Return the tools the caller may use, by name: as far as address and token bound them."""
        return tuple(
            tool
            for tool in self.tools
            if why_outside(call.tool_bounds, tool.name, is_read_only=tool.is_read_only) is None
            and self._allowed(context, call, tool) is not None
        )

    @staticmethod
    def _allowed(context: Context, call: Call, tool: Tool) -> str | None:
        """The first action of a tool that the caller may do."""
        for action in tool.actions:
            if context.authority.could(call, action).allowed:
                return action
        return None

    async def call(
        self,
        context: Context,
        call: Call,
        name: str,
        arguments: Mapping[str, object],
        *,
        is_tainted: bool = False,
    ) -> ToolResult:
        """Run a tool and return its result, or make a plan of it and return that.

        As `request`, for callers that cannot ask the person themselves.
        """
        answer = await self.request(context, call, name, arguments, is_tainted=is_tainted)
        return answer.result if isinstance(answer, PlanNeeded) else answer

    async def request(
        self,
        context: Context,
        call: Call,
        name: str,
        arguments: Mapping[str, object],
        *,
        is_tainted: bool = False,
    ) -> ToolResult | PlanNeeded:
        """Run a tool and return its result, or keep the call as a plan where a person has to approve it.

        `is_tainted`: the conversation has read what containers wrote, so that it may be they who ask.

        Raises Problem and nothing else: what the caller may not do, what is wrong with the arguments, what
        went wrong on the way. A refusal is recorded.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(tool.name for tool in self.visible_to(context, call))
            raise Problem("not-found", f"there is no tool {name[:80]!r}", hint=f"there are {known}")
        try:
            action = self._allowed(context, call, tool) or tool.action
            outside = why_outside(call.tool_bounds, tool.name, is_read_only=tool.is_read_only)
            if outside is not None:
                await context.authority.refuse(call, action, ACTIONS[action].resource.value, outside)
            await context.authority.admit(call, action, ACTIONS[action].resource.value)
            try:
                given = tool.input_model.model_validate(dict(arguments))
            except ValidationError as error:
                known_fields = tuple(tool.input_model.model_fields)
                raise problem_of_validation(error, known=known_fields) from error
            if tool.resource_of is not None:
                await context.authority.admit(call, tool.action, tool.resource_of(given))
            why = why_asked(context, call, tool, given, tool.subject_of(given), is_tainted=is_tainted)
            if why is not None:
                plan = await make_plan(context, call, tool, given, why)
                return PlanNeeded(plan=plan, result=result_of(_PLANS_MADE, plan_made(plan)))
            return tool.to_result(await tool.run(context, call, given))
        except Problem:
            raise
        except Exception as error:
            raise problem_of(error, request_id=call.request_id) from error
