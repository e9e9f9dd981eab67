"""Two images in a run: what cannot be compared is one line to the model, and nothing is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from foveate.agent.models.profiles import profile_for
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.tools.imaging.image import SourceImage

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


@pytest.mark.parametrize("tool", ["compare", "match", "transfer"])
def test_one_image_where_two_are_needed_is_one_line(tool: str) -> None:
    image = ct_volume()
    one_slice = replace(image, pixels=image.pixels[:1])
    more = {} if tool == "compare" else {"box": [10, 10, 40, 40]}
    [step, *_] = asked(tool, one_slice, **more).steps
    assert not step.ok and "two images or slices are needed" in str(step.error)
