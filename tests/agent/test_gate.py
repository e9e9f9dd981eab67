"""The quality gate in a run: an unusable image is not asked about, a poor one costs confidence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from foveate.agent.gate import POOR
from foveate.agent.models.profiles import profile_for
from foveate.agent.run import Agent
from foveate.tools.imaging.image import SourceImage

from .scripted import ScriptedModel, call, ct_volume, patches, picture


def gray(side: int = 128, noise: float = 0.0, even: bool = False) -> SourceImage:
    rng = np.random.default_rng(0)
    pixels = np.full((side, side), 90.0) if even else patches(rng, side, side)
    noisy = pixels + rng.normal(0, noise, pixels.shape) if noise else pixels
    return SourceImage(np.clip(noisy, 0, 255).astype(np.uint8)[None])


def agent(**more: Any) -> tuple[Agent, ScriptedModel]:
    model = ScriptedModel(replies=[call("answer", text="Yes.", confidence=0.9)])
    return Agent(model, grounder=None, profile=profile_for("qwen3-vl"), **more), model


def test_an_unusable_image_is_not_asked_about() -> None:
    asker, model = agent()
    told = json.loads(json.dumps(asker.ask(gray(even=True), "Is there a nodule?").to_json()))
    assert not model.shown, "no model was called"
    assert told["abstained"] and told["reason"] == "image_unusable" and told["confidence"] == 0
    assert told["stopped_by"] == "quality" and "contrast" in told["failure"] and "contrast" in told["answer"]
    assert told["quality"][0]["verdict"] == "reject"


def test_one_usable_image_is_enough_and_a_follow_up_knows() -> None:
    asker, model = agent()
    first = asker.ask(gray(even=True), "Is there a nodule?")
    again = asker.ask([], "And now?", history=first)
    assert again.stopped_by == "quality" and not model.shown
    better = asker.ask([picture()], "And on this one?", history=again)
    assert better.stopped_by == "answer" and model.shown


def test_a_poor_image_costs_confidence_and_a_good_one_does_not() -> None:
    asker, _ = agent()
    good, poor = (asker.ask(gray(noise=noise), "Is there a nodule?") for noise in (2.0, 30.0))
    assert good.answer.confidence == pytest.approx(0.9) and "quality" not in good.to_json()
    assert poor.answer.confidence == pytest.approx(0.9 * POOR)
    [fault] = poor.to_json()["quality"]
    assert fault["verdict"] == "usable" and "noisy" in fault["reason"]


def test_without_the_gate_every_image_is_asked_about() -> None:
    asker, model = agent(gate=False)
    result = asker.ask(gray(even=True), "Is there a nodule?")
    assert result.stopped_by == "answer" and model.shown


@pytest.mark.parametrize(("family", "offered"), [("qwen3-vl", True), ("pocket", False)])
def test_a_compact_model_cannot_call_what_it_was_not_taught(family: str, offered: bool) -> None:
    replies = [call("montage"), call("answer", text="Yes.")]
    model = ScriptedModel(replies=replies)
    asker = Agent(model, grounder=None, profile=profile_for(family))
    [step, *_] = asker.ask(ct_volume(), "Is there a nodule?").steps
    assert step.tool == "montage" and step.ok is offered
    assert offered or "there is no tool montage" in str(step.error)
