"""NIfTI and NRRD: any stored orientation gives one canonical volume; and what is refused."""

from __future__ import annotations

import bz2
import gzip
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel import orientations

from foveate.tools.imaging.canonical import canonical_volume
from foveate.tools.imaging.open import ImageError, Limits, open_image

RNG = np.random.default_rng(2)
VOLUME = RNG.integers(0, 1000, (5, 6, 7)).astype(np.int16)  # canonical [slice, row, col]
LPS = np.array([[0.5, 0, 0, -10], [0, 0.8, 0, -20], [0, 0, 2.5, 100], [0, 0, 0, 1.0]])
RAS = np.diag([-1.0, -1.0, 1.0, 1.0]) @ LPS
CODES = [
    "".join(code)
    for axes in permutations(("LR", "PA", "SI"))
    for code in product(*axes)
]  # fmt: skip


def stored_as(code: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The volume and its RAS affine as a file with those axis codes would hold them."""
    image = nib.Nifti1Image(np.ascontiguousarray(VOLUME.transpose(2, 1, 0)), RAS)
    turn = orientations.ornt_transform(
        orientations.io_orientation(RAS), orientations.axcodes2ornt(tuple(code))
    )
    turned = image.as_reoriented(turn)
    return np.asarray(turned.dataobj), turned.affine


@pytest.mark.parametrize("code", CODES)
def test_every_orientation_gives_the_same_volume(tmp_path: Path, build: Any, code: str) -> None:
    array, affine = stored_as(code)
    path = tmp_path / "a.nii"
    path.write_bytes(build.nifti(array, affine))
    image = open_image(path)
    assert np.array_equal(image.pixels, VOLUME) and image.stored_orientation == code
    assert image.affine is not None and image.to_stored is not None
    assert np.allclose(image.affine, LPS, atol=1e-4) and image.spacing_mm == pytest.approx((2.5, 0.8, 0.5))
    index = image.to_stored @ np.array([2, 3, 4, 1])
    assert array[tuple(index[:3].astype(int))] == VOLUME[4, 3, 2]


@given(st.sampled_from(CODES), st.sampled_from(["radiological", "neurological"]))
def test_a_voxel_keeps_its_millimetres_however_it_is_turned(code: str, convention: Any) -> None:
    array, affine = stored_as(code)
    image = canonical_volume(array, np.diag([-1.0, -1, 1, 1]) @ affine, convention, [])
    assert image.affine is not None
    s, r, c = (int(axis[0]) for axis in np.nonzero(image.pixels == image.pixels.max()))
    i, j, k = (int(axis[0]) for axis in np.nonzero(array == array.max()))
    assert (image.affine @ [c, r, s, 1])[:3] == pytest.approx(
        (np.diag([-1, -1, 1, 1]) @ affine @ [i, j, k, 1])[:3], abs=1e-3
    )


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32", "float64", "int32", "uint8", ">i2"])
def test_types_and_gzip(tmp_path: Path, build: Any, dtype: str) -> None:
    array = np.ascontiguousarray((VOLUME % 200).transpose(2, 1, 0)).astype(dtype)
    data = build.nifti(array, RAS)
    for name, content in {"a.nii": data, "a.nii.gz": gzip.compress(data)}.items():
        (tmp_path / name).write_bytes(content)
        image = open_image(tmp_path / name)
        assert np.array_equal(image.pixels, VOLUME % 200) and image.name == "a"
        assert image.pixels.dtype == (np.uint8 if dtype == "uint8" else np.int16)


def test_hounsfield_units_with_intercept_and_padding(tmp_path: Path) -> None:
    raw = RNG.integers(0, 1400, (20, 20, 5)).astype(np.int16)
    raw[0] = -2048
    image = nib.Nifti1Image(raw, RAS)
    image.header.set_slope_inter(1, -1024)
    # set_slope_inter describes the stored values; written with the raw values as they are
    image.header["scl_slope"], image.header["scl_inter"] = 1, -1024
    image.to_filename(tmp_path / "a.nii.gz")
    stored = nib.Nifti1Image.from_filename(tmp_path / "a.nii.gz")
    expected = np.where(np.asarray(stored.dataobj) < -1500, -1024, np.asarray(stored.dataobj))
    opened = open_image(tmp_path / "a.nii.gz")
    assert opened.modality == "CT" and opened.intensity_unit == "HU" and opened.pixels.dtype == np.int16
    assert sorted(opened.pixels.ravel()) == sorted(expected.astype(int).ravel())


def test_an_mr_is_not_taken_for_ct(tmp_path: Path, build: Any) -> None:
    (tmp_path / "a.nii").write_bytes(build.nifti(VOLUME, RAS))
    image = open_image(tmp_path / "a.nii")
    assert image.modality is None and image.intensity_unit is None


def test_nan_and_infinity(tmp_path: Path, build: Any) -> None:
    values = RNG.normal(size=(4, 5, 6)).astype(np.float32)
    values[0, 0, 0], values[1, 1, 1] = np.nan, np.inf
    (tmp_path / "a.nii").write_bytes(build.nifti(values, RAS))
    image = open_image(tmp_path / "a.nii")
    assert np.isfinite(image.pixels).all() and image.notes[0].startswith("2 pixels without a finite value")
    (tmp_path / "b.nii").write_bytes(build.nifti(np.full((3, 3, 3), np.nan, np.float32), RAS))
    with pytest.raises(ImageError, match="no finite intensity"):
        open_image(tmp_path / "b.nii")


def test_rgb_is_colour(tmp_path: Path, build: Any) -> None:
    rgb = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"], rgb["B"] = 200, 10
    (tmp_path / "a.nii").write_bytes(build.nifti(rgb, LPS))
    image = open_image(tmp_path / "a.nii")
    assert (
        image.color and image.pixels.shape == (6, 5, 4, 3) and image.pixels[0, 0, 0].tolist() == [200, 0, 10]
    )


def test_dimensions(tmp_path: Path, build: Any) -> None:
    (tmp_path / "a.nii").write_bytes(build.nifti(np.zeros((4, 5, 6, 7), np.int16), RAS))
    with pytest.raises(ImageError, match=r"4 dimensions \(4x5x6x7\); save one volume"):
        open_image(tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes(build.nifti(np.zeros((4, 5, 6, 1), np.int16), LPS))
    assert open_image(tmp_path / "b.nii").pixels.shape == (6, 5, 4)
    (tmp_path / "c.nii").write_bytes(build.nifti(np.zeros((4, 5), np.int16), LPS))
    assert open_image(tmp_path / "c.nii").planes == ("axial",)
    (tmp_path / "d.nii").write_bytes(build.nifti(np.zeros((4, 5, 6), np.complex64), RAS))
    with pytest.raises(ImageError, match="complex"):
        open_image(tmp_path / "d.nii")


def test_a_file_without_a_place_in_the_patient_claims_no_sides(tmp_path: Path, build: Any) -> None:
    (tmp_path / "a.nii").write_bytes(build.nifti(VOLUME.transpose(2, 1, 0), None, sform_code=0, qform_code=0))
    image = open_image(tmp_path / "a.nii")
    assert np.array_equal(image.pixels, VOLUME) and not image.patient_side_known and image.affine is None
    assert image.sides("image") is None and "sides unknown" in image.notes[0]


def test_thick_slices_show_the_acquired_plane_first(tmp_path: Path, build: Any) -> None:
    (tmp_path / "a.nii").write_bytes(build.nifti(VOLUME, np.diag([4.0, 0.5, 0.5, 1])))
    assert open_image(tmp_path / "a.nii").planes[0] == "sagittal"


def test_a_flat_affine_is_refused(tmp_path: Path, build: Any) -> None:
    data = bytearray(build.nifti(VOLUME, RAS))
    data[280:296] = bytes(16)  # the first row of the affine
    (tmp_path / "a.nii").write_bytes(data)
    with pytest.raises(ImageError, match="span space"):
        open_image(tmp_path / "a.nii")


def test_declared_sizes_are_checked_first(tmp_path: Path, build: Any) -> None:
    data = bytearray(build.nifti(VOLUME, RAS))
    data[42:48] = np.array([30000] * 3, "<i2").tobytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(data))
    with pytest.raises(ImageError, match="30000x30000x30000 pixels, more than the limit"):
        open_image(tmp_path / "a.nii.gz")
    data = bytearray(build.nifti(VOLUME, RAS))
    data[108:112] = np.array([1e9], "<f4").tobytes()  # where the pixels begin
    (tmp_path / "b.nii").write_bytes(data)
    with pytest.raises(ImageError, match="damaged"):
        open_image(tmp_path / "b.nii")


def test_half_of_a_pair_is_refused(tmp_path: Path) -> None:
    nib.Nifti1Pair(VOLUME, RAS).to_filename(tmp_path / "a.hdr")
    with pytest.raises(ImageError, match=r"\.hdr/\.img pair"):
        open_image(tmp_path / "a.hdr")


PLACE = "space: {space}\nspace directions: {rows}\nspace origin: {origin}\n"
LPS_ROWS = "(0.5,0,0) (0,0.8,0) (0,0,2.5)"


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
def test_nrrd_encodings(tmp_path: Path, build: Any, encoding: str) -> None:
    raw = VOLUME.tobytes()
    text = " ".join(str(value) for value in VOLUME.ravel()).encode()
    data = {"raw": raw, "gzip": gzip.compress(raw), "bzip2": bz2.compress(raw), "ascii": text}[encoding]
    place = PLACE.format(space="left-posterior-superior", rows=LPS_ROWS, origin="(-10,-20,100)")
    (tmp_path / "a.nrrd").write_bytes(build.nrrd("7 6 5", place, data, encoding))
    image = open_image(tmp_path / "a.nrrd")
    assert (
        np.array_equal(image.pixels, VOLUME) and image.affine is not None and np.allclose(image.affine, LPS)
    )


def test_nrrd_in_ras_is_turned(tmp_path: Path, build: Any) -> None:
    place = PLACE.format(space="RAS", rows="(-0.5,0,0) (0,-0.8,0) (0,0,2.5)", origin="(10,20,100)")
    (tmp_path / "a.nrrd").write_bytes(build.nrrd("7 6 5", place, VOLUME.tobytes()))
    image = open_image(tmp_path / "a.nrrd")
    assert image.affine is not None and np.allclose(image.affine, LPS)


def test_nrrd_colour_and_without_space(tmp_path: Path, build: Any) -> None:
    rgb = RNG.integers(0, 255, (5, 6, 7, 3), dtype=np.uint8)
    extra = "kinds: RGB-color domain domain domain\n"
    (tmp_path / "a.nrrd").write_bytes(build.nrrd("3 7 6 5", extra, rgb.tobytes(), kind="uint8"))
    image = open_image(tmp_path / "a.nrrd")
    assert np.array_equal(image.pixels, rgb) and not image.patient_side_known
    (tmp_path / "b.nrrd").write_bytes(build.nrrd("7 6 5", "spacings: 0.5 0.8 2.5\n", VOLUME.tobytes()))
    assert open_image(tmp_path / "b.nrrd").plane_spacing("image") == (0.8, 0.5)


@pytest.mark.parametrize(
    ("sizes", "extra", "data", "word"),
    [
        ("7 6 5", "", b"short", "damaged"),
        ("7 6 5", "data file: /etc/passwd\n", b"", "another file"),
        ("7 6 5", "datafile: LIST\n", b"", "another file"),
        ("90000 90000 5", "", b"", "more than the limit"),
        ("2 2 2 2", "", bytes(32), "4 dimensions"),
        ("0 6 5", "", b"", "empty image"),
        ("7 six 5", "", b"", "damaged"),
    ],
)
def test_nrrd_refusals(tmp_path: Path, build: Any, sizes: str, extra: str, data: bytes, word: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(build.nrrd(sizes, extra, data))
    with pytest.raises(ImageError, match=word):
        open_image(tmp_path / "a.nrrd")


def test_a_gzip_bomb_in_nrrd_is_not_unpacked(tmp_path: Path, build: Any) -> None:
    bomb = gzip.compress(bytes(20_000_000), compresslevel=9)
    (tmp_path / "a.nrrd").write_bytes(build.nrrd("7 6 5", "", bomb, "gzip"))
    image = open_image(tmp_path / "a.nrrd", limits=Limits(max_pixels=1000))
    assert image.pixels.shape == (5, 6, 7)
