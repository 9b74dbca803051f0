"""The server: tools, resources and the prompt, spoken by the protocol's own library."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import mcp_types as types
import msgspec
from anyio import from_thread, to_thread
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from wakeman import __version__
from wakeman.api.answer import Value
from wakeman.api.schema import object_schema
from wakeman.core.errors import PlanError, WakemanError
from wakeman.core.plan.template import nearest
from wakeman.core.text import sanitise
from wakeman.faces.mcp import pages
from wakeman.faces.mcp.arguments import ToolArguments
from wakeman.faces.mcp.calls import in_calls, only_reads
from wakeman.faces.mcp.desk import Desk, Question
from wakeman.faces.mcp.tools import TOOLS, Tool, offered
from wakeman.ports import World

CALLS_AT_ONCE_MAX = 8
"""Calls that are worked on at the same time; further ones wait for their turn."""
PROBLEMS_TOLD_MAX = 20
"""Faults of a plan that an error tells."""
ERROR_TOLD_CHARS_MAX = 2000
"""Characters of one line of an error."""

Context = ServerRequestContext[Any, Any]


class _QuestionOpenError(Exception):
    """A question that the client is to put to a person, before it calls again with the answer."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.text)
        self.question = question


class Offer(msgspec.Struct, frozen=True):
    """What is served: worlds, the directory of relative paths, and whether it only reads or asks nobody."""

    world: Callable[[str], World]
    here: str
    reads: bool
    unasked: bool


def made(offer: Offer) -> Server[Any]:
    """Return a server of deployments."""
    served = _Methods(offer)
    server: Server[Any] = Server(
        "wakeman",
        version=__version__,
        title="Wakeman",
        instructions=pages.READER_INSTRUCTIONS if offer.reads else pages.INSTRUCTIONS,
        on_list_tools=served.list_tools,
        on_call_tool=served.call_tool,
        on_list_resources=served.list_resources,
        on_list_resource_templates=served.list_templates,
        on_read_resource=served.read_resource,
        on_list_prompts=served.list_prompts,
        on_get_prompt=served.get_prompt,
    )
    server.extensions["io.modelcontextprotocol/ui"] = {}
    return server


async def speak(server: Server[Any]) -> None:
    """Serve one client on standard input and output, until it closes them."""
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def web(offer: Offer, token: str, port: int) -> Callable[..., Any]:
    """Return the server as an application for HTTP, behind the gate that pages have."""
    from wakeman.faces.serve.app import Gated
    from wakeman.faces.serve.gate import Gate

    return Gated(made(offer).streamable_http_app(), Gate(token, port, (), marked=False), moves=False)


def described(name: str, tool: Tool) -> types.Tool:
    """Return a tool as clients are told of it."""
    ui = {"ui": {"resourceUri": pages.APP_URI}} if name == "report" else None
    return types.Tool(
        name=name,
        title=tool.title,
        description=tool.text,
        input_schema=_input_schema(tool.takes),
        output_schema=object_schema(*tool.gives),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads,
            destructive_hint=not (tool.reads or tool.safe),
            idempotent_hint=tool.reads or tool.again,
            open_world_hint=False,
        ),
        _meta=ui,
    )


def _input_schema(takes: type[ToolArguments]) -> dict[str, Any]:
    """Return a schema without what costs tokens and tells nothing: titles, the struct's name, empty defaults."""
    whole = object_schema(takes)
    fields = {
        name: {key: value for key, value in field.items() if not (key == "default" and value in ("", False, []))}
        for name, field in whole["properties"].items()
    }
    kept = {key: whole[key] for key in ("type", "required", "$defs") if whole.get(key)}
    return {**kept, "properties": fields, "additionalProperties": False}


