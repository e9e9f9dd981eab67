"""Opening what the command line names: image files, a starting window, a starting slice.

Knows no model and no agent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foveate.agent.cli_errors import InputError

if TYPE_CHECKING:
    from foveate.tools.imaging.image import SourceImage
    from foveate.tools.imaging.windows import Window


def open_images(
    paths: Sequence[str], allow_url: bool, window: str | None, slice_index: int | None
) -> list[SourceImage]:
    """Every image opened, shown through `window` where one is given. Raises ImageError or InputError."""
    from foveate.tools.imaging.open import open_image

    chosen = None if window is None else parse_window(window)
    images = []
    for path in paths:
        image = open_image(path, allow_url=allow_url)
        if chosen is not None and image.color:
            raise InputError(f"{image.name} is a colour image: it has no intensities for --window.")
        if slice_index is not None and not 0 <= slice_index < image.slice_count(image.planes[0]):
            last = image.slice_count(image.planes[0]) - 1
            raise InputError(
                f"{image.name} has {image.planes[0]} slices 0 to {last}, not --slice {slice_index}."
            )
        images.append(image if chosen is None else replace(image, default_window=chosen))
    return images


def parse_window(text: str) -> Window:
    """A preset's name or "center,width". Raises WindowError or InputError."""
    from foveate.tools.imaging.windows import Window, window_named

    if "," not in text:
        return window_named(text)
    try:
        center, width = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--window {text[:40]!r} is neither a preset nor CENTER,WIDTH.") from None
    return Window(center, width)


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on standard output. ASCII only, so that no terminal encoding can break it."""
    print(json.dumps(record, allow_nan=False))
