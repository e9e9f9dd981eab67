"""pocket-vlm's words: its tokenizer and its chat template."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, Qwen2Tokenizer

from foveate.pocket.vlm.tokenizer import MARKUP, SPECIAL, train_tokenizer

from .conftest import WORDS

WRITTEN = train_tokenizer(WORDS, vocab_size=420)


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_can_be_written(text: str) -> None:
    ids = WRITTEN(text, add_special_tokens=False)["input_ids"]
    assert WRITTEN.decode(ids) == unicodedata.normalize("NFC", text)


@given(st.from_regex(r"E[0-9]{1,3} \[[0-9]{1,3},[0-9]{1,3}\] score 0\.[0-9]{2}", fullmatch=True))
@settings(deadline=None)
def test_digits_stand_alone(text: str) -> None:
    pieces = [WRITTEN.decode([i]) for i in WRITTEN(text, add_special_tokens=False)["input_ids"]]
    assert [p for p in pieces if any(c.isdigit() for c in p)] == [c for c in text if c.isdigit()]


def test_words_that_are_common_in_the_texts_become_one_token() -> None:
    assert len(WRITTEN(" kidney", add_special_tokens=False)["input_ids"]) == 1


@pytest.mark.parametrize("mark", [*SPECIAL, *MARKUP])
def test_each_mark_is_one_token_wherever_it_stands(mark: str) -> None:
    ids = WRITTEN(f"a{mark}b", add_special_tokens=False)["input_ids"]
    assert ids.count(WRITTEN.get_vocab()[mark]) == 1
    assert len(ids) == 3


def test_a_server_sees_tool_calls_but_no_turn_marks() -> None:
    text = '<|im_start|><tool_call>\n{"name": "zoom"}\n</tool_call><|im_end|>'
    ids = WRITTEN(text, add_special_tokens=False)["input_ids"]
    assert WRITTEN.decode(ids, skip_special_tokens=True) == '<tool_call>\n{"name": "zoom"}\n</tool_call>'
    assert WRITTEN.decode(ids) == text


def test_the_vocabulary_has_no_gaps_and_keeps_to_its_size() -> None:
    ids = sorted(WRITTEN.get_vocab().values())
    assert ids == list(range(len(WRITTEN)))
    assert 256 + len(SPECIAL) + len(MARKUP) < len(WRITTEN) <= 420


def test_a_saved_tokenizer_reads_and_renders_as_before(tmp_path: Path) -> None:
    WRITTEN.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = WORDS[2] + "<tool_call>é\n"
    assert again(text)["input_ids"] == WRITTEN(text)["input_ids"]
    assert again.chat_template == WRITTEN.chat_template
    assert (again.eos_token, again.pad_token) == ("<|im_end|>", "<|endoftext|>")


def _text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


TOOLS = [{"type": "function", "function": {"name": name}} for name in ("ground", "zoom", "answer")]
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": _text("Answer from the image.")},
    {"role": "user", "content": [{"type": "image", "view": "V0"}, *_text("V0 224x224\nWhere is it?")]},
    {"role": "assistant", "content": [], "tool_calls": [
        _call("ground", phrase="a"), _call("zoom", region="E1"),
    ]},
    {"role": "tool", "content": _text("E1 a [1,2,3,4] score 0.91 image left")},
    {"role": "tool", "content": "V1 zoom x2.0 of V0 around E1"},
    {"role": "user", "content": [{"type": "image", "view": "V1"}, *_text("V1 224x196. Does it show it?")]},
    {"role": "assistant", "content": _text("Now."), "tool_calls": [_call("answer", text="Größe", claims=[])]},
]  # fmt: skip
GOLDEN = """\
<|im_start|>system
Answer from the image.
Tools: ground zoom answer<|im_end|>
<|im_start|>user
<|vision_start|><|image_pad|><|vision_end|>V0 224x224
Where is it?<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "ground", "arguments": {"phrase": "a"}}
</tool_call>
<tool_call>
{"name": "zoom", "arguments": {"region": "E1"}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
E1 a [1,2,3,4] score 0.91 image left
</tool_response>
<tool_response>
V1 zoom x2.0 of V0 around E1
</tool_response><|im_end|>
<|im_start|>user
<|vision_start|><|image_pad|><|vision_end|>V1 224x196. Does it show it?<|im_end|>
<|im_start|>assistant
Now.
<tool_call>
{"name": "answer", "arguments": {"text": "Größe", "claims": []}}
</tool_call><|im_end|>
"""


def test_the_template_renders_a_conversation_to_the_letter(tokenizer: Qwen2Tokenizer) -> None:
    assert tokenizer.apply_chat_template(TALK, tools=TOOLS, tokenize=False) == GOLDEN


def test_a_prompt_is_the_conversation_so_far_and_the_head_of_a_reply(tokenizer: Qwen2Tokenizer) -> None:
    prompt = tokenizer.apply_chat_template(TALK[:2], tools=TOOLS, tokenize=False, add_generation_prompt=True)
    head = "<|im_start|>assistant\n"
    assert prompt == GOLDEN[: GOLDEN.index(head) + len(head)]


def test_without_a_system_message_or_tools_nothing_is_added(tokenizer: Qwen2Tokenizer) -> None:
    shown = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert shown == "<|im_start|>user\nHi<|im_end|>\n"


def test_arguments_that_are_text_already_are_not_quoted_again(tokenizer: Qwen2Tokenizer) -> None:
    call = {"type": "function", "function": {"name": "zoom", "arguments": '{"region": "E1"}'}}
    shown = tokenizer.apply_chat_template(
        [{"role": "assistant", "content": "", "tool_calls": [call]}], tokenize=False
    )
    assert '{"name": "zoom", "arguments": {"region": "E1"}}' in shown
