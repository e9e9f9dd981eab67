"""Contradictions with earlier claims, and what is none."""

from __future__ import annotations

import pytest

from foveate.tools.checks.turns import Stated, contradicted

HERE, THERE = frozenset({("i", "axial", 3)}), frozenset({("i", "axial", 9)})


@pytest.mark.parametrize(
    ("new", "present", "old", "was_present", "opposed"),
    [
        ("There is a nodule.", True, "No nodule is visible.", False, True),
        ("No nodule is visible.", False, "The nodule is visible.", True, True),
        ("The nodule is on the image left.", True, "The nodule is on the image right.", True, True),
        ("The spleen is left of the liver.", True, "The spleen is not left of the liver.", True, True),
        ("There is a nodule.", True, "The nodule is visible.", True, False),
        ("There is a nodule.", True, "No kidney is visible.", False, False),
        ("There is a nodule.", True, "No further nodule is visible.", False, False),
    ],
)
def test_opposed(new: str, present: bool, old: str, was_present: bool, opposed: bool) -> None:
    earlier = [Stated(old, was_present, HERE)]
    found = contradicted(Stated(new, present, HERE), earlier)
    assert (found is not None) is opposed


def test_claims_of_different_slices_do_not_meet() -> None:
    earlier = [Stated("No nodule is visible.", False, HERE)]
    assert contradicted(Stated("There is a nodule.", True, THERE), earlier) is None
