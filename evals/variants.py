"""The same questions on changed images: what faithfulness and robustness runs ask.

A variant changes pixels and nothing else: geometry, window and question stay. The changed image is named by
the original's digest and the change, so that it counts in the run's key. Knows no agent and no metric.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

from foveate.evals.contract.images import ImageSource, MadeImage
from foveate.evals.contract.questions import Items, Question
from foveate.evals.inspect.images import source_key
from foveate.tools.imaging.image import SourceImage

Change = Callable[[SourceImage, Question, int], SourceImage]
"""(image, question, number of the image in the question) → the changed image, the same every time."""


@dataclass(frozen=True)
class Variant:
    """`own` says that the change depends on the question, not on the image alone. `only` names the questions
    that it can be asked of (None for all)."""

    name: str
    change: Change = field(repr=False)
    own: bool = False
    only: frozenset[str] | None = None
    remark: str = ""


def changed_items(items: Items, variant: Variant) -> Items:
    """The items with every image changed; targets stay as they are."""
    maker = _Maker(variant)
    kept = [q for q in items.questions if variant.only is None or q.id in variant.only]
    questions = [replace(q, images=maker.images(q)) for q in kept]
    return replace(items, questions=questions, notes=())


class _Opened:
    """The image opened last: questions on one volume come one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[Hashable, SourceImage] | None = None

    def open(self, source: ImageSource) -> SourceImage:
        with self._lock:
            key = source_key(source)
            if self._last is None or self._last[0] != key:
                self._last = key, source.open()
            return self._last[1]


class _Maker:
    def __init__(self, variant: Variant) -> None:
        self._variant, self._opened = variant, _Opened()
        self._digests: dict[Hashable, str] = {}

    def images(self, question: Question) -> tuple[ImageSource, ...]:
        return tuple(self._image(question, number) for number in range(len(question.images)))

    def _image(self, question: Question, number: int) -> MadeImage:
        source, variant = question.images[number], self._variant
        key = source_key(source)
        if key not in self._digests:
            self._digests[key] = source.digest()
        owner = f"/{question.id}/{number}" if variant.own else ""
        name = f"{self._digests[key]}/{variant.name}/{variant.remark}{owner}"
        return MadeImage(
            name, lambda: variant.change(self._opened.open(source), question, number), source.slice_index
        )
