"""The tool `refine`: what it makes of several looks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.tools.context import Resampler, Sample, ToolContext, ToolError
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, overview
from foveate.tools.refine import refine
from foveate.tools.toolbox import make_tools

from ..agent.scripted import picture

BOX = (10.0, 10.0, 60.0, 50.0)


def context(samples: list[Sample], asked: list[tuple[str, int]] | None = None) -> ToolContext:
    store, image = ImageStore(), picture()
    store.put(image)

    def looks(question: str, view: View, count: int) -> list[Sample]:
        if asked is not None:
            asked.append((question, count))
        return samples[:count]

    again: Resampler = looks
    return ToolContext(store, {"V0": overview(image, 200)}, resample=again)


def test_answers_are_grouped_and_boxes_fused() -> None:
    near = (12.0, 10.0, 60.0, 52.0)
    looks = [
        Sample("The heart is left.", (BOX,), tokens=(10, 5)),
        Sample("the heart is on the left", (near,), tokens=(10, 6)),
        Sample("The heart is right.", ((100.0, 10.0, 150.0, 50.0),), tokens=(10, 5)),
        Sample(error="no JSON", tokens=(10, 40)),
        Sample("The heart is left.", (BOX,), tokens=(10, 5)),
    ]
    asked: list[tuple[str, int]] = []
    made = refine(context(looks, asked), question="Where is the heart?")
    facts = made.facts
    assert asked == [("Where is the heart?", 5)]
    assert (facts["samples"], facts["answered"], facts["consensus"]) == (5, 4, 0.75)
    assert 0 < facts["spread"] < 1
    assert [g["count"] for g in facts["groups"]] == [3, 1]
    assert facts["usage"] == {"input_tokens": 50, "output_tokens": 61, "calls": 5}
    [found] = made.evidence
    assert found.score == facts["box_consensus"][0] == 0.75 and found.tool == "refine"
    assert found.box == pytest.approx((10.667, 10, 60, 50.667), abs=0.01)
    assert 0 < facts["box_spread"][0] < 0.1


def test_a_phrase_is_asked_for_as_a_question() -> None:
    asked: list[tuple[str, int]] = []
    made = refine(context([Sample("Left.", (BOX,))] * 3, asked), phrase=" left  kidney ", samples=3)
    assert asked == [("Where is the left kidney?", 3)]
    assert made.evidence[0].label == " left  kidney "[:80] or made.evidence[0].label
    assert made.facts["spread"] == 0 and made.facts["consensus"] == 1


@given(st.lists(st.sampled_from([(), (BOX,), (BOX, (100.0, 20.0, 140.0, 60.0))]), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_only_boxes_of_most_looks_become_evidence(boxes: list[tuple[tuple[float, ...], ...]]) -> None:
    looks = [Sample("Yes.", given) for given in boxes]  # type: ignore[arg-type]
    made = refine(context(looks), question="Is it there?", samples=9)
    most = sum(2 * sum(box in given for given in boxes) > len(boxes) for box in {b for g in boxes for b in g})
    assert len(made.evidence) == most
    assert all(e.score is not None and e.score > 0.5 for e in made.evidence)


def test_faults_are_said() -> None:
    with pytest.raises(ToolError, match="either a question or a phrase"):
        refine(context([]))
    with pytest.raises(ToolError, match="either a question or a phrase"):
        refine(context([]), question="a", phrase="b")
    with pytest.raises(ToolError, match="characters"):
        refine(context([]), question=" ")
    with pytest.raises(ToolError, match="time was over"):
        refine(context([]), question="Where?")
    with pytest.raises(ToolError, match="no answer came of 2: not JSON"):
        refine(context([Sample(error="not JSON")] * 2), question="Where?")
    with pytest.raises(ToolError, match="no view V9"):
        refine(context([Sample("a")]), question="Where?", view="V9")


def test_it_is_offered_where_the_model_can_be_asked_again() -> None:
    able = context([Sample("Left.", (BOX,))] * 5)
    assert "refine" in [tool.name for tool in make_tools(able)]
    unable = ToolContext(able.store, able.views)
    assert "refine" not in [tool.name for tool in make_tools(unable)]
    [tool] = make_tools(able, ["refine"])
    told = tool.invoke({"question": "Where is it?"})
    assert "5 of 5 looks" in told and "[10,10,60,50]" in told
    with pytest.raises(ToolError, match="asked again"):
        refine(unable, question="Where?")
