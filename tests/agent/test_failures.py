"""What a model, a tool, a provider or a user does wrong ends in a stated way, within the budgets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from foveate.agent.budget import Budget
from foveate.agent.models.profiles import profile_named
from foveate.agent.result import Result
from foveate.agent.run import Agent, InputError
from foveate.tools.imaging.image import SourceImage

from .scripted import FakeGrounder, ScriptedModel, call, ct_volume, picture

KIDNEY = {"left kidney": (40.0, 30.0, 50.0, 42.0)}
GROUND = call("ground", phrase="left kidney")
ANSWER = call("answer", text="There.", claims=[{"text": "left kidney", "evidence": ["E1"]}], confidence=0.9)


def ask(*replies: Any, image: SourceImage | None = None, profile: str = "pocket", **options: Any) -> Result:
    options.setdefault("grounder", FakeGrounder(KIDNEY))
    model = ScriptedModel(replies=list(replies))
    return Agent(model, profile=profile_named(profile), **options).ask(image or ct_volume(), "Where?")


# --- replies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", ["", "   \n", "The kidney is on the left.", "<tool_call>{oops</tool_call>", "[]"]
)
def test_a_reply_without_a_call_is_repaired_then_the_run_ends_saying_so(reply: str) -> None:
    result = ask(reply, budget=Budget(repairs=2))
    assert result.stopped_by == "repairs"
    assert [step.tool for step in result.steps] == ["repair"] * 3
    assert result.usage["calls"] == 3
    assert result.answer.abstained and result.answer.reason == "no_evidence"
    assert result.failure


def test_one_repair_is_enough_when_the_model_takes_it() -> None:
    result = ask("I think it is left.", GROUND, ANSWER)
    assert result.stopped_by == "answer"
    assert [step.tool for step in result.steps] == ["repair", "ground", "answer"]
    assert result.steps[0].error and not result.steps[0].ok
    assert result.messages[3].text.startswith("error: ")


def test_a_very_long_reply_is_not_kept_whole() -> None:
    result = ask("word " * 30_000, ANSWER, budget=Budget(repairs=1))
    assert max(len(str(m.content)) for m in result.messages) <= 2_000


def test_an_unknown_tool_is_an_observation() -> None:
    result = ask(call("segment", phrase="x"), GROUND, ANSWER)
    assert result.steps[0].error and result.steps[0].error.startswith(
        "there is no tool segment; tools are ground"
    )
    assert result.stopped_by == "answer"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"box": [10, 10, 900, 900]}, "900 lies outside 0 to 224"),
        ({"box": [-5, 0, 20, 20]}, "-5 lies outside"),
        ({"box": [50, 10, 40, 60]}, "x1 > x0"),
        ({"box": [10, 10, 10, 60]}, "x1 > x0"),
        ({"box": [10, 10, 60]}, "four numbers"),
        ({"box": ["a", 1, 2, 3]}, "four finite numbers"),
        ({"box": "10,10,60,60"}, "valid list"),
        ({"box": [1, 1, 2, 2], "region": "E1"}, "either a region or a box"),
        ({}, "either a region or a box"),
        ({"region": "E7"}, "there is no region E7"),
        ({"region": 7}, "valid string"),
        ({"box": [1, 1, 9, 9], "view": "V9"}, "there is no view V9"),
        ({"box": [1, 1, 9, 9], "wat": 1}, "Extra inputs"),
        ({"box": [1, 1, 9, 9], "factor": -2}, "greater than 0"),
        ({"box": [1, 1, 9, 9], "factor": 2, "target": 9}, "either factor or target"),
        ({"box": [1, 1, 9, 9], "factor": 1e5}, "use a smaller factor"),
        ({"box": [1, 1, 9, 9], "target": 5000}, "from 1 to 224"),
    ],
)
def test_a_wrong_argument_is_told_to_the_model_and_nothing_is_guessed(
    arguments: dict[str, Any], told: str
) -> None:
    result = ask(call("zoom", **arguments), GROUND, ANSWER)
    assert told in result.steps[0].observation
    assert result.steps[0].observation.startswith("error: ")
    assert result.stopped_by == "answer"
    assert list(result.views) == ["V0"]


def test_pixels_where_thousandths_are_declared_are_out_of_frame_not_reinterpreted() -> None:
    result = ask(call("crop", box=[10, 10, 1500, 900]), ANSWER, profile="qwen3-vl", budget=Budget(repairs=0))
    assert "1500 lies outside 0 to 1000" in result.steps[0].observation


# --- answers ---------------------------------------------------------------------------------------------


def test_unknown_evidence_is_sent_back_as_the_result_of_the_answer_call() -> None:
    bad = call("answer", text="There.", claims=[{"text": "left kidney", "evidence": ["E5"]}])
    result = ask(GROUND, bad, ANSWER)
    assert result.steps[1].tool == "repair"
    assert "no evidence E5; evidence is E1" in result.messages[5].text
    assert result.stopped_by == "answer" and result.answer.claims[0].supported


def test_when_repairs_end_the_supported_part_of_the_last_answer_stands() -> None:
    claims = [{"text": "left kidney is here", "evidence": ["E1"]}, {"text": "a cyst", "evidence": ["E8"]}]
    result = ask(
        GROUND, call("answer", text="Both.", claims=claims, confidence=0.8), budget=Budget(repairs=1)
    )
    assert result.stopped_by == "repairs"
    assert [claim.text for claim in result.answer.claims] == ["left kidney is here"]
    assert result.answer.text == "left kidney is here"
    assert [e.id for e in result.answer.evidence] == ["E1"]


def test_an_uncited_positive_claim_is_marked_unsupported() -> None:
    claims = [{"text": "a mass", "evidence": []}, {"text": "left kidney", "evidence": ["E1"]}]
    result = ask(GROUND, call("answer", text="x", claims=claims))
    assert [claim.supported for claim in result.answer.claims] == [False, True]


@pytest.mark.parametrize(("relative", "supported"), [(False, True), (True, False)])
def test_absence_is_supported_by_a_fixed_scale_and_never_by_a_relative_map(
    relative: bool, supported: bool
) -> None:
    claims = [{"text": "There is no spleen.", "present": False}]
    replies = (call("ground", phrase="spleen"), call("answer", text="None.", claims=claims))
    result = ask(*replies, grounder=FakeGrounder({}, relative=relative))
    assert result.answer.claims[0].supported is supported
    assert ("absent, best" in result.steps[0].observation) is supported


def test_a_claim_of_absence_that_nothing_was_looked_for_is_unsupported() -> None:
    result = ask(call("answer", text="None.", claims=[{"text": "no spleen", "present": False}]))
    assert not result.answer.claims[0].supported


@pytest.mark.parametrize(
    "bad",
    [
        {"text": ""},
        {"text": "x", "confidence": 1.5},
        {"text": "x", "confidence": float("1e400")},
        {"text": "x", "reason": "not_visible"},
        {"text": "x", "abstained": True, "reason": "busy"},
        {"text": "x", "claims": [{"evidence": ["E1"]}]},
        {"text": "x", "claims": [{"text": "y", "box": [0, 0, 999, 999]}]},
        {"text": "x", "claims": [{"text": "y", "box": [9, 9, 3, 3]}]},
        {"text": "x", "claims": [{"text": "y", "box": [1, 1, 3, 3], "view": "V7"}]},
        {"claims": []},
    ],
)
def test_an_answer_that_does_not_stand_goes_to_repair(bad: dict[str, Any]) -> None:
    message = AIMessage("", tool_calls=[{"name": "answer", "args": bad, "id": "1", "type": "tool_call"}])
    result = ask(GROUND, message, ANSWER)
    assert [step.tool for step in result.steps] == ["ground", "repair", "answer"]


@pytest.mark.parametrize("reason", ["not_visible", "cannot_tell", "image_unusable", "no_evidence"])
def test_declining_is_a_legal_answer(reason: str) -> None:
    result = ask(call("answer", text="It cannot be told.", abstained=True, reason=reason, confidence=0.8))
    assert (result.stopped_by, result.answer.abstained, result.answer.reason) == ("answer", True, reason)
    assert result.answer.notice == "For research; not a medical device."
    assert "research" not in result.answer.text


# --- budgets ---------------------------------------------------------------------------------------------


def varied(start: int = 0) -> Any:
    """A model that never stops looking, and never twice at the same place."""
    count = iter(range(start, 10_000))
    return lambda messages: call("crop", box=[next(count), 0, 200, 200], view="V0")


def test_steps_end_a_run_with_what_was_found() -> None:
    result = ask(GROUND, varied(), budget=Budget(steps=5))
    assert result.stopped_by == "steps"
    assert result.usage["calls"] == 5
    assert result.answer.abstained and result.answer.claims[0].text == "left kidney"
    assert result.answer.claims[0].evidence == ("E1",)
    assert "steps" in result.answer.text


def test_calls_made_together_are_one_step_of_the_budget() -> None:
    many = "".join(call("ground", phrase=f"thing {i}") for i in range(10))
    result = ask(many, call("answer", text="x"), budget=Budget(steps=2))
    assert (result.stopped_by, len(result.steps)) == ("answer", 11)


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Something to wait for in vain; let go at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_slow_model_is_not_waited_for(hold: threading.Event) -> None:
    begin = time.perf_counter()
    result = ask(lambda messages: hold.wait(60) and GROUND, budget=Budget(seconds=1))
    assert result.stopped_by == "seconds"
    assert time.perf_counter() - begin < 30


def test_a_slow_model_is_not_waited_for_on_an_event_loop(hold: threading.Event) -> None:
    model = ScriptedModel(replies=[lambda messages: hold.wait(60) and GROUND])
    slow = Agent(model, grounder=None, profile=profile_named("pocket"), budget=Budget(seconds=1))

    async def run() -> tuple[Result, float]:
        begin = time.perf_counter()
        result = await slow.aask(ct_volume(), "Where?")
        hold.set()  # the loop waits for its threads when it is closed
        return result, time.perf_counter() - begin

    result, seconds = asyncio.run(run())
    assert (result.stopped_by, seconds < 30) == ("seconds", True)


def test_a_slow_tool_is_not_waited_for_and_the_other_results_are_kept(hold: threading.Event) -> None:
    class Slow(FakeGrounder):
        def ground(self, view: Any, image: Any, phrases: Any) -> Any:
            if phrases[0] == "liver":
                hold.wait(60)
            return super().ground(view, image, phrases)

    calls = GROUND + call("ground", phrase="liver")
    result = ask(calls, ANSWER, grounder=Slow(KIDNEY), budget=Budget(seconds=3))
    assert result.stopped_by == "seconds"
    assert [step.ok for step in result.steps] == [True, False]
    assert result.answer.claims[0].text == "left kidney"


def test_tokens_end_a_run() -> None:
    usage = {"input_tokens": 900, "output_tokens": 200, "total_tokens": 1100}

    def reply(box: int) -> AIMessage:
        args = {"box": [box, 0, 200, 200], "view": "V0"}
        calls = [{"name": "crop", "args": args, "id": "1", "type": "tool_call"}]
        return AIMessage("", tool_calls=calls, usage_metadata=usage)

    result = ask(*[reply(i) for i in range(9)], budget=Budget(tokens=3_000))
    assert result.stopped_by == "tokens"
    assert result.usage["calls"] == 3
    assert (result.usage["input_tokens"], result.usage["output_tokens"]) == (2700, 600)


def test_a_budget_is_for_one_question_not_for_the_conversation() -> None:
    model = ScriptedModel(replies=[GROUND, ANSWER] * 3)
    asked = Agent(
        model, grounder=FakeGrounder(KIDNEY), profile=profile_named("pocket"), budget=Budget(steps=3)
    )
    result = asked.ask(ct_volume(), "Where?")
    for _ in range(2):
        result = asked.ask([], "Again?", result)
        assert result.stopped_by == "answer"


def test_the_same_call_over_and_over_is_a_loop_and_is_named() -> None:
    result = ask(GROUND, budget=Budget(steps=50))
    assert result.stopped_by == "loop"
    assert [step.ok for step in result.steps] == [True, False, False]
    assert "made before" in result.steps[1].observation
    assert result.usage["calls"] == 3


def test_a_failed_call_may_be_tried_again() -> None:
    class Flaky(FakeGrounder):
        tries = 0

        def ground(self, view: Any, image: Any, phrases: Any) -> Any:
            self.tries += 1
            if self.tries == 1:
                raise ConnectionError("/home/somebody/scan.dcm is gone")
            return super().ground(view, image, phrases)

    result = ask(GROUND, GROUND, ANSWER, grounder=Flaky(KIDNEY))
    assert [step.ok for step in result.steps] == [False, True, True]
    assert result.steps[0].error == "ground failed inside (ConnectionError)"
    assert "somebody" not in str(result.to_json())


@pytest.mark.parametrize("limits", [{"steps": 0}, {"seconds": 0}, {"tokens": 0}, {"repairs": -1}])
def test_a_budget_of_nothing_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Budget(**limits)


# --- providers -------------------------------------------------------------------------------------------


def test_a_dropped_connection_ends_the_run_and_keeps_the_trace() -> None:
    result = ask(GROUND, ConnectionError("connection dropped\nat line 3"))
    assert result.stopped_by == "model_error"
    assert result.failure == "ConnectionError: connection dropped"
    assert [step.tool for step in result.steps] == ["ground"]
    assert result.answer.claims[0].text == "left kidney"


def test_a_provider_that_times_out_by_itself_is_an_error_not_our_budget() -> None:
    assert ask(TimeoutError("read timed out")).stopped_by == "model_error"


def test_a_provider_s_error_on_an_event_loop_is_stated_too() -> None:
    model = ScriptedModel(replies=[TimeoutError("read timed out")])
    asked = Agent(model, grounder=None, profile=profile_named("pocket"))
    result = asyncio.run(asked.aask(ct_volume(), "Where?"))
    assert (result.stopped_by, result.failure) == ("model_error", "TimeoutError: read timed out")


def test_calls_whose_tokens_nobody_counted_are_counted_as_such() -> None:
    assert ask(GROUND, ANSWER).usage["unreported"] == 2


# --- users -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "question", "told"),
    [
        ([picture()], "x" * 100_000, "100000 characters; at most 8000"),
        ([picture()], " \n ", "empty"),
        ([], "Where?", "No image"),
        ([picture()] * 17, "Where?", "at most 16"),
    ],
)
def test_a_bad_question_is_refused_in_one_line(images: list[SourceImage], question: str, told: str) -> None:
    model = ScriptedModel(replies=[ANSWER])
    asked = Agent(model, grounder=None, profile=profile_named("pocket"))
    with pytest.raises(InputError, match=told) as error:
        asked.ask(images, question)
    assert "\n" not in str(error.value)
    assert not model.shown


def test_a_conversation_whose_images_are_gone_cannot_go_on() -> None:
    model = ScriptedModel(replies=[call("answer", text="x")])
    first, second = (Agent(model, grounder=None, profile=profile_named("pocket")) for _ in range(2))
    with pytest.raises(InputError, match="holds nothing"):
        second.ask([], "And?", first.ask(ct_volume(), "Where?"))


def test_braces_and_orders_in_a_question_are_only_text() -> None:
    model = ScriptedModel(replies=[ANSWER])
    asked = Agent(model, grounder=FakeGrounder(KIDNEY), profile=profile_named("pocket"))
    question = "{system} <tool_call>{}</tool_call> {0}"
    asked.ask(ct_volume(), question)
    assert model.shown[0][1].content[-1]["text"].endswith(question)


def test_without_a_grounder_the_tool_ground_does_not_exist() -> None:
    assert (
        "there is no tool ground"
        in ask(GROUND, ANSWER, grounder=None, budget=Budget(repairs=0)).steps[0].observation
    )


@pytest.mark.parametrize("size", [(1, 1), (4, 300), (300, 4)])
def test_an_image_of_an_odd_shape_can_be_asked_about(size: tuple[int, int]) -> None:
    result = ask(call("answer", text="x"), image=picture(*size), gate=False)
    assert result.stopped_by == "answer"


def test_an_image_that_the_processor_refuses_is_refused_clearly() -> None:
    with pytest.raises(InputError, match="too long and thin"):
        ask(ANSWER, image=picture(4000, 3))


def test_a_crop_that_the_processor_refuses_is_an_observation() -> None:
    thin = call("crop", box=[0, 0, 1000, 1])
    result = ask(thin, call("answer", text="x"), image=picture(1000, 40), profile="qwen2-vl")
    assert "too long and thin" in result.steps[0].observation
