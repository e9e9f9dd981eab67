"""The programmatic way in: `Agent.ask(images, question)` gives a `Result` with the answer and its trace.

Opens images, runs the compiled graph and puts the result into the form that `ask --json` prints. Knows no
command line and no provider.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver

from foveate.agent.budget import Budget
from foveate.agent.checks.level import Level
from foveate.agent.events import Event
from foveate.agent.graph import Toolbox, build_graph
from foveate.agent.models.decoding import decoding_report
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import Profile, profile_for
from foveate.agent.opening import Images, InputError, Marked, Opener, checked_question
from foveate.agent.resample import can_resample
from foveate.agent.result import Result
from foveate.agent.state import AgentState
from foveate.agent.stream import Translator, aevents, events
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View
from foveate.tools.toolbox import make_tools

if TYPE_CHECKING:
    from foveate.agent.session import Session

__all__ = ["Agent", "InputError", "checked_question", "grounder_for"]


class How(TypedDict, total=False):
    """How a question is opened besides its images: see `Agent.ask`."""

    start: Sequence[View] | None
    boxes: Marked
    thread: str | None
    checks: Level | None


class Agent:
    """Asks questions about images. The graph is compiled once; `ask` may be called many times.

    `model` is a specification ("pocket", "hf:…", "openai:…") or a chat model of your own, then with a
    `profile` where it is not a generic one. `grounder` is a name, a grounder of your own, or None for none.
    `tools` makes the tools of a run (default: all look tools), or is a list of LangChain tools of your own,
    as `@tool` makes them, to be had besides the look tools. With a `checkpointer`, `ask(thread=…)`
    continues a thread. `show_pixels=False` leaves image references in the messages, for models that need no
    eyes. `decoding` is "semsam[:k=16,m=20,…]" for a specification whose logits can be reached;
    `refine` is how many times such a model is asked again after its answer, to tell how far it agrees.
    `checks` is how much is checked before an answer leaves: "none", "basic" (no calls) or "full".
    Without `gate`, images of any quality are asked about.
    """

    def __init__(
        self,
        model: str | BaseChatModel = "pocket",
        base_url: str | None = None,
        grounder: str | Grounder | None = "pocket",
        use_tools: bool = True,
        budget: Budget | None = None,
        store: ImageStore | None = None,
        *,
        profile: Profile | None = None,
        tools: Toolbox | Sequence[BaseTool] | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        show_pixels: bool = True,
        decoding: str | None = None,
        refine: int = 0,
        gate: bool = True,
        checks: Level = "none",
    ) -> None:
        self.model_name = model if isinstance(model, str) else model._llm_type
        self.profile = profile or profile_for(model if isinstance(model, str) else "generic")
        self.store = store or ImageStore()
        self.budget = budget or Budget()
        self.use_tools = use_tools and self.profile.tool_calls != "none"
        self.checkpointer = checkpointer
        self.opener = Opener(self.store, self.profile, gate)
        self.model = chat_model(model, base_url, decoding=decoding) if isinstance(model, str) else model
        if refine and not can_resample(self.model):
            raise InputError("Looking again (refine) needs semantic sampling: give decoding semsam as well.")
        self.graph = build_graph(
            self.model,
            self.store,
            grounder_for(grounder) if self.use_tools else None,
            self.profile,
            self.budget,
            toolbox_of(tools),
            checkpointer,
            use_tools=self.use_tools,
            show_pixels=show_pixels,
            refine=refine,
            checks=checks,
        )

    def overview(self, image: SourceImage, slice_index: int | None = None, plane: str | None = None) -> View:
        """The view that opens a question on that slice (the middle one by default); for `ask(start=…)`."""
        return self.opener.overview(image, slice_index, plane)

    def ask(self, images: Images, question: str, history: Result | None = None, **how: Unpack[How]) -> Result:
        """Runs the graph to an answer.

        `history` is an earlier result whose conversation goes on: its views and evidence keep their names,
        and `images` may be empty. `start` opens the question with views of your own instead of overviews.
        `boxes` marks regions to ask about (E1, E2… in the conversation): boxes with a frame, or four numbers
        in source pixels of the slice that the first view shows. `checks` is a level for this question. Raises
        InputError or the image's own error for a bad input; what goes wrong later is told in the result.
        """
        begin = time.perf_counter()
        state, config = self._prepare(images, question, history, how)
        end: AgentState = self.graph.invoke(state, config)  # type: ignore[assignment]
        return self.result(end, begin)

    async def aask(
        self, images: Images, question: str, history: Result | None = None, **how: Unpack[How]
    ) -> Result:
        """`ask` on an event loop."""
        begin = time.perf_counter()
        state, config = await self._aprepare(images, question, history, how)
        end: AgentState = await self.graph.ainvoke(state, config)  # type: ignore[assignment]
        return self.result(end, begin)

    def stream(
        self, images: Images, question: str, history: Result | None = None, **how: Unpack[How]
    ) -> Iterator[Event]:
        """`ask`, told while it happens; the last event is the "answer", with its `result`."""
        begin, told = time.perf_counter(), Translator()
        state, config = self._prepare(images, question, history, how)
        yield from events(self.graph, state, config, told)
        yield self.answered(told, begin)

    async def astream(
        self, images: Images, question: str, history: Result | None = None, **how: Unpack[How]
    ) -> AsyncIterator[Event]:
        """`stream` on an event loop."""
        begin, told = time.perf_counter(), Translator()
        state, config = await self._aprepare(images, question, history, how)
        async for event in aevents(self.graph, state, config, told):
            yield event
        yield self.answered(told, begin)

    def session(self, images: Images = ()) -> Session:
        """A conversation about some images; each question knows the earlier ones."""
        from foveate.agent.session import Session

        return Session(self, images)

    def _prepare(
        self, images: Images, question: str, history: Result | None, how: How
    ) -> tuple[AgentState, RunnableConfig]:
        config = self._config_for(history, how.get("thread"))
        known = {} if self.checkpointer is None else self.graph.get_state(config).values
        return self._opened(images, question, history, how, known), config

    async def _aprepare(
        self, images: Images, question: str, history: Result | None, how: How
    ) -> tuple[AgentState, RunnableConfig]:
        config = self._config_for(history, how.get("thread"))
        known = {} if self.checkpointer is None else (await self.graph.aget_state(config)).values
        # opening a file takes its time, which an event loop must not wait
        return await asyncio.to_thread(self._opened, images, question, history, how, known), config

    def _opened(
        self, images: Images, question: str, history: Result | None, how: How, known: Mapping[str, Any]
    ) -> AgentState:
        start, boxes, checks = how.get("start"), how.get("boxes", ()), how.get("checks")
        if history is None:
            return self.opener.open(images, question, known, start, boxes, checks)
        asked = self.opener.open(images, question, history.state, start, boxes, checks)
        asked["images"] = {**history.state["images"], **asked["images"]}
        asked["quality"] = {**history.state.get("quality", {}), **asked["quality"]}
        return AgentState(**{**history.state, **asked})

    def _config_for(self, history: Result | None, thread: str | None) -> RunnableConfig:
        if thread is not None and (self.checkpointer is None or history is not None):
            raise InputError("A thread needs an agent with a checkpointer, and takes no history besides.")
        return self.config(thread)

    def config(self, thread: str | None = None) -> RunnableConfig:
        """The configuration of one run of the graph on a thread."""
        limit = 20 + 4 * (self.budget.steps + self.budget.repairs)
        # without a thread of its own, a question on a checkpointed agent must not fall into anybody's thread
        return {"recursion_limit": limit, "configurable": {"thread_id": thread or uuid.uuid4().hex}}

    def answered(self, told: Translator, begin: float) -> Event:
        """The last event of a stream that began at `begin` (of `time.perf_counter`)."""
        if told.state is None:
            raise RuntimeError("the stream ended without a state")
        result = self.result(told.state, begin)
        return Event("answer", result.to_json(), result)

    def result(self, state: AgentState, begin: float) -> Result:
        """The result that a final state holds."""
        seconds = time.perf_counter() - begin
        return Result.of(
            state,
            self.model_name,
            self.profile.name,
            seconds,
            decoding_report(self.model, state.get("decoded")),
        )


def toolbox_of(tools: Toolbox | Sequence[BaseTool] | None) -> Toolbox | None:
    """A toolbox of the look tools and some more, from LangChain tools; a toolbox stays what it is."""
    if tools is None or callable(tools):
        return tools
    own = list(tools)
    return lambda ctx: [*make_tools(ctx), *own]


def grounder_for(grounder: str | Grounder | None) -> Grounder | None:
    """The grounder of a name ("none" for none), or the one given."""
    if not isinstance(grounder, str):
        return grounder
    if grounder == "none":
        return None
    from foveate.tools.grounding.registry import load_grounder

    return load_grounder(grounder)
