"""From what LangGraph streams to the events of a run, in the order in which they happened.

Reads node updates, model chunks and the events that nodes emit. Knows no server, and of the graph only the
names of its nodes and the keys of its state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import Durability, StreamMode

from foveate.agent.events import Event
from foveate.agent.graph import Graph
from foveate.agent.reply import ReplyStream
from foveate.agent.state import AgentState
from foveate.agent.trace import call_id
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.views import View

MODES: list[StreamMode] = ["custom", "updates", "values"]


class Translator:
    """Takes what one run streams; `state` is the newest whole state, None before the first."""

    def __init__(self) -> None:
        self.state: AgentState | None = None
        self._call = 0
        self._reply = ReplyStream()

    def feed(self, mode: str, data: Any) -> Iterator[Event]:
        if mode == "values":
            self.state = data
        elif mode == "custom":
            yield from self._emitted(data)
        elif mode == "messages":
            yield from self._chunk(data[0])
        else:
            for node, update in data.items():
                yield from self._update(node, update or {})

    def _emitted(self, event: Event) -> Iterator[Event]:
        if event.kind == "model_start":
            self._call, self._reply = self._call + 1, ReplyStream()
            event = Event("model_start", {"call": self._call})
        yield event

    def _chunk(self, message: Any) -> Iterator[Event]:
        # whole messages come by here too, when a node returns them; only a chunk is news
        if isinstance(message, AIMessageChunk):
            for channel, delta in self._reply.feed(message):
                yield Event("token", {"call": self._call, "channel": channel, "delta": delta})

    def _update(self, node: str, update: dict[str, Any]) -> Iterator[Event]:
        if node == "reason" and "usage" in update:
            yield Event("model_end", {"call": self._call, "usage": dict(update["usage"])})
        for name, told in update.get("views", {}).items():
            yield Event("view", {"name": name, **View.model_validate(told).model_dump(mode="json")})
        for told in update.get("evidence", {}).values():
            yield Event("box", Evidence.model_validate(told).model_dump(mode="json"))
        for record in update.get("steps", []):
            yield Event("repair" if node == "repair" else "step", _whole(record, update.get("messages", [])))


def _whole(record: dict[str, Any], messages: list[Any]) -> dict[str, Any]:
    """The record with its observation, which a message holds where tools have messages of their own."""
    own = call_id(record["n"])
    said = [m.text for m in messages if isinstance(m, ToolMessage) and m.tool_call_id == own]
    return {"ok": True, **({"observation": said[0]} if said else {}), **record}


async def aevents(
    graph: Graph,
    given: AgentState | None,
    config: RunnableConfig,
    translator: Translator,
    durability: Durability | None = None,
    *,
    tokens: bool = True,
) -> AsyncIterator[Event]:
    """Runs the graph on an event loop; `given` is None to go on where a thread was interrupted.

    Without `tokens` a model server is asked for whole replies, which spares both ends much work."""
    options: dict[str, Any] = {} if durability is None else {"durability": durability}
    async for mode, data in graph.astream(given, config, stream_mode=_modes(tokens), **options):
        for event in translator.feed(mode, data):
            yield event


def events(
    graph: Graph, given: AgentState, config: RunnableConfig, translator: Translator
) -> Iterator[Event]:
    """`aevents` without an event loop."""
    for mode, data in graph.stream(given, config, stream_mode=_modes(True)):
        yield from translator.feed(mode, data)


def _modes(tokens: bool) -> list[StreamMode]:
    return ["messages", *MODES] if tokens else MODES
