"""Checks in a run of the graph: what falls is marked, what is asked is counted and in the trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from foveate.agent.budget import Budget
from foveate.agent.models.profiles import profile_for
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.tools.checks import weigh

from ..scripted import FakeGrounder, ScriptedModel, call, ct_volume

KIDNEY, LIVER = (120.0, 80.0, 150.0, 120.0), (20.0, 60.0, 90.0, 130.0)
BESIDE = (60.0, 80.0, 125.0, 120.0)
GROUND = [call("ground", phrase="left kidney"), call("ground", phrase="liver")]


def asked(
    claims: list[dict[str, Any]],
    level: Any,
    *said: str | AIMessage,
    text: str = "See the claims.",
    near: bool = False,
    relative: bool = False,
    **more: Any,
) -> Result:
    """Two regions are grounded, E1 the left kidney and E2 the liver, or with `near` a box beside the kidney
    that shows a little of it."""
    replies = [*GROUND, call("answer", text=text, claims=claims), *said]
    known = {"left kidney": KIDNEY, "liver": BESIDE if near else LIVER}
    grounder = FakeGrounder(known, relative)
    agent = Agent(
        ScriptedModel(replies=replies),
        grounder=grounder,
        profile=profile_for("qwen3-vl"),
        checks=level,
        **more,
    )
    return agent.ask(ct_volume(side=200), "Which organs?")


def claim(text: str, *evidence: str, present: bool = True) -> dict[str, Any]:
    return {"text": text, "evidence": list(evidence), "present": present}


def test_geometry_marks_what_is_wrong_and_keeps_what_is_right() -> None:
    right = claim("The left kidney is on the patient's left.", "E1")
    wrong = claim("The left kidney measures 90 x 60 mm.", "E1")
    told = json.loads(json.dumps(asked([right, wrong], "basic").to_json()))
    assert [c["supported"] for c in told["claims"]] == [True, False]
    assert "measures 45.0 x 60.0 mm" in told["claims"][1]["refuted"]
    assert told["answer"].startswith(right["text"]) and "Not supported by a check" in told["answer"]
    assert not told["abstained"]
    checks = told["checks"]
    assert checks["level"] == "basic" and checks["model_calls"] == 0 and checks["grounder_calls"] == 0
    assert checks["calls"] == {}
    assert [row["claim"] for row in checks["refuted"]] == [1] and told["usage"]["calls"] == 3


def test_with_nothing_left_the_answer_abstains_with_the_reason() -> None:
    result = asked([claim("The left kidney is on the image left.", "E1")], "basic")
    assert result.answer.abstained and result.answer.reason == "no_evidence"
    assert "lies on the right" in result.answer.text


def test_the_words_of_the_answer_are_held_to_the_boxes_too() -> None:
    fine = claim("The left kidney is visible.", "E1")
    result = asked([fine], "basic", text="The left kidney (E1) measures 99 mm.")
    assert (
        result.answer.text.startswith(fine["text"]) and "99" not in result.answer.text.split("taken back")[0]
    )
    kept = asked([fine], "basic", text="The left kidney (E1) measures 45 x 60 mm.")
    assert kept.answer.text == "The left kidney (E1) measures 45 x 60 mm."


def test_no_level_no_check() -> None:
    result = asked([claim("The left kidney is on the image left.", "E1")], "none")
    assert result.answer.claims[0].supported and "checks" not in result.to_json()


def test_full_asks_grounder_and_model_and_counts_the_calls() -> None:
    result = asked([claim("The left kidney is visible.", "E1")], "full", "Yes", "Yes, it is.", "No")
    told = result.to_json()
    kinds = [step.arguments["kind"] for step in result.steps if step.tool == "check"]
    assert kinds == ["geometry", "presence", "crop", "claim", "twin", "verdict"]
    assert told["checks"]["model_calls"] == 3 and told["checks"]["grounder_calls"] == 1
    assert told["checks"]["calls"] == {"presence": 1, "entailment": 1, "twin": 2}
    assert told["usage"]["calls"] == 3 + 3 and result.answer.claims[0].supported


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("No",), "did not show it"),
        (("Yes", "Yes", "Yes"), "affirmed the opposite"),
        (("Yes", "No", "Yes"), "denied it"),
    ],
)
def test_an_unmeasured_model_that_speaks_against_a_claim_refutes_it(said: tuple[str, ...], why: str) -> None:
    result = asked([claim("The left kidney is visible.", "E1")], "full", *said)
    assert not result.answer.claims[0].supported and why in str(result.answer.claims[0].refuted)


def test_a_structure_that_the_grounder_does_not_find_falls() -> None:
    result = asked([claim("The spleen is visible.", "E2")], "full", "Yes", "Yes", "No")
    assert "does not find spleen" in str(result.answer.claims[0].refuted)


def test_an_unmeasured_grounder_that_finds_it_beside_the_evidence_says_nothing() -> None:
    result = asked([claim("The left kidney is visible.", "E2")], "full", "Yes", "Yes", "No", near=True)
    assert result.answer.claims[0].supported
    [told] = [s.facts for s in result.steps if s.arguments.get("kind") == "presence"]
    assert told["score"] == 0.91 and told["overlap"] < 0.1


def test_what_a_measured_grounder_finds_beside_the_evidence_refutes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"floor": 0.5, "overlap": 0.1, "presence": {"found": 2.0, "elsewhere": -3.0, "missing": -3.0}}
    monkeypatch.setitem(weigh.table()["grounder"], "fake", rows)
    right = claim("The left kidney is visible.", "E1")
    wrong = claim("The left kidney is visible.", "E2")
    result = asked([right, wrong], "full", *["Yes", "Yes", "No"] * 2, near=True)
    assert [c.supported for c in result.answer.claims] == [True, False]
    assert "finds left kidney beside its evidence" in str(result.answer.claims[1].refuted)


def test_a_grounder_that_only_ranks_is_asked_once() -> None:
    claims = [claim("The left kidney is visible.", "E1"), claim("The liver is visible.", "E2")]
    result = asked(claims, "full", *["Yes", "Yes", "No"] * 2, relative=True)
    assert [c.supported for c in result.answer.claims] == [True, True]
    assert result.to_json()["checks"]["grounder_calls"] == 1


def test_a_sentence_is_as_good_as_a_yes_or_a_no() -> None:
    for said, stands in (("The left kidney is visible.", True), ("It is not visible here.", False)):
        replies = (call("answer", text=said), "Yes", "No")
        result = asked([claim("The left kidney is visible.", "E1")], "full", *replies)
        [told] = [s for s in result.steps if s.arguments.get("kind") == "crop"]
        assert told.facts["said"] == ("yes" if stands else "no") and told.ok
        assert result.answer.claims[0].supported is stands


def test_a_no_counts_with_its_reason_when_the_time_ends_before_the_next_region() -> None:
    usage = {"input_tokens": 50, "output_tokens": 5, "total_tokens": 55}
    no = AIMessage("No", usage_metadata=usage)  # type: ignore[arg-type]
    claims = [claim("The left kidney is visible.", "E1", "E2")]
    result = asked(claims, "full", no, budget=Budget(tokens=50))
    assert "did not show it" in str(result.answer.claims[0].refuted)


def test_a_model_that_fails_or_mumbles_refutes_nothing() -> None:
    for said in (RuntimeError("secret"), "Hm."):
        result = asked([claim("The left kidney is visible.", "E1")], "full", said)  # type: ignore[arg-type]
        assert result.answer.claims[0].supported and "secret" not in str(result.to_json())


def test_a_spent_budget_ends_the_asking() -> None:
    usage = {"input_tokens": 50, "output_tokens": 5, "total_tokens": 55}
    spent = AIMessage("Yes", usage_metadata=usage)  # type: ignore[arg-type]
    result = asked([claim("The left kidney is visible.", "E1")], "full", spent, budget=Budget(tokens=50))
    kinds = [step.arguments["kind"] for step in result.steps if step.tool == "check"]
    assert kinds == ["geometry", "presence", "crop", "verdict"] and result.answer.claims[0].supported


def test_a_question_may_name_its_own_level() -> None:
    replies = [call("answer", text="Nothing."), call("answer", text="Nothing.")]
    agent = Agent(ScriptedModel(replies=replies), grounder=None, profile=profile_for("qwen3-vl"))
    first = agent.ask(ct_volume(), "What?", checks="basic")
    assert [step.tool for step in first.steps] == ["answer", "check"]
    second = agent.ask((), "And?", history=first)
    assert [step.tool for step in second.steps] == ["answer"]


def test_a_number_needs_a_region_or_the_question() -> None:
    def answer(text: str, question: str) -> Result:
        replies = [GROUND[0], call("answer", text=text)]
        grounder = FakeGrounder({"left kidney": KIDNEY})
        agent = Agent(
            ScriptedModel(replies=replies), grounder=grounder, profile=profile_for("qwen3-vl"), checks="basic"
        )
        return agent.ask(ct_volume(side=200), question)

    made_up = answer("The kidney is 99 mm long.", "How long is it?")
    assert made_up.answer.abstained and "99 mm, which no tool measured" in made_up.answer.text
    assert not answer("The kidney is 60 mm long.", "How long is it?").answer.abstained
    assert not answer("Yes, larger than 99 mm.", "Is it larger than 99 mm?").answer.abstained
    for denial in ("There is no nodule larger than 3 mm.", "The left lung shows no nodule of 3 mm."):
        assert not answer(denial, "Are there nodules?").answer.abstained


def test_a_claim_on_another_slice_and_its_opposite_are_asked_there() -> None:
    replies = [
        call("slice", index=3),
        call("ground", phrase="left kidney", view="V1"),
        call("answer", text="There.", claims=[claim("The left kidney is on the patient's left.", "E1")]),
        *("Yes", "Yes", "Yes"),
    ]
    model = ScriptedModel(replies=replies)
    agent = Agent(
        model,
        grounder=FakeGrounder({"left kidney": KIDNEY}),
        profile=profile_for("qwen3-vl"),
        checks="full",
    )
    result = agent.ask(ct_volume(side=200), "Where is the kidney?")
    first, second = (str(messages[-1].text) for messages in model.shown[-2:])
    assert "slice 3" in first and "patient's left" in first
    assert "slice 3" in second and "patient's right" in second
    assert "affirmed the opposite" in str(result.answer.claims[0].refuted)


def test_a_claim_of_absence_in_other_words_of_json_is_remembered_as_such() -> None:
    gone = {"text": "The spleen.", "present": "false"}
    replies = [
        call("ground", phrase="spleen"),
        call("answer", text="None.", claims=[gone]),
        call("ground", phrase="liver"),
        call("answer", text="Yes.", claims=[claim("The spleen is visible.", "E1")]),
    ]
    agent = Agent(
        ScriptedModel(replies=replies),
        grounder=FakeGrounder({"liver": LIVER}),
        profile=profile_for("qwen3-vl"),
        checks="basic",
    )
    first = agent.ask(ct_volume(side=200), "Is there a spleen?")
    second = agent.ask((), "Really?", history=first)
    assert "contradicts an earlier answer" in str(second.answer.claims[0].refuted)


def test_a_later_answer_must_not_contradict_an_earlier_one() -> None:
    replies = [
        call("ground", phrase="spleen"),
        call("answer", text="No spleen.", claims=[claim("No spleen is visible.", present=False)]),
        call("ground", phrase="liver"),
        call(
            "answer", text="Yes.", claims=[claim("The spleen is visible.", "E1"), claim("Liver seen.", "E1")]
        ),
    ]
    grounder = FakeGrounder({"liver": LIVER})
    model = ScriptedModel(replies=replies)
    agent = Agent(model, grounder=grounder, profile=profile_for("qwen3-vl"), checks="basic")
    session = agent.session(ct_volume(side=200))
    session.ask("Is there a spleen?")
    second = session.ask("Is there really none?")
    assert [c.supported for c in second.answer.claims] == [False, True]
    assert "No spleen is visible." in str(second.answer.claims[0].refuted)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(min_size=1, max_size=60).filter(str.strip), max_size=4))
def test_whatever_is_claimed_the_checks_end(texts: list[str]) -> None:
    result = asked([claim(text, "E1", "E2") for text in texts], "basic")
    assert len(result.answer.claims) == len(texts)
    assert all(c.supported is (c.refuted is None) for c in result.answer.claims)
