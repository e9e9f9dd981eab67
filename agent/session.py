"""A conversation in Python: images once, then questions that know the earlier ones.

Keeps the last result, or the thread where the agent has a checkpointer. Knows no server.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from foveate.agent.events import Event
from foveate.agent.opening import Images, Marked
from foveate.agent.result import Result
from foveate.agent.run import Agent, How


class Session:
    """Made by `Agent.session(images)`. One question at a time; `results` holds them all, oldest first."""

    def __init__(self, agent: Agent, images: Images = ()) -> None:
        self._agent, self._fresh = agent, images
        self._thread = uuid.uuid4().hex if agent.checkpointer is not None else None
        self.results: list[Result] = []

    def ask(self, question: str, images: Images = (), boxes: Marked = ()) -> Result:
        """The next question; `images` are new to the conversation. Raises InputError or ImageError."""
        return self._kept(self._agent.ask(self._images(images), question, self._last(), **self._how(boxes)))

    async def aask(self, question: str, images: Images = (), boxes: Marked = ()) -> Result:
        """`ask` on an event loop."""
        how = self._how(boxes)
        return self._kept(await self._agent.aask(self._images(images), question, self._last(), **how))

    def stream(self, question: str, images: Images = (), boxes: Marked = ()) -> Iterator[Event]:
        """`ask`, told while it happens; the last event is the "answer"."""
        for event in self._agent.stream(self._images(images), question, self._last(), **self._how(boxes)):
            self._noted(event)
            yield event

    async def astream(self, question: str, images: Images = (), boxes: Marked = ()) -> AsyncIterator[Event]:
        """`stream` on an event loop."""
        how = self._how(boxes)
        async for event in self._agent.astream(self._images(images), question, self._last(), **how):
            self._noted(event)
            yield event

    def _images(self, images: Images) -> Images:
        """The session's own images come with the first question."""
        if self.results:
            return images
        return [*_listed(self._fresh), *_listed(images)]

    def _last(self) -> Result | None:
        return self.results[-1] if self.results and self._thread is None else None

    def _how(self, boxes: Marked) -> How:
        return How(boxes=boxes, thread=self._thread)

    def _noted(self, event: Event) -> None:
        if event.result is not None:
            self._kept(event.result)

    def _kept(self, result: Result) -> Result:
        self.results.append(result)
        return result


def _listed(images: Images) -> list[Any]:
    return list(images) if isinstance(images, list | tuple) else [images]
