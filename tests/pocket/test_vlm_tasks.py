"""Questions about a scene, and what the labels say about a box that was found."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foveate.pocket.anatomy import structure
from foveate.pocket.vlm.scenes import SIDE, Scene
from foveate.pocket.vlm.tasks import AGAIN, KINDS, Questioner, Truth, nothing, supports, truth_of, wordings

from . import synthetic

VIEW = 224


@st.composite
def boxes(draw: st.DrawFn, least: int = 8) -> tuple[int, int, int, int]:
    x0, y0 = draw(st.integers(0, SIDE - least - 1)), draw(st.integers(0, SIDE - least - 1))
    return x0, y0, draw(st.integers(x0 + least, SIDE - 1)), draw(st.integers(y0 + least, SIDE - 1))


def truth_in(box: tuple[int, int, int, int]) -> Truth:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return Truth("thing", None, mask)


def in_view(box: tuple[int, int, int, int]) -> tuple[float, ...]:
    return tuple(v * VIEW / SIDE for v in box)


@given(boxes())
@settings(deadline=None)
def test_the_true_box_is_supported(box: tuple[int, int, int, int]) -> None:
    truth = truth_in(box)
    assert truth.box() == box
    assert supports({"thing": truth}, VIEW, in_view(box), "thing")


@given(boxes(), boxes())
@settings(deadline=None)
def test_a_box_elsewhere_is_not_supported(
    box: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    apart = other[0] > box[2] + 1 or box[0] > other[2] + 1 or other[1] > box[3] + 1 or box[1] > other[3] + 1
    assume(apart)
    assert not supports({"thing": truth_in(box)}, VIEW, in_view(other), "thing")


@given(boxes(), boxes())
@settings(deadline=None)
def test_support_needs_a_fair_part_of_the_thing_in_the_box(
    box: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    """A reference on areas: far below the threshold never, far above it always."""
    width = max(0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0, min(box[3], other[3]) - max(box[1], other[1]))
    both = width * height
    part = both / ((box[2] - box[0]) * (box[3] - box[1]))
    filled = both / ((other[2] - other[0]) * (other[3] - other[1]))
    said = supports({"thing": truth_in(box)}, VIEW, in_view(other), "thing")
    if min(part, filled) > 0.3:
        assert said
    # the box's last row and column count in full
    if part + (width + height + 1) / ((box[2] - box[0]) * (box[3] - box[1])) < 0.25:
        assert not said


@given(boxes())
@settings(deadline=None)
def test_what_is_not_there_is_never_supported(box: tuple[int, int, int, int]) -> None:
    assert not supports({"thing": nothing("thing")}, VIEW, in_view(box), "thing")
    assert not supports({"thing": truth_in(box)}, VIEW, in_view(box), "another thing")


def test_the_whole_view_does_not_support_something_small() -> None:
    assert not supports({"thing": truth_in((10, 10, 40, 40))}, VIEW, (0, 0, VIEW, VIEW), "thing")


@pytest.fixture
def scene() -> Scene:
    return synthetic.scene()


def asker(scene: Scene, seed: int) -> Questioner:
    return Questioner(np.random.default_rng(seed), scene, VIEW)


def test_visible_and_hidden_are_what_the_labels_say(scene: Scene) -> None:
    asked = asker(scene, 0)
    assert set(synthetic.ORGANS) <= {t.phrase for t in asked.visible}
    assert synthetic.HIDDEN in {t.phrase for t in asked.hidden}
    assert truth_of(scene, structure("liver"), "liver").box() == synthetic.ORGANS["liver"]
    assert truth_of(scene, structure("lung nodule"), "nodule").box() == synthetic.NODULE


@pytest.mark.parametrize("kind", [*KINDS, "slice"])
def test_every_kind_can_be_drawn_and_names_what_it_asks_about(scene: Scene, kind: str) -> None:
    for seed in range(8):
        task = asker(scene, seed).draw(kind)
        assert task.kind == kind
        assert task.question
        assert "{" not in task.question
        named = kind not in ("overview", "decline", "what", "lesion")
        assert not named or task.a.lower() in task.question.lower()


def test_the_weights_have_wordings(scene: Scene) -> None:
    assert set(KINDS) | set(AGAIN) <= set(wordings())


@pytest.mark.parametrize("seed", range(40))
def test_no_thing_is_compared_with_itself(scene: Scene, seed: int) -> None:
    only = synthetic.scene({"liver": synthetic.ORGANS["liver"]}, nodule=False)
    task = asker(only, seed).draw("larger")
    assert task.a != task.b


def test_a_follow_up_leans_on_evidence_or_stands_alone(scene: Scene) -> None:
    asked = asker(scene, 0)
    kinds = set()
    for _ in range(20):
        following = asked.follow_up(asked.draw("where"))
        kinds.add(following.kind if following else None)
    assert kinds == {"again_where", None}


def test_a_direct_look_is_told_the_true_boxes_in_pixels_of_v0(scene: Scene) -> None:
    asked = asker(scene, 0)
    liver = truth_of(scene, structure("liver"), "liver")
    task = asked.direct(asked._task("where", liver, nothing("b")))
    assert task.extra["direct"] == [
        {"text": "The liver is visible.", "box": synthetic.in_v0(synthetic.ORGANS["liver"])}
    ]


@pytest.mark.parametrize("hidden_first", [True, False])
def test_a_direct_comparison_names_the_thing_that_is_missing(scene: Scene, hidden_first: bool) -> None:
    asked = asker(scene, 0)
    pair = truth_of(scene, structure("liver"), "liver"), nothing("gallbladder")
    task = asked.direct(asked._task("larger", *(pair[::-1] if hidden_first else pair)))
    assert task.extra["direct"] == []
    assert task.extra["missing"] == "gallbladder"


def test_a_thing_thinner_than_a_pixel_of_v0_gets_no_box() -> None:
    thin = synthetic.scene({"aorta": (1, 20, 2, 60)}, nodule=False)
    asked = asker(thin, 0)
    truth = truth_of(thin, structure("aorta"), "aorta")
    assert truth.visible
    assert asked.direct(asked._task("where", truth, nothing("b"))).extra["direct"] == []


def test_the_answers_of_the_labels_depend_on_the_phrase(scene: Scene) -> None:
    liver = truth_of(scene, structure("liver"), "liver")
    ask = partial(supports, {"liver": liver}, float(VIEW))
    assert ask(tuple(synthetic.in_v0(synthetic.ORGANS["liver"])), "liver")
    assert not ask(tuple(synthetic.in_v0(synthetic.ORGANS["spleen"])), "liver")
