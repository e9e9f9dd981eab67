"""What a loader makes: questions, and apart from them the targets. Frozen and, but for images, JSON-able.

A question is all that the agent may know; a target is the ground truth, which solving never sees. Boxes are
(x0, y0, x1, y1) in source pixels (continuous pixel edges, origin top left) of one slice of one image of the
question; a loader converts and checks before it makes a `Region`. Knows no file format and no metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from foveate.evals.contract.images import ImageSource

AnswerKind = Literal["boxes", "choice", "yes_no", "text", "report", "regions_3d"]
"""What a question asks for. It decides how a task without a reader of its own is read and scored."""


Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """A box on one slice of one image of the question, in source pixels.

    `image` counts the question's images from 0. `plane` None is the plane the image opens in. `slice_stop`
    makes it a 3-D box: slices `slice_index` to `slice_stop - 1`. `score` is None where nothing was scored.
    """

    box: Corners
    image: int = 0
    slice_index: int = 0
    slice_stop: int | None = None
    plane: str | None = None
    label: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Question:
    """What is asked, and all that the agent may know.

    `prompt` is the whole text, official wording included (words from `prompts/evals/`). `options` are the
    choices without letters, in the order asked. `marked` are regions pointed out to the agent (on the first
    image). `group` ties questions that only count together (permutations of options, true and adversarial
    twins, paired forms). `phrase` is the thing that is asked for, in the words that a grounder alone is
    given. `cluster` is the patient or volume, hashed (`hashed`); intervals resample it.
    `filters` are what results are broken down by ({"finding": "edema", "frames": "3"}); they are shown in the
    report and never to the model.
    """

    id: str
    images: tuple[ImageSource, ...]
    prompt: str
    kind: AnswerKind
    cluster: str
    options: tuple[str, ...] = ()
    marked: tuple[Region, ...] = ()
    group: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    phrase: str | None = None


@dataclass(frozen=True)
class Target:
    """The ground truth of one question. What a kind does not use stays empty.

    answer: "yes"/"no", the letter of the right option, or the reference text. answers: further accepted
    texts. regions: the boxes, empty when nothing is to be found. readers: the boxes of single readers, where
    several drew. detail: whatever else the task's metrics need (mask file, label numbers), JSON-able.
    """

    answer: str | None = None
    answers: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    readers: tuple[tuple[Region, ...], ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """A loaded set: questions in a fixed order, and their targets by question id, kept apart.

    `notes` are said before the run ("42 rows of other languages left out"). `complete` is False only when the
    user allowed a partial set.
    """

    questions: Sequence[Question]
    targets: Mapping[str, Target] = field(repr=False)
    notes: tuple[str, ...] = ()
    complete: bool = True


def hashed(task: str, name: str) -> str:
    """A cluster's pseudonym: the same patient of one task always gets the same twelve letters."""
    return sha256(f"{task}/{name}".encode()).hexdigest()[:12]
