"""Single DICOM files: every transfer syntax and photometric interpretation, geometry, and what is broken."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import ImageError, Limits, open_image
from foveate.tools.imaging.views import overview, render
from foveate.tools.imaging.windows import Window

RNG = np.random.default_rng(11)
STORED = RNG.integers(0, 2000, (12, 16)).astype(np.int16)
Bundled = Callable[[str], str]


@pytest.fixture
def opened(tmp_path: Path, build: Any) -> Callable[..., SourceImage]:
    def call(array: np.ndarray[Any, Any], limits: Limits | None = None, **tags: Any) -> SourceImage:
        path = tmp_path / "a.dcm"
        path.write_bytes(build.dicom(array, **tags))
        return open_image(path, limits=limits)

    return call


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless"],
)
def test_every_lossless_transfer_syntax_gives_the_same_pixels(bundled: Bundled, name: str) -> None:
    plain = open_image(bundled("MR_small.dcm"))
    other = open_image(bundled(f"{name}.dcm"))
    assert np.array_equal(other.pixels, plain.pixels) and other.id == plain.id
    assert plain.modality == "MR" and plain.plane_spacing("axial") == (0.3125, 0.3125)
    assert plain.sides("axial") == ("R", "A", "L", "P") and plain.convention == "radiological"


def test_ct_comes_in_hounsfield_units_and_keeps_its_stored_matrix(bundled: Bundled) -> None:
    image = open_image(bundled("CT_small.dcm"))
    ds = pydicom.dcmread(bundled("CT_small.dcm"))
    assert image.intensity_unit == "HU" and image.pixels.dtype == np.int16
    assert np.array_equal(image.pixels[0], ds.pixel_array.astype(int) - 1024)


@pytest.mark.parametrize(
    "name",
    [
        "examples_palette",
        "examples_rgb_color",
        "examples_jpeg2k",
        "SC_rgb_rle",
        "SC_rgb_rle_16bit",
        "SC_rgb_rle_32bit",
        "SC_rgb_dcmtk_+eb+cr",
        "SC_ybr_full_422_uncompressed",
        "SC_rgb_jpeg_dcmtk",
        "SC_rgb_gdcm_KY",
        "ExplVR_BigEnd",
    ],
)
def test_colour_files(bundled: Bundled, name: str) -> None:
    image = open_image(bundled(f"{name}.dcm"))
    assert image.color and image.pixels.dtype == np.uint8 and image.n_slices == 1
    assert np.asarray(render(overview(image, 64), image)).std() > 5


def test_ybr_becomes_rgb(bundled: Bundled) -> None:
    plain = open_image(bundled("SC_rgb_dcmtk_+eb+cr.dcm")).pixels.astype(int)
    lossy = open_image(bundled("SC_rgb_dcmtk_+eb+cy+np.dcm")).pixels.astype(int)
    assert np.abs(plain - lossy).mean() < 6


def test_a_cine_is_a_stack_of_frames(bundled: Bundled) -> None:
    image = open_image(bundled("examples_ybr_color.dcm"))
    assert (image.n_slices, image.planes, image.modality) == (30, ("image",), "US")
    assert not image.volume and not image.patient_side_known


def test_a_dose_grid_is_a_volume(bundled: Bundled) -> None:
    image = open_image(bundled("rtdose.dcm"))
    assert image.volume and image.n_slices == 15 and image.spacing_mm == pytest.approx((5, 10, 10))


@pytest.mark.skipif(importlib.util.find_spec("libjpeg") is not None, reason="the GPL decoder is installed")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MR_small_jpeg_ls_lossless", "JPEG-LS"),
        ("SC_rgb_jpeg_gdcm", "JPEG Lossless"),
        ("JPGExtended", "12-bit"),
    ],
)
def test_a_decoder_that_is_absent_is_named(bundled: Bundled, name: str, kind: str) -> None:
    with pytest.raises(ImageError, match=f"{kind}.*pylibjpeg-libjpeg"):
        open_image(bundled(f"{name}.dcm"))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("MR_truncated", "damaged"),
        ("badVR", "damaged"),
        ("rtplan", "without an image"),
        ("test-SR", "without an image"),
        (
            "JPEG2000-embedded-sequence-delimiter",
            "another",
        ),  # its codestream declares 16 million pixels a side
    ],
)
def test_broken_and_pictureless_files(bundled: Bundled, name: str, word: str) -> None:
    with pytest.raises(ImageError, match=word):
        open_image(bundled(f"{name}.dcm"))


def test_every_bundled_file_opens_or_is_one_sentence(bundled: Bundled) -> None:
    folder = Path(bundled("CT_small.dcm")).parent
    for path in sorted(folder.glob("*.dcm")):
        try:
            assert open_image(path).n_slices >= 1
        except ImageError as error:
            assert path.name in str(error) and "\n" not in str(error)


def test_monochrome1_is_inverted_with_its_window(opened: Callable[..., SourceImage]) -> None:
    tags = {"Modality": "CR", "WindowCenter": 500, "WindowWidth": 800}
    dark = opened(STORED, PhotometricInterpretation="MONOCHROME1", **tags)
    light = opened(STORED, **tags)
    a, b = (np.asarray(render(overview(x, 16), x)).astype(int) for x in (dark, light))
    assert np.abs(a + b - 255).max() <= 1 and "MONOCHROME1" in dark.notes[0]


def test_slope_and_intercept(opened: Callable[..., SourceImage]) -> None:
    whole = opened(STORED, RescaleSlope=1, RescaleIntercept=-1024)
    assert whole.pixels.dtype == np.int16 and np.array_equal(whole.pixels[0], STORED - 1024)
    part = opened(STORED, RescaleSlope="0.25", RescaleIntercept=7, Modality="PT")
    assert part.pixels.dtype == np.float32 and np.allclose(part.pixels[0], STORED * 0.25 + 7)
    assert part.intensity_unit is None


def test_padding_outside_the_field_of_view_is_air_and_noted(opened: Callable[..., SourceImage]) -> None:
    padded = STORED.copy()
    padded[0] = -2048
    image = opened(padded, RescaleSlope=1, RescaleIntercept=-1024)
    assert (image.pixels[0, 0] == -1024).all() and "padding" in image.notes[0]
    assert np.array_equal(image.pixels[0, 1:], padded[1:] - 1024)


def lut(explanation: str, entries: list[int], first: int = 0, bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.array(entries, np.uint16).tobytes()
    item.ModalityLUTType = explanation
    item["LUTData"].VR = "OW"
    return item


def test_modality_lut(opened: Callable[..., SourceImage]) -> None:
    stored = (STORED % 10).astype(np.uint16)
    image = opened(
        stored, Modality="CR", ModalityLUTSequence=Sequence([lut("OD", [i * i for i in range(10)])])
    )
    assert np.array_equal(image.pixels[0], stored.astype(int) ** 2)


def test_voi_lut_without_a_window_is_applied(opened: Callable[..., SourceImage]) -> None:
    stored = (STORED % 10).astype(np.uint16)
    table = lut("US", [9 - i for i in range(10)])
    del table.ModalityLUTType
    image = opened(stored, Modality="DX", VOILUTSequence=Sequence([table]))
    assert np.array_equal(image.pixels[0], 9 - stored.astype(int)) and "lookup table" in image.notes[0]


def test_the_files_first_window_is_the_default(opened: Callable[..., SourceImage]) -> None:
    image = opened(STORED, WindowCenter=[-600, 40], WindowWidth=[1500, 400])
    assert image.default_window == Window(-600, 1500)
    assert opened(STORED, WindowCenter=40, WindowWidth=0).default_window == Window(40, 400)  # CT's default


@pytest.mark.parametrize(
    ("orientation", "plane", "sides"),
    [
        ([1, 0, 0, 0, 1, 0], "axial", ("R", "A", "L", "P")),
        ([-1, 0, 0, 0, 1, 0], "axial", ("L", "A", "R", "P")),
        ([1, 0, 0, 0, 0, -1], "coronal", ("R", "H", "L", "F")),
        ([0, 1, 0, 0, 0, -1], "sagittal", ("A", "H", "P", "F")),
        ([1, 0, 0, 0, -1, 0], "axial", ("R", "P", "L", "A")),
    ],
)
def test_sides_of_a_single_slice(
    opened: Callable[..., SourceImage],
    build: Any,
    orientation: list[float],
    plane: str,
    sides: tuple[str, ...],
) -> None:
    image = opened(STORED, **build.axial(5, ImageOrientationPatient=orientation))
    assert image.planes == (plane,) and image.sides(plane) == sides and image.patient_side_known
    assert image.pixels.shape == (1, 12, 16)
    assert np.array_equal(image.pixels[0], STORED)  # the stored matrix, whatever the side
    expected = {"R": "radiological", "L": "neurological"}.get(sides[0], "as stored")
    assert image.convention == expected


def test_patient_millimetres_of_a_single_slice(opened: Callable[..., SourceImage], build: Any) -> None:
    image = opened(STORED, **build.axial(5))
    frame = image.source_frame("axial", 0)
    assert image.patient_point("axial", 0, 0.5, 0.5) == pytest.approx((-10, -20, 5))
    assert image.box_to_patient(frame.box(0.5, 0.5, 2.5, 1.5)) == pytest.approx([-10, -20, 5, -9, -19.2, 5])
    assert image.plane_spacing("axial") == (0.8, 0.5)


def test_a_projection_knows_its_sides_and_says_where_its_millimetres_are(
    opened: Callable[..., SourceImage],
) -> None:
    image = opened(STORED, Modality="DX", PatientOrientation=["L", "F"], ImagerPixelSpacing=[0.1, 0.2])
    assert image.sides("image") == ("R", "H", "L", "F") and image.plane_spacing("image") == (0.1, 0.2)
    assert any("detector" in note for note in image.notes)


def enhanced(build: Any, positions: list[float], **tags: Any) -> dict[str, Any]:
    shared, frames = Dataset(), []
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.5], 3
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    for z in positions:
        frame, position, rescale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-10, -20, z]
        rescale.RescaleSlope, rescale.RescaleIntercept = 1, -1000
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [rescale]
        frames.append(frame)
    return {
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(frames),
        **tags,
    }


def test_an_enhanced_multi_frame_in_any_order_is_a_volume(
    opened: Callable[..., SourceImage], build: Any
) -> None:
    frames = np.stack([STORED + i for i in range(3)])
    image = opened(frames, **enhanced(build, [6, 0, 3]))
    assert image.volume and image.spacing_mm == pytest.approx((3, 0.8, 0.5))
    assert np.array_equal(image.pixels, frames[[1, 2, 0]] - 1000)


def test_frames_at_one_position_stay_frames(opened: Callable[..., SourceImage], build: Any) -> None:
    image = opened(np.stack([STORED] * 3), **enhanced(build, [0, 0, 3]))
    assert not image.volume and image.n_slices == 3 and "same position" in image.notes[-1]


def test_declared_size_is_checked_before_decoding(opened: Callable[..., SourceImage]) -> None:
    with pytest.raises(ImageError, match="65535x65535 pixels, more than the limit"):
        opened(STORED, Rows=65535, Columns=65535)
    with pytest.raises(ImageError, match="16x12x99999"):
        opened(STORED, NumberOfFrames=99999, limits=Limits(max_pixels=10_000_000))
    with pytest.raises(ImageError, match="empty image"):
        opened(STORED, Rows=0)


def test_a_frame_larger_than_its_header_says_is_not_decoded(tmp_path: Path, bundled: Bundled) -> None:
    ds = pydicom.dcmread(bundled("MR_small_jp2klossless.dcm"))
    ds.Rows = 32
    ds.save_as(tmp_path / "a.dcm")
    with pytest.raises(ImageError, match="declares one image size and its compressed data another"):
        open_image(tmp_path / "a.dcm")


def test_a_deflated_file_is_bounded(tmp_path: Path, build: Any, bundled: Bundled) -> None:
    assert open_image(bundled("image_dfl.dcm")).pixels.shape == (1, 512, 512)
    ds = build.dataset(np.zeros((2000, 2000), np.int16))
    ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    (tmp_path / "a.dcm").write_bytes(buffer.getvalue())
    assert len(buffer.getvalue()) < 50_000
    with pytest.raises(ImageError, match="max_bytes"):
        open_image(tmp_path / "a.dcm", limits=Limits(max_bytes=1_000_000))


def test_burned_in_text_is_noted(opened: Callable[..., SourceImage]) -> None:
    assert "part of its pixels" in opened(STORED, BurnedInAnnotation="YES").notes[0]


def test_jpeg_ls_where_its_optional_decoder_is_installed(bundled: Bundled) -> None:
    pytest.importorskip("libjpeg")
    assert open_image(bundled("MR_small_jpeg_ls_lossless.dcm")).id == open_image(bundled("MR_small.dcm")).id
