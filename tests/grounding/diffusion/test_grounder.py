"""The diffusion grounder keeps the protocol: boxes in the view, relative scores, calibrated absence."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.tools import ToolException

from foveate.tools.context import ToolContext, ToolLimits
from foveate.tools.grounding.diffusion.grounder import DiffusionGrounder
from foveate.tools.grounding.diffusion.presence import Calibration, save_calibrations
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import load_recipe
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, crop, flip_rotate, overview
from foveate.tools.toolbox import make_tools

from ..conftest import ct as ct  # the small CT of the other grounders' tests
from .tiny import save_pipeline

FAST = replace(
    load_recipe("fast"), sides=(4, 8), propagate=((4, 1),), contrast=("nothing found",), contrast_weight=1.0,
    latents=4, queries="shared",
)  # fmt: skip
PHRASES = ["left lung opacity", "nodule"]


@pytest.fixture(params=["letterbox", "crop"])
def grounder(request: pytest.FixtureRequest, sd: Denoiser) -> DiffusionGrounder:
    return DiffusionGrounder(sd, replace(FAST, fit=request.param))


def test_one_grounding_per_phrase_for_shared_work(grounder: DiffusionGrounder, ct: SourceImage) -> None:
    view = overview(ct, 48)
    found = grounder.ground(view, ct, PHRASES)
    assert [g.phrase for g in found] == PHRASES and [g.forward_passes for g in found] == [4, 0]
    for g in found:
        assert (g.score_kind, g.absent, g.threshold) == ("relative", None, None)
        assert g.regions and all(r.box.frame == view.frame and 0 < r.score <= 1 for r in g.regions)
        assert g.heatmap is not None and g.heatmap.shape == (48, 48) and g.heatmap.dtype == np.float32
        assert g.detail["recipe"] == "fast" and g.detail["layers_read"]
        json.dumps(g.detail)


@pytest.mark.parametrize(("turns", "flip"), [(0, True), (1, False), (2, True), (3, False)])
def test_turning_the_view_does_not_move_the_finding(
    turns: int, flip: bool, grounder: DiffusionGrounder, ct: SourceImage
) -> None:
    view = overview(ct, 64)
    wide = view.model_copy(update={"region": (0.0, 8.0, 64.0, 56.0), "height": 48})
    wide = View(**{name: getattr(wide, name) for name in View.model_fields})
    turned = flip_rotate(wide, turns, flip)
    plain, other = (grounder.ground(v, ct, ["nodule"])[0] for v in (wide, turned))
    for a, b in zip(plain.regions, other.regions, strict=True):
        assert a.box.to_source().as_tuple() == pytest.approx(b.box.to_source().as_tuple())
    assert other.heatmap is not None and other.heatmap.shape == (turned.height, turned.width)
    back = np.rot90(other.heatmap, turns)
    np.testing.assert_allclose(back[:, ::-1] if flip else back, plain.heatmap, atol=1e-5)


def test_heat_and_boxes_agree(grounder: DiffusionGrounder, ct: SourceImage) -> None:
    """The hottest place of the shown map lies in a box, also in a turned view."""
    view = flip_rotate(overview(ct, 64), 1, True)
    [found] = grounder.ground(view, ct, ["nodule"])
    assert found.heatmap is not None
    y, x = divmod(int(found.heatmap.argmax()), view.width)
    assert any(r.box.x0 <= x + 0.5 <= r.box.x1 and r.box.y0 <= y + 0.5 <= r.box.y1 for r in found.regions)


def test_a_neurological_image_is_read_mirrored(grounder: DiffusionGrounder, ct: SourceImage) -> None:
    other = SourceImage(
        ct.pixels[:, :, ::-1], spacing_mm=ct.spacing_mm, affine=ct.affine, modality="CT", intensity_unit="HU",
        volume=True, convention="neurological", patient_side_known=True,
    )  # fmt: skip
    found = [grounder.ground(overview(i, 64), i, ["nodule"])[0] for i in (ct, other)]
    a, b = (g.regions[0].box.to_source() for g in found)
    assert (64 - b.x1, b.y0, 64 - b.x0, b.y1) == pytest.approx(a.as_tuple())


def test_a_crop_tells_of_what_it_shows(grounder: DiffusionGrounder, ct: SourceImage) -> None:
    view = overview(ct, 64)
    small = crop(view, view.frame.box(20, 24, 40, 44))
    for region in grounder.ground(small, ct, ["nodule"])[0].regions:
        x0, y0, x1, y1 = region.box.to_source().as_tuple()
        assert x0 >= 20 and y0 >= 24 and x1 <= 40 and y1 <= 44


def test_a_models_own_window_is_used_for_hounsfield_units(sd: Denoiser, ct: SourceImage) -> None:
    spec = replace(sd.image, window=(-600.0, 100.0))
    windowed = DiffusionGrounder(Windowed(sd, spec), FAST)
    both = (DiffusionGrounder(sd, FAST), windowed)
    plain, other = (g.ground(overview(ct, 64), ct, ["nodule"])[0] for g in both)
    assert not np.allclose(plain.heatmap, other.heatmap, atol=1e-3)  # type: ignore[arg-type]


class Windowed:
    """A denoiser with another image specification."""

    def __init__(self, inner: Any, image: Any) -> None:
        self.inner, self.image = inner, image

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize(("offset", "absent"), [(-50.0, True), (50.0, False)])
def test_a_shown_calibration_decides_absence(
    offset: float, absent: bool, tmp_path: Path, ct: SourceImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_pipeline(tmp_path)
    save_calibrations(folder, [Calibration("g", "noise", 1.0, offset, 0.5, 30, 40, 0.9, 0.1, 0.95, 0.7)])
    where = "foveate.tools.grounding.adapters.diffusion.load_recipe"
    monkeypatch.setattr(where, lambda name: replace(FAST, name="g"))
    [found] = load_grounder(f"diffusion@{folder}").ground(overview(ct, 64), ct, ["nodule"])
    assert found.absent is absent and bool(found.regions) is not absent and found.threshold == 0.5
    assert found.score_kind == "relative" and found.best_score == pytest.approx(float(not absent))
    shown = {"score": "noise", "positives": 30, "negatives": 40, "auc": 0.9, "brier": 0.1}
    shown |= {"sensitivity": 0.95, "specificity": 0.7}
    assert found.detail["presence_calibration"] == shown and "presence_score" in found.detail


def test_a_prior_is_reported_with_its_baseline(sd: Denoiser, ct: SourceImage) -> None:
    [found] = DiffusionGrounder(sd, replace(FAST, prior_weight=1.0)).ground(overview(ct, 64), ct, PHRASES[:1])
    assert found.detail["prior_weight"] == 1.0 and len(found.detail["prior_only_boxes"]) == 1


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.full((1, 30, 30), 7, np.int16), "one colour"),
        (np.arange(36, dtype=np.int16).reshape(1, 6, 6), "smaller than the model's latent grid"),
        (np.where(np.eye(30) > 0, np.nan, 1.0).astype(np.float32)[None], "not numbers"),
    ],
)
def test_images_that_cannot_be_grounded(sd: Denoiser, pixels: np.ndarray, told: str) -> None:
    image = SourceImage(pixels)
    with pytest.raises(GrounderError, match=told):
        DiffusionGrounder(sd, FAST).ground(overview(image, 64), image, ["nodule"])


def test_the_registry_knows_recipes_and_models(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_grounder(f"diffusion:ldm-2025@{pipeline}")
    assert isinstance(found, DiffusionGrounder) and found.recipe == load_recipe("ldm-2025")
    assert found.name == "diffusion:ldm-2025@tiny-sd"
    with pytest.raises(GrounderError, match="no recipe"):
        load_grounder(f"diffusion:magic@{pipeline}")
    with pytest.raises(GrounderError, match="no diffusion model"):
        load_grounder("diffusion@nowhere-at-all")
    monkeypatch.setenv("FOVEATE_DIFFUSION", "/nowhere")
    with pytest.raises(GrounderError, match=r"foveate\.pocket\.diffusion\.train"):
        load_grounder("diffusion")


def test_the_agents_ground_tool_takes_it_and_never_says_absent(sd: Denoiser, ct: SourceImage) -> None:
    store, view = ImageStore(), overview(ct, 64)
    store.put(ct)
    made = make_tools(ToolContext(store, {"V0": view}, {}, DiffusionGrounder(sd, FAST), ToolLimits(64, 16)))
    tool = next(t for t in made if t.name == "ground")

    def ask(phrase: str) -> Any:
        return tool.invoke({"type": "tool_call", "name": "ground", "args": {"phrase": phrase}, "id": "1"})

    told = ask("nodule")
    assert told.artifact.facts["absent"] is None and told.artifact.facts["forward_passes"] == 4
    assert {e.score_kind for e in told.artifact.evidence} == {"relative"}
    with pytest.raises(ToolException, match="no content words"):
        ask("the of")


def test_calls_made_together_do_not_mix(sd: Denoiser, ct: SourceImage) -> None:
    view = overview(ct, 64)
    alone = [DiffusionGrounder(sd, replace(FAST, seed=s)).ground(view, ct, ["nodule"])[0] for s in range(4)]
    with ThreadPoolExecutor(4) as pool:
        grounders = [DiffusionGrounder(sd, replace(FAST, seed=s)) for s in range(4)]
        jobs = [pool.submit(grounder.ground, view, ct, ["nodule"]) for grounder in grounders]
    for one, job in zip(alone, jobs, strict=True):
        np.testing.assert_array_equal(one.heatmap, job.result()[0].heatmap)
