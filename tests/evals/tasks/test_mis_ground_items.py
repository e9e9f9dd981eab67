"""mis-ground's items: balance, pairs, determinism and truth recomputed from the masks."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.evals.tasks.labelled import LabelledVolume, open_labelled, read_names
from foveate.evals.tasks.mis_ground_items import (
    KINDS,
    THROUGH,
    Factors,
    Item,
    Question,
    questions,
    volume_items,
)  # fmt: skip
from foveate.evals.tasks.mis_ground_words import question_text, structure_name
from foveate.evals.tasks.spatial import Extent, before, extents, larger

from .bodies import body, write_body

SMALL = Factors(marks=("none", "letter"), controls=("blank",))


@cache
def volume(mirrored: bool = False) -> LabelledVolume:
    return body(mirrored=mirrored)


def recomputed(of: LabelledVolume, item: Item) -> bool | None:
    """Whether A comes first, from the masks of a volume."""

    def on(index: int, label: int) -> Extent:
        return {e.label: e for e in extents(of.slice_labels(item.plane, index), of.names)}[label]

    one, other = on(item.slices[0], item.a), on(item.slices[-1], item.b)
    if item.kind == "area":
        return None if (more := larger(one, other)) is None else not more
    return item.slices[0] < item.slices[-1] if item.axis == THROUGH else before(one, other, item.axis)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_any_even_start_of_the_questions_is_exactly_balanced(seed: int, per_kind: int) -> None:
    asked = questions([volume()], seed, per_kind, SMALL)
    right = np.cumsum([question.truth for question in asked])
    assert (right[1::2] == np.arange(1, len(asked) // 2 + 1)).all()
    for first, second in zip(asked[::2], asked[1::2], strict=True):
        assert first.pair == second.pair and first.swapped is not second.swapped
    assert len({question.id for question in asked}) == len(asked)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31))
def test_truth_comes_from_the_masks_and_mirrors_with_them(seed: int) -> None:
    for item in volume_items(volume(), seed, 3):
        assert recomputed(volume(), item) is item.a_first
        if item.plane == "sagittal":  # the mirror moves the slice itself
            continue
        sideways = item.axis == 0 and item.kind != "area"
        assert recomputed(volume(mirrored=True), item) is (item.a_first != sideways)


def test_one_seed_gives_one_set_and_another_gives_another() -> None:
    first, again, other = (questions([volume()], seed, 2, SMALL) for seed in (3, 3, 4))
    assert first == again and first != other


def test_every_cell_of_the_factors_is_asked_equally_often() -> None:
    asked = questions([volume()], 0, 2)
    crossed = Counter((q.convention, q.mark, q.terms) for q in asked if not q.control)
    assert len(crossed) == 20 and len(set(crossed.values())) == 1
    assert {q.item.kind for q in asked} == set(KINDS)
    assert {q.item.plane for q in asked} == {"axial", "coronal", "sagittal"}
    assert Counter(q.control for q in asked)["blank"] == Counter(q.control for q in asked)["text"]


@pytest.mark.parametrize("convention", ["viewing", "storage"])
def test_words_of_a_known_fact(convention: str) -> None:
    # liver: image left of the spleen, that is to the patient's right
    item = Item("body", "picture", "axial", (20,), 1, 2, 0, True, 0)
    text = question_text(volume(), Question(item, convention, "none", "anatomical", False))  # type: ignore[arg-type]
    said = {"viewing": "the liver left of the spleen", "storage": "the liver below the spleen"}[convention]
    assert said in text and text.endswith("Answer with yes or no.")
    item = Item("body", "direction", "axial", (20,), 1, 2, 0, True, 0)
    text = question_text(volume(), Question(item, convention, "mask", "anatomical", True))  # type: ignore[arg-type]
    assert (
        "the spleen (tinted light blue) to the patient's right of the liver (tinted orange)"
        in text.replace("Is the spleen", "the spleen")
    )
    assert not Question(item, "viewing", "mask", "anatomical", True).truth


def test_text_only_says_that_no_picture_is_shown() -> None:
    item = Item("body", "across", "axial", (20, 10), 1, 2, THROUGH, False, 1)
    question = Question(item, "viewing", "none", "colloquial", False, "text")
    text = question_text(volume(), question)
    assert "not shown" in text and "higher up in the body than" in text and "second picture" in text
    assert question.truth


def test_names_of_labels() -> None:
    assert structure_name("clavicula_left", "colloquial") == "left collarbone"
    assert structure_name("vertebrae_T12", "anatomical") == "vertebra T12"
    assert structure_name("rib_right_7", "anatomical") == "right rib 7"
    assert structure_name("some_new_part_left", "colloquial") == "left some new part"
    assert structure_name("lung_upper_lobe_left", "anatomical") == "left upper lobe of the lung"


# the patient axis (R A S) of the viewed slice's x, of its y, and through the slices; all run against it
PATIENT_AXES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}


@pytest.mark.parametrize("codes", ["LAS", "RPI"])
def test_truth_agrees_with_patient_coordinates_read_by_another_way(tmp_path: Path, codes: str) -> None:
    path, labels, names = write_body(tmp_path, codes)
    opened = open_labelled("body", path, labels, read_names(names), "CT")
    ras = np.asarray(nib.as_closest_canonical(nib.load(labels)).dataobj)

    def place(item: Item, index: int, label: int) -> float:
        axis = PATIENT_AXES[item.plane][THROUGH]
        flipped = index if item.plane == "axial" else ras.shape[axis] - 1 - index
        points = np.argwhere(np.take(ras, [flipped], axis) == label)
        wanted = PATIENT_AXES[item.plane][item.axis]
        return float(points[:, wanted].mean()) + (flipped if wanted == axis else 0)

    compared = [item for item in volume_items(opened, 5, 6) if item.kind != "area"]
    for item in compared:
        one, other = place(item, item.slices[0], item.a), place(item, item.slices[-1], item.b)
        towards_head = item.plane == "axial" and item.axis == THROUGH
        assert item.a_first is ((one < other) if towards_head else (one > other))
    assert len(compared) > 30
