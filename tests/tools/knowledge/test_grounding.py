"""Grounding through the knowledge base: one of several is chosen, a synonym is asked by its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from foveate.tools.context import ToolContext
from foveate.tools.find import ground
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, flip_rotate, overview
from foveate.tools.knowledge.grounding import ground_routed

IMAGE = SourceImage(np.zeros((1, 100, 100), np.uint8))
NODULES = [(10.0, 10.0, 15.0, 15.0), (70.0, 12.0, 90.0, 30.0), (20.0, 60.0, 30.0, 70.0)]


class Boxes:
    """Knows some boxes of "nodule" and one of "lung mass", in source pixels."""

    name = "boxes"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        self.asked += phrases
        return [self._one(view, phrase) for phrase in phrases]

    def _one(self, view: View, phrase: str) -> Grounding:
        known = {"nodule": NODULES, "lung mass": NODULES[1:2]}.get(phrase, [])
        placed = [view.frame.from_source(view.frame.source.box(*box)) for box in known]
        regions = tuple(Region(box, 0.9, phrase) for box in placed)
        return Grounding(phrase, regions, "fixed_scale", not regions, 0.9, 0.5, None, 0.0, 1)


def found(query: str, view: View | None = None) -> list[tuple[float, ...]]:
    [grounding] = ground_routed(Boxes(), view or overview(IMAGE, 100), IMAGE, [query])
    assert grounding.phrase == query
    return [region.box.to_source().as_tuple() for region in grounding.regions]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("nodule", NODULES),
        ("largest nodule", NODULES[1:2]),
        ("smallest nodule", NODULES[:1]),
        ("second nodule from the left", NODULES[2:]),
        ("the upper left nodule", NODULES[:1]),
        ("lowest nodule", NODULES[2:]),
        ("fourth largest nodule", []),
    ],
)
def test_the_words_choose_among_what_is_found(query: str, wanted: list[tuple[float, ...]]) -> None:
    assert found(query) == [pytest.approx(box) for box in wanted]
    turned = flip_rotate(overview(IMAGE, 100), quarter_turns=1, flip=True)
    assert found(query, turned) == [pytest.approx(box) for box in wanted]


def test_what_is_there_but_not_as_asked_is_absent() -> None:
    [grounding] = ground_routed(Boxes(), overview(IMAGE, 100), IMAGE, ["fourth largest nodule"])
    assert grounding.absent and grounding.detail["route"]["candidates"] == 3


def test_a_synonym_that_is_not_found_is_asked_by_its_name() -> None:
    boxes = Boxes()
    [tumour, teapot] = ground_routed(boxes, overview(IMAGE, 100), IMAGE, ["lung tumour", "teapot"])
    assert tumour.detail["rewritten"] == "lung mass" and tumour.regions and tumour.forward_passes == 2
    assert teapot.absent and boxes.asked == ["lung tumour", "teapot", "lung mass"]


def test_the_tool_tells_how_it_was_resolved() -> None:
    store = ImageStore()
    store.put(IMAGE)
    ctx = ToolContext(store, {"V0": overview(IMAGE, 100)}, grounder=Boxes())
    told = ground(ctx, "largest nodule")
    assert len(told.evidence) == 1 and told.facts["route"]["phrase"] == "nodule"
    assert "route" not in ground(ctx, "nodule").facts
