"""Stage 2: what is learned of a conversation, batches, the saved model, and that serving reads the same."""

from __future__ import annotations

import base64
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from PIL import Image
from transformers import AutoModelForImageTextToText, Qwen2Tokenizer

from foveate.agent.models.content import template_messages
from foveate.agent.models.hf import HFChatModel
from foveate.agent.models.processors import load_processor
from foveate.pocket.vlm import train as training
from foveate.pocket.vlm import trajectories, vision
from foveate.pocket.vlm.model import build
from foveate.pocket.vlm.train import Encoder, Sample, collate, records
from foveate.tools.toolbox import TOOLS

from . import synthetic

CALL = {"name": "ground", "args": {"phrase": "liver"}, "id": "c1", "type": "tool_call"}
ANSWER = {"name": "answer", "args": {"text": "There.", "claims": []}, "id": "c2", "type": "tool_call"}
SIZES = {"V0": (224, 224), "V1": (187, 112)}
TALK = [
    SystemMessage("Answer from the image."),
    HumanMessage([
        {"type": "image_ref", "view": "V0"}, {"type": "text", "text": "V0 224x224\nassistant\nWhere?"},
    ]),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("E1 liver [1,2,3,4] score 0.91 image left", tool_call_id="c1"),
    HumanMessage([
        {"type": "image_ref", "view": "V1"}, {"type": "text", "text": "V1 187x112. Does it show it?"},
    ]),
    AIMessage("Yes.", tool_calls=[ANSWER]),
]  # fmt: skip


def png(size: tuple[int, int]) -> str:
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURES = {name: png(size) for name, size in SIZES.items()}


def record() -> dict[str, Any]:
    messages = [trajectories.chat_message(message) for message in TALK]
    return {"tools": [*TOOLS, "answer"], "messages": messages, "pictures": PICTURES, "stopped_by": "answer"}


def learned(sample: Sample, tokenizer: Qwen2Tokenizer) -> list[str]:
    """The runs of tokens that count in the loss, as text."""
    runs: list[list[int]] = [[]]
    for label in sample.labels:
        if label == -100:
            runs.append([])
        else:
            runs[-1].append(label)
    return [tokenizer.decode(run) for run in runs if run]


@pytest.mark.parametrize("text_only", [True, False])
def test_exactly_the_assistants_turns_are_learned(tokenizer: Qwen2Tokenizer, text_only: bool) -> None:
    sample = Encoder(tokenizer, text_only)(record())
    first = '<tool_call>\n{"name": "ground", "arguments": {"phrase": "liver"}}\n</tool_call><|im_end|>'
    last = (
        'Yes.\n<tool_call>\n{"name": "answer", "arguments": {"text": "There.", "claims": []}}\n'
        "</tool_call><|im_end|>"
    )
    assert learned(sample, tokenizer) == [first, last]
    shown = zip(sample.ids, sample.labels, strict=True)
    assert all(label in (-100, token) for token, label in shown)


def test_each_picture_has_as_many_tokens_as_its_grid(tokenizer: Qwen2Tokenizer) -> None:
    encoder = Encoder(tokenizer)
    sample = encoder(record())
    assert sample.grid is not None
    assert sample.pixels is not None
    assert sample.grid.tolist() == [[1, 16, 16], [1, 8, 14]]
    runs = (
        tokenizer.decode(sample.ids).replace("<|vision_end|>", "<|vision_start|>").split("<|vision_start|>")
    )
    assert [run.count("<|image_pad|>") for run in runs[1::2]] == [64, 28]
    assert len(sample.pixels) == 4 * (64 + 28)


def test_without_pictures_their_tokens_are_left_out(tokenizer: Qwen2Tokenizer) -> None:
    encoder = Encoder(tokenizer, text_only=True)
    sample = encoder(record())
    assert encoder.pad_image not in sample.ids
    assert sample.pixels is None
    assert sample.grid is None


def test_a_batch_is_padded_on_the_right_and_padding_is_never_learned() -> None:
    batch = collate([Sample([5, 6, 7], [-100, 6, 7], None, None), Sample([8], [8], None, None)], 0, 9)
    assert batch["input_ids"][:, :3].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["labels"][:, :3].tolist() == [[-100, 6, 7], [8, -100, -100]]
    assert batch["attention_mask"][:, :3].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert not batch["input_ids"][:, 3:].any()
    assert not batch["attention_mask"][:, 3:].any()
    assert (batch["labels"][:, 3:] == -100).all()
    assert len({batch[name].shape for name in batch}) == 1
    assert set(batch) == {"input_ids", "labels", "attention_mask"}


def test_a_batch_with_pictures_marks_their_tokens(tokenizer: Qwen2Tokenizer) -> None:
    encoder = Encoder(tokenizer)
    batch = collate([encoder(record())] * 2, 0, encoder.pad_image)
    assert batch["mm_token_type_ids"].sum(1).tolist() == [92, 92]
    assert batch["image_grid_thw"].shape == (4, 3)
    assert batch["pixel_values"].shape[0] == 4 * 2 * 92


def shown(messages: list[Any]) -> list[Any]:
    """With pictures in place of references, as the agent shows them."""
    return [
        m.model_copy(update={"content": [_block(b) for b in m.content]}) if isinstance(m.content, list) else m
        for m in messages
    ]


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] != "image_ref":
        return block
    return {"type": "image", "base64": PICTURES[block["view"]], "mime_type": "image/png"}


