"""Two images in a run: what cannot be compared is one line to the model, and nothing is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from foveate.agent.models.profiles import profile_for
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image

from .scripted import ScriptedModel, call, ct_volume

GAVE_UP = call("answer", text="They cannot be compared.", abstained=True, reason="cannot_tell")


def asked(tool: str, *images: SourceImage, **arguments: Any) -> Result:
    model = ScriptedModel(replies=[call(tool, **arguments), GAVE_UP])
    agent = Agent(model, grounder=None, profile=profile_for("qwen3-vl"))
    return agent.ask(list(images), "What has changed?")


def other(image: SourceImage, **changed: Any) -> SourceImage:
    return replace(image, pixels=np.flip(image.pixels, 2).copy(), **changed)


@pytest.mark.parametrize(
    ("mine", "theirs", "why"),
    [
        ({"patient": b"a" * 32}, {"patient": b"b" * 32}, "the two images are of different patients"),
        ({"modality": "CT"}, {"modality": "MR"}, "of different modalities (CT and MR)"),
    ],
)
def test_what_is_not_compared_is_one_line_and_an_abstention(
    mine: dict[str, Any], theirs: dict[str, Any], why: str
) -> None:
    image = ct_volume()
    result = asked("compare", replace(image, **mine), other(image, **theirs))
    [step, *_] = result.steps
    assert not step.ok and step.error is not None and why in step.error and "\n" not in step.error
    assert "aaa" not in str(result.to_json()) and result.answer.abstained and not result.answer.evidence


def test_two_files_of_two_patients_are_not_compared_and_neither_is_named(tmp_path: Path) -> None:
    for name in ("ANNA", "BERTA"):
        file = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        file.PatientID, file.PatientName = f"SECRET-{name}", f"SECRET^{name}"
        file.PixelData = np.roll(file.pixel_array, len(name), 1).tobytes()
        file.save_as(tmp_path / f"{name[0]}.dcm")
    result = asked("compare", *(open_image(tmp_path / f"{letter}.dcm") for letter in "AB"))
    assert "the two images are of different patients" in str(result.steps[0].error)
    assert "SECRET" not in str(result.trace()) and "BERTA" not in str(result.trace())


@pytest.mark.parametrize("tool", ["compare", "match", "transfer"])
def test_one_image_where_two_are_needed_is_one_line(tool: str) -> None:
    image = ct_volume()
    one_slice = replace(image, pixels=image.pixels[:1])
    more = {} if tool == "compare" else {"box": [10, 10, 40, 40]}
    [step, *_] = asked(tool, one_slice, **more).steps
    assert not step.ok and "two images or slices are needed" in str(step.error)
