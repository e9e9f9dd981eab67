"""Brings a transformers checkpoint into memory: at most once per process, path and device.

fp32 on a CPU whatever the file holds (bf16 is 10-20 times slower there). Never runs code from a checkpoint.
Knows no messages.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foveate.agent.models.errors import ModelError
from foveate.agent.models.processors import load_processor

_LOADED: dict[tuple[str, str], "Loaded"] = {}
_LOADING = threading.Lock()


@dataclass
class Loaded:
    """A model in memory. `ends` are token ids that end a reply, `trims` those to leave out of its text.

    One reply at a time, under `turn`: some families keep the positions of the running reply in the model
    itself (`rope_deltas` of the Qwen-VL family), where two at once would mix."""

    model: Any
    processor: Any
    device: str
    context: int
    ends: frozenset[int]
    trims: frozenset[int]
    turn: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)


def load(path: str, device: str) -> Loaded:
    """The model of a path or id, loaded at most once per process. Raises ModelError."""
    key: tuple[str, str] = (str(Path(path).resolve()) if Path(path).exists() else path, device)
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = _load(path, device)
        return _LOADED[key]


def _load(path: str, device: str) -> Loaded:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    classes: Any = AutoModelForImageTextToText  # untyped in transformers
    local = Path(path).is_dir()
    if not local and (path.startswith((".", "/", "~")) or path.count("/") != 1):
        raise ModelError(f"there is no model folder {path}")
    dtype: Any = torch.float32 if device == "cpu" else "auto"
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(path, local_files_only=local, trust_remote_code=False)
            processor = load_processor(path, config.model_type, local)
            model, told = classes.from_pretrained(
                path,
                config=config,
                dtype=dtype,
                local_files_only=local,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # a broken checkpoint raises anything, down to the Rust of its readers
        raise ModelError(f"the model {path} does not load: {first_line(error)}") from error
    missing = sorted(told["missing_keys"])
    if missing:  # transformers would go on with random numbers in their place
        raise ModelError(f"the model {path} lacks {len(missing)} weights, among them {missing[0]}")
    model = model.to(device).eval()
    _clean_generation(model)
    return Loaded(model, processor, device, _context(config), *_special_ids(model, processor))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars: a small model loads in a blink, and standard error is for news."""
    from transformers.utils import logging

    talk: Any = logging  # untyped in transformers
    shown = talk.is_progress_bar_enabled()
    talk.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            talk.enable_progress_bar()


def _clean_generation(model: Any) -> None:
    """Sampling settings of a checkpoint mean nothing to greedy decoding and only raise warnings."""
    for name in ("temperature", "top_p", "top_k", "min_p", "typical_p", "max_length"):
        setattr(model.generation_config, name, None)


def _context(config: Any) -> int:
    text = config.get_text_config()
    return int(getattr(text, "max_position_embeddings", 0) or 0)


def _special_ids(model: Any, processor: Any) -> tuple[frozenset[int], frozenset[int]]:
    declared = model.generation_config.eos_token_id
    if declared is None:
        declared = processor.tokenizer.eos_token_id
    ends = frozenset(declared if isinstance(declared, list) else [declared]) - {None}
    tokenizer = processor.tokenizer
    return ends, ends | ({tokenizer.pad_token_id, tokenizer.bos_token_id} - {None})


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :200
    ]
