"""Answers that mean the same are one group, and agreement is a number between two limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.consensus import groups, meaning, spread

answers = st.lists(
    st.sampled_from(["Left.", "On the right.", "It is not left.", "12.0 mm", "14 mm", "The liver."]),
    min_size=1,
    max_size=9,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The liver is left of the spleen.", "the liver lies to the LEFT of the spleen"),
        ("It is 12.0 mm wide.", "it is 12 mm wide"),
        ("Yes, it is larger.", "yes: bigger"),
        ("The nodule is cranial.", "Nodule, superior"),
        ("It isn't visible", "not visible"),
        ("It wasn't seen.", "not seen"),
        ("I can't tell", "I cannot tell"),
        ("No, there is no nodule.", "There is no nodule."),
        ("No. The nodule is not visible", "no nodule"),
        ("Neither the liver nor the spleen", "not the liver, the spleen"),
        ("Nothing.", "None."),
    ],
)
def test_the_same_said_otherwise(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The liver is left of the spleen.", "The liver is right of the spleen."),
        ("The liver is left of the spleen.", "The liver is not left of the spleen."),
        ("Yes.", "No."),
        ("No, there is no nodule.", "Yes, there is a nodule."),
        ("Yes, there is no nodule.", "Yes, there is a nodule."),
        ("-100 HU", "100 HU"),
        ("12 mm", "13 mm"),
        ("The left kidney", "The left lung"),
        ("left and above", "above and left"),
    ],
)
def test_another_thing_said(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)


@given(answers)
def test_groups_are_a_partition_with_the_largest_first(texts: list[str]) -> None:
    made = groups(texts)
    assert sorted(place for group in made for place in group.members) == list(range(len(texts)))
    sizes = [len(group.members) for group in made]
    assert sizes == sorted(sizes, reverse=True)
    assert all(meaning(texts[place]) == meaning(group.text) for group in made for place in group.members)


@given(answers)
def test_spread_is_0_when_all_agree_and_1_when_no_two_do(texts: list[str]) -> None:
    made = groups(texts)
    assert 0 <= spread(made) <= 1 + 1e-9
    assert (spread(made) == 0) == (len(made) == 1)
    if len(texts) > 1 and len(made) == len(texts):
        assert spread(made) == pytest.approx(1)
