"""The pocket grounder keeps the protocol, with any weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.agent.demo import demo_folder
from foveate.tools.grounding.canvas import body_box, canvas_of
from foveate.tools.grounding.compete import Vocabulary, compete
from foveate.tools.grounding.dense import DenseConfig, DenseLocator, save_locator, tokenize
from foveate.tools.grounding.locator import PocketLocator
from foveate.tools.grounding.picture import NO_NAME
from foveate.tools.grounding.registry import GrounderError, load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.views import View, crop, flip_rotate, overview

from .conftest import TINY, locator_config

PHRASES = ["liver", "spleen", "brain tumour", "", "zzz 123"]


def test_one_grounding_per_phrase_in_order(weights: Path, ct: SourceImage) -> None:
    view = overview(ct, 48)
    found = PocketLocator(weights).ground(view, ct, PHRASES)
    assert [g.phrase for g in found] == PHRASES
    for g in found:
        assert g.score_kind == "fixed_scale" and g.threshold == 0.5
        assert g.absent is (not g.regions) and 0 <= g.best_score <= 1
        assert g.heatmap is not None and g.heatmap.shape == (view.height, view.width)
        assert g.heatmap.dtype == np.float32 and 0 <= g.heatmap.min() <= g.heatmap.max() <= 1
        assert all(r.box.frame == view.frame for r in g.regions)
    assert any(g.regions for g in found)


def test_a_slice_is_encoded_once_for_all_its_views(weights: Path, ct: SourceImage) -> None:
    locator, view = PocketLocator(weights), overview(ct, 48)
    first = locator.ground(view, ct, ["liver", "spleen"])
    assert [g.forward_passes for g in first] == [1, 0]
    closer = crop(view, view.frame.box(4, 4, 30, 30))
    assert locator.ground(closer, ct, ["liver"])[0].forward_passes == 0


@pytest.mark.parametrize("turns,flip", [(0, True), (1, False), (2, True), (3, False)])
def test_turning_the_view_does_not_move_the_finding(
    weights: Path, ct: SourceImage, turns: int, flip: bool
) -> None:
    locator, view = PocketLocator(weights), overview(ct, 64)
    plain = locator.ground(view, ct, ["liver"])[0]
    turned = locator.ground(flip_rotate(view, turns, flip), ct, ["liver"])[0]
    assert plain.best_score == turned.best_score
    for a, b in zip(plain.regions, turned.regions, strict=True):
        assert a.box.to_source().as_tuple() == pytest.approx(b.box.to_source().as_tuple())


def test_the_heatmap_turns_with_the_view(weights: Path, ct: SourceImage) -> None:
    locator, view = PocketLocator(weights), overview(ct, 64)
    plain = locator.ground(view, ct, ["liver"])[0].heatmap
    flipped = locator.ground(flip_rotate(view, 0, True), ct, ["liver"])[0].heatmap
    assert plain is not None and flipped is not None
    np.testing.assert_allclose(plain, flipped[:, ::-1], atol=1e-4)


def test_a_neurological_image_is_read_mirrored(weights: Path, ct: SourceImage) -> None:
    other = SourceImage(
        ct.pixels[:, :, ::-1], spacing_mm=ct.spacing_mm, affine=ct.affine, modality="CT", intensity_unit="HU",
        volume=True, convention="neurological", patient_side_known=True,
    )  # fmt: skip
    locator = PocketLocator(weights)
    a = locator.ground(overview(ct, 64), ct, ["liver"])[0].regions[0].box.to_source()
    b = locator.ground(overview(other, 64), other, ["liver"])[0].regions[0].box.to_source()
    assert (64 - b.x1, b.y0, 64 - b.x0, b.y1) == pytest.approx(a.as_tuple())


def test_a_crop_only_tells_of_what_it_shows(weights: Path, ct: SourceImage) -> None:
    locator, view = PocketLocator(weights), overview(ct, 64)
    small = crop(view, view.frame.box(20, 24, 40, 44))
    for region in locator.ground(small, ct, ["liver"])[0].regions:
        x0, y0, x1, y1 = region.box.to_source().as_tuple()
        assert x0 >= 20 - 1e-6 and y0 >= 24 - 1e-6 and x1 <= 40 + 1e-6 and y1 <= 44 + 1e-6


def test_below_the_threshold_a_phrase_is_absent(tmp_path: Path, ct: SourceImage) -> None:
    save_locator(DenseLocator(TINY), tmp_path, locator_config(offset=-1000.0))
    found = PocketLocator(tmp_path).ground(overview(ct, 48), ct, ["liver"])[0]
    assert found.absent is True and found.regions == () and found.best_score < 0.01


def test_pictures_without_units_work(weights: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 50, 70), (1, 50, 70, 3)):
        image = SourceImage(rng.integers(0, 255, shape).astype(np.uint8))
        found = PocketLocator(weights).ground(overview(image, 64), image, ["liver"])
        assert found[0].heatmap is not None


def test_a_view_of_another_image_is_an_error(weights: Path, ct: SourceImage) -> None:
    view: View = overview(ct, 48).model_copy(update={"image_id": "0" * 64})
    with pytest.raises(ValueError, match="another image"):
        PocketLocator(weights).ground(view, ct, ["liver"])


def test_weights_survive_the_disk(tmp_path: Path) -> None:
    model = DenseLocator(TINY).eval()
    save_locator(model, tmp_path, locator_config())
    loaded = PocketLocator(tmp_path).model
    with torch.inference_mode():
        a, b = model.encode_text(["left kidney"]), loaded.encode_text(["left kidney"])
    np.testing.assert_allclose(a.numpy(), b.numpy(), atol=5e-3)


def test_the_registry_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(GrounderError, match="no grounder 'nosuch'"):
        load_grounder("nosuch")
    with pytest.raises(GrounderError, match="no weights"):
        load_grounder(f"pocket@{tmp_path}")
    with pytest.raises(GrounderError, match="recipe"):
        load_grounder("pocket:fast")


def test_the_registry_loads_from_a_folder(weights: Path) -> None:
    assert load_grounder(f"pocket@{weights}").name == "pocket"


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_tokenized(phrase: str) -> None:
    ids, mask = tokenize([phrase, "left kidney"], DenseConfig())
    assert ids.shape[:2] == mask.shape and bool(mask.any(1).all()) and int(ids.max()) < DenseConfig().buckets


def test_words_are_read_whatever_their_case() -> None:
    assert torch.equal(tokenize(["Left Kidney"], TINY)[0], tokenize(["left, kidney!"], TINY)[0])


def test_the_canvas_holds_the_body_at_square_millimetres(ct: SourceImage) -> None:
    x0, y0, x1, y1 = body_box(ct.pixels[0] > -300)
    canvas = canvas_of(ct, "axial", 0, None)
    assert canvas.is_hu and not canvas.mirrored
    assert canvas.origin[0] <= x0 and canvas.origin[1] <= y0
    height, width = canvas.values.shape
    assert (
        canvas.origin[0] + width * canvas.step[0] >= x1 and canvas.origin[1] + height * canvas.step[1] >= y1
    )
    inputs, (w, h) = canvas.inputs(4.0, 32)
    assert inputs.shape[2] % 32 == 0 and inputs.shape[3] % 32 == 0
    assert (w, h) == (round(width * canvas.mm / 4), round(height * canvas.mm / 4))


def test_configs_differ_by_what_they_say() -> None:
    assert DenseLocator(replace(TINY, embed=12)).encode_text(["a"]).shape == (1, 12)


def test_a_pixel_counts_for_the_name_that_it_says_loudest() -> None:
    table = {
        "lung": {"parts": ["upper", "lower"], "exclusive": False},
        "upper lobe": {"parts": ["upper"], "exclusive": True},
        "heart": {"parts": ["heart"], "exclusive": True},
    }
    vocabulary = Vocabulary.of(table, torch.eye(3))
    assert vocabulary.rivals(torch.eye(3)[0]).tolist() == [False, False, True]
    assert vocabulary.rivals(torch.eye(3)[2]).tolist() == [False, True, False]
    unknown = torch.ones(3) / 3**0.5
    assert vocabulary.nearest(unknown) is None and vocabulary.rivals(unknown).tolist() == [False, True, True]
    known = torch.tensor([[[2.0, 2.0]], [[-1.0, 3.0]], [[-1.0, -1.0]]])
    assert compete(torch.tensor([[1.0, 1.0]]), known, [False, True, True]).tolist() == [[1.0, -2.0]]
    assert compete(torch.tensor([[1.0, 1.0]]), known, [False, False, False]).tolist() == [[1.0, 1.0]]


def test_a_name_that_it_was_not_taught_is_marked_where_it_is_not_found() -> None:
    image = open_image(demo_folder() / "liver_spleen.nii.gz")
    phrases = ["flux capacitor", "pleural effusion", "urinary bladder", "liver"]
    *strange, bladder, liver = load_grounder("pocket").ground(overview(image, 512), image, phrases)
    assert all(one.absent and one.detail == {NO_NAME: True} for one in strange)
    assert bladder.absent and not bladder.detail and not liver.detail
