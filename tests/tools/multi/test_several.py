"""The tools over several images and slices, called as LangChain tools on real CT slices and small volumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveate.tools.context import ToolContext, ToolError, ToolLimits
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.frames import BoxError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, overview, render, zoom
from foveate.tools.toolbox import SEVERAL, make_tools

from ...agent.scripted import FakeGrounder

DEMO = Path(__file__).resolve().parents[3] / "pocket" / "demo"
LIMITS = ToolLimits(view_side=512, min_side=56)


@pytest.fixture(scope="module")
def liver() -> SourceImage:
    return open_image(DEMO / "liver_spleen.nii.gz")


def painted(image: SourceImage, box: tuple[int, int, int, int], added: int) -> SourceImage:
    pixels = image.pixels.copy()
    x0, y0, x1, y1 = box
    pixels[0, y0:y1, x0:x1] += added
    return replace(image, pixels=pixels)


def shifted(image: SourceImage, right: int, down: int) -> SourceImage:
    return replace(image, pixels=np.roll(image.pixels, (down, right), (1, 2)))


def several(*images: SourceImage, **more: Any) -> ToolContext:
    store = ImageStore()
    views = {}
    for number, image in enumerate(images):
        store.put(image)
        views[f"V{number}"] = overview(image, 512)
    return ToolContext(store, views, {}, limits=LIMITS, **more)


def run(ctx: ToolContext, name: str, **arguments: Any) -> tuple[str, Any]:
    [tool] = make_tools(ctx, [name])
    message = tool.invoke({"type": "tool_call", "name": name, "args": arguments, "id": "1"})
    return message.text, message.artifact


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0.0) * max(high, 0.0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_a_planted_change_is_found_on_both_images_though_one_was_moved(liver: SourceImage) -> None:
    place = (250, 210, 270, 226)
    older, newer = shifted(liver, 9, -6), painted(liver, place, 150)
    text, artifact = run(several(older, newer), "compare")
    _, row_mm, col_mm = liver.spacing_mm or (0, 0, 0)
    assert artifact.facts["shift"] == pytest.approx([9 * col_mm, -6 * row_mm], abs=0.5)
    after, before = artifact.evidence[:2]
    assert (after.view, before.view) == ("V1", "V0")
    assert iou(after.box, place) > 0.8
    assert iou(before.box, (259, 204, 279, 220)) > 0.7
    assert "brighter" in text and "E1 on V1" in text and "E2 on V0" in text
    assert artifact.facts["same_patient"] is None and "one patient" in text


def test_nothing_is_told_where_nothing_changed(liver: SourceImage) -> None:
    text, artifact = run(several(shifted(liver, 4, 3), liver), "compare")
    assert not artifact.evidence
    assert "No difference" in text


@pytest.mark.parametrize("name", ["compare", "match", "transfer"])
def test_two_are_needed(liver: SourceImage, name: str) -> None:
    box = {} if name == "compare" else {"box": [10, 10, 60, 60]}
    with pytest.raises(ToolError, match="two images or slices are needed"):
        run(several(liver), name, **box)


def test_what_does_not_belong_together_is_refused_without_a_name(liver: SourceImage) -> None:
    mr = replace(painted(liver, (9, 9, 20, 20), 5), modality="MR")
    with pytest.raises(ToolError, match="different modalities \\(CT and MR\\)"):
        run(several(mr, liver), "compare")
    one, other = replace(mr, modality="CT", patient=b"a" * 32), replace(liver, patient=b"b" * 32)
    with pytest.raises(ToolError, match="different patients") as error:
        run(several(one, other), "compare")
    assert "aaa" not in str(error.value) and "bbb" not in repr(other)
    colour = SourceImage(np.repeat(liver.pixels[..., None] % 256, 3, axis=3).astype(np.uint8))
    with pytest.raises(ToolError, match="colour"):
        run(several(colour, liver), "compare")
    chest = open_image(DEMO / "chest_nodule.nii.gz")
    with pytest.raises(ToolError, match="do not match"):
        run(several(chest, liver), "compare")


def test_a_patch_is_found_where_it_is_and_nowhere_else(liver: SourceImage) -> None:
    ctx = several(shifted(liver, 7, 5), liver)
    text, artifact = run(ctx, "match", box=[200, 180, 260, 230], view="V1")
    [found] = artifact.evidence
    assert found.view == "V0" and iou(found.box, (207, 185, 267, 235)) > 0.9
    noise = np.random.default_rng(0).normal(0, 300, (60, 60)).astype(np.int16)
    gone = painted(liver, (0, 0, 1, 1), 1)
    gone.pixels[0, 175:235, 195:255] = noise
    text, artifact = run(several(gone, liver), "match", box=[200, 180, 250, 230], view="V1")
    assert not artifact.evidence and "No place" in text


def test_a_box_is_carried_to_another_modality_with_its_uncertainty(liver: SourceImage) -> None:
    inverted = (600 - np.clip(liver.pixels, -200, 400)).astype(np.int16)
    mr = replace(shifted(replace(liver, pixels=inverted), 6, -4), modality="MR", intensity_unit=None)
    text, artifact = run(several(mr, liver), "transfer", box=[200, 180, 260, 230], view="V1")
    [found] = artifact.evidence
    assert found.view == "V0" and iou(found.box, (206, 176, 266, 226)) > 0.9
    assert 0 <= artifact.facts["uncertainty"] < 5 and "uncertain by at least" in text


def ball(radius: float = 6.0) -> SourceImage:
    """A bright ball of 6 mm radius that drifts a pixel a slice, in noise."""
    rng = np.random.default_rng(3)
    z, y, x = np.indices((24, 80, 80), dtype=np.float64)
    inside = np.hypot(np.hypot(z - 12, y - 40), x - 40 - (z - 12)) < radius
    pixels = (rng.normal(0, 15, inside.shape) + np.where(inside, 300, 0)).astype(np.int16)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    return SourceImage(pixels, (1.0, 1.0, 1.0), affine, "CT", "HU", volume=True)


def test_a_region_is_followed_to_both_its_ends() -> None:
    image = ball()
    ctx = several(image)
    shown = overview(image, 512, 12)
    ctx = ToolContext(ctx.store, {"V0": shown}, {}, limits=LIMITS)
    text, artifact = run(ctx, "track", box=[34, 34, 47, 47])
    found = artifact.facts["box3d"]
    assert 6 <= found["first"] <= 8 and 16 <= found["last"] <= 18
    assert found["size_mm"][2] == pytest.approx(found["last"] + 1 - found["first"])
    assert found["mm"][2] == pytest.approx(found["first"] - 0.5)
    by_slice = {e.slice: e for e in artifact.evidence}
    assert set(by_slice) == set(range(found["first"], found["last"] + 1))
    assert iou(by_slice[15].box, (38, 35, 49, 46)) > 0.6, "the ball has drifted by three pixels"
    assert all(e.mm is not None and e.seen_in == artifact.views[0].id for e in artifact.evidence)
    assert artifact.views[0].slices == tuple(by_slice)
    assert "montage" in text


def test_one_slice_has_no_neighbours(liver: SourceImage) -> None:
    ctx = several(liver, grounder=FakeGrounder({}))
    asked: dict[str, dict[str, Any]] = {
        "track": {"box": [9, 9, 50, 50]},
        "montage": {},
        "find_slices": {"phrase": "liver"},
    }
    for name, given in asked.items():
        with pytest.raises(ToolError, match="one slice only"):
            run(ctx, name, **given)


def test_a_box_of_a_montage_is_one_of_its_slice() -> None:
    image = ball()
    ctx = several(image)
    _, artifact = run(ctx, "montage", slices=[12, 4, 20])
    [made] = artifact.views
    assert made.slices == (4, 12, 20) and render(made, image).size == (made.width, made.height)
    ctx = ToolContext(ctx.store, {**ctx.views, "V1": made}, {}, limits=LIMITS)
    left = made.tile[0]
    _, measured = run(ctx, "measure", view="V1", box=[left + 34, 34, left + 47, 47])
    assert measured.evidence[0].slice == 12
    assert measured.evidence[0].box == (34, 34, 47, 47)
    _, zoomed = run(ctx, "zoom", view="V1", box=[left + 34, 34, left + 47, 47])
    assert not zoomed.views[0].slices and zoomed.views[0].slice_index == 12
    with pytest.raises(ToolError, match="spans several slices"):
        run(ctx, "measure", view="V1", box=[left - 9, 34, left + 9, 47])
    with pytest.raises(BoxError, match="no slice"):
        made.frame.to_source(made.frame.box(left + 1, made.tile[1] + 1, left + 5, made.tile[1] + 5))


def test_slices_are_chosen_by_the_grounder() -> None:
    image = ball()
    ctx = several(image, grounder=FakeGrounder({"ball": (30, 30, 50, 50)}))
    text, artifact = run(ctx, "find_slices", phrase="ball", count=3)
    assert len(artifact.facts["slices"]) == 3 and artifact.facts["forward_passes"] >= 3
    assert {e.slice for e in artifact.evidence} == set(artifact.facts["slices"])
    assert "ball: the best of" in text
    text, artifact = run(ctx, "find_slices", phrase="cube")
    assert not artifact.views and "absent on all" in text


def test_the_shipped_locator_chooses_slices_of_a_real_stack() -> None:
    """Twelve slices, chest and upper abdomen in turn, each with noise of its own: the liver is on some."""
    chest, liver = (open_image(DEMO / f"{name}.nii.gz") for name in ("chest_nodule", "liver_spleen"))
    rng = np.random.default_rng(0)
    abdominal = {3, 4, 9}
    pixels = np.stack([(liver if index in abdominal else chest).pixels[0] for index in range(12)])
    noisy = (pixels + rng.normal(0, 4, pixels.shape)).astype(np.int16)
    affine = np.diag([0.7, 0.7, 2.5, 1.0])
    stack = SourceImage(
        noisy, (2.5, 0.7, 0.7), affine, "CT", "HU", default_window=liver.default_window, volume=True
    )
    ctx = several(stack, grounder=load_grounder("pocket"))
    text, artifact = run(ctx, "find_slices", phrase="liver", count=3)
    assert set(artifact.facts["slices"]) == abdominal and "liver: the best of 12 slices" in text
    [alone] = load_grounder("pocket").ground(overview(liver, 512), liver, ["liver"])
    place = alone.regions[0].box.to_source().as_tuple()
    assert all(iou(found.box, place) > 0.8 for found in artifact.evidence if found.slice in abdominal)
    text, artifact = run(ctx, "find_slices", phrase="urinary bladder")
    assert not artifact.views and "absent on all 12" in text


def test_a_phrase_that_no_grounder_knows_is_said_after_one_slice() -> None:
    class Detector(FakeGrounder):
        asked = 0

        def ground(self, view: View, image: SourceImage, phrases: Any) -> Any:
            self.asked += 1
            why = {"reason": "this detector has no class for 'cube'; its classes are: ball"}
            return [replace(one, absent=None, detail=why) for one in super().ground(view, image, phrases)]

    detector = Detector({})
    with pytest.raises(ToolError, match="no class for 'cube'"):
        run(several(ball(), grounder=detector), "find_slices", phrase="cube")
    assert detector.asked == 1


def test_a_synonym_is_looked_for_by_its_name_on_every_slice() -> None:
    ctx = several(ball(), grounder=FakeGrounder({"lung nodule": (30, 30, 50, 50)}))
    _, artifact = run(ctx, "find_slices", phrase="coin lesion", count=2)
    assert len(artifact.facts["slices"]) == 2 and not artifact.facts["absent"]


def test_a_region_outside_the_view_is_not_told(liver: SourceImage) -> None:
    newer = painted(liver, (250, 210, 270, 226), 150)
    ctx = several(liver, newer)
    whole = ctx.views["V1"]
    corner = zoom(whole, whole.frame.box(0, 0, 200, 180))
    ctx = ToolContext(ctx.store, {"V0": ctx.views["V0"], "V1": corner}, {}, limits=LIMITS)
    _, artifact = run(ctx, "compare")
    assert not artifact.evidence


def test_compact_models_are_not_offered_what_they_were_not_taught(liver: SourceImage) -> None:
    full = {tool.name for tool in make_tools(several(liver))}
    compact = {tool.name for tool in make_tools(several(liver, several=False))}
    assert set(SEVERAL) - full == {"find_slices"}, "there is no grounder"
    assert not compact & set(SEVERAL)


def test_a_montage_keeps_its_names_apart(liver: SourceImage) -> None:
    image = ball()
    view = overview(image, 512)
    told = View.model_validate(view.model_dump(mode="json", exclude={"id"}))
    assert told.id == view.id
