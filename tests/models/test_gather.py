"""Chunks of a streamed reply that are joined say what they said apart; all else passes byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from httpx2 import AsyncByteStream
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from foveate.agent.models.factory import chat_model
from foveate.agent.models.gather import MOMENT, GatheredBody, gathered

from .fake_server import FakeServer, serving

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
DONE = b"data: [DONE]\n\n"
PARTS = st.text(max_size=5)
DELTAS = st.one_of(
    st.fixed_dictionaries({"content": PARTS}),
    st.fixed_dictionaries({"content": PARTS, "reasoning": st.none()}),
    st.fixed_dictionaries({"reasoning_content": PARTS}),
    st.just({"role": "assistant", "content": ""}),
    st.builds(
        lambda index, text: {"tool_calls": [{"index": index, "function": {"arguments": text}}]},
        st.integers(0, 1),
        PARTS,
    ),
    st.builds(
        lambda index: {
            "tool_calls": [{"index": index, "id": "t", "type": "function", "function": {"name": "zoom"}}]
        },
        st.integers(0, 1),
    ),
)
STRANGE = st.sampled_from(
    [b": ping\n\n", b"event: error\ndata: {}\n\n", b"data: {broken\n\n", b'data: {"choices": []}\n\n']
)


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({**HEAD, "choices": [choice]}).encode() + b"\n\n"


def said(events: list[bytes]) -> list[tuple[Any, ...]]:
    """What a reader makes of events: texts by where they belong, and all that is not part of a text."""
    told: list[tuple[Any, ...]] = []
    for each in events:
        try:
            [choice] = json.loads(each.split(b"data: ", 1)[1])["choices"]
        except (ValueError, KeyError, IndexError):
            told.append(("raw", each))
            continue
        for key, value in choice["delta"].items():
            if not value or key == "role":  # a role is told, not added up
                continue
            called = value[0] if key == "tool_calls" else {}
            place = (key, called.get("index"), "name" in called.get("function", {}))
            text = called["function"].get("arguments") if called else value
            if text == "":
                continue
            if isinstance(text, str) and told and told[-1][:-1] == place:
                told[-1] = (*place, told[-1][-1] + text)
            else:
                told.append((*place, text if isinstance(text, str) else repr(value)))
    return told


class Body(AsyncByteStream):
    """Parts, each at its second of `now`."""

    def __init__(self, parts: list[tuple[float, bytes]]) -> None:
        self.parts, self.now, self.closed = parts, 0.0, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for wait, part in self.parts:
            self.now += wait
            yield part

    async def aclose(self) -> None:
        self.closed = True


def read(body: Body) -> list[bytes]:
    async def all_() -> list[bytes]:
        return [part async for part in GatheredBody(body, lambda: body.now)]

    return asyncio.run(all_())


@given(st.lists(st.one_of(DELTAS.map(event), STRANGE), max_size=12))
def test_joined_events_say_what_they_said_apart(events: list[bytes]) -> None:
    after = list(gathered(iter(events)))
    # texts of different places may not change their order, nor may anything be lost or doubled
    assert said(after) == said(events)
    assert len(after) <= len(events)


@given(
    st.lists(DELTAS.map(event), max_size=8),
    st.lists(st.integers(0, 900), max_size=10),
    st.lists(st.sampled_from([0.0, 0.01, 0.5]), min_size=1, max_size=5),
)
def test_however_a_body_is_cut_it_says_the_same(
    events: list[bytes], cuts: list[int], waits: list[float]
) -> None:
    whole = b"".join([*events, DONE])
    marks = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parts = [whole[a:b] for a, b in pairwise(marks)]
    body = Body([(waits[n % len(waits)], part) for n, part in enumerate(parts)])
    after = b"".join(read(body))
    assert after.endswith(DONE)
    assert said([e + b"\n\n" for e in after.split(b"\n\n")[:-1]]) == said([*events, DONE])


def test_what_comes_slowly_is_handed_on_at_once_and_what_comes_fast_together() -> None:
    slow = Body([(2 * MOMENT, event({"content": letter})) for letter in "abc"])
    assert [said([part]) for part in read(slow)] == [[("content", None, False, letter)] for letter in "abc"]
    fast = Body([(MOMENT / 100, event({"content": letter})) for letter in "abcdef"])
    assert [said([part])[0][-1] for part in read(fast)] == ["a", "bcdef"]


def test_a_chunk_that_stands_alone_is_not_rewritten() -> None:
    alone = b'data: {"choices":[{"index":0,"delta":{"content":"\xc3\xa9"}}],  "odd" : 1.50}\n\n'
    assert list(gathered(iter([alone]))) == [alone]


def test_an_end_is_never_joined_to_what_goes_before() -> None:
    events = [event({"content": "a"}), event({"content": "b"}, "stop"), DONE]
    assert list(gathered(iter(events))) == events


def test_a_model_behind_a_server_streams_the_same_message_joined() -> None:
    words = ["A ", "nod", "ule", " there", "."]
    with serving() as server:
        server.kind = "text/event-stream"
        server.answer = b"".join([*(event({"content": word}) for word in words), event({}, "stop"), DONE])
        chunks = asyncio.run(_streamed(server))
    whole = sum(chunks[1:], chunks[0])
    assert whole.text == "A nodule there." and whole.response_metadata["finish_reason"] == "stop"
    assert len([chunk for chunk in chunks if chunk.text]) == 1


async def _streamed(server: FakeServer) -> list[AIMessageChunk]:
    model = chat_model("openai:m", server.url)
    return [chunk async for chunk in model.astream("Is there a nodule?")]  # type: ignore[misc]
