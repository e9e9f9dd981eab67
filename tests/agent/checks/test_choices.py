"""Options in other orders: read, asked, mapped back, voted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.agent.checks.choices import Choice, read_choice, vote
from foveate.agent.models.profiles import profile_for
from foveate.agent.run import Agent

from ..scripted import ScriptedModel, call, picture

QUESTION = "Which organ is shown?\nA) liver\nB) spleen\nC) kidney"


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        *(
            f"Which organ is shown? {m}"
            for m in ("(A) liver (B) spleen (C) kidney", "A. liver B. spleen C. kidney")
        ),
    ],
)
def test_options_are_read(question: str) -> None:
    assert read_choice(question) == Choice("Which organ is shown?", ("liver", "spleen", "kidney"))


def test_other_questions_have_none() -> None:
    assert read_choice("Is there a nodule?") is None
    assert read_choice("Plan B) is not A) first") is None


@given(st.permutations(range(3)), st.integers(0, 2))
def test_a_letter_means_the_same_option_in_any_order(order: list[int], place: int) -> None:
    choice = Choice("Which?", ("liver", "spleen", "kidney"))
    assert choice.chosen(f"{'ABC'[place]})", order) == order[place]
    assert choice.chosen(choice.options[order[place]], order) == order[place]
    assert [line[3:] for line in choice.asked(order).splitlines()[1:4]] == [choice.options[k] for k in order]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("A kidney is shown.", 2),
        ("A liver is shown.", 0),
        ("B spleen", 1),
        ("The answer is C", 2),
        ("b)", 1),
        ("A", 0),
        ("A structure that I do not know.", None),
    ],
)
def test_an_article_is_no_letter(said: str, meant: int | None) -> None:
    assert Choice("Which?", ("liver", "spleen", "kidney")).chosen(said, [0, 1, 2]) == meant


def test_each_option_comes_to_each_place() -> None:
    choice = Choice("Which?", ("liver", "spleen", "kidney"))
    assert {tuple(order) for order in [[0, 1, 2], *choice.orders()]} == {(0, 1, 2), (1, 2, 0), (2, 0, 1)}


def test_a_tie_decides_nothing() -> None:
    assert vote([0, 1]) == (None, 0.0) and vote([None]) == (None, 0.0)
    assert vote([0, 1, 1, None]) == (1, pytest.approx(2 / 3))


def result(first: str, later: Callable[[list[Any]], str]) -> Any:
    model = ScriptedModel(replies=[call("answer", text=first), later])
    return Agent(model, grounder=None, profile=profile_for("qwen3-vl"), checks="full").ask(
        picture(), QUESTION
    )


def says(option: str) -> Callable[[list[Any]], str]:
    """Finds the option's letter in the question as it was asked."""

    def reply(messages: list[Any]) -> str:
        line = next(x for x in str(messages[-1].text).splitlines() if x.endswith(option))
        return call("answer", text=line[0])

    return reply


def test_what_most_orders_choose_is_the_answer() -> None:
    told = result("A", says("spleen")).to_json()
    assert told["answer"] == "B) spleen" and told["confidence"] == pytest.approx(2 / 3, abs=1e-3)
    assert told["usage"]["calls"] == 3


def test_what_the_first_answer_claimed_does_not_count_against_what_the_orders_chose() -> None:
    wrong = {"text": "A liver on the image left.", "box": [120, 10, 180, 60], "view": "V0"}
    model = ScriptedModel(replies=[call("answer", text="A", claims=[wrong]), says("spleen")])
    agent = Agent(model, grounder=None, profile=profile_for("qwen3-vl"), checks="full")
    first = agent.ask(picture(), QUESTION)
    told = first.to_json()
    assert told["answer"] == "B) spleen" and not told["abstained"] and not told["checks"]["refuted"]
    assert told["checks"]["calls"] == {"order": 2}
    # and a later answer may say the opposite of what was never said
    later = {"text": "No liver on the image left.", "present": False}
    model.replies = [call("answer", text="None.", claims=[later])]
    told = agent.ask((), "Is there a liver?", history=first).to_json()
    assert not told["checks"]["refuted"]


def test_the_orders_are_asked_with_every_image() -> None:
    model = ScriptedModel(replies=[call("answer", text="A")])
    agent = Agent(model, grounder=None, profile=profile_for("qwen3-vl"), checks="full")
    agent.ask([picture(), picture(120, 120)], QUESTION)
    assert len(model.shown) == 3
    for messages in model.shown:
        kinds = [block["type"] for block in messages[-1].content]
        assert kinds.count("image") == 2


def test_a_model_that_always_takes_the_first_place_gets_no_vote() -> None:
    told = result("A", lambda messages: call("answer", text="A")).to_json()
    assert told["answer"] == "A" and told["confidence"] is None
