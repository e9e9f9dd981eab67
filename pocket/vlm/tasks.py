"""Questions about a training scene, of every kind that pocket-vlm must answer, with what the teacher knows.

Knows the labels and the wordings in prompts/pocket/; nothing of the agent that will run the question.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate import prompts
from foveate.pocket.anatomy import LESION, Structure, part_ids, random_distractor, structures
from foveate.pocket.vlm.answers import answer_text
from foveate.pocket.vlm.plans import Task
from foveate.pocket.vlm.scenes import LESION_ID, SIDE, Scene

MIN_PIXELS = 12
KINDS = {
    "where": 16, "present": 14, "side": 5, "size": 9,
    "larger": 8, "left_of": 6, "right_of": 6, "above": 6, "below": 6,
    "lesion": 7, "overview": 3, "window": 2, "decline": 4, "what": 5,
}  # fmt: skip
LESION_WEIGHT = 40  # in a scene that has one: found, confirmed and measured must be as common as absent
RELATIONS = ("larger", "left_of", "right_of", "above", "below")
AGAIN = {"again_where": 5, "again_size": 4, "again_zoom": 2, "again_side": 2, "again_larger": 2}
MAIN = (
    "liver", "spleen", "stomach", "left kidney", "right kidney", "left lung", "right lung", "heart",
    "aorta", "vertebra", "colon", "pancreas", "urinary bladder", "trachea",
)  # fmt: skip
WINDOW_NAMES = ("lung", "soft tissue", "bone", "mediastinum", "liver")


@cache
def wordings() -> dict[str, list[str]]:
    """prompts/pocket/questions.json."""
    loaded: dict[str, list[str]] = json.loads(prompts.text("pocket/questions.json"))
    return loaded


@dataclass(frozen=True)
class Truth:
    """What the labels say about one phrase: `mask` (SIDE, SIDE), all False when nothing of it is there."""

    phrase: str
    structure: Structure | None
    mask: npt.NDArray[np.bool_]

    @property
    def visible(self) -> bool:
        return int(self.mask.sum()) >= MIN_PIXELS

    def box(self) -> tuple[int, int, int, int]:
        rows, cols = np.nonzero(self.mask)
        return int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1


def truth_of(scene: Scene, structure: Structure, phrase: str) -> Truth:
    ids = [LESION_ID] if structure.name == LESION else part_ids(structure)
    return Truth(phrase, structure, np.isin(scene.labels, ids))


def nothing(phrase: str) -> Truth:
    return Truth(phrase, None, np.zeros((SIDE, SIDE), dtype=bool))


def supports(truths: dict[str, Truth], view_side: float, box: tuple[float, ...], phrase: str) -> bool:
    """Whether a box in V0 (longest side `view_side`) holds a fair part of the thing and not much else."""
    truth = truths.get(phrase)
    if truth is None or not truth.visible:
        return False
    x0, y0, x1, y1 = (round(v * SIDE / view_side) for v in box)
    inside = truth.mask[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1]
    if inside.sum() < 0.25 * truth.mask.sum():
        return False
    rows, cols = np.nonzero(inside)
    filled = (np.ptp(rows) + 1) * (np.ptp(cols) + 1)
    return bool(filled >= 0.25 * max(1, (x1 - x0) * (y1 - y0)))


class Questioner:
    """Draws questions about one scene. `view_side` is the longest side of V0; `index` the scene's slice."""

    def __init__(self, rng: np.random.Generator, scene: Scene, view_side: int, index: int = 0) -> None:
        self.rng, self.scene, self.view_side, self.index = rng, scene, view_side, index
        every = [truth_of(scene, s, s.name) for s in structures() if s.name != LESION]
        self.visible = [t for t in every if t.visible]
        self.hidden = [t for t in every if not t.visible]

    def draw(self, kind: str | None = None) -> Task:
        """One task; `kind` None draws by weight."""
        chosen = kind or self._kind()
        if chosen == "lesion":
            return self._lesion()
        if chosen == "decline":
            return Task("decline", self._wording("decline"))
        if chosen == "overview":
            return self._overview()
        if chosen == "what":
            return self._what()
        seen = 0.85 if chosen in RELATIONS else 0.66
        a = self._thing(seen=seen)
        return self._task(chosen, a, self._thing(a.phrase, seen))

    def _kind(self) -> str:
        weights = KINDS | ({"lesion": LESION_WEIGHT} if self.scene.lesion_mm else {})
        return str(self.rng.choice(list(weights), p=np.array(list(weights.values())) / sum(weights.values())))

    def _task(self, kind: str, a: Truth, b: Truth) -> Task:
        window = str(self.rng.choice(WINDOW_NAMES))
        question = self._wording(kind, a=a.phrase, b=b.phrase, w=window, n=str(self.index))
        known = {a.phrase: a, b.phrase: b}
        asked = {"w": window, "n": self.index}
        task = Task(kind, question, a.phrase, b.phrase, asked, partial(supports, known, self.view_side))
        task.extra["truths"] = [a, b] if "{b}" in wordings()[kind][0] else [a]
        return task

    def _wording(self, kind: str, **fields: str) -> str:
        text = str(self.rng.choice(wordings()[kind])).format(**fields)
        if self.rng.random() < 0.15:
            text = text.lower().replace("e1", "E1")
        if self.rng.random() < 0.1:
            text = text.rstrip(".?")
        return text

    def _thing(self, but: str = "", seen: float = 0.66) -> Truth:
        """With chance `seen` something visible, else something hidden or what no picture here can show.

        Never `but`: to compare a thing with itself is no question, and the agent refuses to ground it twice.
        """
        drawn = self._any_thing(seen)
        return drawn if drawn.phrase != but else self._thing(but, seen)

    def _any_thing(self, seen: float) -> Truth:
        roll = self.rng.random()
        if roll < seen and self.visible:
            found = self.visible[self.rng.integers(len(self.visible))]
        elif roll < seen + 0.6 * (1 - seen):
            found = self.hidden[self.rng.integers(len(self.hidden))]
        else:
            return nothing(_bare(random_distractor(self.rng)))
        return Truth(self._phrase(found.structure), found.structure, found.mask)

    def _phrase(self, structure: Structure | None) -> str:
        assert structure is not None
        if self.rng.random() < 0.75:
            return structure.name
        return _bare(str(self.rng.choice(structure.phrases())))

    def _lesion(self) -> Task:
        phrase = "nodule" if self.rng.random() < 0.3 else LESION
        question = self._wording("lesion")
        for word in ("lung lesion", "mass", "lung tumour", "lung nodule", "nodule"):
            if word in question.lower():
                phrase = word
                break
        lesion = next(s for s in structures() if s.name == LESION) if LESION in _names() else None
        mask = self.scene.labels == LESION_ID
        task = Task("lesion", question, phrase)
        task.supports = partial(supports, {phrase: Truth(phrase, lesion, mask)}, self.view_side)
        task.extra["truths"] = [Truth(phrase, lesion, mask)]
        return task

    def _overview(self) -> Task:
        seen = sorted((t for t in self.visible if t.phrase in MAIN), key=lambda t: -int(t.mask.sum()))[:4]
        return Task("overview", self._wording("overview"), extra={"list": [t.phrase for t in seen]})

    def _what(self) -> Task:
        single = [t for t in self.visible if t.structure and t.structure.kind == "one" and _compact(t)]
        if self.scene.lesion_mm and self.rng.random() < 0.4:
            single = [t for t in [Truth(LESION, None, self.scene.labels == LESION_ID)] if t.visible] or single
        if not single:
            return Task("decline", self._wording("decline"))
        truth = single[self.rng.integers(len(single))]
        return Task("what", self._wording("what"), truth.phrase, extra={"box": truth.box()})

    def follow_up(self, task: Task) -> Task | None:
        """A second question that leans on the first one's evidence, or None when there is none to lean on."""
        names, weights = list(AGAIN), np.array(list(AGAIN.values()), dtype=float)
        kind = str(self.rng.choice(names, p=weights / weights.sum()))
        if kind == "again_where":
            return self._task(kind, self._thing(), self._thing())
        if task.last is None:
            return None
        following = self._task(kind, nothing(task.last.label), self._thing(task.last.label))
        following.last, following.a = task.last, task.last.label
        return following

    def direct(self, task: Task) -> Task:
        """The same question for a single look without tools: true boxes in pixels of V0 become the answer."""
        truths: list[Truth] = task.extra.get("truths", [])
        boxes = [self._box_in_view(truth) for truth in truths]
        claims: list[dict[str, Any]] = [
            {"text": answer_text("found_claim", a=truth.phrase), "box": box}
            for truth, box in zip(truths, boxes, strict=True)
            if box
        ]
        hidden = [truth.phrase for truth, box in zip(truths, boxes, strict=True) if not box]
        task.extra["direct"] = [] if hidden else claims
        # of two things, the answer must name the one that is not there
        task.extra["missing"] = hidden[0] if hidden and len(truths) > 1 else ""
        task.extra["text"] = " ".join(c["text"] for c in claims)
        return task

    def _box_in_view(self, truth: Truth) -> list[int] | None:
        """The true box in whole pixels of V0; None where nothing, or less than a pixel, is to be seen."""
        if not truth.visible:
            return None
        x0, y0, x1, y1 = box = [round(v * self.view_side / SIDE) for v in truth.box()]
        return box if x1 > x0 and y1 > y0 else None


@cache
def _names() -> frozenset[str]:
    return frozenset(s.name for s in structures())


def _bare(phrase: str) -> str:
    """Without a leading article: the question's wording brings its own."""
    for article in ("the patient's ", "the the ", "the ", "an ", "a "):
        if phrase.startswith(article):
            return phrase[len(article) :]
    return phrase


def _compact(truth: Truth) -> bool:
    x0, y0, x1, y1 = truth.box()
    return bool(truth.mask.sum() > 0.35 * (x1 - x0) * (y1 - y0))
