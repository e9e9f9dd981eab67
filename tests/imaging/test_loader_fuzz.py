"""Damaged files, cut anywhere or with any bytes changed, open or end in one ImageError."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import ImageError, Limits, open_image
from foveate.tools.imaging.views import overview, render

SMALL = Limits(max_pixels=2**18, max_bytes=2**22)
PIXELS = np.random.default_rng(0).integers(0, 255, (3, 12, 10), dtype=np.uint8)
KINDS = ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "nifti", "nifti.gz", "nrrd", "nrrd.gz"]
KINDS += ["dicom", "dicom RLE", "dicom J2K", "dicom JPEG", "dicom palette", "dicom enhanced", "bare dicom"]


def saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(frame) for frame in PIXELS]
    several = kind in ("TIFF", "GIF", "WEBP", "PNG")
    options = {"save_all": True, "append_images": frames[1:]} if several else {}
    frames[0].save(buffer, kind, **options)
    return buffer.getvalue()


def dicom(build: Any, kind: str, bundled: Any) -> bytes:
    if kind in ("dicom", "bare dicom"):
        data: bytes = build.dicom(
            PIXELS[0].astype(np.int16), **build.axial(0, WindowCenter=40, WindowWidth=4)
        )
        return data if kind == "dicom" else data[data.index(b"\x08\x00\x16\x00") :]
    if kind == "dicom enhanced":
        return Path(bundled("liver_expb_1frame.dcm")).read_bytes()
    if kind == "dicom palette":
        ds = pydicom.dcmread(bundled("examples_palette.dcm"))
        ds.Rows, ds.PixelData = 4, ds.PixelData[: 4 * ds.Columns]
        buffer = io.BytesIO()
        ds.save_as(buffer)
        return buffer.getvalue()
    name = {
        "RLE": "MR_small_RLE.dcm",
        "J2K": "MR_small_jp2klossless.dcm",
        "JPEG": "SC_rgb_small_odd_jpeg.dcm",
    }
    return Path(bundled(name[kind.split()[1]])).read_bytes()


@pytest.fixture(scope="session")
def files(build: Any) -> dict[str, bytes]:
    def bundled(name: str) -> str:
        return str(pydicom.data.get_testdata_file(name, download=False))

    nifti = build.nifti(PIXELS.astype(np.int16), np.diag([1.0, 1, 2, 1]))
    space = "space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (0,0,0)\n"
    nrrd = build.nrrd("10 12 3", space, PIXELS.tobytes(), kind="uint8")
    packed = build.nrrd("10 12 3", space, gzip.compress(PIXELS.tobytes()), "gzip", "uint8")
    found = {"nifti": nifti, "nifti.gz": gzip.compress(nifti), "nrrd": nrrd, "nrrd.gz": packed}
    found |= {kind: saved(kind) for kind in KINDS[:6]}
    return found | {kind: dicom(build, kind, bundled) for kind in KINDS if "dicom" in kind}


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("fuzz") / "file"


def opens_or_is_told(path: Path, data: bytes) -> SourceImage | None:
    path.write_bytes(data)
    try:
        image = open_image(path, limits=SMALL)
    except ImageError as error:
        assert "\n" not in str(error) and "'" in str(error)
        return None
    render(overview(image, 16), image)
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_file_opens(files: dict[str, bytes], path: Path, kind: str) -> None:
    assert opens_or_is_told(path, files[kind]) is not None


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_changed_bytes(files: dict[str, bytes], path: Path, kind: str, data: st.DataObject) -> None:
    changed = bytearray(files[kind])
    head = st.integers(0, min(len(changed), 700) - 1)
    anywhere = st.integers(0, len(changed) - 1)
    for at in data.draw(st.lists(head | anywhere, min_size=1, max_size=8)):
        changed[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    opens_or_is_told(path, bytes(changed))


@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_cut_files(files: dict[str, bytes], path: Path, kind: str, data: st.DataObject) -> None:
    whole = files[kind]
    keep = data.draw(st.integers(0, len(whole) - 1))
    gap = data.draw(st.integers(0, 200))
    opens_or_is_told(path, whole[:keep])
    opens_or_is_told(path, whole[:keep] + whole[keep + gap :])


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["PNG", "dicom", "nifti", "nrrd", "TIFF"]), st.integers(0, 400), st.binary(max_size=300)
)
def test_a_good_start_with_anything_behind(
    files: dict[str, bytes], path: Path, kind: str, keep: int, rest: bytes
) -> None:
    opens_or_is_told(path, files[kind][:keep] + rest)
