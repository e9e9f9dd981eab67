"""The grounder `sure`: with the shipped models, and what it says when its parts do not agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from foveate.pocket.demo_images import DEMO
from foveate.tools.grounding.adapters.sure import Sure
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.grounding.uncertainty.hypotheses import USUAL, Plan
from foveate.tools.grounding.uncertainty.score import calibration_of
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.views import View, flip_rotate, overview

from ..conftest import ct as ct

Corners = tuple[float, float, float, float]


@dataclass
class Fixed:
    """A grounder's answer on a fixed scale, the same whatever is shown: what is tested lies above it."""

    name: str
    box: Corners | None = None
    absent: bool | None = False
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        if self.fails:
            raise GrounderError("no weights.")
        self.asked += phrases
        regions = () if self.box is None else (Region(view.frame.box(*self.box), 0.9, "it"),)
        return [Grounding(p, regions, "fixed_scale", self.absent, 0.9, 0.5, None, 0.5, 2) for p in phrases]


@dataclass
class Drawing(Fixed):
    """One that says another box with every seed, and nothing readable with seed 2."""

    def draw(self, view: View, image: SourceImage, phrases: Sequence[str], seed: int) -> list[Grounding]:
        if seed == 2:
            raise GrounderError("no box.")
        moved = Fixed(self.name, (10.0 + 8 * seed, 10, 30.0 + 8 * seed, 30))
        return moved.ground(view, image, phrases)


@dataclass
class Failing(Fixed):
    """One that fails from its second call on: on changed slices."""

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        self.fails = bool(self.asked)
        return super().ground(view, image, phrases)


def ground(image: SourceImage, *parts: Fixed, most: float | None = None, plan: Plan = USUAL) -> Grounding:
    [found] = Sure("sure", parts, most, plan).ground(overview(image, 64), image, ["left lung"])
    return found


def test_the_shipped_models_ground_with_a_calibrated_uncertainty() -> None:
    image = open_image(DEMO / "liver_spleen.nii.gz")
    view = overview(image, 256)
    sure = load_grounder("sure(pocket+diffusion)")
    liver, left = sure.ground(view, image, ["liver", "left kidney"])
    alone = load_grounder("pocket").ground(view, image, ["liver"])[0]
    told = liver.detail["uncertainty"]
    assert told["calibrated"] and told["count"] == 2 * (USUAL.prompts + USUAL.changes)
    assert told["uncertainty"] < 0.5 and liver.absent is False and liver.score_kind == "fixed_scale"
    assert liver.regions[0].score == pytest.approx(1 - told["uncertainty"], abs=1e-3)
    mine, its = (r.regions[0].box.to_source() for r in (liver, alone))
    assert abs(mine.x0 - its.x0) < 40 and abs(mine.y1 - its.y1) < 40
    assert left.detail["uncertainty"]["count"] == told["count"]
    turned = flip_rotate(view, 1, True)
    [again] = sure.ground(turned, image, ["liver"])
    assert again.regions[0].box.frame == turned.frame
    assert again.regions[0].box.to_source().as_tuple() == pytest.approx(mine.as_tuple(), abs=3)


def test_the_calibration_that_ships_says_what_made_it() -> None:
    names = [load_grounder(name).name for name in ("pocket", "diffusion")]
    made = calibration_of(names)
    assert made is not None and next(iter(made.weights)) == "pocket" and "--calibrate" in made.command
    features = dict.fromkeys(("consensus", "spread", "miss_rate", "score", "steady"), 0.5)
    better = features | {"score": 0.9, "steady": 0.9}
    assert 0 < made.uncertainty(better) < made.uncertainty(features) < 1
    assert calibration_of(["pocket"]) is None and calibration_of(["pocket", "diffusion:ldm@x"]) is None


def test_every_wording_and_every_change_is_asked(ct: SourceImage) -> None:
    one = Fixed("one", (10, 10, 30, 30))
    found = ground(ct, one)
    assert len(one.asked) == USUAL.prompts + USUAL.changes and one.asked[0] == "left lung"
    assert one.asked.count("right lung") == 1  # what the mirror image shows
    assert found.forward_passes == 2 * len(one.asked) and found.seconds == pytest.approx(0.5 * len(one.asked))


def test_without_calibration_it_only_ranks(ct: SourceImage) -> None:
    near = ground(ct, Fixed("a", (10, 10, 50, 50)), Fixed("b", (11, 10, 50, 50)))
    far = ground(ct, Fixed("a", (10, 10, 50, 50)), Fixed("b", (40, 40, 60, 60)))
    assert near.score_kind == far.score_kind == "relative" and near.threshold is None
    assert not near.detail["uncertainty"]["calibrated"]
    assert near.detail["uncertainty"]["uncertainty"] < far.detail["uncertainty"]["uncertainty"]
    assert near.regions and far.regions and near.absent is False


