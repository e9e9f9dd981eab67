"""The demo's images, questions and page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from foveate.agent import demo, run
from foveate.agent.models.factory import chat_model
from foveate.tools.imaging.open import open_image

from .conftest import measured

FOLDER = demo.demo_folder()


def test_the_images_are_small_real_ct_slices_without_a_name() -> None:
    images = [path for path in FOLDER.iterdir() if path.suffix in (".gz", ".dcm")]
    assert sum(path.stat().st_size for path in images) < 2 * 2**20
    for path in images:
        image = open_image(path)
        assert image.modality == "CT" and image.spacing_mm is not None and image.n_slices == 1
        assert np.ptp(image.pixels) > 1500


def test_the_dicom_file_carries_no_identifier() -> None:
    tags = pydicom.dcmread(FOLDER / "upper_abdomen.dcm")
    assert tags.PatientIdentityRemoved == "YES"
    for keyword in ("PatientName", "PatientID", "StudyDate", "AccessionNumber"):
        assert not tags[keyword].value
    named = {"InstitutionName", "InstitutionAddress", "StationName", "DeviceSerialNumber", "ProtocolName"}
    assert not named & {element.keyword for element in tags}
    assert not [element for element in tags if element.tag.is_private]


def test_every_file_is_attributed_and_every_question_has_its_image() -> None:
    credit = (FOLDER / "ATTRIBUTION.md").read_text()
    references = json.loads((FOLDER / "reference.json").read_text())
    for asked in demo.questions(FOLDER):
        assert f"`{asked['image']}`" in credit
        assert asked["reference"] is None or asked["reference"] in references[asked["image"]]


def test_reference_boxes_lie_on_what_they_name() -> None:
    """The nodule is dense in air, the kidney denser than fat, the aorta brighter than muscle."""
    for name, box_name, low in (
        ("chest_nodule.nii.gz", "nodule", -50),
        ("abdomen_kidneys.nii.gz", "kidney_left", -20),
        ("upper_abdomen.dcm", "aorta", 100),
    ):
        x0, y0, x1, y1 = json.loads((FOLDER / "reference.json").read_text())[name][box_name]
        column, row = (x1 - x0) / 4, (y1 - y0) / 4
        core = open_image(FOLDER / name).pixels[
            0, int(y0 + row) : int(y1 - row), int(x0 + column) : int(x1 - column)
        ]
        assert np.median(core) > low


def test_the_demo_writes_a_picture_a_question_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def scripted(**options: Any) -> run.Agent:
        return agent(
            model=chat_model(script(*measured())), grounder="none", profile=run.profile_for("pocket")
        )

    agent = run.Agent
    monkeypatch.setattr(run, "Agent", scripted)
    assert demo.main(["--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    page = (tmp_path / "index.html").read_text()
    for asked in demo.questions(FOLDER):
        assert asked["question"] in told and asked["question"] in page
        folder = tmp_path / asked["id"]
        assert (folder / "overlay.png").stat().st_size > 10_000
        assert json.loads((folder / "answer.json").read_text())["question"] == asked["question"]
    assert told.count("overlap with the reference box (IoU)") == 3


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--out", str(tmp_path), "--model", "nobody"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
