"""A server with everything that the conformance suite asks for by name: what the bridge is tried with.

Names, texts and schemas are the suite's. The answers are values where they can be; what asks the client
back, over either era of the protocol, is a function.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ToolsListChanged,
)

NAME = "everything"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

Context = ServerRequestContext[Any, Any]
Answer = types.CallToolResult | types.InputRequiredResult
Tool = Callable[[Context, types.CallToolRequestParams], Awaitable[Answer]]

_BUS = InMemorySubscriptionBus()


class Events(EventStore):
    """What was sent on each stream, so that a client that comes back hears what it missed."""

    def __init__(self) -> None:
        self._sent: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._sent.append((stream_id, message))
        return str(len(self._sent))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        last = int(last_event_id)
        if last > len(self._sent):
            return None
        stream_id = self._sent[last - 1][0]
        for number, (of, message) in enumerate(self._sent[last:], start=last + 1):
            if of == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


# ---- contents


def a_text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def an_embedded(uri: str, text: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    resource = types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return types.EmbeddedResource(type="resource", resource=resource)


def saying(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[a_text(text)])


AN_IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")
CONTENTS: dict[str, list[types.ContentBlock]] = {
    "test_simple_text": [a_text("This is a simple text response for testing.")],
    "test_image_content": [AN_IMAGE],
    "test_audio_content": [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")],
    "test_embedded_resource": [
        an_embedded("test://embedded-resource", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        a_text("Multiple content types test:"),
        AN_IMAGE,
        an_embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ],
    "test_x_mcp_header": [a_text("The header and the argument agree.")],
    "json_schema_2020_12_tool": [a_text("json_schema_2020_12_tool")],
}


# ---- tools that tell or ask on their own stream


async def log_while_working(ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
    return saying("Tool with logging executed successfully")


async def report_progress(ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
    return saying(str((ctx.meta or {}).get("progress_token", 0)))


async def close_the_stream(ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    """The answer comes when the client asks for what it missed."""
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
        await asyncio.sleep(0)
    return saying("Reconnection test completed")


async def fail(_ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    words = "This tool intentionally returns an error for testing"
    return types.CallToolResult(content=[a_text(words)], is_error=True)


async def sample(ctx: Context, params: types.CallToolRequestParams) -> Answer:
    prompt = str((params.arguments or {}).get("prompt", ""))
    result = await ctx.session.create_message(
        messages=[types.SamplingMessage(role="user", content=a_text(prompt))],
        max_tokens=100,
        related_request_id=ctx.request_id,
    )
    said = result.content.text if isinstance(result.content, types.TextContent) else "nothing"
    return saying(f"LLM response: {said}")


def eliciting(schema: types.ElicitRequestedSchema) -> Tool:
    async def elicit(ctx: Context, params: types.CallToolRequestParams) -> Answer:
        message = str((params.arguments or {}).get("message", "Please provide user information"))
        answer = await ctx.session.elicit_form(message, schema, ctx.request_id)
        return saying(f"User response: action={answer.action}, content={json.dumps(answer.content or {})}")

    return elicit


async def need_sampling(ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool requires the client 'sampling' capability",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return saying("Client declared sampling capability; proceeding.")


async def change_tools(_ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    await _BUS.publish(ToolsListChanged())
    return saying("tool list changed")


async def change_prompts(_ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    await _BUS.publish(PromptsListChanged())
    return saying("prompt list changed")


def an_object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


TEXT = {"type": "string"}
THREE = ["active", "inactive", "pending"]
DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": THREE, "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
ENUMS = an_object(
    untitledSingle={"type": "string", "enum": THREE},
    titledSingle={
        "type": "string",
        "oneOf": [{"const": each, "title": each.title()} for each in ("low", "medium", "high")],
    },
    untitledMulti={"type": "array", "items": {"type": "string", "enum": ["read", "write", "execute"]}},
    titledMulti={
        "type": "array",
        "items": {"anyOf": [{"const": each, "title": each.title()} for each in ("feature", "bug", "docs")]},
    },
    legacyEnum={
        "type": "string",
        "enum": ["small", "medium", "large"],
        "enumNames": ["Small Size", "Medium Size", "Large Size"],
    },
)


# ---- tools that answer with a request of their own (2026-07-28)


def a_form(message: str, **properties: dict[str, Any]) -> types.ElicitRequest:
    params = types.ElicitRequestFormParams(message=message, requested_schema=an_object(**properties))
    return types.ElicitRequest(params=params)


def a_sampling(text: str) -> types.CreateMessageRequest:
    messages = [types.SamplingMessage(role="user", content=a_text(text))]
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=messages, max_tokens=100)
    )


NAME_FORM = a_form("What is your name?", name=TEXT)
CONFIRM_FORM = a_form("Please confirm", ok={"type": "boolean"})


def requiring(state: str | None = None, **requests: types.InputRequest) -> Tool:
    """A tool that is done once it has an answer to each of its requests, with the state it gave."""

    async def ask(ctx: Context, params: types.CallToolRequestParams) -> Answer:
        answers = params.input_responses or {}
        if set(requests) <= set(answers) and params.request_state == state:
            return saying("state-ok: " + ", ".join(map(said_in, answers.values())))
        return types.InputRequiredResult(input_requests=requests, request_state=state)

    return ask


def said_in(answer: types.InputResponse) -> str:
    if isinstance(answer, types.ElicitResult):
        return ", ".join(map(str, (answer.content or {}).values()))
    if isinstance(answer, types.CreateMessageResult) and isinstance(answer.content, types.TextContent):
        return answer.content.text
    return str(len(answer.roots)) if isinstance(answer, types.ListRootsResult) else "?"


async def ask_twice(_ctx: Context, params: types.CallToolRequestParams) -> Answer:
    """Two rounds: the second knows what the first was told. Without its answer a round begins anew."""
    state = json.loads(params.request_state or '{"round": 0}')
    answers = params.input_responses or {}
    if state["round"] == 1 and "step1" in answers:
        known = json.dumps({"round": 2, "name": said_in(answers["step1"])})
        form = a_form("Step 2: What is your favorite color?", color=TEXT)
        return types.InputRequiredResult(input_requests={"step2": form}, request_state=known)
    if state["round"] == 2 and "step2" in answers:
        return saying(f"{state['name']} likes {said_in(answers['step2'])}.")
    form = a_form("Step 1: What is your name?", name=TEXT)
    return types.InputRequiredResult(input_requests={"step1": form}, request_state=json.dumps({"round": 1}))


async def confirm_a_sealed_state(_ctx: Context, params: types.CallToolRequestParams) -> Answer:
    if params.request_state is not None:
        return saying(f"state-ok: {params.request_state}")
    return types.InputRequiredResult(input_requests={"confirm": CONFIRM_FORM}, request_state="round-1")


async def ask_what_the_client_can(ctx: Context, _params: types.CallToolRequestParams) -> Answer:
    capabilities = ctx.session.client_capabilities
    requests: dict[str, types.InputRequest] = {}
    if capabilities is None or capabilities.sampling is not None:
        requests["sample"] = a_sampling("Say hello")
    if capabilities is None or capabilities.elicitation is not None:
        requests["ask"] = NAME_FORM
    return types.InputRequiredResult(input_requests=requests, request_state="capability-gated")


ROOTS = types.ListRootsRequest()
TOOLS: dict[str, Tool] = {
    "test_tool_with_logging": log_while_working,
    "test_logging_tool": log_while_working,
    "test_tool_with_progress": report_progress,
    "test_reconnection": close_the_stream,
    "test_error_handling": fail,
    "test_sampling": sample,
    "test_elicitation": eliciting(an_object(response=TEXT)),
    "test_elicitation_sep1034_defaults": eliciting(DEFAULTS),
    "test_elicitation_sep1330_enums": eliciting(ENUMS),
    "test_missing_capability": need_sampling,
    "test_trigger_tool_change": change_tools,
    "test_trigger_prompt_change": change_prompts,
    "test_input_required_result_elicitation": requiring(user_name=NAME_FORM),
    "test_streaming_elicitation": requiring(user_name=NAME_FORM),
    "test_input_required_result_sampling": requiring(
        capital_question=a_sampling("What is the capital of France?")
    ),
    "test_input_required_result_list_roots": requiring(client_roots=ROOTS),
    "test_input_required_result_request_state": requiring("nonce", confirm=CONFIRM_FORM),
    "test_input_required_result_multiple_inputs": requiring(
        "multiple", user_name=NAME_FORM, greeting=a_sampling("Generate a greeting"), client_roots=ROOTS
    ),
    "test_input_required_result_multi_round": ask_twice,
    "test_input_required_result_tampered_state": confirm_a_sealed_state,
    "test_input_required_result_capabilities": ask_what_the_client_can,
}
EVERY_KEYWORD: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "json_schema_2020_12_tool": EVERY_KEYWORD,
    "test_x_mcp_header": {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    },
    "test_sampling": an_object(prompt=TEXT),
    "test_elicitation": an_object(message=TEXT),
}


def schema_of(name: str) -> dict[str, Any]:
    return SCHEMAS.get(name, {"type": "object", "properties": {}})


async def list_tools(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(
        tools=[
            types.Tool(name=name, description=name.replace("_", " "), input_schema=schema_of(name))
            for name in (*CONTENTS, *TOOLS)
        ]
    )


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Answer:
    if params.name in CONTENTS:
        return types.CallToolResult(content=CONTENTS[params.name])
    tool = TOOLS.get(params.name)
    if tool is None:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
    return await tool(ctx, params)


# ---- resources

BINARY, TEMPLATE = "test://static-binary", "test://template/{id}/data"
RESOURCES = {
    "test://static-text": "This is the content of the static text resource.",
    "test://watched-resource": "Watched resource content",
}


async def list_resources(
    _ctx: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[types.Resource(uri=uri, name=uri.rpartition("/")[2]) for uri in (*RESOURCES, BINARY)]
    )


async def list_templates(
    _ctx: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(uri_template=TEMPLATE, name="template", mime_type="application/json")
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(_ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    before, after = TEMPLATE.split("{id}")
    if uri == BINARY:
        blob = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
        return types.ReadResourceResult(contents=[blob])
    if uri in RESOURCES:
        text = RESOURCES[uri]
    elif uri.startswith(before) and uri.endswith(after):
        number = uri[len(before) : -len(after)]
        text = json.dumps({"id": number, "templateTest": True, "data": f"Data for ID: {number}"})
    else:
        raise MCPError(code=types.INVALID_PARAMS, message="Unknown resource", data={"uri": uri})
    contents = types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)
    return types.ReadResourceResult(contents=[contents])


async def accept(_ctx: Context, _params: Any) -> types.EmptyResult:
    return types.EmptyResult()


# ---- prompts

ASKING_PROMPT = "test_input_required_result_prompt"
PROMPTS: dict[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    ASKING_PROMPT: (),
}


async def list_prompts(
    _ctx: Context, _params: types.PaginatedRequestParams | None
) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                description=name.replace("_", " "),
                arguments=[types.PromptArgument(name=each, required=True) for each in arguments],
            )
            for name, arguments in PROMPTS.items()
        ]
    )


async def get_prompt(
    _ctx: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    answers = params.input_responses or {}
    if params.name == ASKING_PROMPT and "user_context" not in answers:
        form = a_form("What context should the prompt use?", context=TEXT)
        return types.InputRequiredResult(input_requests={"user_context": form})
    contents = _filled(params.name, params.arguments or {}, answers)
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=content) for content in contents]
    )


def _filled(
    name: str, given: Mapping[str, str], answers: Mapping[str, types.InputResponse]
) -> list[types.ContentBlock]:
    match name:
        case "test_simple_prompt":
            return [a_text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            return [a_text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
        case "test_prompt_with_embedded_resource":
            embedded = an_embedded(given["resourceUri"], "Embedded resource content for testing.")
            return [embedded, a_text("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            return [AN_IMAGE, a_text("Please analyze the image above.")]
        case "test_input_required_result_prompt":
            return [a_text(f"Use the following context: {said_in(answers['user_context'])}")]
        case _:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown prompt: {name}")


async def complete(_ctx: Context, _params: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))


def everything_server() -> Server[Any]:
    """Return the server. Its lists change for nobody but who listens."""
    server: Server[Any] = Server(
        NAME,
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=accept,
        on_unsubscribe_resource=accept,
        on_subscriptions_listen=ListenHandler(_BUS),
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        get_tool_input_schema=schema_of,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, accept)
    security = RequestStateSecurity(keys=[b"every host of a cluster has the same key"])
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server
