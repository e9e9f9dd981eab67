"""The programmatic way in: `Agent.ask(images, question)` gives a `Result` with the answer and its trace.

Opens images, runs the compiled graph and puts the result into the form that `ask --json` prints. Knows no
command line and no provider.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from foveate.agent.budget import Budget
from foveate.agent.graph import Toolbox, build_graph
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import Profile, profile_for
from foveate.agent.opening import Images, InputError, Marked, Opener, checked_question
from foveate.agent.result import Result
from foveate.agent.state import AgentState
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

__all__ = ["Agent", "InputError", "checked_question", "grounder_for"]


class Agent:
    """Asks questions about images. The graph is compiled once; `ask` may be called many times.

    `model` is a specification ("pocket", "hf:…", "openai:…") or a chat model of your own, then with a
    `profile` where it is not a generic one. `grounder` is a name, a grounder of your own, or None for none.
    `tools` makes the tools of a run; the default is all look tools. With a `checkpointer`, `ask(thread=…)`
    continues a thread. `show_pixels=False` leaves image references in the messages, for models that need no
    eyes.
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
        tools: Toolbox | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        show_pixels: bool = True,
    ) -> None:
        self.model_name = model if isinstance(model, str) else model._llm_type
        self.profile = profile or profile_for(model if isinstance(model, str) else "generic")
        self.store = store or ImageStore()
        self.budget = budget or Budget()
        self.use_tools = use_tools and self.profile.tool_calls != "none"
        self._checkpointer = checkpointer
        self._opener = Opener(self.store, self.profile)
        self.graph = build_graph(
            chat_model(model, base_url) if isinstance(model, str) else model,
            self.store,
            grounder_for(grounder) if self.use_tools else None,
            self.profile,
            self.budget,
            tools,
            checkpointer,
            use_tools=self.use_tools,
            show_pixels=show_pixels,
        )

    def overview(self, image: SourceImage, slice_index: int | None = None) -> View:
        """The view that opens a question on that slice (the middle one by default); for `ask(start=…)`."""
        return self._opener.overview(image, slice_index)

    def ask(
        self,
        images: Images,
        question: str,
        history: Result | None = None,
        *,
        start: Sequence[View] | None = None,
        boxes: Marked = (),
        thread: str | None = None,
    ) -> Result:
        """Runs the graph to an answer.

        `history` is an earlier result whose conversation goes on: its views and evidence keep their names,
        and `images` may be empty. `start` opens the question with views of your own instead of overviews.
        `boxes` marks regions to ask about (E1, E2… in the conversation): boxes with a frame, or four numbers
        in source pixels of the slice that the first view shows. Raises InputError or the image's own error
        for a bad input; what goes wrong later is told in the result.
        """
        begin = time.perf_counter()
        state, config = self._prepare(images, question, history, start, boxes, thread)
        end: AgentState = self.graph.invoke(state, config)  # type: ignore[assignment]
        return self._result(end, begin)

    async def aask(
        self,
        images: Images,
        question: str,
        history: Result | None = None,
        *,
        start: Sequence[View] | None = None,
        boxes: Marked = (),
        thread: str | None = None,
    ) -> Result:
        """`ask` on an event loop."""
        begin = time.perf_counter()
        state, config = self._prepare(images, question, history, start, boxes, thread)
        end: AgentState = await self.graph.ainvoke(state, config)  # type: ignore[assignment]
        return self._result(end, begin)

    def _prepare(
        self,
        images: Images,
        question: str,
        history: Result | None,
        start: Sequence[View] | None,
        boxes: Marked,
        thread: str | None,
    ) -> tuple[AgentState, RunnableConfig]:
        if thread is not None and (self._checkpointer is None or history is not None):
            raise InputError("A thread needs an agent with a checkpointer, and takes no history besides.")
        config = self._config(thread)
        if history is None:
            return self._opener.open(images, question, self._stored(config), start, boxes), config
        asked = self._opener.open(images, question, history.state, start, boxes)
        asked["images"] = {**history.state["images"], **asked["images"]}
        return AgentState(**{**history.state, **asked}), config

    def _config(self, thread: str | None) -> RunnableConfig:
        limit = 20 + 4 * (self.budget.steps + self.budget.repairs)
        # without a thread of its own, a question on a checkpointed agent must not fall into anybody's thread
        return {"recursion_limit": limit, "configurable": {"thread_id": thread or uuid.uuid4().hex}}

    def _stored(self, config: RunnableConfig) -> dict[str, Any]:
        return {} if self._checkpointer is None else self.graph.get_state(config).values

    def _result(self, state: AgentState, begin: float) -> Result:
        return Result.of(state, self.model_name, self.profile.name, time.perf_counter() - begin)


def grounder_for(grounder: str | Grounder | None) -> Grounder | None:
    """The grounder of a name ("none" for none), or the one given."""
    if not isinstance(grounder, str):
        return grounder
    if grounder == "none":
        return None
    from foveate.tools.grounding.registry import load_grounder

    return load_grounder(grounder)
