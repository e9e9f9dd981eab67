"""Grounded reports: the agent's claims, or a report in words, as sentences with boxes or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from foveate.agent.models.profiles import profile_for
from foveate.agent.report import report_from, report_of
from foveate.agent.run import Agent
from foveate.tools.grounding.protocol import Grounding
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, flip_rotate, overview

from .scripted import FakeGrounder, ScriptedModel, call, ct_volume

LIVER = (20.0, 60.0, 90.0, 130.0)


def test_the_claims_of_the_answer_are_the_sentences() -> None:
    claims = [
        {"text": "The liver is seen.", "evidence": ["E1"]},
        {"text": "No spleen is seen.", "present": False},
    ]
    replies = [call("ground", phrase="liver"), call("answer", text="The liver.", claims=claims)]
    agent = Agent(
        ScriptedModel(replies=replies),
        grounder=FakeGrounder({"liver": LIVER}),
        profile=profile_for("qwen3-vl"),
    )
    told = json.loads(json.dumps(report_of(agent, ct_volume(side=200)).to_json()))
    first, second = told["findings"]
    assert first["sentence"] == "The liver is seen." and first["boxes"][0]["box"] == pytest.approx(LIVER)
    assert second["boxes"] is None and not second["present"]
    assert told["grounded"][0] == {"text": "The liver is seen.", "boxes": [[0.1, 0.3, 0.45, 0.65]]}
    assert told["grounded"][1]["boxes"] is None and told["stopped_by"] == "answer"


def test_an_answer_without_claims_is_one_sentence_without_boxes() -> None:
    agent = Agent(
        ScriptedModel(replies=[call("answer", text="I cannot tell.", abstained=True)]),
        grounder=None,
        profile=profile_for("qwen3-vl"),
    )
    told = report_of(agent, ct_volume()).to_json()
    assert told["grounded"] == [{"text": "I cannot tell.", "boxes": None}] and told["abstained"]


def test_a_mere_name_becomes_a_sentence_and_an_abstention_is_told() -> None:
    claims = [{"text": "liver", "evidence": ["E1"]}, {"text": "No spleen is seen.", "present": False}]
    replies = [call("ground", phrase="liver"), call("answer", text="The liver.", claims=claims)]
    model, grounder = ScriptedModel(replies=replies), FakeGrounder({"liver": LIVER})
    made = report_of(Agent(model, grounder=grounder, profile=profile_for("qwen3-vl")), ct_volume(side=200))
    assert [finding.text for finding in made.findings] == ["Visible: liver.", "No spleen is seen."]
    assert [each.id for each in made.evidence] == ["E1"] and made.evidence[0].view in made.views
    model = ScriptedModel(replies=[call("answer", text="I cannot tell.", abstained=True)])
    [only] = report_of(Agent(model, grounder=None, profile=profile_for("qwen3-vl")), ct_volume()).findings
    assert only.why == "the model abstained" and not only.supported


@pytest.mark.parametrize("turned", [False, True])
def test_a_report_in_words_gets_its_boxes(turned: bool) -> None:
    image = ct_volume(side=200)
    view = overview(image, 200)
    view = flip_rotate(view, 1, True) if turned else view
    words = "The liver cyst is unchanged. No lung nodule. No ascites. The patient was cooperative."
    grounder = FakeGrounder({"liver cyst": LIVER, "ascites": LIVER})
    cyst, nodule, ascites, other = report_from(words, grounder, view, image).findings
    assert [e.box for e in cyst.evidence] == [pytest.approx(LIVER)] and cyst.supported
    assert not nodule.present and nodule.supported and not nodule.evidence
    assert not ascites.supported and not ascites.evidence, "the grounder finds what the report denies"
    assert ascites.why is not None and "though the sentence denies it" in ascites.why
    assert other.phrases == () and not other.supported


def test_a_grounder_that_only_ranks_bears_no_denial_out() -> None:
    image = ct_volume(side=200)
    grounder = FakeGrounder({"liver": LIVER}, relative=True)
    liver, nodule = report_from(
        "The liver is seen. No lung nodule.", grounder, overview(image, 200), image
    ).findings
    assert liver.supported and liver.why is None
    assert not nodule.supported and nodule.why is not None and "only ranks" in nodule.why


def test_a_phrase_that_the_grounder_does_not_know_is_said() -> None:
    class Detector(FakeGrounder):
        def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
            told = {"reason": "'spleen' is no class of this detector; it has: liver."}
            found = super().ground(view, image, phrases)
            return [one if one.regions else replace(one, absent=None, detail=told) for one in found]

    image = ct_volume(side=200)
    view, words = overview(image, 200), "The liver is large. The spleen is small."
    liver, spleen = report_from(words, Detector({"liver": LIVER}), view, image).findings
    assert liver.supported and not spleen.supported
    assert spleen.why == "'spleen' is no class of this detector; it has: liver."


def test_words_without_a_sentence_are_refused() -> None:
    image = ct_volume()
    with pytest.raises(ValueError, match="no sentence"):
        report_from("  ", FakeGrounder({}), overview(image, 64), image)
