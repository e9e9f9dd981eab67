"""Box conventions: what four numbers in a model's text mean, as declared by its family.

Maps between a model's numbers and pixels of the view the model saw (continuous pixel-edge coordinates,
origin top-left). Knows nothing about source images: views carry that affine themselves. Nothing is ever
guessed from the values, clamped or swapped: numbers that the convention does not allow are an error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foveate.agent.models.resize import ResizeRule

BoxOrder = Literal["xyxy", "yxyx"]
BoxScale = Literal[
    "absolute_view",  # pixels of the view as it was sent
    "absolute_resized",  # pixels of what the processor makes of it
    "0-1000",
    "0-1",
    "percent100",
    "loc1024",  # PaliGemma: token i stands for i/1024
    "loc1000",  # Florence-2: token i stands for the middle of bin i of 1000
    "bins100",  # MAIRA-2: token i stands for the middle of bin i of 100
]
# The part of the view that the scale spans.
BoxField = Literal["whole", "center_square", "padded_square"]

_LIMIT: dict[str, float] = {"0-1000": 1000, "0-1": 1, "percent100": 100}
_BINS: dict[str, tuple[int, float]] = {"loc1024": (1024, 0.0), "loc1000": (1000, 0.5), "bins100": (100, 0.5)}
_NAMES = {"xyxy": ("x0", "y0", "x1", "y1"), "yxyx": ("y0", "x0", "y1", "x1")}
_EDGE_TOLERANCE = 1e-6


class BoxConventionError(ValueError):
    """Numbers that the declared convention does not allow; the text can be shown to the model."""


@dataclass(frozen=True)
class BoxConvention:
    """How a family writes a box: order of the numbers, their scale, the part of the view they span."""

    order: BoxOrder
    scale: BoxScale
    field: BoxField = "whole"
    decimals: int = 0

    def to_view(
        self, numbers: Sequence[float], width: float, height: float, resize: ResizeRule
    ) -> tuple[float, float, float, float]:
        """Model numbers -> (x0, y0, x1, y1) in pixels of a view of width x height.

        Raises BoxConventionError for other than four finite numbers, a number outside the scale, or an
        empty or reversed box.
        """
        values = _four_finite(numbers)
        names = _NAMES[self.order]
        origin_x, origin_y, span_x, span_y = self._field_of(width, height)
        unit_x, unit_y = self._units(width, height, resize)
        for name, value in zip(names, values, strict=True):
            self._check_range(name, value, unit_x if name[0] == "x" else unit_y)
        x0, y0, x1, y1 = values if self.order == "xyxy" else (values[1], values[0], values[3], values[2])
        if x1 <= x0 or y1 <= y0:
            raise BoxConventionError(
                f"the box {_show(values)} is empty or reversed: it needs x1 > x0 and y1 > y0"
            )
        shift = _BINS[self.scale][1] if self.scale in _BINS else 0.0
        box = (
            origin_x + (x0 + shift) / unit_x * span_x,
            origin_y + (y0 + shift) / unit_y * span_y,
            origin_x + (x1 + shift) / unit_x * span_x,
            origin_y + (y1 + shift) / unit_y * span_y,
        )
        return _inside(box, width, height, values)

    def from_view(
        self, box: Sequence[float], width: float, height: float, resize: ResizeRule
    ) -> tuple[float, ...]:
        """(x0, y0, x1, y1) in view pixels -> the numbers this family writes, in its order.

        Rounded to the family's step (bins: the bin that holds the coordinate). A box thinner than a step
        is widened to one step, because a box of no width does not exist. Raises BoxConventionError when
        the box does not lie within what the family can express.
        """
        x0, y0, x1, y1 = _four_finite(box)
        if x1 <= x0 or y1 <= y0:
            raise BoxConventionError(f"the box {_show((x0, y0, x1, y1))} is empty or reversed")
        origin_x, origin_y, span_x, span_y = self._field_of(width, height)
        unit_x, unit_y = self._units(width, height, resize)
        low_x, high_x = self._steps((x0 - origin_x) / span_x, (x1 - origin_x) / span_x, unit_x, "x")
        low_y, high_y = self._steps((y0 - origin_y) / span_y, (y1 - origin_y) / span_y, unit_y, "y")
        return (low_x, low_y, high_x, high_y) if self.order == "xyxy" else (low_y, low_x, high_y, high_x)

    def step(self, width: float, height: float, resize: ResizeRule) -> tuple[float, float]:
        """The size of one step of the written numbers, in view pixels (x, y)."""
        _, _, span_x, span_y = self._field_of(width, height)
        unit_x, unit_y = self._units(width, height, resize)
        return 10**-self.decimals / unit_x * span_x, 10**-self.decimals / unit_y * span_y

    def _field_of(self, width: float, height: float) -> tuple[float, float, float, float]:
        if self.field == "whole":
            return 0.0, 0.0, float(width), float(height)
        side = float(min(width, height) if self.field == "center_square" else max(width, height))
        # The same formula centres a crop (positive margins) and a pad (negative ones).
        return (width - side) / 2, (height - side) / 2, side, side

    def _units(self, width: float, height: float, resize: ResizeRule) -> tuple[float, float]:
        if self.scale == "absolute_view":
            return float(width), float(height)
        if self.scale == "absolute_resized":
            new_width, new_height = resize(round(width), round(height))
            return float(new_width), float(new_height)
        unit = float(_BINS[self.scale][0]) if self.scale in _BINS else _LIMIT[self.scale]
        return unit, unit

    def _check_range(self, name: str, value: float, unit: float) -> None:
        if self.scale in _BINS and value != int(value):
            raise BoxConventionError(f"{name} = {value:g} is not a bin number")
        top = unit - 1 if self.scale in _BINS else unit
        if not 0 <= value <= top:
            raise BoxConventionError(f"{name} = {value:g} lies outside 0 to {top:g}")

    def _steps(self, low: float, high: float, unit: float, axis: str) -> tuple[float, float]:
        """Fractions of the field -> written numbers along one axis."""
        if low < -_EDGE_TOLERANCE or high > 1 + _EDGE_TOLERANCE:
            raise BoxConventionError(
                f"the box leaves the part of the view that the model can name along {axis}"
            )
        if self.scale in _BINS:
            top = int(unit) - 1
            first, last = (min(top, max(0, math.floor(v * unit))) for v in (low, high))
            if last == first:  # widened to the side that the box is nearer to
                onward = first == 0 or (first < top and (low + high) / 2 * unit >= first + 0.5)
                first, last = (first, last + 1) if onward else (first - 1, last)
            return first, last
        step = 10**-self.decimals
        first, last = round(low * unit / step), round(high * unit / step)
        top = math.floor(unit / step + _EDGE_TOLERANCE)
        first, last = max(0, first), min(top, last)
        if last <= first:
            first = max(0, min(math.floor(low * unit / step), top - 1))
            last = first + 1
        if self.decimals == 0:
            return first, last
        return round(first * step, self.decimals), round(last * step, self.decimals)


def _four_finite(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    if len(numbers) != 4:
        raise BoxConventionError(f"a box is four numbers, not {len(numbers)}")
    for value in numbers:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BoxConventionError("a box is four finite numbers")
    a, b, c, d = numbers
    return float(a), float(b), float(c), float(d)


def _inside(
    box: tuple[float, float, float, float], width: float, height: float, values: Sequence[float]
) -> tuple[float, float, float, float]:
    """Rounding noise at an edge is trimmed; a box in a processor's padding, outside the view, is an error."""
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:  # two numbers may differ by less than a pixel's last digit
        raise BoxConventionError(f"the box {_show(values)} is empty: it has no width or no height in pixels")
    if min(x0, y0) < -_EDGE_TOLERANCE or x1 > width + _EDGE_TOLERANCE or y1 > height + _EDGE_TOLERANCE:
        raise BoxConventionError(f"the box {_show(values)} lies outside the {width:g}x{height:g} view")
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def _show(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"
