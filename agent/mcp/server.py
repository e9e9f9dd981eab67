"""The MCP server: lists the tools, runs a call, and gives words, pictures and data back.

What goes wrong in a call is a result with `is_error` that its caller can act on. Knows the protocol through
the official SDK; what tools do is theirs.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import ValidationError

from foveate.agent.cli_errors import known_errors
from foveate.agent.mcp import arguments as args
from foveate.agent.mcp.asking import ask, worded
from foveate.agent.mcp.files import opened
from foveate.agent.mcp.workspace import Workspace, Workspaces
from foveate.agent.run import Agent, grounder_for
from foveate.tools.arguments import about as tool_about
from foveate.tools.context import ToolArtifact, ToolError
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View
from foveate.tools.toolbox import TOOLS, make_tools

log = logging.getLogger(__name__)
LOOK_TOOLS = tuple(name for name in TOOLS if name != "refine")  # it is for a model that can be asked again
READS = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
CLOSES = types.ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


@dataclass
class Service:
    """What the tools work with. Agent and grounder are made when they are first needed, and once.

    `roots` are the folders, resolved, that paths may lie in; without any, images come as data only.
    """

    make_agent: Callable[[ImageStore], Agent]
    grounder: str | Grounder | None = "pocket"
    roots: Sequence[Path] = ()
    store: ImageStore = field(default_factory=ImageStore)

    def __post_init__(self) -> None:
        self.spaces = Workspaces(self.store)
        self._agent: Agent | None = None
        self._loading = asyncio.Lock()

    async def agent(self) -> Agent:
        """The agent; loading its model may take a while."""
        async with self._loading:
            if self._agent is None:
                self._agent = await asyncio.to_thread(self.make_agent, self.store)
            return self._agent

    async def loaded_grounder(self) -> Grounder | None:
        """What finds phrases."""
        async with self._loading:
            if isinstance(self.grounder, str):
                self.grounder = await asyncio.to_thread(grounder_for, self.grounder)
            return self.grounder


def make_server(service: Service) -> Server[dict[str, Any]]:
    """The server with its tools; run it on the transport of your choice."""
    from importlib.metadata import version

    return Server(
        "foveate",
        version=version("foveate"),
        title="Foveate",
        instructions=args.about("server", "instructions").strip(),
        on_list_tools=partial(_list, service),
        on_call_tool=partial(_call, service),
    )


async def _list(service: Service, context: Any, params: Any) -> types.ListToolsResult:
    own = [
        _tool("open_image", args.about("open_image"), args.OpenArguments.model_json_schema(), READS),
        _tool("ask", args.about("ask"), args.AskArguments.model_json_schema(), READS),
        _tool("close", args.about("close"), args.CloseArguments.model_json_schema(), CLOSES),
    ]
    names = [name for name in LOOK_TOOLS if name != "ground" or service.grounder not in (None, "none")]
    look = [_tool(name, tool_about(name), args.with_session(TOOLS[name][1]), READS) for name in names]
    return types.ListToolsResult(tools=[own[0], *look, *own[1:]])


def _tool(name: str, about: str, schema: dict[str, Any], hints: types.ToolAnnotations) -> types.Tool:
    return types.Tool(name=name, description=about, input_schema=schema, annotations=hints)


async def _call(
    service: Service, context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
) -> types.CallToolResult:
    given = dict(params.arguments or {})
    try:
        if params.name == "open_image":
            return await _open(service, args.OpenArguments.model_validate(given))
        if params.name == "ask":
            return await _ask(service, context, args.AskArguments.model_validate(given))
        if params.name == "close":
            service.spaces.close(args.CloseArguments.model_validate(given).session)
            return _result(args.about("opened", "closed"), {"closed": True})
        return await _look(service, params.name, given)
    except Exception as error:
        text = _reason(params.name, error)
        return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)


async def _open(service: Service, given: args.OpenArguments) -> types.CallToolResult:
    space = service.spaces.new() if given.session is None else service.spaces.get(given.session)
    try:
        async with space.lock:
            image = await asyncio.to_thread(opened, given, service.roots)
            name = await asyncio.to_thread(space.add_image, image, given.slice, given.plane)
    except BaseException:
        if given.session is None:
            service.spaces.close(space.name)  # nobody was told of it
        raise
    view, told = space.views[name], space.state["images"][image.id]
    last, slices = image.slice_count(view.plane) - 1, ""
    if last:
        slices = args.about("opened", "slice").format(plane=view.plane, index=view.slice_index, last=last)
    words = args.about("opened", "image").format(
        session=space.name, **told, view=name, width=view.width, height=view.height, slice=slices
    )
    data = {"session": space.name, "image": image.id, "planes": list(image.planes)}
    return await _shown(space, words, [name], {**data, **_data(space, [name], [])})


async def _look(service: Service, tool: str, given: dict[str, Any]) -> types.CallToolResult:
    if tool not in LOOK_TOOLS:
        raise ToolError(f"there is no tool {tool[:40]}")
    space = service.spaces.get(str(given.pop("session", "")))
    checked = TOOLS[tool][1].model_validate(given)
    grounder = await service.loaded_grounder() if tool == "ground" else None
    async with space.lock:
        [bound] = make_tools(space.context(grounder), [tool])
        request = {"type": "tool_call", "name": tool, "args": checked.model_dump(), "id": "call"}
        message = await asyncio.to_thread(bound.invoke, request)
        artifact: ToolArtifact = message.artifact
        views, evidence = space.register(artifact)
    data = {**_data(space, views, evidence), "facts": dict(artifact.facts)}
    return await _shown(space, message.text, views, data)


async def _ask(
    service: Service, context: ServerRequestContext[Any, Any], given: args.AskArguments
) -> types.CallToolResult:
    space = service.spaces.get(given.session)
    agent = await service.agent()
    steps = 0

    async def progress(tool: str) -> None:
        nonlocal steps
        steps += 1
        await context.session.report_progress(steps, None, tool)

    async with space.lock:
        result = await ask(agent, space, given, progress)
    content: list[types.ContentBlock] = [types.TextContent(text=worded(result, space.images))]
    if result.answer.evidence:
        content += await asyncio.to_thread(_overlays, space, result.answer.evidence)
    failed = result.stopped_by == "model_error"
    return types.CallToolResult(content=content, structured_content=result.to_json(), is_error=failed)


def _overlays(space: Workspace, cited: Any) -> list[types.ContentBlock]:
    from foveate.agent.page.pictures import Looked, overlays

    drawn = overlays(Looked(space.images, space.views, space.evidence), cited)
    return [_picture(overlay.picture) for overlay in drawn]


async def _shown(
    space: Workspace, words: str, views: list[str], data: dict[str, Any]
) -> types.CallToolResult:
    def rendered(view: View) -> types.ContentBlock:
        return _png(space.store.view_png(view))

    pictures = [await asyncio.to_thread(rendered, space.views[name]) for name in views]
    return _result(words, data, pictures)


def _result(
    words: str, data: dict[str, Any], pictures: Sequence[types.ContentBlock] = ()
) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=words), *pictures], structured_content=data)


def _data(space: Workspace, views: list[str], evidence: list[str]) -> dict[str, Any]:
    shown, found = space.views, space.evidence
    return {
        "views": [{"name": name, **shown[name].model_dump(mode="json")} for name in views],
        "evidence": [found[name].model_dump(mode="json") for name in evidence],
    }


def _picture(picture: Any) -> types.ContentBlock:
    import io

    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return _png(buffer.getvalue())


def _png(data: bytes) -> types.ContentBlock:
    return types.ImageContent(data=base64.b64encode(data).decode(), mime_type="image/png")


def _reason(tool: str, error: Exception) -> str:
    """What the caller may hear; the words of an unforeseen error may quote a file."""
    if isinstance(error, (ToolError, IndexError, *known_errors())):
        return str(error)
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{tool}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    log.error("tool %s failed with %s", tool, type(error).__name__)
    return f"{tool} failed inside ({type(error).__name__})"
