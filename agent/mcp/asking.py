"""`ask` on a session: opens the question, runs the graph, tells each step, and words the answer.

Knows the agent and workspaces; the protocol only as a function that is told of progress.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from foveate import prompts
from foveate.agent.mcp.arguments import AskArguments
from foveate.agent.mcp.workspace import Workspace
from foveate.agent.opening import Marked
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.agent.state import AgentState
from foveate.agent.stream import Translator, aevents
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

Progress = Callable[[str], Awaitable[None]]


async def ask(agent: Agent, space: Workspace, given: AskArguments, progress: Progress) -> Result:
    """The result; the session then knows its views, regions and words. Raises ToolError or InputError."""
    begin, translator = time.perf_counter(), Translator()
    state = _opened(agent, space, given)
    async for event in aevents(agent.graph, state, agent.config(), translator, tokens=False):
        if event.kind == "tool_start":
            await progress(str(event.data["tool"]))
    result = agent.answered(translator, begin).result
    assert result is not None
    space.state = result.state
    space.fresh.clear()
    return result


def _opened(agent: Agent, space: Workspace, given: AskArguments) -> AgentState:
    start, boxes = _start(agent, space, given)
    asked = agent.opener.open([], given.question, space.state, start, boxes)
    quality = {**space.state.get("quality", {}), **asked["quality"]}
    return AgentState(**{**space.state, **asked, "images": space.state["images"], "quality": quality})


def _start(agent: Agent, space: Workspace, given: AskArguments) -> tuple[list[View], Marked]:
    """The views that open the question, at the size that the model looks at, and the box that it is about."""
    images, context = space.images, space.context(None)

    def shown(view: View) -> View:
        made = agent.overview(images[view.image_id], view.slice_index, view.plane)
        return made.model_copy(update={"window": view.window}) if view.window != made.window else made

    if given.box is None and given.region is None:
        named = [context.views[context.view_name(given.view)]] if given.view is not None else space.fresh
        return [shown(view) for view in named], ()
    corners = None if given.box is None else (given.box[0], given.box[1], given.box[2], given.box[3])
    target = context.target(given.region, corners, given.view)
    return [shown(target.view)], [target.box]


def worded(result: Result, images: dict[str, SourceImage]) -> str:
    """The answer, its claims and their regions as plain lines."""
    answer, lines = result.answer, [result.answer.text]
    if answer.abstained:
        lines.append(_line("abstained", reason=(answer.reason or "cannot_tell").replace("_", " ")))
    if result.stopped_by != "answer":
        lines.append(_line("stopped", stopped_by=result.failure or result.stopped_by))
    for claim in answer.claims:
        key = "claim" if claim.evidence else "absent" if claim.supported else "unsupported"
        lines.append(_line(key, text=claim.text, evidence=", ".join(claim.evidence)))
    return "\n".join([*lines, *(_region(found, images[found.image]) for found in answer.evidence)])


def _region(found: Evidence, image: SourceImage) -> str:
    spacing, (x0, y0, x1, y1) = image.plane_spacing(found.plane), found.box
    size = ""
    if spacing is not None:
        width, height = (x1 - x0) * spacing[1], (y1 - y0) * spacing[0]
        size = _line("size", width=f"{width:.1f}", height=f"{height:.1f}")
    return _line(
        "region",
        id=found.id,
        label=found.label,
        image=image.name,
        plane=found.plane,
        slice=found.slice,
        box=", ".join(f"{value:g}" for value in found.box),
        size=size,
        score=""
        if found.score is None
        else f", {found.score_kind.replace('_', ' ')} score {found.score:.2f}",
    )


def _line(key: str, **fields: Any) -> str:
    template: str = prompts.table("mcp.toml")["answer"][key]
    return template.format(**fields)
