"""Runs the tool calls of one reply: at the same time, and registered in the order of the calls.

Turns boxes from the model's convention into view pixels before a tool sees them, gives names to what tools
make, and turns every failure into an observation. Knows no graph and no message.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

from foveate.agent.events import emit
from foveate.agent.models.conventions import BoxConventionError
from foveate.agent.models.profiles import Profile
from foveate.agent.observe import check_shape, result_text
from foveate.agent.trace import Step
from foveate.agent.workers import Outcome, run_all
from foveate.tools.context import ToolArtifact, ToolContext, ToolError
from foveate.tools.evidence import Evidence, named
from foveate.tools.imaging.views import View
from foveate.tools.wording import error as error_line

log = logging.getLogger(__name__)
MAX_ARGUMENTS = 2_000
"""Characters of one call's arguments, as JSON; longer ones are refused and not kept."""
MAX_FOREIGN = 1_000
"""Characters of the words of a tool that is not one of the look tools."""
LOOP_AFTER = 3
"""The same call made this many times in one question is a loop."""


@dataclass
class Round:
    """The calls of one reply and what came of them. `steps`, `views` and `evidence` are in call order."""

    steps: list[Step] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    looping: bool = False
    late: bool = False


@dataclass(frozen=True)
class Caller:
    """`make_tools` binds the tools of a run to its views and evidence."""

    profile: Profile
    make_tools: Callable[[ToolContext], Sequence[BaseTool]]

    def run(
        self,
        ctx: ToolContext,
        calls: Sequence[Mapping[str, Any]],
        past: Sequence[Mapping[str, Any]],
        *,
        first: int,
        turn: int,
        seconds: float,
        config: RunnableConfig,
    ) -> Round:
        """Runs the calls within `seconds`; `past` are the records of this question's earlier steps."""
        tools = {tool.name: tool for tool in self.make_tools(ctx)}
        ready = [self._ready(ctx, tools, call, config) for call in calls]
        seen = [(_key(step["tool"], step.get("arguments", {})), step.get("ok", True)) for step in past]
        made = Round()
        for item in ready:
            made.looping |= _refuse_repeat(item, seen)
        runs = [_told_run(item, n) for n, item in enumerate(ready, first) if item.run is not None]
        outcomes = iter(run_all(runs, seconds))
        for number, item in enumerate(ready, first):
            outcome = next(outcomes) if item.run is not None else None
            self._register(
                ctx, made, Step(n=number, turn=turn, tool=item.tool, arguments=item.arguments), item, outcome
            )
        return made

    def _ready(
        self, ctx: ToolContext, tools: Mapping[str, BaseTool], call: Mapping[str, Any], config: RunnableConfig
    ) -> _Ready:
        name, arguments = str(call["name"])[:60], dict(call["args"])
        if len(json.dumps(arguments, default=str)) > MAX_ARGUMENTS:
            return _Ready(name, {}, None, f"the arguments are longer than {MAX_ARGUMENTS} characters")
        if name not in tools:
            return _Ready(
                name, arguments, None, f"there is no tool {name}; tools are {', '.join(tools)}, answer"
            )
        try:
            arguments = _with_view(ctx, tools[name], arguments)
            given = self._in_view_pixels(ctx, arguments)
        except (ToolError, BoxConventionError) as error:
            return _Ready(name, arguments, None, str(error))
        request = {"type": "tool_call", "name": name, "args": given, "id": str(call["id"])}
        return _Ready(name, arguments, partial(tools[name].invoke, request, config))

    def _in_view_pixels(self, ctx: ToolContext, arguments: dict[str, Any]) -> dict[str, Any]:
        box, name = arguments.get("box"), arguments.get("view")
        if not isinstance(box, list) or not isinstance(name, str | None):
            return arguments  # the tool's own check of its arguments says what is wrong
        view = ctx.views[ctx.view_name(name)]
        return {**arguments, "box": list(self.profile.box_to_view(box, view.width, view.height))}

    def _register(
        self, ctx: ToolContext, made: Round, step: Step, item: _Ready, outcome: Outcome[Any] | None
    ) -> None:
        artifact, error = self._checked(*_result(item, outcome))
        made.late |= bool(outcome and outcome.late)
        seconds = outcome.seconds if outcome else 0.0
        if artifact is None:
            reason = error or "the tool failed"
            text = error_line(self.profile.style, reason)
            made.steps.append(step.model_copy(update=_told(text, seconds, ok=False, error=reason)))
            return
        views, evidence = self._named(ctx, made, step.n, artifact)
        known = {**ctx.views, **views}
        text = result_text(self.profile, artifact, list(views), list(evidence.values()), known, ctx.store.get)
        made.views.update(views)
        made.evidence.update(evidence)
        told = _told(
            text,
            seconds,
            views=tuple(views),
            evidence=tuple(evidence),
            facts=_new_facts(step.arguments, artifact),
        )
        made.steps.append(step.model_copy(update=told))

    def _checked(
        self, artifact: ToolArtifact | None, error: str | None
    ) -> tuple[ToolArtifact | None, str | None]:
        """A view that the model's processor would refuse is an error now, not a crash of the next call."""
        try:
            for view in artifact.views if artifact else ():
                check_shape(self.profile, view)
        except ValueError as refused:
            return None, str(refused)
        return artifact, error

    def _named(
        self, ctx: ToolContext, made: Round, step: int, artifact: ToolArtifact
    ) -> tuple[dict[str, View], dict[str, Evidence]]:
        next_view = len(ctx.views) + len(made.views)
        next_evidence = len(ctx.evidence) + len(made.evidence) + 1
        views = {f"V{next_view + i}": view for i, view in enumerate(artifact.views)}
        names = [f"E{next_evidence + i}" for i in range(len(artifact.evidence))]
        evidence = {
            name: named(e, name, views, step) for name, e in zip(names, artifact.evidence, strict=True)
        }
        return views, evidence