def schemas() -> list[dict[str, Any]]:
    return [
        {"type": "function", "function": {"name": name, "description": "d", "parameters": {}}}
        for name in [*TOOLS, "answer"]
    ]


def test_what_is_served_is_what_was_trained(tokenizer: Qwen2Tokenizer, weights: Path) -> None:
    """The prompt of a run has the same tokens and pixels as the conversation up to that turn in training."""
    sample = Encoder(tokenizer)(record())
    processor = load_processor(str(weights), "qwen2_5_vl", local_only=True)
    made = processor.apply_chat_template(
        template_messages(shown(TALK[:5])),
        tools=schemas(),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    prompt = made["input_ids"][0].tolist()
    assert sample.ids[: len(prompt)] == prompt
    assert sample.labels[len(prompt) - 1] == -100
    assert sample.labels[len(prompt)] != -100
    assert sample.pixels is not None
    assert torch.equal(made["pixel_values"], sample.pixels)


def test_a_saved_model_answers_from_its_folder(weights: Path, tokenizer: Qwen2Tokenizer) -> None:
    model = HFChatModel(path=str(weights), max_new_tokens=5, device="cpu")
    reply = model.bind_tools(schemas()).invoke(shown(TALK[:2]))
    assert reply.usage_metadata is not None
    assert 1 <= reply.usage_metadata["output_tokens"] <= 5
    whole = tokenizer.apply_chat_template(
        [trajectories.chat_message(m) for m in TALK[:2]],
        tools=schemas(),
        tokenize=False,
        add_generation_prompt=True,
    )
    words = len(tokenizer(whole, add_special_tokens=False)["input_ids"])
    assert reply.usage_metadata["input_tokens"] == words - 1 + 64


def test_saved_weights_are_the_models_own_to_half_precision(weights: Path, tokenizer: Qwen2Tokenizer) -> None:
    torch.manual_seed(0)
    made = build(tokenizer, layers=1).state_dict()
    loader: Any = AutoModelForImageTextToText
    loaded = loader.from_pretrained(weights, dtype=torch.float32).state_dict()
    assert set(loaded) == set(made)
    assert all(torch.equal(loaded[name], made[name].half().float()) for name in made)
    assert sum(p.stat().st_size for p in weights.glob("*.safetensors")) < 2.1 * sum(
        v.numel() for name, v in made.items() if name != "lm_head.weight"
    )


@pytest.fixture
def made_scenes(monkeypatch: pytest.MonkeyPatch) -> synthetic.LabelGrounder:
    scene = synthetic.scene()
    monkeypatch.setattr(trajectories, "random_scene", lambda rng: scene)
    return synthetic.LabelGrounder(scene)


def test_shards_are_whole_and_a_second_run_adds_to_them(
    made_scenes: synthetic.LabelGrounder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trajectories, "SHARD", 3)
    trajectories.write(4, 0, made_scenes, tmp_path)
    trajectories.write(1, 1, made_scenes, tmp_path)
    trajectories.write(1, 0, made_scenes, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["000-0000.jsonl", "000-0001.jsonl", "000-0002.jsonl", "001-0000.jsonl"]
    assert (len(list(records(tmp_path))), len(list(records(tmp_path, held_out=True)))) == (3, 9)
    for told in records(tmp_path, held_out=True):
        views = [p["view"] for m in told["messages"] for p in m["content"] if p["type"] == "image"]
        assert set(views) <= set(told["pictures"])
        assert told["messages"][-1]["tool_calls"][0]["function"]["name"] == "answer"


def test_training_with_pictures_resumes_from_words_and_writes_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokenizer: Qwen2Tokenizer
) -> None:
    monkeypatch.setattr(training, "RUN", tmp_path / "run")
    monkeypatch.setattr(training, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(training, "build", partial(build, layers=2))
    monkeypatch.setattr(vision, "CHECKPOINT", tmp_path / "none.pt")
    tokenizer.save_pretrained(tmp_path / "run" / "tokenizer")
    (tmp_path / "001-0000.jsonl").write_text(json.dumps(record()) + "\n")
    training.train(5, 1, 1, 1e-3, True, tmp_path)
    assert not (tmp_path / "weights").exists()
    training.train(5, 2, 1, 1e-3, False, tmp_path)
    assert torch.load(tmp_path / "run" / "model.pt", weights_only=True)["step"] == 2
    assert (tmp_path / "weights" / "model.safetensors").exists()
    assert not list((tmp_path / "run").glob("*.part"))


def test_the_tower_of_stage_1_fits_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokenizer: Qwen2Tokenizer
) -> None:
    monkeypatch.setattr(training, "build", partial(build, layers=2))
    monkeypatch.setattr(vision, "CHECKPOINT", tmp_path / "vision.pt")
    torch.manual_seed(7)
    tower = vision.DenseTower()
    torch.save({"model": tower.state_dict()}, tmp_path / "vision.pt")
    made = training.prepare(tokenizer, 0).model.visual
    assert all(
        torch.equal(value, tower.tower.state_dict()[name]) for name, value in made.state_dict().items()
    )
    learning = {name.split(".")[0] for name, p in made.named_parameters() if p.requires_grad}
    assert learning == {"merger"}
