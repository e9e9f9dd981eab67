"""Two files of one patient can be told from two of different ones, and from nothing else that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveate.tools.imaging.blob import blob_parts
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.store import ImageStore

STORED = np.arange(12 * 16, dtype=np.int16).reshape(12, 16)


def opened(tmp_path: Path, build: Any, patient: str, add: int = 0) -> SourceImage:
    path = tmp_path / "a.dcm"
    path.write_bytes(build.dicom(STORED + add, **build.axial(0, PatientID=patient)))
    return open_image(path)


def test_a_digest_tells_patients_apart(tmp_path: Path, build: Any) -> None:
    one, same, other = (opened(tmp_path, build, name, i) for i, name in enumerate(("HX-7 ", "hx-7", "HX-8")))
    assert one.patient is not None and one.patient == same.patient
    assert other.patient not in (None, one.patient)


@pytest.mark.parametrize("name", ["", "ANONYMOUS", " anon "])
def test_a_placeholder_is_nobody(tmp_path: Path, build: Any, name: str) -> None:
    assert opened(tmp_path, build, name).patient is None


def test_the_digest_is_in_no_stored_form_and_changes_no_id(tmp_path: Path, build: Any) -> None:
    one, other = opened(tmp_path, build, "HX-7"), opened(tmp_path, build, "HX-8")
    assert one.patient is not None and one.id == other.id
    stored = b"".join(blob_parts(one))
    assert one.patient not in stored and one.patient.hex().encode() not in stored
    store = ImageStore(tmp_path / "store")
    store.put(one)
    assert ImageStore(tmp_path / "store").get(one.id).patient is None


def test_a_series_has_its_patient(tmp_path: Path, build: Any) -> None:
    for index in range(3):
        data = build.dicom(STORED, **build.axial(index * 2.0, PatientID="HX-7", InstanceNumber=index + 1))
        (tmp_path / f"{index}.dcm").write_bytes(data)
    volume = open_image(tmp_path)
    assert volume.n_slices == 3 and volume.patient is not None
    single = tmp_path / "0.dcm"
    assert open_image(single).patient == volume.patient
