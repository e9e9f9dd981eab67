"""A name that the shipped locator was not taught: that it finds nothing says nothing of absence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foveate.agent.models.profiles import profile_named
from foveate.agent.result import Result
from foveate.agent.run import Agent

from .scripted import ScriptedModel, call

DEMO = Path(__file__).parents[2] / "pocket" / "demo" / "chest_nodule.nii.gz"


def asked(profile: str, *replies: Any, **options: Any) -> Result:
    model = ScriptedModel(replies=list(replies))
    return Agent(model, profile=profile_named(profile), **options).ask(DEMO, "Is it there?")


def denied(phrase: str) -> tuple[Any, Any]:
    claim = {"text": f"No {phrase} is visible.", "evidence": [], "present": False}
    return call("ground", phrase=phrase), call("answer", text="None is visible.", claims=[claim])


@pytest.mark.parametrize(
    ("phrase", "taught"),
    [("rib fracture", False), ("spleen", True), ("urinary bladder", True), ("lien", True)],
)
def test_only_the_absence_of_a_name_that_was_taught_bears_a_denial_out(phrase: str, taught: bool) -> None:
    result = asked("pocket", *denied(phrase))
    assert result.steps[0].facts["absent"] is (True if taught else None)
    assert result.answer.claims[0].supported is taught
    assert ("absent" in (result.steps[0].observation or "")) is taught


def test_a_large_model_is_told_why() -> None:
    result = asked("qwen3-vl", *denied("rib fracture"))
    assert "was not taught the name" in (result.steps[0].observation or "")


def test_the_grounder_is_no_witness_for_a_name_that_it_was_not_taught() -> None:
    told = [{"text": "There is a rib fracture.", "box": [40, 60, 80, 100], "view": "V0"}]
    result = asked("pocket", call("answer", text="There is one.", claims=told), checks="full")
    presence = [step for step in result.steps if step.arguments.get("kind") == "presence"]
    assert [step.facts.get("unknown_name") for step in presence] == [True]
    assert result.answer.claims[0].supported
