"""Text encoders of diffusion models: CLIP (Stable Diffusion, RoentGen) and BERT (CXR-BERT).

Tokens keep the characters that they came from. Never runs code from a model folder: CXR-BERT's encoder is a
plain BERT, and is loaded as one. Knows nothing of images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from foveate.tools.grounding.diffusion.protocol import EncodedText, Token
from foveate.tools.grounding.errors import GrounderError

_FOLDERS = re.compile(r"(?<![\w:/])/(?:[^\s/'\"]+/)+")


class TextEncoder:
    """Prompts → last hidden states, padded to `max_tokens` as in training."""

    def __init__(self, tokenizer_folder: Path, model_folder: Path, device: str) -> None:
        from transformers import AutoTokenizer

        config = read_json(model_folder / "config.json", "text encoder")
        kind = str(config.get("model_type", ""))
        self.bert = "bert" in kind
        if not self.bert and not kind.startswith("clip"):
            raise GrounderError(
                f"The text encoder in {model_folder.name!r} is a {kind!r}; CLIP and BERT work."
            )
        need_weights(model_folder, ("*model*.safetensors", "pytorch_model*.bin"), "text encoder")
        try:
            self.tokenizer: Any = (
                _bert_tokenizer(tokenizer_folder)
                if self.bert
                else AutoTokenizer.from_pretrained(tokenizer_folder)
            )
            self.model: Any = _encoder(self.bert).from_pretrained(model_folder).to(device).eval()
        except (OSError, ValueError, RuntimeError) as fault:
            raise GrounderError(
                f"The text encoder in {model_folder.parent.name!r} cannot be loaded: {first_line(fault)}"
            ) from fault
        self.model.requires_grad_(False)
        self.device = device
        self.width = int(self.model.config.hidden_size)
        positions = int(self.model.config.max_position_embeddings)
        # a tokenizer without a limit says so with a very large number; CXR-BERT is used with CLIP's 77
        self.max_tokens = min(int(self.tokenizer.model_max_length), positions, 77)

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> EncodedText:
        """Hidden states (prompts, max_tokens, width). Raises GrounderError for a prompt that is too long."""
        for prompt in prompts:
            count = len(self.tokenizer(prompt, truncation=False)["input_ids"])
            if count > self.max_tokens:
                raise GrounderError(
                    f"The phrase {shorten(prompt)!r} has {count} tokens; this model's text encoder takes"
                    f" {self.max_tokens}. Shorten the phrase."
                )
        told = self.tokenizer(
            list(prompts), padding="max_length", max_length=self.max_tokens, truncation=True,
            return_offsets_mapping=True, return_attention_mask=True, return_tensors="pt",
        )  # fmt: skip
        mask = told["attention_mask"]
        # CLIP was used without a mask, BERT with one
        wanted = self.bert or bool(getattr(self.model.config, "use_attention_mask", False))
        given = {"attention_mask": mask.to(self.device)} if wanted else {}
        states = self.model(told["input_ids"].to(self.device), **given)[0]
        special = set(self.tokenizer.all_special_ids)
        tokens = tuple(
            tuple(
                Token(int(a), int(b), special=not real or int(i) in special)
                for i, (a, b), real in zip(ids, offsets, reals, strict=True)
            )
            for ids, offsets, reals in zip(told["input_ids"], told["offset_mapping"], mask, strict=True)
        )
        return EncodedText(states.float(), tokens)


def _encoder(bert: bool) -> Any:
    from transformers import BertModel, CLIPTextModel

    return BertModel if bert else CLIPTextModel


def _bert_tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(folder)


def read_json(path: Path, part: str) -> dict[str, Any]:
    """A configuration file of a model part. Raises GrounderError when it is missing or broken."""
    if not path.is_file():
        raise GrounderError(f"The diffusion model lacks its {part}: there is no {_tail(path)}.")
    try:
        told = json.loads(path.read_text())
    except ValueError as fault:
        raise GrounderError(f"The {part}'s {_tail(path)} is not JSON: {first_line(fault)}") from fault
    if not isinstance(told, dict):
        raise GrounderError(f"The {part}'s {_tail(path)} is not a JSON object.")
    return told


def shorten(text: str, limit: int = 40) -> str:
    """A text fit for one line of an error."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def need_weights(folder: Path, patterns: Sequence[str], part: str) -> None:
    """Raises GrounderError when a part's folder has none of these files."""
    if not any(True for pattern in patterns for _ in folder.glob(pattern)):
        raise GrounderError(f"The diffusion model lacks its {part}'s weights: none are in {_tail(folder)}.")


def _tail(path: Path) -> str:
    return "/".join(path.parts[-3:])


def first_line(fault: BaseException) -> str:
    """What a library's error says first, without the folders of this machine."""
    said = str(fault).strip().split("\n")[0] or type(fault).__name__
    return shorten(_FOLDERS.sub("", said), 160)
