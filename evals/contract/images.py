"""The images of a question: where the pixels come from, and the digest that puts them into a run's key.

Knows no question and no benchmark; opens an image only when asked to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from foveate.evals.contract.problems import DataProblem

if TYPE_CHECKING:
    from foveate.tools.imaging.image import SourceImage


class ImageSource(Protocol):
    """An image of a question, opened when its turn comes and forgotten afterwards."""

    @property
    def slice_index(self) -> int | None:
        """The slice that opens the question; None for the middle one (or a picture)."""
        ...

    def open(self) -> SourceImage:
        """The pixels. Raises ImageError."""
        ...

    def digest(self) -> str:
        """SHA-256 (hex) of what decides the pixels; part of the run's key."""
        ...


@dataclass(frozen=True)
class FileImage:
    """A file, or a folder with one DICOM series. `window` is (center, width) or None for the image's own."""

    path: Path
    slice_index: int | None = None
    window: tuple[float, float] | None = None

    def open(self) -> SourceImage:
        """The opened file, named without its path. Raises ImageError."""
        from dataclasses import replace

        from foveate.tools.imaging.open import open_image
        from foveate.tools.imaging.windows import Window

        image = open_image(self.path)
        return image if self.window is None else replace(image, default_window=Window(*self.window))

    def digest(self) -> str:
        """SHA-256 of the bytes of the file, or of all files of the folder in order of name, and the window.

        Raises DataProblem when the file is not there.
        """
        return sha256("".join([*_file_digests(self.path), repr(self.window)]).encode()).hexdigest()


@dataclass(frozen=True)
class MadeImage:
    """An image made in memory: a slice cut from a volume, a picture from a Parquet cell, a drawn overlay.

    `key` is a SHA-256 or any other text that decides the pixels wholly (source digest, slice, overlay,
    version of the drawing); `make` returns the same image every time.
    """

    key: str
    make: Callable[[], SourceImage] = field(repr=False, compare=False)
    slice_index: int | None = None

    def open(self) -> SourceImage:
        return self.make()

    def digest(self) -> str:
        return sha256(self.key.encode()).hexdigest()


def _file_digests(path: Path) -> list[str]:
    if path.is_dir():
        return [digest for child in sorted(path.iterdir()) for digest in _file_digests(child)]
    digest = sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError:
        place = "/".join(path.parts[-2:])
        raise DataProblem(f"{place}: the image cannot be read; expected the file as released.") from None
    return [digest.hexdigest()]
