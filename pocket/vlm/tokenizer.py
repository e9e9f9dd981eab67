"""Trains pocket-vlm's own byte-level BPE, in the layout of Qwen2's tokenizer.

Any text can be written (bytes are the alphabet) and digits stand alone, so that numbers are copied digit by
digit. Knows nothing of images or of how the texts were made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import Qwen2Tokenizer

TEMPLATE = Path(__file__).with_name("chat_template.jinja")
END, START = "<|im_end|>", "<|im_start|>"
SPECIAL = (
    "<|endoftext|>",
    START,
    END,
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
MARKUP = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")


def train_tokenizer(texts: Iterable[str], vocab_size: int = 3072) -> Qwen2Tokenizer:
    """A Qwen2 tokenizer whose merges were learned from `texts`; the markup tokens come last."""
    blank = Qwen2Tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL) - len(MARKUP),
        min_frequency=3,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend: Any = blank._tokenizer
    backend.model = BPE()
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(texts, trainer)
    return _with_markup(backend)


def _with_markup(backend: Any) -> Qwen2Tokenizer:
    model = json.loads(backend.to_str())["model"]
    vocab = {token: i for token, i in model["vocab"].items() if token not in SPECIAL}
    vocab = {token: i for i, (token, _) in enumerate(sorted(vocab.items(), key=lambda item: item[1]))}
    merges: Any = [tuple(merge) for merge in model["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=vocab, merges=merges, eos_token=END, pad_token=SPECIAL[0], unk_token=SPECIAL[0]
    )
    tokenizer.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL], special_tokens=True
    )
    # Not special: a server's tool-call parser must see them in the decoded text.
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in MARKUP])
    tokenizer.chat_template = TEMPLATE.read_text()
    tokenizer.model_max_length = 4096
    return tokenizer