@dataclass
class _Ready:
    """A call that can run, or the reason why it cannot."""

    tool: str
    arguments: dict[str, Any]
    run: Callable[[], Any] | None
    error: str | None = None


def _told_run(item: _Ready, number: int) -> Callable[[], Any]:
    """The call, with its beginning and its end told as they happen, on the thread that runs it."""
    call = item.run
    assert call is not None

    def run() -> Any:
        emit("tool_start", n=number, tool=item.tool, arguments=item.arguments)
        start, error = time.perf_counter(), None
        try:
            return call()
        except Exception as raised:
            error = _reason(item.tool, raised, quiet=True)
            raise
        finally:
            spent = round(time.perf_counter() - start, 4)
            emit("tool_end", n=number, tool=item.tool, ok=error is None, seconds=spent, error=error)

    return run


def _with_view(ctx: ToolContext, tool: BaseTool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Fills in the view that the model left out, so that the trace says which one was meant."""
    region, view = arguments.get("region"), arguments.get("view")
    if "view" not in _fields(tool) or view is not None:
        return arguments
    if isinstance(region, str) and arguments.get("box") is None:
        return {**arguments, "view": ctx.region(region).view}
    return {**arguments, "view": ctx.view_name(None)}


def _fields(tool: BaseTool) -> Collection[str]:
    # tool.args makes a JSON schema each time, which costs more than all the rest of a step
    schema = tool.args_schema
    return schema.model_fields if isinstance(schema, type) and issubclass(schema, BaseModel) else tool.args


def _refuse_repeat(item: _Ready, seen: list[tuple[str, bool]]) -> bool:
    """Refuses a call that was made before and went well; one that failed may be tried again. True for a
    loop."""
    key = _key(item.tool, item.arguments)
    results = [ok for earlier, ok in seen if earlier == key]
    seen.append((key, True))
    if any(results) and item.run is not None:
        item.run, item.error = None, "the same call was made before; its result has not changed"
    return len(results) + 1 >= LOOP_AFTER


def _key(tool: str, arguments: Mapping[str, Any]) -> str:
    return tool + json.dumps(arguments, sort_keys=True, default=str)


def _result(item: _Ready, outcome: Outcome[Any] | None) -> tuple[ToolArtifact | None, str | None]:
    if outcome is None:
        return None, item.error
    if outcome.late:
        return None, "the time budget ended before the tool did"
    if outcome.error is None:
        return _artifact(outcome.value), None
    return None, _reason(item.tool, outcome.error)


def _artifact(message: Any) -> ToolArtifact:
    """What the tool made; a tool from elsewhere, without an artifact of ours, has only its words."""
    if isinstance(message, ToolMessage) and isinstance(message.artifact, ToolArtifact):
        return message.artifact
    told = message.text if isinstance(message, ToolMessage) else str(message)
    return ToolArtifact(facts={"tool": "foreign", "told": told[:MAX_FOREIGN]})


def _reason(tool: str, error: Exception, *, quiet: bool = False) -> str:
    if isinstance(error, ToolError):
        return str(error)
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        return f"{tool}: {where}: {fault['msg']}"
    # the class says enough to a model; the text of a foreign error may hold a path or a name
    if not quiet:
        log.error("tool %s failed with %s", tool, type(error).__name__)
    return f"{tool} failed inside ({type(error).__name__})"


def _new_facts(arguments: Mapping[str, Any], artifact: ToolArtifact) -> dict[str, Any]:
    """The facts that the step's tool and arguments do not already tell."""
    facts = artifact.facts.items()
    return {
        key: fact for key, fact in facts if key != "tool" and (key not in arguments or arguments[key] != fact)
    }


def _told(text: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"observation": text, "seconds": seconds, **more}
