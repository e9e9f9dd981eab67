"""What opening a file may raise, what it may cost, and how a file is named in an error.

An error names the file as the user gave it and never quotes what a reader library said: such a text may
hold a value of the file, and so a patient's name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

_SHOWN = 160


class ImageError(ValueError):
    """A file that cannot be opened: one sentence with the file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What opening may cost, checked on declared sizes before anything is decoded.

    max_pixels: width x height x slices; a colour pixel counts three times. max_bytes: of all files
    together, and of what a compressed file unpacks to. max_files: in one series folder. url_seconds: for
    one download.
    """

    max_pixels: int = 2**28
    max_bytes: int = 2**31
    max_files: int = 5000
    url_seconds: float = 30.0

    def check_pixels(self, name: str, sizes: tuple[int, ...]) -> None:
        """Raises ImageError when the declared sizes are not positive or multiply to more than max_pixels."""
        shown = "x".join(str(size) for size in sizes)
        if any(size < 1 for size in sizes):
            raise ImageError(f"{name} declares an empty image ({shown} pixels); give an image with pixels.")
        total = 1
        for size in sizes:
            total *= size
        if total > self.max_pixels:
            raise ImageError(
                f"{name} declares {shown} pixels, more than the limit of {self.max_pixels}; "
                "give a smaller image or raise max_pixels."
            )

    def check_bytes(self, name: str, size: int) -> None:
        """Raises ImageError when that many bytes are more than max_bytes."""
        if size > self.max_bytes:
            raise ImageError(
                f"{name} holds more than the limit of {self.max_bytes} bytes; "
                "give a smaller file or raise max_bytes."
            )


def shown_name(path: str | os.PathLike[str]) -> str:
    """The path as the user gave it, printable on one line and not endless."""
    text = "".join(char if char.isprintable() else "?" for char in os.fspath(path))
    return repr(text if len(text) <= _SHOWN else "..." + text[-_SHOWN:])


def damaged(name: str, kind: str) -> ImageError:
    """The error for a file whose content does not hold together."""
    return ImageError(
        f"{name} cannot be read as {kind}: it is damaged, cut short or of an unusual kind; "
        "get a complete copy or convert it."
    )
