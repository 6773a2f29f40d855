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

from cluster.rbac import ACTIONS
from web.auth.call import Call
from web.auth.problems import Problem
from web.middleware.errors import problem_of
from web.tools.answer_size import as_text, bounded, bounded_text
from web.tools.context import Context
from web.tools.portable_schema import portable
from web.tools.validation import problem_of_validation
from web.tools.withheld import withhold, withhold_all


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool. `output` is the dataclass that `run` returns; None: it returns text.

    `action` is what the caller must be allowed, on `resource_of` the arguments. A tool that does one of
    several things, as its arguments say, names the others in `more_actions`: one of them is enough to see it,
    and the use case asks for the one that is meant. `is_destructive` and `is_idempotent` say something only
    of tools that change things; `is_open_world` of those that show or fetch what others wrote.
    """

    name: str
    title: str
    description: str
    input_model: type[BaseModel]
    output: type[Any] | None
    action: str
    run: Callable[[Context, Call, Any], Awaitable[object]]
    resource_of: Callable[[Any], str] | None = None
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
        """JSON Schema of the result, None for text. What is null in `output` is left out of results."""
        if self.output is None:
            return None
        return portable(self._outputs.json_schema(mode="serialization"))

    @cached_property
    def _outputs(self) -> TypeAdapter[Any]:
        output: Any = self.output
        return TypeAdapter(output)

    def to_result(self, returned: object) -> ToolResult:
        """Return what `run` returned as a caller gets it: without secrets, and not too long."""
        if isinstance(returned, str):
            return ToolResult(text=bounded_text(withhold(returned)), structured=None)
        structured = bounded(withhold_all(self._outputs.dump_python(returned, mode="json", exclude_none=True)))
        return ToolResult(text=as_text(structured), structured=structured)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gives: JSON values and the same as text, or text alone."""

    text: str
    structured: dict[str, Any] | None


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
        """Return the tools the caller may use, by name."""
        return tuple(tool for tool in self.tools if self._allowed(context, call, tool) is not None)

    @staticmethod
    def _allowed(context: Context, call: Call, tool: Tool) -> str | None:
        """The first action of a tool that the caller may do."""
        for action in tool.actions:
            if context.authority.could(call, action).allowed:
                return action
        return None

    async def call(
        self, context: Context, call: Call, name: str, arguments: Mapping[str, object]
    ) -> ToolResult:
        """Run a tool and return its result.

        Raises Problem and nothing else: what the caller may not do, what is wrong with the arguments, what
        went wrong on the way. A refusal is recorded.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(tool.name for tool in self.visible_to(context, call))
            raise Problem("not-found", f"there is no tool {name[:80]!r}", hint=f"there are {known}")
        try:
            action = self._allowed(context, call, tool) or tool.action
            await context.authority.admit(call, action, ACTIONS[action].resource.value)
            try:
                given = tool.input_model.model_validate(dict(arguments))
            except ValidationError as error:
                known_fields = tuple(tool.input_model.model_fields)
                raise problem_of_validation(error, known=known_fields) from error
            if tool.resource_of is not None:
                await context.authority.admit(call, tool.action, tool.resource_of(given))
            return tool.to_result(await tool.run(context, call, given))
        except Problem:
            raise
        except Exception as error:
            raise problem_of(error, request_id=call.request_id) from error
