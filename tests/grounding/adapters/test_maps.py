"""Similarity maps: which part of the picture they cover, and where a planted patch comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image

from foveate.tools.grounding.registry import load_grounder
from foveate.tools.grounding.similarity import center_crop, map_grounder, relative, spread
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

from .tiny import save_clip, save_clipseg

Views = dict[str, View]
# the middle of patch (row 1, column 2) of 4 x 4 in the 120 x 60 picture: CLIP sees 32 of 40 pixels of its
# height, so 48 x 48 pixels round the middle; SigLIP sees all of it
CENTERS = {False: (60 - 24 + 2.5 * 12, 30 - 24 + 1.5 * 12), True: (2.5 * 30, 1.5 * 15)}


@pytest.mark.parametrize("siglip", [False, True])
def test_a_planted_patch_is_where_it_was_put(
    siglip: bool, tmp_path: Path, views: Views, picture: SourceImage
) -> None:
    """Of two signs of the planted embedding one is unlike the phrase; the other is the best patch."""
    loaded = [load_grounder(f"clip@{save_clip(tmp_path / str(s), siglip, sign=s)}") for s in (1.0, -1.0)]
    found = [g.ground(views["plain"], picture, ["lung"])[0] for g in loaded]
    x, y = CENTERS[siglip]
    warm = [f for f in found if f.heatmap is not None and f.heatmap[int(y), int(x)] > 0.9]
    assert warm, "neither sign made the planted patch the best one"
    [region] = warm[0].regions
    box = region.box
    assert box.x0 < x < box.x1 and box.y0 < y < box.y1 and box.center == pytest.approx((x, y), abs=1.0)
    assert box.width < (36 if not siglip else 60) and box.height < (36 if not siglip else 45)
    assert (warm[0].score_kind, warm[0].absent, warm[0].threshold) == ("relative", None, None)


def test_what_clip_does_not_see_is_cold(tmp_path: Path, views: Views, picture: SourceImage) -> None:
    grounder = load_grounder(f"clip@{save_clip(tmp_path / 'clip')}")
    found = {key: grounder.ground(view, picture, ["lung"])[0] for key, view in views.items()}
    assert found["plain"].detail["field"] == [36.0, 6.0, 84.0, 54.0]
    heat = found["plain"].heatmap
    assert heat is not None and not heat[:, :36].any() and not heat[:, 84:].any() and not heat[:6].any()
    np.testing.assert_allclose(np.rot90(found["turned"].heatmap, 1), heat, atol=1e-5)  # type: ignore[arg-type]
    np.testing.assert_allclose(found["mirrored"].heatmap[:, ::-1], heat, atol=1e-5)  # type: ignore[index]


def test_a_crop_of_a_stretched_picture() -> None:
    """Both sides to 64, then the middle 48: three quarters of each side."""
    assert center_crop(120, 60, (64, 64), (48, 48)) == (15, 7.5, 105, 52.5)
    assert center_crop(120, 60, (80, 40), (32, 32)) == (36, 6, 84, 54)


def test_clipseg_decides_absence_by_its_threshold(tmp_path: Path, views: Views, picture: SourceImage) -> None:
    folder = save_clipseg(tmp_path / "clipseg")
    low, high = (load_grounder(f"clipseg:threshold={t}@{folder}") for t in (0.0, 1.0))
    [everywhere], [nowhere] = (g.ground(views["plain"], picture, ["lung"]) for g in (low, high))
    assert everywhere.regions[0].box == views["plain"].frame.whole() and everywhere.absent is False
    assert nowhere.regions == () and nowhere.absent is True and nowhere.threshold == 1.0
    assert everywhere.best_score == nowhere.best_score and everywhere.score_kind == "fixed_scale"


class Planted:
    """A map model of one warm patch, as an adapter of a model with its own code would be."""

    fixed_scale = 0.5

    def maps(self, picture: Image, phrases: Any) -> Any:
        maps = np.zeros((len(phrases), 3, 6))
        maps[0, 2, 0] = 0.9
        return maps

    def field(self, width: int, height: int) -> tuple[float, float, float, float]:
        return 0.0, 0.0, float(width), float(height)


def test_the_seam_takes_a_map_on_a_fixed_scale(views: Views, picture: SourceImage) -> None:
    there, not_there = map_grounder("planted", Planted()).ground(views["plain"], picture, ["a", "b"])
    box = there.regions[0].box
    assert there.absent is False and box.x0 == 0 and box.y1 == 60 and box.x1 < 30 and box.y0 > 30
    assert not_there.absent is True and not_there.regions == () and there.best_score == pytest.approx(0.9)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(8, 90),
    st.integers(8, 90),
    st.floats(0.3, 1.0),
    st.booleans(),
)
def test_spreading_stays_in_the_field_and_in_range(
    rows: int, cols: int, width: int, height: int, share: float, square: bool
) -> None:
    patches = np.random.default_rng(0).random((rows, cols)).astype(np.float32)
    field = (
        center_crop(width, height, (width, height), (share * min(width, height),) * 2)
        if square
        else (0.0, 0.0, float(width), float(height))
    )
    heat = spread(patches, field, width, height)
    assert heat.shape == (height, width) and heat.dtype == np.float32
    assert heat.min() >= -1e-5 and heat.max() <= patches.max() + 1e-5
    x0, y0, x1, y1 = (round(edge) for edge in field)
    outside = np.ones_like(heat, dtype=bool)
    outside[max(0, y0) : y1, max(0, x0) : x1] = False
    assert not heat[outside].any()


def test_a_flat_map_points_nowhere() -> None:
    assert not relative(np.full((3, 3), 7.0, np.float32)).any()
