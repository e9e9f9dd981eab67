"""Pictures: PNG, JPEG, TIFF, WebP, BMP and GIF, read with Pillow.

A picture knows nothing of millimetres or of a patient. Of an animation the first frame is taken, and a
note says so; the pages of a TIFF of one size are the slices of a stack. Resolution tags (dots per inch)
are printer's marks and not used as spacing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from foveate.tools.imaging.errors import ImageError, Limits, damaged
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.intensity import kept
from foveate.tools.imaging.windows import Window

# the formats' own classes: Image.open has a limit of its own, global and lower than what a user may allow
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
}
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_UPRIGHT = 1
_ORIENTATION_TAG = 0x0112


def load_raster(data: bytes, kind: str, name: str, limits: Limits) -> SourceImage:
    """A picture from the bytes of a file of that kind (Pillow's name, such as "PNG"). Raises ImageError."""
    picture = _open(data, kind, name, limits)
    notes: list[str] = []
    pages = _pages(picture, kind, name, limits, notes)
    try:
        slices = [_array(page, notes) for page in pages]
    except Image.DecompressionBombError:
        raise ImageError(f"{name} unpacks to more pixels than allowed; give a smaller image.") from None
    except Exception:
        raise damaged(name, kind) from None
    pixels = kept(_one_kind(np.stack(slices)), notes)
    gray8 = pixels.ndim == 3 and pixels.dtype == np.uint8
    return SourceImage(
        pixels=pixels,
        default_window=Window(127.5, 255.0) if gray8 else None,
        notes=list(dict.fromkeys(notes)),
    )


def _open(data: bytes, kind: str, name: str, limits: Limits) -> ImageFile.ImageFile:
    try:
        picture = _READERS[kind](io.BytesIO(data))
    except Image.DecompressionBombError:
        raise ImageError(f"{name} declares more pixels than allowed; give a smaller image.") from None
    except Exception:
        raise damaged(name, kind) from None
    _check_size(picture, 1, name, limits)
    return picture


def _check_size(picture: Image.Image, pages: int, name: str, limits: Limits) -> None:
    channels = 1 if picture.mode in ("1", "L", "P", *_DEEP) else 3
    limits.check_pixels(name, tuple(size for size in (*picture.size, pages, channels) if size != 1) or (1,))


def _pages(
    picture: ImageFile.ImageFile, kind: str, name: str, limits: Limits, notes: list[str]
) -> Iterator[Image.Image]:
    try:
        count = int(getattr(picture, "n_frames", 1))
    except Exception:
        raise damaged(name, kind) from None
    if count > 1 and kind == "TIFF":
        _check_size(picture, count, name, limits)
        return _tiff_pages(picture, count, name, notes)
    if count > 1:
        notes.append(f"the first of {count} frames of an animation is used")
    return iter([picture])


def _tiff_pages(
    picture: ImageFile.ImageFile, count: int, name: str, notes: list[str]
) -> Iterator[Image.Image]:
    size, mode = picture.size, picture.mode
    for index in range(count):
        picture.seek(index)
        if (picture.size, picture.mode) != (size, mode):
            notes.append(f"page 1 of {count} is used: the pages differ in size or depth")
            return
        yield picture


def _array(picture: Image.Image, notes: list[str]) -> npt.NDArray[Any]:
    """[row, col] or [row, col, 3] of one frame, upright, opaque, in gray or RGB."""
    if picture.getexif().get(_ORIENTATION_TAG, _UPRIGHT) != _UPRIGHT:
        notes.append("turned upright as its EXIF orientation says")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in _DEEP:
        return np.asarray(picture)
    if picture.has_transparency_data:
        notes.append("transparent parts are shown on black")
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (0, 0, 0, 255)), picture)
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))
    return np.asarray(picture.convert("RGB"))


def _one_kind(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # a gray picture saved in colour keeps its intensities, so that it can be windowed
    if (
        pixels.ndim == 4
        and (pixels[..., 0] == pixels[..., 1]).all()
        and (pixels[..., 0] == pixels[..., 2]).all()
    ):
        return pixels[..., 0]
    return pixels
