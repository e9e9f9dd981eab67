"""Loads a transformers checkpoint of a declared kind, and says in one sentence why another one is not it.

Knows no grounder. A checkpoint that lacks weights of its head is refused: transformers would fill them with
random numbers and say so only in a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from logging import ERROR
from pathlib import Path
from typing import Any

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.errors import GrounderError, GrounderMemoryError, out_of_memory

_NO_CODE: dict[str, Any] = {"trust_remote_code": False}
"""Said outright: transformers would ask the user on the terminal."""


@dataclass(frozen=True)
class Checkpoint:
    """A model in evaluation mode on its device, its processor (None where not asked for) and its name."""

    model: Any
    processor: Any
    name: str
    device: str

    def inputs(self, **given: Any) -> Any:
        """The processor's tensors on the model's device."""
        return self.processor(**given, return_tensors="pt").to(self.device)

    def check_length(self, phrases: Sequence[str], most: int) -> None:
        """Raises GrounderError for a phrase of more than `most` tokens: its end would not be read."""
        for phrase in phrases:
            count = len(self.processor.tokenizer(phrase)["input_ids"])
            if count > most:
                raise GrounderError(
                    f"The phrase {phrase[:40]!r} has {count} tokens; {self.name!r} reads {most}:"
                    " say it in fewer words."
                )


def load_checkpoint(
    name: str, card: Card, model: str, kinds: Sequence[str], classes: Sequence[str], processor: str
) -> Checkpoint:
    """The checkpoint in a local folder or of a hub id.

    `kinds` are the `model_type`s that fit, `classes` the transformers class of each (or one for all),
    `processor` the transformers class of the processor, "" for none. Raises GrounderError.
    """
    if not model:
        usual = f", such as {card.usual[0]}" if card.usual else ""
        raise GrounderError(
            f"{name!r} needs a checkpoint: write {name}@MODEL, a local folder or hub id{usual}."
        )
    folder = Path(model)
    where = str(folder.resolve()) if folder.is_dir() else model
    if not folder.is_dir() and (folder.is_absolute() or model.startswith(".")):
        raise GrounderError(
            f"{name!r} finds no folder {folder.name!r}; name a checkpoint's folder or hub id."
        )
    newest = max((p.stat().st_mtime_ns for p in folder.glob("*") if p.is_file()), default=0)
    return _loaded(name, where, tuple(kinds), tuple(classes), processor, newest)


@lru_cache(maxsize=4)
def _loaded(
    name: str, where: str, kinds: tuple[str, ...], classes: tuple[str, ...], processor: str, _newest: int
) -> Checkpoint:
    import torch
    import transformers

    shown = Path(where).name if Path(where).is_dir() else where
    with quiet(), explained(shown, where):
        config = transformers.AutoConfig.from_pretrained(where, **_NO_CODE)
        if config.model_type not in kinds:
            fit = ", ".join(kinds)
            raise GrounderError(f"{shown!r} holds a {config.model_type} model; {name!r} reads these: {fit}.")
        cls = getattr(transformers, classes[kinds.index(config.model_type) if len(classes) > 1 else 0])
        # whatever precision it was saved in, processors give 32 bits
        model, info = cls.from_pretrained(where, dtype=torch.float32, output_loading_info=True, **_NO_CODE)
        lacking = sorted(info["missing_keys"])
        if lacking:
            raise GrounderError(
                f"{shown!r} lacks {len(lacking)} weights of {cls.__name__}, such as {lacking[0]}:"
                f" it is a checkpoint of another class.{_own_layout(where)}"
            )
        reader = getattr(transformers, processor) if processor else None
        made = None if reader is None else reader.from_pretrained(where, **_NO_CODE)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Checkpoint(model.eval().to(device), made, shown, device)


@contextmanager
def explained(shown: str, where: str) -> Iterator[None]:
    """Whatever a foreign file makes its loader raise, as a GrounderError of one sentence."""
    try:
        yield
    except GrounderError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise GrounderMemoryError(f"There is not enough memory to load {shown!r}.") from error
        # what follows the first line is advice for other programs
        first = next(iter(str(error).strip().splitlines()), "").replace(where, shown)[:160].rstrip(".")
        if "ignore_mismatched_sizes" in first:
            first = "its weights do not have the shapes that its config.json tells"
        why = first if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}, {first}"
        raise GrounderError(
            f"The checkpoint {shown!r} cannot be loaded: {why}.{_own_layout(where)}"
        ) from error


def _own_layout(where: str) -> str:
    """What to do with weights in the layout of a checkpoint's own code, such as Microsoft's Florence-2."""
    file = Path(where) / "config.json"
    if not file.is_file() or '"auto_map"' not in file.read_text(errors="replace"):
        return ""
    return " Its config.json names code of its own: convert it to transformers' class first."


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and reports of loading: standard error is for news."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    bars, level, hub_level = logging.is_progress_bar_enabled(), logging.get_verbosity(), hub.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    hub.set_verbosity(ERROR)
    try:
        yield
    finally:
        hub.set_verbosity(hub_level)
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
