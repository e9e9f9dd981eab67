"""Queries taken apart, and the choosing among boxes that they ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.knowledge.resolve import resolved
from foveate.tools.knowledge.route import Choice, route

SIZE = (100.0, 100.0)
corners = st.tuples(*(st.floats(0, 89) for _ in range(2)), *(st.floats(1, 10) for _ in range(2))).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@pytest.mark.parametrize(
    ("query", "phrase", "choices"),
    [
        ("largest nodule", "nodule", [("size", "large", 1)]),
        ("the second largest nodule", "nodule", [("size", "large", 2)]),
        ("smallest lung nodule", "lung nodule", [("size", "small", 1)]),
        ("leftmost rib", "rib", [("order", "left", 1)]),
        ("second kidney from the left", "kidney", [("order", "left", 2)]),
        ("the upper left nodule", "nodule", [("place", "upper left", 1)]),
        ("nodule in the upper left", "nodule", [("place", "upper left", 1)]),
        ("nodule on the left side of the image", "nodule", [("place", "left", 1)]),
        ("largest nodule in the lower right", "nodule", [("size", "large", 1), ("place", "lower right", 1)]),
    ],
)
def test_words_of_size_and_place_choose(query: str, phrase: str, choices: list[tuple[str, str, int]]) -> None:
    told = route(query)
    assert told.phrase == phrase
    assert sorted((c.how, c.by, c.nth) for c in told.choices) == sorted(choices)


@pytest.mark.parametrize(
    "query",
    [
        "left kidney",
        "kidney on the left",
        "left upper lobe",
        "upper left lobe",
        "large mass",
        "right lung",
        "the",
    ],
)
def test_a_side_in_a_name_belongs_to_the_name(query: str) -> None:
    told = route(query)
    assert told.phrase == query and not told.choices and told.kind == "anatomy"


@given(st.text(max_size=80))
def test_any_query_has_a_route(query: str) -> None:
    told = route(query)
    assert told.query == query and (told.phrase == query or told.choices)


@given(st.lists(corners, min_size=1, max_size=6))
def test_the_largest_is_no_smaller_and_the_first_from_an_end_lies_no_further(
    boxes: list[tuple[float, float, float, float]],
) -> None:
    def one(how: str, by: str) -> tuple[float, float, float, float]:
        [found] = resolved(boxes, [Choice(how, by)], lambda b: b, SIZE)  # type: ignore[arg-type]
        return found

    area = [(b[2] - b[0]) * (b[3] - b[1]) for b in boxes]
    large, left, top = one("size", "large"), one("order", "left"), one("order", "top")
    assert (large[2] - large[0]) * (large[3] - large[1]) == max(area)
    assert left[0] + left[2] == min(b[0] + b[2] for b in boxes)
    assert top[1] + top[3] == min(b[1] + b[3] for b in boxes)


@given(st.lists(corners, max_size=6))
def test_places_keep_only_what_lies_there(boxes: list[tuple[float, float, float, float]]) -> None:
    kept = resolved(boxes, [Choice("place", "upper left")], lambda b: b, SIZE)
    assert all(b[0] + b[2] < 100 and b[1] + b[3] < 100 for b in kept)
    assert set(kept) <= set(boxes)


def test_there_is_no_third_of_two() -> None:
    boxes = [(0.0, 0.0, 5.0, 5.0), (50.0, 0.0, 60.0, 5.0)]
    assert resolved(boxes, [Choice("order", "left", 3)], lambda b: b, SIZE) == []