def test_it_abstains_where_the_boxes_are_not_to_be_trusted(ct: SourceImage) -> None:
    found = ground(ct, Fixed("a", (0, 0, 20, 20)), Fixed("b", (40, 40, 60, 60)), most=0.2)
    assert not found.regions and found.absent is None
    assert "not to be trusted" in found.detail["reason"] and "0.20" in found.detail["reason"]


def test_absent_is_what_most_say_and_nothing_found_is_no_absence(ct: SourceImage) -> None:
    gone = ground(ct, Fixed("a", None, True), Fixed("b", None, True), Fixed("c", (0, 0, 9, 9)))
    assert gone.absent is True and not gone.regions and "find nothing" in gone.detail["reason"]
    silent = ground(ct, Fixed("a", None, None))
    assert silent.absent is None and "None of" in silent.detail["reason"]


def test_a_part_that_fails_is_told_and_all_that_fail_are_an_error(ct: SourceImage) -> None:
    found = ground(ct, Fixed("a", (10, 10, 30, 30)), Fixed("b", fails=True))
    assert found.detail["failed"] == {"b": "no weights."} and found.regions
    with pytest.raises(GrounderError, match="All grounders"):
        ground(ct, Fixed("a", fails=True))


def test_samples_are_hypotheses_of_those_that_can_draw(ct: SourceImage) -> None:
    alone = Plan(prompts=1, changes=0, samples=4)
    found = ground(ct, Drawing("a", (10, 10, 30, 30)), Fixed("b", (10, 10, 30, 30)), plan=alone)
    told = found.detail["uncertainty"]
    assert told["count"] == 2 + 4 and told["miss_rate"] == pytest.approx(1 / 6, abs=1e-4)
    assert told["asked"] == {"prompts": 1, "changes": 0, "samples": 4} and not told["calibrated"]
    assert found.detail["failed"] == {"a, sample 3": "no box."}
    assert found.forward_passes == 2 * (1 + 1 + 3) and found.score_kind == "relative"
    steady = ground(ct, Fixed("a", (10, 10, 30, 30)), Fixed("b", (10, 10, 30, 30)), plan=Plan(1, 0))
    assert steady.detail["uncertainty"]["uncertainty"] == pytest.approx(0) and told["uncertainty"] > 0.3
    with pytest.raises(GrounderError, match="samples=4 in 'sure' needs a part that can draw"):
        ground(ct, Fixed("b", (10, 10, 30, 30)), plan=alone)


def test_one_that_fails_on_a_change_is_told_of_and_the_rest_counts(ct: SourceImage) -> None:
    found = ground(ct, Failing("a", (10, 10, 30, 30)))
    told = found.detail["uncertainty"]
    assert found.regions and found.detail["failed"] == {"a": "no weights."}
    assert told["count"] == USUAL.prompts and not told["calibrated"]


def test_a_failure_or_another_plan_leaves_the_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was fitted on all hypotheses of all parts: of others its number would be no probability."""
    image = open_image(DEMO / "liver_spleen.nii.gz")
    view, parts = overview(image, 256), [load_grounder(name) for name in ("pocket", "diffusion")]
    [fewer] = Sure("sure", parts, plan=Plan(prompts=1)).ground(view, image, ["liver"])
    assert not fewer.detail["uncertainty"]["calibrated"] and fewer.threshold is None
    whole, calls = parts[1].ground, list[int]()

    def failing(*asked: object) -> list[Grounding]:
        calls.append(1)
        if len(calls) == 3:
            raise GrounderError("out of luck.")
        return whole(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(parts[1], "ground", failing)
    [once] = Sure("sure", parts).ground(view, image, ["liver"])
    assert len(calls) == 5 and not once.detail["uncertainty"]["calibrated"] and once.regions


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("sure", "is made of others"),
        ("sure:samples=3(pocket)", "samples=3 in 'sure' needs a part that can draw"),
        ("sure:samples=-1(pocket)", "samples from 0"),
        ("sure:prompts=0(pocket)", "prompts from 1"),
        ("sure:changes=5(pocket)", "changes from 0 to 4"),
        ("sure:least=1(pocket)", "takes most="),
        ("sure:most=x(pocket)", "must be a number"),
        ("sure(pocket+nothing)", "There is no grounder"),
    ],
)
def test_what_cannot_be_made(spec: str, told: str) -> None:
    with pytest.raises(GrounderError, match=told):
        load_grounder(spec)
