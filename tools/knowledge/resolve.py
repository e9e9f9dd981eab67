"""Which of several boxes a query means: the largest, the second from the left, the one in the upper left.

Computed on source pixels, so no turn or zoom of a view plays a part. Knows no words and no grounder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from foveate.tools.knowledge.route import Choice

T = TypeVar("T")
Corners = tuple[float, float, float, float]
MIDDLE = 1 / 6
"""What is closer to the middle than this share of the side counts as in the middle."""


def resolved(
    found: Sequence[T], choices: Sequence[Choice], box_of: Callable[[T], Corners], size: tuple[float, float]
) -> list[T]:
    """What the choices leave, places first; an order or a size leaves at most one.

    `size` is the slice's (width, height) in the boxes' pixels. Empty where nothing fits ("the third" of two).
    """
    kept = list(found)
    for choice in sorted(choices, key=lambda choice: choice.how != "place"):
        if choice.how == "place":
            kept = [each for each in kept if _in_place(box_of(each), choice.by, size)]
        else:
            kept = sorted(kept, key=lambda each: _rank(box_of(each), choice.by))[choice.nth - 1 : choice.nth]
    return kept


def _rank(box: Corners, by: str) -> float:
    """Lower is sooner. Ends are counted by centres."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    return {
        "large": -width * height,
        "small": width * height,
        "wide": -width,
        "tall": -height,
        "left": x0 + x1,
        "right": -(x0 + x1),
        "top": y0 + y1,
        "bottom": -(y0 + y1),
    }[by]


def _in_place(box: Corners, place: str, size: tuple[float, float]) -> bool:
    across, down = (box[0] + box[2]) / 2 / size[0] - 0.5, (box[1] + box[3]) / 2 / size[1] - 0.5
    tests = {
        "left": across < 0,
        "right": across > 0,
        "upper": down < 0,
        "lower": down > 0,
        "middle": abs(across) <= MIDDLE and abs(down) <= MIDDLE,
    }
    return all(tests[word] for word in place.split())
