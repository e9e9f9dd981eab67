"""A streamed reply says what the whole one says, as it is written, and ends when nobody listens."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk

from foveate.agent.models.hf import HFChatModel
from foveate.agent.models.parsing import parse_reply
from foveate.agent.models.streaming import Stopping, Telling, TokenFeed, written

from .test_hf import Write, crop, look

CALL = 'I look.\n<tool_call>\n{"name": "crop", "arguments": {"box": [1, 2, 3, 4]}}\n</tool_call>'


def _joined(chunks: list[Any]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert isinstance(whole, AIMessageChunk)
    return whole


def test_pieces_come_one_by_one_and_add_up_to_the_reply(tiny_qwen: Path) -> None:
    model = HFChatModel(path=str(tiny_qwen), max_new_tokens=60)
    model.logits_processors = [Write(model, "The heart lies on the left.")]
    chunks = list(model.stream([look()]))
    model.logits_processors = [Write(model, "The heart lies on the left.")]
    whole, told = model.invoke([look()]), _joined(chunks)
    assert told.content == whole.content and told.usage_metadata == whole.usage_metadata
    assert told.response_metadata["finish_reason"] == "stop"
    assert sum(bool(c.content) for c in chunks) > 3


def test_a_streamed_call_means_what_the_whole_reply_means(tiny_qwen: Path) -> None:
    model = HFChatModel(path=str(tiny_qwen), max_new_tokens=200)
    bound = model.bind_tools([crop])
    replies = []
    for stream in (False, True):
        model.logits_processors = [Write(model, CALL)]
        reply = _joined(list(bound.stream([look()]))) if stream else bound.invoke([look()])
        assert isinstance(reply, AIMessage)
        replies.append(reply)
    plain, streamed = (parse_reply(reply, model.profile_of_model) for reply in replies)
    assert streamed == plain and streamed.text == plain.text and plain.tool_calls[0].name == "crop"
    assert streamed.tool_calls[0].arguments == {"box": [1, 2, 3, 4]}


def test_a_stop_word_is_never_told(tiny_qwen: Path) -> None:
    model = HFChatModel(path=str(tiny_qwen), max_new_tokens=60)
    model.logits_processors = [Write(model, "Left lung. STOP more")]
    told = [str(c.content) for c in model.stream([look()], stop=["STOP"])]
    assert "".join(told) == "Left lung." and not any("S" in part for part in told)


def test_whoever_stops_listening_stops_the_writing(tiny_qwen: Path) -> None:
    model = HFChatModel(path=str(tiny_qwen), max_new_tokens=4000)
    steps: list[int] = []

    def count(_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        steps.append(1)
        time.sleep(0.01)
        return scores

    model.logits_processors = [Write(model, "on and on and ", end=False), count]
    stream = model.stream([look()])
    next(stream)
    assert isinstance(stream, Iterator)
    stream.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "generate":
            thread.join(5)
    assert len(steps) < 400
    model.logits_processors = []
    model.max_new_tokens = 3
    assert model.invoke([look()]).usage_metadata  # the model is free again


def test_what_goes_wrong_while_writing_is_raised() -> None:
    def broken(feed: TokenFeed, _stopping: Stopping) -> list[int]:
        feed.put(torch.tensor([[1, 2]]))
        feed.put(torch.tensor([7]))
        raise MemoryError("full")

    told = written(broken, first=True)
    assert next(told) == 7
    with pytest.raises(MemoryError, match="full"):
        next(told)


@given(st.text(alphabet="ab \n\ufffd", max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_pieces_of_a_growing_text_are_the_text(text: str, cuts: list[int]) -> None:
    telling = Telling()
    told = [telling.feed(text[:cut]) for cut in sorted(cuts)]
    told.append(telling.end(text.strip()))
    # a broken character may stand at the end of a text that is not whole yet, never in one that is told
    if "\ufffd" not in text:
        assert "".join(told) == text.strip()
    assert all(piece == piece.rstrip("\ufffd") for piece in told[:-1])
