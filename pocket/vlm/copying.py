"""Starts a language model with heads that copy, so that a small run need not discover them.

A model that reads tool results must repeat phrases, names and numbers. Transformers learn this as a circuit
of two heads (an "induction head": Elhage et al. 2021, Olsson et al. 2022): one layer tells a token who its
predecessor was, a later one looks for where the present token stood before and repeats what came next. Left
to chance this takes tens of millions of tokens; here both heads are written into the initial weights and
training goes on from there.
Knows only the weights of Qwen2.5-VL's text layers.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2Tokenizer

PREVIOUS, REPEAT = 0, 1
"""The layers that hold the two halves of the circuit."""
FORMS = 0.93
"""Cosine between an embedding and the vector that all forms of its word share."""
FIRST_SLOW = 6
"""Rotary pairs from here on turn so slowly that they compare content and not position."""


def _orthonormal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Random (rows, columns) matrix with orthonormal rows."""
    q, _ = torch.linalg.qr(torch.randn(columns, rows, generator=generator))
    turned: Tensor = q.T.contiguous()
    return turned


def _slow(size: int) -> Tensor:
    """Indices of the slow rotary dimensions of a head (pairs are d and d + size / 2)."""
    half = torch.arange(FIRST_SLOW, size // 2)
    return torch.cat([half, half + size // 2])


def _turn(vector: Tensor, steps: float, theta: float) -> Tensor:
    """A head vector turned as the rotary embedding turns it at position `steps`."""
    half = vector.numel() // 2
    angle = steps * theta ** (-torch.arange(half) / half)
    first, second = vector[:half], vector[half:]
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin])


@torch.no_grad()
def seed_copying(
    model: Any, tokenizer: Qwen2Tokenizer, seed: int = 0, sharpness: float = 6.5, match: float = 2.0
) -> None:
    """Writes the two kinds of heads in place, and embeddings in which the forms of a word lie close together.

    A phrase is written " left kidney" in a question, "left kidney" in a call and "Left kidney" in an answer:
    to the tokenizer three different words. Forms that differ in case, spaces or quotes start from one shared
    vector, so that what copies one copies the others.

    `sharpness` sets how surely the first layer looks one token back, `match` how surely the second picks the
    place where the present token stood before.
    """
    text = model.config.get_text_config()
    heads, groups, width = text.num_attention_heads, text.num_key_value_heads, text.hidden_size
    size, theta = width // heads, text.rope_parameters["rope_theta"]
    generator = torch.Generator().manual_seed(seed)
    _start_small(model, tokenizer, text.num_hidden_layers, generator)
    layers = model.model.language_model.layers
    back, again = layers[PREVIOUS].self_attn, layers[REPEAT].self_attn
    slow, copied = _slow(size), _orthonormal(groups * size, width, generator)
    codes = _orthonormal(groups * len(slow), width, generator)
    places = _orthonormal(groups * len(slow), width, generator)
    for group in range(groups):
        head = group * (heads // groups)  # one query head of each group; the others stay free
        rows, kv = slice(head * size, (head + 1) * size), slice(group * size, (group + 1) * size)
        mine = slice(group * len(slow), (group + 1) * len(slow))
        _look_back(back, rows, kv, sharpness, theta)
        _tell(back, rows, kv, slow, codes[mine], places[mine])
        again.q_proj.weight[rows] = 0.0
        again.k_proj.weight[kv] = 0.0
        again.q_proj.weight[rows][slow] = match * codes[mine]
        again.k_proj.weight[kv][slow] = match * places[mine]
        again.v_proj.weight[kv] = copied[kv]
        again.o_proj.weight[:, rows] = copied[kv].T


def _start_small(model: Any, tokenizer: Qwen2Tokenizer, layers: int, generator: torch.Generator) -> None:
    """Embeddings that stand out of what the other, random, layers add."""
    embedding = model.get_input_embeddings().weight
    shared: dict[str, Tensor] = {}
    for token in range(len(embedding)):
        own = torch.randn(embedding.shape[1], generator=generator)
        word = re.sub(r"[^a-z0-9]", "", str(tokenizer.decode([token])).lower())
        if word:
            base = shared.setdefault(word, torch.randn(embedding.shape[1], generator=generator))
            own = FORMS * base + (1 - FORMS**2) ** 0.5 * own
        embedding[token] = 0.05 * own
    for layer in model.model.language_model.layers:
        layer.self_attn.o_proj.weight *= 1 / math.sqrt(2 * layers)
        layer.mlp.down_proj.weight *= 1 / math.sqrt(2 * layers)


def _look_back(attention: Any, rows: slice, kv: slice, sharpness: float, theta: float) -> None:
    """Whatever the tokens are, attend to the one before: constant query and key, one step apart."""
    attention.q_proj.weight[rows] = 0.0
    attention.k_proj.weight[kv] = 0.0
    size = rows.stop - rows.start
    constant = torch.full((size,), sharpness / math.sqrt(2))
    attention.k_proj.bias[kv] = constant
    attention.q_proj.bias[rows] = _turn(constant, -1.0, theta)


def _tell(attention: Any, rows: slice, kv: slice, slow: Tensor, codes: Tensor, places: Tensor) -> None:
    """Writes the code of the attended token where the second layer looks for it."""
    attention.v_proj.weight[kv] = 0.0
    attention.v_proj.weight[kv][: len(slow)] = codes
    attention.o_proj.weight[:, rows] = 0.0
    attention.o_proj.weight[:, rows.start : rows.start + len(slow)] = 0.06 * places.T
