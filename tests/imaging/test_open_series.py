"""Folders and lists of DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import ImageError, Limits, open_image

RNG = np.random.default_rng(7)
VOLUME = RNG.integers(0, 1000, (6, 10, 12)).astype(np.int16)  # [slice, row, col], feet first
SCRAMBLED = [3, 0, 5, 1, 4, 2]


def write(folder: Path, build: Any, heights: list[float], **tags: Any) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number, z in enumerate(heights):
        path = folder / f"x{SCRAMBLED[number % 6]}{number}-{tags.get('SeriesInstanceUID', '')}"
        path.write_bytes(
            build.dicom(VOLUME[number % 6], **build.axial(z, InstanceNumber=99 - number, **tags))
        )
        paths.append(path)
    return paths


def heights(step: float = 2.5) -> list[float]:
    return [100 + step * index for index in range(6)]


def test_a_series_in_any_order_is_a_volume_from_feet_to_head(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights())
    image = open_image(tmp_path)
    assert np.array_equal(image.pixels, VOLUME)
    assert image.spacing_mm == pytest.approx((2.5, 0.8, 0.5)) and image.volume and image.modality == "CT"
    assert image.patient_point("axial", 2, 0.5, 0.5) == pytest.approx((-10, -20, 105))
    assert image.planes == ("axial", "coronal", "sagittal") and image.stored_orientation == "LPS"
    assert image.name == tmp_path.name


def test_a_list_of_the_files_is_the_same_image(tmp_path: Path, build: Any) -> None:
    paths = write(tmp_path, build, heights())
    assert open_image(paths[::-1]).id == open_image(tmp_path).id


def stored_sagittal(build: Any, folder: Path) -> SourceImage:
    for index in range(12):
        tags = build.axial(0, ImageOrientationPatient=[0, 1, 0, 0, 0, -1], PixelSpacing=[2.5, 0.8])
        tags |= {"ImagePositionPatient": [-10 + 0.5 * index, -20, 112.5], "SliceThickness": 0.5}
        (folder / str(index)).write_bytes(build.dicom(np.ascontiguousarray(VOLUME[::-1, :, index]), **tags))
    return open_image(folder)


def test_a_sagittal_series_becomes_the_same_volume(tmp_path: Path, build: Any) -> None:
    image = stored_sagittal(build, tmp_path)
    assert np.array_equal(image.pixels, VOLUME) and image.stored_orientation == "PIR"
    assert np.array_equal(image.plane_pixels("sagittal", 4), VOLUME[::-1, :, 4])
    assert image.patient_point("axial", 0, 0.5, 0.5) == pytest.approx((-10, -20, 100))


def test_every_plane_leads_to_the_same_millimetres(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights())
    image = open_image(tmp_path)
    s, r, c = 4, 7, 9
    points = [
        image.patient_point("axial", s, c + 0.5, r + 0.5),
        image.patient_point("coronal", r, c + 0.5, 6 - s - 0.5),
        image.patient_point("sagittal", c, r + 0.5, 6 - s - 0.5),
    ]
    assert points[0] == pytest.approx(points[1]) and points[0] == pytest.approx(points[2])
    assert image.plane_pixels("coronal", r)[6 - s - 1, c] == VOLUME[s, r, c]
    assert image.plane_pixels("sagittal", c)[6 - s - 1, r] == VOLUME[s, r, c]
    assert image.sides("coronal") == ("R", "H", "L", "F") and image.sides("sagittal") == ("A", "H", "P", "F")


def test_the_neurological_convention_mirrors_and_says_so(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights())
    image = open_image(tmp_path, convention="neurological")
    assert np.array_equal(image.pixels, VOLUME[..., ::-1]) and image.convention == "neurological"
    assert image.sides("axial") == ("L", "A", "R", "P")
    assert image.patient_point("axial", 0, 11.5, 0.5) == pytest.approx((-10, -20, 100))
    assert "neurological" in image.describe()


def test_monochrome1_slices_are_inverted_alike(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights(), PhotometricInterpretation="MONOCHROME1", Modality="PT")
    turned = open_image(tmp_path).pixels.astype(int) + VOLUME
    assert np.ptp(turned) == 0


def test_a_file_named_by_its_uid_is_not_shown_by_it(tmp_path: Path, build: Any) -> None:
    path = tmp_path / "CT.1.3.12.2.1107.5.1"
    path.write_bytes(build.dicom(VOLUME[0]))
    assert open_image(path).name == "image"


def test_mixed_series_are_listed_without_identifiers(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights(), SeriesInstanceUID="1.2.3.777")
    write(tmp_path, build, heights()[:2], SeriesInstanceUID="1.2.3.888", Modality="MR")
    with pytest.raises(ImageError) as caught:
        open_image(tmp_path)
    text = str(caught.value)
    assert "series 1: 6 slices 12x10 CT; series 2: 2 slices 12x10 MR" in text
    assert "1.2.3" not in text and "Doe" not in text and "planted" not in text


def test_a_scout_in_the_series_counts_as_another(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights())
    tags = build.axial(0, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    (tmp_path / "scout").write_bytes(build.dicom(VOLUME[0], **tags))
    with pytest.raises(ImageError, match="series 2: 1 slice 12x10 CT"):
        open_image(tmp_path)


@pytest.mark.parametrize(
    ("at", "word"),
    [([0, 2, 2, 4], "same position"), ([0, 2, 4, 8], "distances .* differ .*2.00 to 4.00 mm")],
)
def test_slices_that_make_no_volume(tmp_path: Path, build: Any, at: list[float], word: str) -> None:
    write(tmp_path, build, at)
    with pytest.raises(ImageError, match=word):
        open_image(tmp_path)


def test_files_that_are_no_images_are_left_out_and_counted(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights())
    (tmp_path / "README.txt").write_text("about")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    image = open_image(tmp_path)
    assert np.array_equal(image.pixels, VOLUME) and image.notes == [
        "1 files of the folder are no readable DICOM images and were left out"
    ]


def test_a_damaged_slice_is_told_by_its_number(tmp_path: Path, build: Any) -> None:
    path = write(tmp_path, build, heights())[3]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ImageError, match=r"Slice file \d of 6 .*damaged"):
        open_image(tmp_path)


def test_without_positions_the_instance_numbers_order_a_stack(tmp_path: Path, build: Any) -> None:
    for index, number in enumerate([3, 1, 2]):
        (tmp_path / str(index)).write_bytes(build.dicom(VOLUME[index], InstanceNumber=number))
    image = open_image(tmp_path)
    assert not image.volume and np.array_equal(image.pixels, VOLUME[[1, 2, 0]])
    assert not image.patient_side_known and any("instance number" in note for note in image.notes)


def test_a_folder_with_one_file_is_that_image(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, [0])
    assert open_image(tmp_path).pixels.shape == (1, 10, 12)


def test_limits_hold_for_the_whole_series(tmp_path: Path, build: Any) -> None:
    write(tmp_path, build, heights())
    with pytest.raises(ImageError, match="12x10x6 pixels"):
        open_image(tmp_path, limits=Limits(max_pixels=700))
    with pytest.raises(ImageError, match="more than 5 files"):
        open_image(tmp_path, limits=Limits(max_files=5))
    with pytest.raises(ImageError, match="max_bytes"):
        open_image(tmp_path, limits=Limits(max_bytes=1000))
