"""Phrases matched to the classes of a detector."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.grounding.classes import classes_of, normalised

CLASSES = classes_of([["pulmonary nodule", "nodule"], ["pleural effusion"], ["left kidney"]], "The list")


@pytest.mark.parametrize(
    ("phrase", "index"),
    [
        ("Pulmonary Nodules", 0),
        ("the nodule", 0),
        ("pleural-effusion", 1),
        ("kidney, left", 2),
        ("kidney", None),
        ("right kidney", None),
        ("", None),
    ],
)
def test_phrases_and_classes(phrase: str, index: int | None) -> None:
    assert CLASSES.find(phrase) == index


@given(st.text(max_size=30))
def test_normalising_again_changes_nothing(phrase: str) -> None:
    once = normalised(phrase)
    assert normalised(once) == once


@pytest.mark.parametrize("word", ["pelvis", "mass", "thymus", "lens", "pus"])
def test_words_that_end_in_s_are_themselves(word: str) -> None:
    assert classes_of([[word]], "The list").find(word.upper()) == 0
