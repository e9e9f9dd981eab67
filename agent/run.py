"""The programmatic way in: `Agent.ask(images, question)` gives a `Result` with the answer and its trace.

Opens images, runs the compiled graph and puts the result into the form that `ask --json` prints. Knows no
command line and no provider.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from foveate.agent.budget import MAX_IMAGES, MAX_QUESTION, Budget
from foveate.agent.graph import Toolbox, build_graph
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import Profile, profile_for
from foveate.agent.observe import check_shape
from foveate.agent.result import Result
from foveate.agent.state import AgentState, evidence_record, view_record
from foveate.tools.evidence import Evidence, seen_at
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, overview

ImageInput = str | Path | SourceImage


class InputError(ValueError):
    """A question or a set of images that cannot be asked about; one clear sentence."""


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
        self.graph = build_graph(
            chat_model(model, base_url) if isinstance(model, str) else model,
            self.store,
            _grounder(grounder) if self.use_tools else None,
            self.profile,
            self.budget,
            tools,
            checkpointer,
            use_tools=self.use_tools,
            show_pixels=show_pixels,
        )

    def ask(
        self,
        images: ImageInput | Sequence[ImageInput],
        question: str,
        history: Result | None = None,
        *,
        start: Sequence[View] | None = None,
        boxes: Sequence[Box | Sequence[float]] = (),
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
        images: ImageInput | Sequence[ImageInput],
        question: str,
        history: Result | None = None,
        *,
        start: Sequence[View] | None = None,
        boxes: Sequence[Box | Sequence[float]] = (),
        thread: str | None = None,
    ) -> Result:
        """`ask` on an event loop."""
        begin = time.perf_counter()
        state, config = self._prepare(images, question, history, start, boxes, thread)
        end: AgentState = await self.graph.ainvoke(state, config)  # type: ignore[assignment]
        return self._result(end, begin)

    def _prepare(
        self,
        images: ImageInput | Sequence[ImageInput],
        question: str,
        history: Result | None,
        start: Sequence[View] | None,
        boxes: Sequence[Box | Sequence[float]],
        thread: str | None,
    ) -> tuple[AgentState, RunnableConfig]:
        if thread is not None and (self._checkpointer is None or history is not None):
            raise InputError("A thread needs an agent with a checkpointer, and takes no history besides.")
        question = checked_question(question)
        given = [images] if isinstance(images, str | Path | SourceImage) else list(images)
        if len(given) > MAX_IMAGES:
            raise InputError(
                f"{len(given)} images were given; at most {MAX_IMAGES} can be asked about at once."
            )
        opened = [image if isinstance(image, SourceImage) else _open(image) for image in given]
        config = self._config(thread)
        known = history.state if history is not None else self._stored(config)
        if not opened and not known.get("views"):
            raise InputError("No image was given; name at least one.")
        state = AgentState(**history.state) if history is not None else AgentState()
        state["question"] = question
        state["images"] = {**state.get("images", {}), **{self.store.put(i): _told(i) for i in opened}}
        views = list(start) if start is not None else [self._overview(image) for image in opened]
        self._check_shapes(views)
        state["start"] = [view_record(view) for view in views]
        state["marked"] = [evidence_record(self._marked(box, views)) for box in boxes]
        return state, config

    def _config(self, thread: str | None) -> RunnableConfig:
        limit = 20 + 4 * (self.budget.steps + self.budget.repairs)
        # without a thread of its own, a question on a checkpointed agent must not fall into anybody's thread
        return {"recursion_limit": limit, "configurable": {"thread_id": thread or uuid.uuid4().hex}}

    def _stored(self, config: RunnableConfig) -> dict[str, Any]:
        return {} if self._checkpointer is None else self.graph.get_state(config).values

    def _overview(self, image: SourceImage) -> View:
        small = max(image.plane_size(image.planes[0])) < self.profile.min_side
        return overview(image, self.profile.max_side, upscale=small)

    def _check_shapes(self, views: Sequence[View]) -> None:
        try:
            for view in views:
                check_shape(self.profile, view)
        except ValueError as error:
            raise InputError(f"The image cannot be asked about: {error}.") from None

    def _marked(self, box: Box | Sequence[float], views: Sequence[View]) -> Evidence:
        if not views:
            raise InputError("A marked box needs the image that it is on; name the image again.")
        image = self.store.get(views[0].image_id)
        shown = views[0].frame
        source = box.to_source() if isinstance(box, Box) else shown.source.box(*box)
        return seen_at(shown.from_source(source), views[0], image, label="box", tool="user", view_name="")

    def _result(self, state: AgentState, begin: float) -> Result:
        return Result.of(state, self.model_name, self.profile.name, time.perf_counter() - begin)


def checked_question(question: str) -> str:
    """The question without surrounding space. Raises InputError when it is empty or too long."""
    words = question.strip()
    if not words:
        raise InputError("The question is empty.")
    if len(words) > MAX_QUESTION:
        raise InputError(f"The question has {len(words)} characters; at most {MAX_QUESTION} are allowed.")
    return words


def _open(path: str | Path) -> SourceImage:
    from foveate.tools.imaging.open import open_image

    return open_image(path)


def _told(image: SourceImage) -> dict[str, str]:
    return {"name": image.name, "about": image.describe()}


def _grounder(grounder: str | Grounder | None) -> Grounder | None:
    if not isinstance(grounder, str):
        return grounder
    if grounder == "none":
        return None
    from foveate.tools.grounding.registry import load_grounder

    return load_grounder(grounder)
