"""What a family's image processor does to the size of an image.

Sizes only: no pixels are touched here. All functions map (width, height) to (width, height) in pixels.
Source of each rule: the family's processor in transformers 5.23 unless the profile says otherwise.
"""

import math
from collections.abc import Callable

ResizeRule = Callable[[int, int], tuple[int, int]]

QWEN_MAX_ASPECT = 200


def unchanged(width: int, height: int) -> tuple[int, int]:
    """The processor keeps the size, or resizes in a way its boxes do not depend on."""
    return width, height


def square(side: int) -> ResizeRule:
    """Both sides become `side`; the aspect ratio is not kept."""

    def rule(width: int, height: int) -> tuple[int, int]:
        return side, side

    return rule


def smart_resize(factor: int, min_pixels: int, max_pixels: int) -> ResizeRule:
    """Qwen-VL: both sides to multiples of `factor`, area within [min_pixels, max_pixels].

    Mirrors `transformers.models.qwen2_vl` (checked against it in the tests). Raises ValueError for an
    aspect ratio above 200, which the real processor refuses too.
    """

    def rule(width: int, height: int) -> tuple[int, int]:
        if max(width, height) / min(width, height) > QWEN_MAX_ASPECT:
            raise ValueError(f"an image of {width}x{height} is too long and thin for a Qwen-VL processor")
        new_height, new_width = round(height / factor) * factor, round(width / factor) * factor
        if new_height * new_width > max_pixels:
            shrink = math.sqrt(height * width / max_pixels)
            new_height = max(factor, math.floor(height / shrink / factor) * factor)
            new_width = max(factor, math.floor(width / shrink / factor) * factor)
        elif new_height * new_width < min_pixels:
            grow = math.sqrt(min_pixels / (height * width))
            new_height = math.ceil(height * grow / factor) * factor
            new_width = math.ceil(width * grow / factor) * factor
        return new_width, new_height

    return rule
