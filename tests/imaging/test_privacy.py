"""A patient planted in every place that a file has for one is found nowhere afterwards."""

from __future__ import annotations

import gzip
import logging
import traceback
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from foveate.tools.imaging.open import ImageError, open_image
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import overview

STORED = np.arange(12 * 16, dtype=np.int16).reshape(12, 16)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def raw_tag(data: bytes, tag: bytes, value: bytes) -> bytes:
    """The file with the value of an explicit-VR tag overwritten, keeping its length."""
    at = data.index(tag)
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    return data[: at + 8] + value[:length].ljust(length) + data[at + 8 + length :]


def dicom_variants(build: Any) -> dict[str, bytes]:
    """Whole files, and files whose image tags hold the name where a number or a code belongs."""
    plain = build.dicom(STORED, **build.axial(0))
    wide = {
        "RescaleSlope": "1.00000000000",
        "RescaleIntercept": "0.0000000000",
        "WindowCenter": "40.000000000",
        "WindowWidth": "400.00000000",
        "InstanceNumber": "123456789012",
        "NumberOfFrames": "000000000001",
    }
    numbers = build.dicom(STORED, **build.axial(0, **wide))
    named = {
        tag: raw_tag(numbers, tag, b"Doe^Jane")
        for tag in (
            b"\x28\x00\x53\x10DS",
            b"\x28\x00\x52\x10DS",
            b"\x28\x00\x50\x10DS",
            b"\x28\x00\x51\x10DS",
            b"\x20\x00\x13\x00IS",
            b"\x28\x00\x08\x00IS",
            b"\x28\x00\x04\x00CS",
            b"\x20\x00\x37\x00DS",
            b"\x20\x00\x32\x00DS",
            b"\x28\x00\x30\x00DS",
        )
    }
    modality = build.dicom(STORED, Modality="DOE^JANE", PatientOrientation=["DOE^JANE", "F"])
    text = {f"tag {tag.hex()}": data for tag, data in named.items()}
    cut = {f"cut {at}": plain[:at] for at in range(140, len(plain), 41)}
    bad_vr = plain.replace(b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00ZZ")
    return {"plain": plain, "modality": modality, "bad VR": bad_vr, **text, **cut}


def variants(build: Any, planted: tuple[str, ...], tmp_path: Path) -> dict[str, bytes]:
    nifti = build.nifti(np.zeros((4, 5, 6), np.int16), AFFINE, intent_name=planted[0].encode())
    noted = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), AFFINE)
    noted.header.extensions.append(nib.nifti1.Nifti1Extension("comment", planted[0].encode()))
    extended = bytes(noted.to_bytes())
    exif = Image.Exif()
    exif[0x013B] = exif[0x010E] = planted[0]  # artist, description
    Image.new("L", (8, 8), 3).save(tmp_path / "e.jpg", exif=exif, comment=planted[0].encode())
    jpeg = (tmp_path / "e.jpg").read_bytes()
    Image.new("L", (8, 8), 3).save(tmp_path / "e.tif", description=planted[0], artist=planted[0])
    tiff = (tmp_path / "e.tif").read_bytes()
    nrrd = build.nrrd("4 5 6", f"content: {planted[0]}\nspace: {planted[0]}\n", bytes(240))
    whole = {
        "nifti": nifti,
        "nifti.gz": gzip.compress(nifti),
        "nifti extension": extended,
        "png": build.png(Image.new("L", (8, 8), 3)),
        "jpeg": jpeg,
        "tiff": tiff,
        "nrrd": nrrd,
        "nrrd with a wrong type": nrrd.replace(b"int16", b"Doe^J"),
        "nrrd with a wrong size": nrrd.replace(b"4 5 6", b"4 5 Doe^Jane"),
    }
    cut = {f"{name} cut": data[: len(data) * 2 // 3] for name, data in whole.items()}
    return {**whole, **cut, **dicom_variants(build)}


def everything_said(path: Path, folder: Path) -> list[bytes]:
    """All that leaves the package about a file: words, store, pictures, errors with traceback."""
    try:
        image = open_image(path)
    except ImageError as error:
        return ["".join(traceback.format_exception(error)).encode(), repr(error).encode()]
    store = ImageStore(folder)
    store.put(image)
    view = overview(image, 32)
    words = [repr(image), image.describe(), image.name, repr(image.notes), str(image), view.model_dump_json()]
    said = [word.encode() for word in words] + [store.view_png(view)]
    said += [item.read_bytes() + item.name.encode() for item in folder.iterdir()]
    said.append(repr(vars(image)).encode())
    store.delete(image.id)
    return said


def test_the_planted_patient_is_nowhere(
    tmp_path: Path,
    build: Any,
    planted: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = [word.encode() for word in planted]
    words += [word.upper() for word in words] + [b"Doe^J", b"DOE^J"]
    opened, files = 0, variants(build, planted, tmp_path)
    caplog.clear()
    capfd.readouterr()  # making the files may have been told of, where another test left a handler behind
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        for name, data in files.items():
            path = tmp_path / "file"
            path.write_bytes(data)
            said = everything_said(path, tmp_path / "store")
            opened += len(said) > 2
            for text in said:
                assert not any(word in text for word in words), name
    captured = capfd.readouterr()
    rest = caplog.text + captured.out + captured.err + "".join(str(item.message) for item in warned)
    assert not any(word.decode() in rest for word in words)
    assert opened > 10  # else this test would say nothing about images that do open


def test_reading_says_nothing_at_all(tmp_path: Path, build: Any, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(build.dicom(STORED, **build.axial(0))[:-7])
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        with pytest.raises(ImageError):
            open_image(path)
    assert not warned and not caplog.records


def test_a_hosts_own_use_of_pydicom_is_not_silenced(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        logging.getLogger("pydicom").warning("still heard")
    assert "still heard" in caplog.text


def test_mixed_series_and_damaged_series_tell_no_tags(
    tmp_path: Path, build: Any, planted: tuple[str, ...]
) -> None:
    for index in range(4):
        tags = build.axial(
            float(index), SeriesInstanceUID=f"1.2.3.4444.{index % 2}", SeriesDescription=planted[0]
        )
        (tmp_path / f"{index}").write_bytes(build.dicom(STORED, **tags))
    with pytest.raises(ImageError) as caught:
        open_image(tmp_path)
    assert not any(word in str(caught.value) for word in (*planted, "4444"))


def test_what_is_planted_is_really_in_the_files(build: Any, planted: tuple[str, ...], tmp_path: Path) -> None:
    files = variants(build, planted, tmp_path)
    for name in ("plain", "nifti", "nifti extension", "png", "jpeg", "tiff", "nrrd"):
        assert planted[0].encode() in files[name], name
    assert str(pydicom.dcmread(_written(tmp_path, files["plain"])).PatientName) == planted[0]


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "again.dcm"
    path.write_bytes(data)
    return path
