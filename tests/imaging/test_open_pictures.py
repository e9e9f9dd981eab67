"""Pictures of every mode open with the intensities that a person sees in them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import ImageError, Limits, open_image

RNG = np.random.default_rng(3)
GRAY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def opened(tmp_path: Path, picture: Image.Image, name: str, **options: Any) -> SourceImage:
    path = tmp_path / name
    picture.save(path, **options)
    return open_image(path)


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "gif"])
def test_gray_pictures_are_lossless(tmp_path: Path, ending: str) -> None:
    image = opened(tmp_path, Image.fromarray(GRAY), f"a.{ending}")
    assert np.array_equal(image.pixels[0], GRAY) and not image.color
    assert image.planes == ("image",) and image.spacing_mm is None and not image.patient_side_known
    assert image.name == "a" and image.convention == "as stored"


@pytest.mark.parametrize(
    ("ending", "options"), [("png", {}), ("tif", {}), ("bmp", {}), ("webp", {"lossless": True})]
)
def test_colour_pictures_are_lossless(tmp_path: Path, ending: str, options: dict[str, Any]) -> None:
    image = opened(tmp_path, Image.fromarray(COLOR), f"a.{ending}", **options)
    assert image.color and np.array_equal(image.pixels[0], COLOR)


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    image = opened(tmp_path, Image.fromarray(smooth), "a.jpg", quality=95)
    assert np.abs(image.pixels[0].astype(int) - smooth).max() < 6


def test_sixteen_bits_keep_every_value(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        image = opened(tmp_path, Image.fromarray(deep), name)
        assert np.array_equal(image.pixels[0], deep.astype(np.float32))
    small = opened(tmp_path, Image.fromarray(deep // 4), "b.png")
    assert small.pixels.dtype == np.int16 and np.array_equal(small.pixels[0], deep // 4)


def test_float_tiff_with_nan(tmp_path: Path) -> None:
    values = RNG.normal(size=(8, 8)).astype(np.float32)
    values[0, 0] = np.nan
    image = opened(tmp_path, Image.fromarray(values), "a.tif")
    assert np.isfinite(image.pixels).all() and "1 pixels without a finite value" in image.notes[0]


def test_a_gray_picture_saved_in_colour_can_still_be_windowed(tmp_path: Path) -> None:
    image = opened(tmp_path, Image.fromarray(GRAY).convert("RGB"), "a.png")
    assert not image.color and np.array_equal(image.pixels[0], GRAY)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_are_black_and_noted(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (4, 4), (200, 200, 200, 255))
    picture.putpixel((1, 1), (200, 200, 200, 0))
    image = opened(tmp_path, picture.convert(mode), "a.tif" if mode == "PA" else "a.png")
    assert image.pixels[0, 1, 1] == 0 and image.pixels[0, 0, 0] == 200
    assert image.notes == ["transparent parts are shown on black"]


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOR).quantize(8)
    assert opened(tmp_path, picture, "a.png").color
    assert opened(tmp_path, picture, "b.png", transparency=0).notes


def test_cmyk_and_one_bit(tmp_path: Path) -> None:
    image = opened(tmp_path, Image.new("CMYK", (5, 5), (0, 255, 255, 0)), "a.tif")
    assert image.color and image.pixels[0, 2, 2].tolist() == [255, 0, 0]
    one = opened(tmp_path, Image.new("1", (5, 5), 1), "b.png")
    assert one.pixels.max() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = opened(tmp_path, Image.fromarray(GRAY), "a.png", exif=exif)
    upright = {
        1: GRAY,
        2: GRAY[:, ::-1],
        3: GRAY[::-1, ::-1],
        4: GRAY[::-1],
        5: GRAY.T,
        6: np.rot90(GRAY, -1),
        7: GRAY[::-1, ::-1].T,
        8: np.rot90(GRAY),
    }[orientation]
    assert np.array_equal(image.pixels[0], upright)
    assert bool(image.notes) == (orientation != 1)


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.webp"])
def test_of_an_animation_the_first_frame_is_taken_and_noted(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    options = {"lossless": True} if name.endswith("webp") else {}
    image = opened(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert image.n_slices == 1 and image.pixels[0, 4, 4].tolist() == [255, 0, 0]
    assert image.notes == ["the first of 3 frames of an animation is used"]


def test_tiff_pages_are_slices(tmp_path: Path) -> None:
    pages = [Image.fromarray(GRAY + np.uint8(i)) for i in range(3)]
    image = opened(tmp_path, pages[0], "a.tif", save_all=True, append_images=pages[1:])
    assert image.n_slices == 3 and np.array_equal(image.pixels[2], GRAY + np.uint8(2))
    uneven = [pages[0], Image.new("L", (5, 5))]
    image = opened(tmp_path, uneven[0], "b.tif", save_all=True, append_images=uneven[1:])
    assert image.n_slices == 1 and "page 1 of 2" in image.notes[0]


def test_a_file_goes_by_its_content_and_the_ending_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(png(Image.fromarray(GRAY)))
    image = open_image(tmp_path / "a.dcm")
    assert np.array_equal(image.pixels[0], GRAY)
    assert image.notes == ["the file's ending says DICOM, its content is PNG"]


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif", "a.webp", "a.jpg"])
def test_a_bomb_is_refused_by_its_declared_size(tmp_path: Path, name: str) -> None:
    Image.new("L", (3000, 2000)).save(tmp_path / name)
    with pytest.raises(ImageError, match=r"3000x2000.* more than the limit of 1000000.*max_pixels"):
        open_image(tmp_path / name, limits=Limits(max_pixels=1_000_000))


def test_a_larger_limit_than_pillows_own_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert opened(tmp_path, Image.fromarray(GRAY), "a.png").n_slices == 1


def test_pages_count_against_the_limit(tmp_path: Path) -> None:
    pages = [Image.new("L", (100, 100)) for _ in range(50)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match="100x100x50"):
        open_image(tmp_path / "a.tif", limits=Limits(max_pixels=400_000))
