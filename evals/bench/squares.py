"""A task without data files for benchmarks and tests: find the bright rectangle on made pictures.

Deterministic by index; knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.images import MadeImage
from foveate.evals.contract.questions import Corners, Items, Question, Region, Target
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, TaskInfo
from foveate.evals.scoring import kinds
from foveate.tools.imaging.image import SourceImage

PICTURES = 100
"""Different pictures; more questions than that share them, as questions on one volume do."""


@dataclass(frozen=True)
class Squares:
    """So many questions, each on a picture of side x side pixels."""

    samples: int
    side: int = 224

    @property
    def info(self) -> TaskInfo:
        return TaskInfo("squares", "Bright rectangles", "Apache-2.0", "", "made here", (), ("boxes",), False)

    @property
    def metrics(self) -> Sequence[Metric]:
        return (Metric("miou_box"), Metric("acc@0.5"), Metric("no_target_acc"))

    def missing(self, root: Path) -> Sequence[str]:
        return ()

    def load(self, root: Path, options: LoadOptions) -> Items:
        questions = [self._question(number) for number in range(self.samples)]
        targets = {q.id: Target(regions=self._regions(n)) for n, q in enumerate(questions)}
        return Items(questions, targets)

    def read(self, question: Question, prediction: Prediction) -> Reading:
        return kinds.read(question, prediction)

    def score(
        self, question: Question, reading: Reading, target: Target, judge: Judge | None
    ) -> Mapping[str, float]:
        return kinds.score(question, reading, target)

    def _question(self, number: int) -> Question:
        picture = number % PICTURES
        image = MadeImage(f"squares/{self.side}/{picture}", partial(drawn, self.side, picture))
        there = "yes" if self._regions(number) else "no"
        prompt = f"Where is bright rectangle {number}?"
        return Question(
            f"q{number:05d}", (image,), prompt, "boxes", f"p{picture:02d}", filters={"there": there}
        )

    def _regions(self, number: int) -> tuple[Region, ...]:
        """Every tenth picture is empty."""
        picture = number % PICTURES
        return () if picture % 10 == 9 else (Region(rectangle(self.side, picture), label="rectangle"),)


def rectangle(side: int, picture: int) -> Corners:
    """Where the bright rectangle of a picture is, in pixels."""
    rng = np.random.default_rng(picture)
    x0, y0 = (int(v) for v in rng.integers(0, side // 2, 2))
    width, height = (int(v) for v in rng.integers(side // 8, side // 2, 2))
    return float(x0), float(y0), float(x0 + width), float(y0 + height)


def drawn(side: int, picture: int) -> SourceImage:
    """Noise, with a bright rectangle on nine of ten pictures."""
    pixels = np.random.default_rng(picture).integers(0, 90, (1, side, side)).astype(np.uint8)
    if picture % 10 != 9:
        x0, y0, x1, y1 = (int(v) for v in rectangle(side, picture))
        pixels[0, y0:y1, x0:x1] = 220
    return SourceImage(pixels)
