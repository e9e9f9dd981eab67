"""The teacher in the real graph with the real tools, on a slice whose labels are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from foveate.agent.budget import Budget
from foveate.agent.models.profiles import profile_for
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.pocket.anatomy import structure, structures
from foveate.pocket.vlm.oracle import OracleModel
from foveate.pocket.vlm.plans import PLANS, Task
from foveate.pocket.vlm.scenes import LESION_ID, SIDE
from foveate.pocket.vlm.tasks import KINDS, Questioner, Truth, supports, truth_of
from foveate.pocket.vlm.trajectories import last_region
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import overview

from . import synthetic

SCENE = synthetic.scene()
IMAGE = synthetic.image_of_scene(SCENE)
RIGHT, LEFT = "image left, patient right", "image right, patient left"
MISSING = synthetic.HIDDEN


class Play:
    """The agent with the teacher in it; built once, its grounder is set for each test."""

    def __init__(self) -> None:
        self.model, self.grounder = OracleModel(), synthetic.LabelGrounder(SCENE)
        self.agents = {
            tools: Agent(
                self.model, grounder=self.grounder, use_tools=tools, store=ImageStore(),
                profile=profile_for("pocket"), show_pixels=False, budget=Budget(steps=12),
            )
            for tools in (True, False)
        }  # fmt: skip

    def __call__(self, task: Task, history: Result | None = None, direct: bool = False) -> Result:
        self.model.begin(task, direct)
        boxes = [task.extra["box"]] if task.kind == "what" else []
        start = [overview(IMAGE, 224)] if history is None else None
        images: Any = [] if history else IMAGE
        return self.agents[not direct].ask(images, task.question, history, start=start, boxes=boxes)


@pytest.fixture(scope="module")
def the_play() -> Play:
    return Play()


@pytest.fixture
def play(the_play: Play) -> Iterator[Play]:
    yield the_play
    the_play.grounder.misplaced, the_play.grounder.blind, the_play.grounder.failures = {}, False, 0


def truth(phrase: str) -> Truth:
    if phrase == "nodule":
        return Truth(phrase, None, SCENE.labels == LESION_ID)
    return truth_of(SCENE, structure(phrase), phrase)


def task(kind: str, a: str = "", b: str = "", question: str = "Well?", **extra: Any) -> Task:
    known = {name: truth(name) for name in (a, b) if name}
    return Task(kind, question, a, b, extra, partial(supports, known, 224.0))


ANSWERS = [
    (task("where", "liver"), f"The liver is visible (E1): {RIGHT}."),
    (task("present", "left kidney"), f"Yes. The left kidney is visible (E1): {LEFT}."),
    (task("side", "spleen"), f"The spleen is on the {LEFT} (E1)."),
    (task("size", "liver"), "The liver measures 150.0 x 144.0 mm (E1)."),
    (task("lesion", "nodule"), f"Yes. There is a nodule (E1): {RIGHT}. It measures 24.0 x 26.4 mm."),
    (task("window", "aorta", w="lung"), f"The aorta is visible (E1): {LEFT}."),
    (task("larger", "liver", "spleen"), "Yes. The liver (E1) is larger than the spleen (E2)."),
    (task("larger", "spleen", "liver"), "No. The spleen (E1) is not larger than the liver (E2)."),
    (
        task("larger", "liver", "spleen", "Is the liver smaller than the spleen?"),
        "No. The liver (E1) is larger than the spleen (E2).",
    ),
    (
        task("larger", "spleen", "liver", "Is the spleen smaller than the liver?"),
        "Yes. The spleen (E1) is not larger than the liver (E2).",
    ),
    (
        task("larger", "left kidney", "right kidney", "Is the left kidney smaller than the right kidney?"),
        "No. The left kidney (E1) is not larger than the right kidney (E2).",
    ),
    (task("left_of", "liver", "spleen"), "Yes. The liver (E1) is left of the spleen (E2)."),
    (task("left_of", "spleen", "liver"), "No. The spleen (E1) is not left of the liver (E2)."),
    (task("right_of", "spleen", "liver"), "Yes. The spleen (E1) is right of the liver (E2)."),
    (task("above", "liver", "vertebra"), "Yes. The liver (E1) is above the vertebra (E2)."),
    (task("above", "vertebra", "liver"), "No. The vertebra (E1) is not above the liver (E2)."),
    (task("below", "vertebra", "liver"), "Yes. The vertebra (E1) is below the liver (E2)."),
    (
        task("overview", list=["liver", MISSING, "spleen"]),
        "Visible here: liver (E1), spleen (E2).",
    ),
    (task("what", "stomach", box=synthetic.ORGANS["stomach"]), "E1 shows the stomach."),
]


@pytest.mark.parametrize(("asked", "text"), ANSWERS, ids=[f"{t.kind} {t.a} {t.b}" for t, _ in ANSWERS])
def test_what_is_there_is_answered_with_evidence_at_the_right_place(
    play: Play, asked: Task, text: str
) -> None:
    result = play(asked)
    answer = result.answer
    assert (result.stopped_by, answer.text, answer.abstained) == ("answer", text, False)
    assert all(claim.supported and claim.evidence for claim in answer.claims)
    things = [synthetic.named(e.label if e.tool == "ground" else asked.a) for e in answer.evidence]
    for evidence, thing in zip(answer.evidence, things, strict=True):
        assert thing is not None
        known = truth("nodule" if thing.name == "lung nodule" else thing.name)
        assert evidence.box == pytest.approx(known.box())


@pytest.mark.parametrize("kind", ["where", "side", "size", "window"])
def test_what_is_not_there_is_declined(play: Play, kind: str) -> None:
    answer = play(task(kind, MISSING, w="bone")).answer
    assert answer.text == f"No {MISSING} is visible on this slice."
    assert (answer.abstained, answer.reason, answer.claims) == (True, "not_visible", ())


@pytest.mark.parametrize("kind", ["present", "lesion"])
def test_a_question_for_presence_is_answered_with_a_supported_no(play: Play, kind: str) -> None:
    answer = play(task(kind, MISSING)).answer
    assert answer.text == f"No {MISSING} is visible on this slice."
    assert not answer.abstained
    assert [(c.text, c.present, c.supported) for c in answer.claims] == [
        (f"No {MISSING} is visible.", False, True)
    ]


@pytest.mark.parametrize(("a", "b"), [("liver", MISSING), (MISSING, "liver")])
def test_a_comparison_with_nothing_is_declined(play: Play, a: str, b: str) -> None:
    answer = play(task("larger", a, b)).answer
    assert answer.text == f"I cannot compare: no {MISSING} is visible on this slice."
    assert (answer.abstained, answer.reason) == (True, "not_visible")


@pytest.mark.parametrize("kind", ["where", "present", "size", "lesion"])
def test_a_region_that_a_closer_look_does_not_bear_out_is_not_confirmed(play: Play, kind: str) -> None:
    play.grounder.misplaced = {"liver": synthetic.ORGANS["spleen"]}
    result = play(task(kind, "liver"))
    assert result.answer.text == "I cannot confirm the liver: a closer look at E1 does not show it."
    assert (result.answer.abstained, result.answer.reason) == (True, "cannot_tell")
    assert "zoom" in [step.tool for step in result.steps]
    told = "\n".join(str(m.content) for m in result.messages)
    assert written(synthetic.in_v0(synthetic.ORGANS["liver"])) not in told


def test_a_grounder_that_fails_once_is_asked_again(play: Play) -> None:
    play.grounder.failures = 1
    result = play(task("where", "liver"))
    assert result.answer.text == f"The liver is visible (E1): {RIGHT}."
    assert [step.ok for step in result.steps if step.tool == "ground"] == [False, True]


def test_a_grounder_that_stays_broken_ends_in_a_decline(play: Play) -> None:
    play.grounder.failures = 99
    result = play(task("where", "liver"))
    assert result.stopped_by == "answer"
    assert result.answer.text == "I cannot tell that from this image."
    assert (result.answer.abstained, result.answer.reason) == (True, "cannot_tell")


def test_what_no_image_can_show_is_declined_without_a_look(play: Play) -> None:
    result = play(task("decline", question="What is the patient's name?"))
    assert result.answer.text == "I cannot tell that from this image."
    assert [step.tool for step in result.steps] == ["answer"]


def test_nothing_to_list_is_said_and_not_an_empty_reply(play: Play) -> None:
    result = play(task("overview", list=[]))
    assert result.answer.text == "I cannot name any structure on this slice with confidence."
    assert [step.tool for step in result.steps] == ["answer"]


def test_the_slice_that_is_asked_for_is_the_one_that_is_looked_at(play: Play) -> None:
    stack = replace(IMAGE, pixels=np.repeat(IMAGE.pixels, 3, axis=0))
    play.model.begin(task("slice", "liver", n=2))
    result = play.agents[True].ask(stack, "On slice 2, where is the liver?", start=[overview(stack, 224, 0)])
    assert result.answer.text == f"The liver is visible (E1): {RIGHT}."
    assert [e.slice for e in result.answer.evidence] == [2]


def test_a_slice_that_is_not_there_is_declined(play: Play) -> None:
    result = play(task("slice", "liver", n=7))
    assert result.answer.text == "I cannot tell that from this image."


FOLLOWING = [
    ("again_size", "", "How large is it?", "The liver measures 150.0 x 144.0 mm (E1)."),
    ("again_zoom", "", "Zoom in on that.", "A closer look shows the liver (E1)."),
    ("again_side", "", "On which side is it?", f"The liver is on the {RIGHT} (E1)."),
    (
        "again_larger",
        "spleen",
        "Is it larger than the spleen?",
        "Yes. The liver (E1) is larger than the spleen (E2).",
    ),
    (
        "again_larger",
        "spleen",
        "Is the spleen larger?",
        "No. The liver (E1) is larger than the spleen (E2).",
    ),
    (
        "again_larger",
        MISSING,
        "Is it larger?",
        f"I cannot compare: no {MISSING} is visible on this slice.",
    ),
    ("again_where", "", "And the spleen?", f"The spleen is visible (E2): {LEFT}."),
]


@pytest.mark.parametrize(("kind", "b", "question", "text"), FOLLOWING)
def test_a_follow_up_leans_on_the_evidence_before(
    play: Play, kind: str, b: str, question: str, text: str
) -> None:
    first = play(task("where", "liver"))
    asked = task(kind, "spleen" if kind == "again_where" else "liver", b, question)
    asked.last = last_region(first)
    assert asked.last is not None
    assert (asked.last.id, asked.last.label, asked.last.place) == ("E1", "liver", RIGHT)
    result = play(asked, history=first)
    assert (result.stopped_by, result.answer.text) == ("answer", text)
    calls = [c for m in result.messages for c in getattr(m, "tool_calls", [])]
    later = [c["args"] for c in calls if c["name"] == "ground"][1:]
    assert all(arguments["view"] == "V0" for arguments in later)


def test_without_tools_the_labels_answer_in_one_reply(play: Play) -> None:
    asker = Questioner(np.random.default_rng(0), SCENE, 224)
    asked = asker.direct(asker._task("where", truth("liver"), truth("spleen")))
    result = play(asked, direct=True)
    assert result.stopped_by == "answer"
    [evidence] = result.answer.evidence
    assert evidence.tool == "model"
    assert evidence.box == pytest.approx(synthetic.ORGANS["liver"], abs=SIDE / 224)
    missing = asker.direct(asker._task("larger", truth("liver"), truth(MISSING)))
    told = play(missing, direct=True).answer
    assert told.text == f"I cannot compare: no {MISSING} is visible on this slice."


@pytest.mark.parametrize("kind", [*KINDS, "slice"])
def test_every_kind_that_is_drawn_ends_with_an_answer(play: Play, kind: str) -> None:
    for seed in (1, 2):
        result = play(Questioner(np.random.default_rng(seed), SCENE, 224).draw(kind))
        assert result.stopped_by == "answer", result.failure
        assert all(step.tool != "repair" for step in result.steps)


def test_every_kind_has_a_plan() -> None:
    assert set(KINDS) <= set(PLANS)


def written(box: list[int]) -> str:
    return ",".join(str(v) for v in box)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "what"])
def test_the_truth_never_leaks_into_what_the_student_reads(play: Play, kind: str) -> None:
    """With a grounder that sees nothing, no message may hold a box that only the labels know."""
    play.grounder.blind = True
    result = play(Questioner(np.random.default_rng(3), SCENE, 224).draw(kind))
    told = json.dumps([[str(m.content), getattr(m, "tool_calls", [])] for m in result.messages])
    told = told.replace(" ", "")
    for known in (truth_of(SCENE, s, s.name) for s in structures()):
        if known.visible:
            assert written(list(known.box())) not in told
            assert written(synthetic.in_v0(known.box())) not in told
