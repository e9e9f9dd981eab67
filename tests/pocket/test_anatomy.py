"""Names: sides swap, every phrase means one thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.pocket.anatomy import (
    merged_name,
    mirror,
    mirrored_labels,
    part_ids,
    parts,
    random_distractor,
    random_phrase,
    structure,
    structures,
)  # fmt: skip


def test_left_and_right_names_swap() -> None:
    assert mirror("left kidney") == "right kidney" and mirror("kidney_left") == "kidney_right"
    assert mirror("liver") == "liver" and mirror("bright leftover") == "bright leftover"


@given(st.sampled_from(structures()))
def test_mirroring_a_name_twice_is_identity(item: object) -> None:
    name = item.name  # type: ignore[attr-defined]
    assert mirror(mirror(name)) == name


def test_mirrored_labels_swap_pairs() -> None:
    table = mirrored_labels()
    alone = {"lung_middle_lobe_right", "lung_upper_lobe_left"}
    for i, name in enumerate(parts(), start=1):
        if name not in alone and not name.startswith("lung_upper_lobe"):
            assert table[table[i]] == i
        if name not in alone and name != "atrial_appendage_left":
            assert parts()[table[i] - 1] == mirror(name)


def test_no_wording_names_two_structures() -> None:
    owner: dict[str, str] = {}
    for item in structures():
        for phrase in item.phrases():
            assert owner.setdefault(phrase, item.name) == item.name, phrase


def test_labels_of_a_pair_are_those_of_its_sides() -> None:
    both = set(part_ids(structure("kidneys")))
    assert both == {*part_ids(structure("left kidney")), *part_ids(structure("right kidney"))}
    with pytest.raises(KeyError, match="no structure"):
        structure("third kidney")


@pytest.mark.parametrize(
    "raw,merged",
    [("vertebrae_T12", "vertebra"), ("rib_left_3", "ribs"), ("liver", "liver"), ("kidney_cyst_left", None)],
)
def test_single_vertebrae_and_ribs_merge(raw: str, merged: str | None) -> None:
    assert merged_name(raw) == merged


@given(st.integers(0, 10_000))
def test_phrases_are_clean_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    phrase = random_phrase(rng, structures()[seed % len(structures())])
    for text in (phrase, random_distractor(rng)):
        assert text.strip() and "{" not in text