class _Methods:
    """What the methods of the protocol answer. Work that reads files runs in threads."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._room = anyio.CapacityLimiter(CALLS_AT_ONCE_MAX)

    # --- tools ------------------------------------------------------------------------------------------------

    async def list_tools(self, _: Context, __: object) -> types.ListToolsResult:
        reads = self._offer.reads
        found = []
        for name in TOOLS:
            with suppress(WakemanError):
                found.append(described(name, offered(name, reads=reads)))
        return types.ListToolsResult(tools=found)

    async def call_tool(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        only_reads.set(self._offer.reads)  # of this request: each has a context of its own, and its thread a copy
        try:
            tool = offered(params.name, reads=self._offer.reads)
            given = arguments(params.name, tool, params.arguments or {})
            desk = self._desk(ctx, params)
            value = await to_thread.run_sync(tool.run, desk, given, limiter=self._room)
        except _QuestionOpenError as asked:
            return types.InputRequiredResult(input_requests={asked.question.key: _form(asked.question)})
        except WakemanError as fault:
            return types.CallToolResult(content=[types.TextContent(text=fault_text(fault))], is_error=True)
        return _result(value)

    def _desk(self, ctx: Context, params: types.CallToolRequestParams) -> Desk:
        def pause(seconds: float) -> None:
            time.sleep(seconds)
            from_thread.check_cancelled()

        def tell(done: float, total: float, text: str) -> None:
            from_thread.run(ctx.session.report_progress, done, total, text)

        def ask(question: Question) -> None:
            if not self._offer.unasked:
                _require_agreement(ctx, params, question)

        offer = self._offer
        return Desk(world=offer.world, here=offer.here, pause=pause, tell=tell, ask=ask, reads=offer.reads)

    # --- resources and the prompt ----------------------------------------------------------------------------

    async def list_resources(self, _: Context, __: object) -> types.ListResourcesResult:
        found = await to_thread.run_sync(lambda: list(pages.listed(self._offer.world("hand"))), limiter=self._room)
        made = [types.Resource(uri=p.uri, name=p.name, title=p.title, mime_type=p.media) for p in found]
        app = types.Resource(uri=pages.APP_URI, name="report app", title="A report", mime_type=pages.APP_TYPE)
        return types.ListResourcesResult(resources=[*made, app])

    async def list_templates(self, _: Context, __: object) -> types.ListResourceTemplatesResult:
        kinds = [
            types.ResourceTemplate(
                uri_template=f"wakeman://deployments/{{name}}/{kind}",
                name=kind,
                title=title.format("a deployment"),
                mime_type=media,
            )
            for kind, (media, title) in pages.PAGE_KINDS.items()
        ]
        return types.ListResourceTemplatesResult(resource_templates=kinds)

    async def read_resource(self, _: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            media, text = await to_thread.run_sync(
                lambda: pages.read(self._offer.world("hand"), uri), limiter=self._room
            )
        except WakemanError as fault:
            raise MCPError(types.INVALID_PARAMS, fault_text(fault)) from fault
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=media, text=text)])

    async def list_prompts(self, _: Context, __: object) -> types.ListPromptsResult:
        argument = types.PromptArgument(name="deployment", description="Its name.", required=False)
        text = "Decide what to do after an alarm."
        return types.ListPromptsResult(
            prompts=[types.Prompt(name="wake", title="Woken", description=text, arguments=[argument])]
        )

    async def get_prompt(self, _: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        if params.name != "wake":
            raise MCPError(types.INVALID_PARAMS, f"no prompt {sanitise(params.name, 40)!r}; there is wake")
        content = types.TextContent(
            text=pages.wake((params.arguments or {}).get("deployment", ""), reads=self._offer.reads)
        )
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


def arguments(name: str, tool: Tool, given: Mapping[str, Any]) -> ToolArguments:
    """Read the arguments of a call. Raises: UsageError that names what the tool takes."""
    from wakeman.core.errors import UsageError

    known = [field.name for field in msgspec.structs.fields(tool.takes)]
    if unknown := [key for key in given if key not in known]:
        word = sanitise(unknown[0], 40)
        raise UsageError(f"{name}: unknown argument {word!r}{nearest(word, known)}", f"it takes {', '.join(known)}")
    try:
        return msgspec.convert(dict(given), tool.takes)
    except msgspec.ValidationError as fault:
        raise UsageError(f"{name}: {sanitise(str(fault), 300)}", f"it takes {', '.join(known)}") from fault


def fault_text(fault: WakemanError) -> str:
    """Return an error as an agent reads it: what is wrong, then what to call instead."""
    problems = fault.problems if isinstance(fault, PlanError) else tuple(str(fault).splitlines())
    lines = [f"error: {sanitise(in_calls(each), ERROR_TOLD_CHARS_MAX)}" for each in problems[:PROBLEMS_TOLD_MAX]]
    lines += [f"and {len(problems) - PROBLEMS_TOLD_MAX} more"] if len(problems) > PROBLEMS_TOLD_MAX else []
    lines += [f"or: {in_calls(command)}: {does}" for command, does in fault.proposals]
    lines += [f"next: {sanitise(in_calls(fault.hint), ERROR_TOLD_CHARS_MAX)}"] if fault.hint else []
    return "\n".join(lines)


def _result(value: Value) -> types.CallToolResult:
    fields = msgspec.to_builtins(value)
    text = msgspec.json.encode(value).decode()
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=fields)


# --- asking a person ------------------------------------------------------------------------------------------


def _require_agreement(ctx: Context, params: types.CallToolRequestParams, question: Question) -> None:
    """Return if a person agrees. Raises: NeedsPersonError; _QuestionOpenError where the client calls again."""
    able = ctx.session.client_capabilities
    if able is None or able.elicitation is None:
        raise question.refusal("a person decides this, and this client cannot ask one")
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        answer = (params.input_responses or {}).get(question.key)
        if answer is None:
            raise _QuestionOpenError(question)
    else:
        answer = from_thread.run(ctx.session.elicit_form, _asked_as(question), _AGREEMENT, ctx.request_id)
    if not isinstance(answer, types.ElicitResult):
        raise question.refusal("the client gave no answer of a person")
    if answer.action != "accept" or (answer.content or {}).get("agree") is not True:
        raise question.refusal("the person does not agree")


_AGREEMENT: dict[str, Any] = {
    "type": "object",
    "properties": {"agree": {"type": "boolean", "title": "Agree", "description": "Do it."}},
    "required": ["agree"],
}


def _asked_as(question: Question) -> str:
    return f"Wakeman is asked to {sanitise(question.text, ERROR_TOLD_CHARS_MAX)}. Do you agree?"


def _form(question: Question) -> types.ElicitRequest:
    made = types.ElicitRequestFormParams(message=_asked_as(question), requested_schema=_AGREEMENT)
    return types.ElicitRequest(params=made)
