"""Florence-2 and its fine-tunes: "florence2[:task=caption,beams=3]@MODEL".

arXiv 2311.06242. AG-KD (2503.03278) and K2Sight (2508.04572) are fine-tunes for radiographs; task=means asks
as they were taught, "PHRASE means DESCRIPTION". The score is the reply's exp(Σ log p / L^λ).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL.Image import Image

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import Checkpoint, load_checkpoint
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners, PictureGrounder, Seen
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.knowledge.rewrite import caption

CARD = Card(
    line="Florence-2, with AG-KD and K2Sight: writes location tokens; says where, not whether",
    licence="MIT (Florence-2); AG-KD, K2Sight: see the model card",
    size="0.23 to 0.77 B",
    boxes="<loc_i>, i of 1000: the middle of bin i of the picture's width or height",
    usual=("florence-community/Florence-2-base", "florence-community/Florence-2-base-ft"),
    example="[:task=caption|means|vocabulary,beams=3]@MODEL",
)
CAPTION = "<CAPTION_TO_PHRASE_GROUNDING>"
TASKS = {"caption": CAPTION, "means": CAPTION, "vocabulary": "<OPEN_VOCABULARY_DETECTION>"}
CLASS = "Florence2ForConditionalGeneration"
_RUN, _BIN, _TOKEN = re.compile(r"(?:<loc_\d{1,3}>)+"), re.compile(r"\d+"), re.compile(r"<\w+>")


def load(recipe: str, model: str) -> Grounder:
    """A checkpoint, its task and its beams. Raises GrounderError."""
    told = read_options("florence2", recipe, task="caption", beams=3, tokens=256)
    if told["task"] not in TASKS:
        raise GrounderError(f"'florence2' knows the tasks {', '.join(TASKS)}; not {told['task']!r}.")
    checkpoint = load_checkpoint("florence2", CARD, model, ["florence2"], [CLASS], "AutoProcessor")
    return PictureGrounder(f"florence2@{checkpoint.name}", Florence2(checkpoint, **told), "relative")


@dataclass(frozen=True)
class Florence2:
    """Boxes as the model writes them, at most `tokens` of text, by beam search."""

    checkpoint: Checkpoint
    task: str
    beams: int
    tokens: int

    def find(self, picture: Image, phrases: Sequence[str]) -> list[Seen]:
        return [self._one(picture, phrase) for phrase in phrases]

    def _one(self, picture: Image, phrase: str) -> Seen:
        if _TOKEN.search(phrase):
            raise GrounderError(f"The phrase {phrase!r} has a token of Florence-2 in it; say it in words.")
        asked = caption(phrase, "XR") if self.task == "means" else phrase
        inputs = self.checkpoint.inputs(images=picture, text=TASKS[self.task] + asked)
        out = self.checkpoint.model.generate(
            **inputs, num_beams=max(2, self.beams), max_new_tokens=self.tokens, do_sample=False,
            early_stopping=True, return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        probability = math.exp(min(0.0, float(out.sequences_scores[0])))
        text = self.checkpoint.processor.batch_decode(out.sequences, skip_special_tokens=False)[0]
        boxes, detail = boxes_of(text, *picture.size), {"asked": asked} if asked != phrase else {}
        return Seen(boxes, [probability] * len(boxes), best_score=probability, passes=1, detail=detail)


def boxes_of(text: str, width: int, height: int) -> list[Corners]:
    """Every four location tokens as corners in pixels; GrounderError for a run that is not made of fours."""
    runs = [[(int(i) + 0.5) / 1000 for i in _BIN.findall(run)] for run in _RUN.findall(text)]
    if odd := [len(run) for run in runs if len(run) % 4]:
        raise GrounderError(f"The model wrote {odd[0]} location tokens in a row; a box has four.")
    fours = [run[i : i + 4] for run in runs for i in range(0, len(run), 4)]
    return [(x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in fours]
