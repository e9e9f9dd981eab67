"""Events come while a run happens, in order, and end with the answer that `ask` gives."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from foveate.agent.events import Event
from foveate.agent.models.profiles import profile_named
from foveate.agent.reply import ReplyStream
from foveate.agent.run import Agent

from .scripted import FakeGrounder, ScriptedModel, call, ct_volume, picture

FOUND = call("answer", text="There.", claims=[{"text": "left kidney", "evidence": ["E1"]}])
REPLIES = (call("ground", phrase="left kidney"), FOUND)


def agent(*replies: Any, **options: Any) -> Agent:
    options.setdefault("grounder", FakeGrounder({"left kidney": (40.0, 30.0, 50.0, 42.0)}))
    return Agent(ScriptedModel(replies=list(replies)), profile=profile_named("pocket"), **options)


def test_events_tell_the_run_in_order() -> None:
    told = list(agent(*REPLIES).stream(ct_volume(), "Where is the left kidney?"))
    kinds = [event.kind for event in told]
    assert kinds == [
        "view",
        "model_start",
        "model_end",
        "tool_start",
        "tool_end",
        "box",
        "step",
        "model_start",
        "model_end",
        "step",
        "answer",
    ]
    assert told[3].data == {
        "n": 1,
        "tool": "ground",
        "arguments": {"phrase": "left kidney", "view": "V0"},
    }
    assert told[6].data["observation"].startswith("E1")
    assert told[-1].result is not None
    assert told[-1].data["claims"][0]["evidence"] == ["E1"]


def test_asynchronous_events_are_the_same() -> None:
    async def collect() -> list[Event]:
        return [e async for e in agent(*REPLIES).astream(ct_volume(), "Where is the left kidney?")]

    told = asyncio.run(collect())
    kinds = [e.kind for e in agent(*REPLIES).stream(ct_volume(), "Where is the left kidney?")]
    assert [event.kind for event in told] == kinds


def test_a_tool_is_told_to_start_before_it_ends() -> None:
    told, going = [], threading.Event()

    @tool
    def wait() -> str:
        """Waits until its start was heard."""
        return "heard" if going.wait(10) else "not heard"

    run = agent(call("wait"), call("answer", text="Done.", abstained=True), tools=[wait])
    for event in run.stream(picture(), "What?"):
        told.append(event)
        if event.kind == "tool_start":
            going.set()
    assert next(e.data["observation"] for e in told if e.kind == "step") == "<<<\nheard\n>>>"


def test_a_refused_call_never_starts() -> None:
    told = list(agent(call("no_such_tool"), FOUND, call("answer", text="x")).stream(picture(), "What?"))
    assert not [event for event in told if event.kind == "tool_start"]
    assert next(event.data["ok"] for event in told if event.kind == "step") is False


class Streaming(ScriptedModel):
    """Writes its replies three characters at a time."""

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        text = str(self.replies[min(len(self.shown), len(self.replies) - 1)])
        self.shown.append(messages)
        for at in range(0, len(text), 3):
            yield ChatGenerationChunk(message=AIMessageChunk(text[at : at + 3]))


def test_tokens_of_the_answer_arrive_before_it_is_whole() -> None:
    grounder = FakeGrounder({"left kidney": (40.0, 30.0, 50.0, 42.0)})
    run = Agent(Streaming(replies=list(REPLIES)), profile=profile_named("pocket"), grounder=grounder)
    told = list(run.stream(ct_volume(), "Where?"))
    deltas = [event.data["delta"] for event in told if event.kind == "token"]
    assert "".join(deltas) == "There." and len(deltas) > 1


def test_native_call_chunks_give_the_answer_text() -> None:
    reader, got = ReplyStream(), []
    for index, args in enumerate(['{"te', 'xt": "A nod', 'ule.", "cla', 'ims": []}']):
        part = tool_call_chunk(name="answer" if index == 0 else None, args=args, id=None, index=0)
        got += reader.feed(AIMessageChunk("", tool_call_chunks=[part]))
    assert "".join(delta for channel, delta in got) == "A nodule."
    assert {channel for channel, _ in got} == {"answer"}


@given(
    text=st.text(max_size=40),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    native=st.booleans(),
)
def test_the_deltas_of_an_answer_are_its_text_however_the_reply_is_cut(
    text: str, cuts: list[int], native: bool
) -> None:
    told = json.dumps({"text": text, "claims": []})
    whole = told if native else f'<tool_call>\n{{"name": "answer", "arguments": {told}}}\n</tool_call>'
    marks = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    reader, got = ReplyStream(), ""
    for at, (start, end) in enumerate(pairwise(marks)):
        part = tool_call_chunk(name="answer" if at == 0 else None, args=whole[start:end], id=None, index=0)
        chunk = AIMessageChunk("", tool_call_chunks=[part]) if native else AIMessageChunk(whole[start:end])
        got += "".join(delta for channel, delta in reader.feed(chunk) if channel == "answer")
    assert got == text


def test_prose_before_a_call_is_text_and_the_call_is_not() -> None:
    reader, got = ReplyStream(), []
    for part in ["I loo", "k. <to", "ol_call>\n{", '"name": "zoom"}</tool_call>']:
        got += reader.feed(AIMessageChunk(part))
    assert got == [("text", "I loo"), ("text", "k. ")]


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_session_goes_on_with_what_was_found(checkpointed: bool) -> None:
    run = agent(
        *REPLIES,
        call("measure", region="E1"),
        call("answer", text="Small.", claims=[{"text": "small", "evidence": ["E1"]}]),
        checkpointer=InMemorySaver() if checkpointed else None,
    )
    session = run.session(ct_volume())
    first = session.ask("Where is the left kidney?")
    told = list(session.stream("How large is it?"))
    assert first.answer.claims[0].evidence == ("E1",)
    assert [e.data["tool"] for e in told if e.kind == "tool_start"] == ["measure"]
    assert session.results[-1].answer.evidence[0].id == "E1"


def test_a_session_works_on_an_event_loop() -> None:
    async def both() -> list[str]:
        session = agent(*REPLIES, call("answer", text="Yes.", abstained=True)).session(ct_volume())
        await session.aask("Where is the left kidney?")
        return [event.kind async for event in session.astream("Sure?")]

    assert asyncio.run(both())[-1] == "answer"


def test_nobody_need_listen_and_late_tools_do_no_harm() -> None:
    from foveate.agent.budget import Budget

    @tool
    def slow() -> str:
        """Takes longer than the question may."""
        time.sleep(0.6)
        return "late"

    run = agent(call("slow"), tools=[slow], budget=Budget(seconds=0.2))
    told = list(run.stream(picture(), "What?"))
    assert told[-1].result is not None and told[-1].result.stopped_by == "seconds"
    time.sleep(0.6)  # the abandoned tool ends now and tells nobody
