"""Heat maps against boxes: by hand, against the metric kit, and nothing for what has no map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.contract.answers import HeatMap, Prediction, Reading
from foveate.evals.contract.questions import Corners, Question, Region, Target
from foveate.evals.contract.tasks import Scored
from foveate.evals.inspect.heat import Heat, save_heat
from foveate.evals.metrics import heatmaps
from foveate.evals.scoring.heat import _box_mask, heat_metrics, score_heat
from foveate.evals.scoring.reading import read

EXTENT = (0.0, 0.0, 40.0, 20.0)
VALUES = {"miou_heat", "cnr", "cnr_abs", "auc_roc", "pointing"}
Values = npt.NDArray[Any]


def kept(folder: Path, values: Values, extent: Corners = EXTENT, slice_index: int = 0) -> HeatMap:
    """A heat map as a run keeps it, its file found."""
    told = save_heat(folder, "q", Heat(values.astype(np.float32), extent, slice_index))
    return replace(told, file=str(folder / told.file))


def scores(heat: HeatMap | None, *boxes: Corners) -> dict[str, float]:
    reading = Reading("no_box", heatmap=heat)
    return dict(score_heat(reading, Target(regions=tuple(Region(box) for box in boxes))))


def test_a_map_of_half_the_size_is_measured_on_its_own_grid(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((10, 20))
    values[2:6, 4:10] += 1
    found = scores(kept(tmp_path, values), (8, 4, 20, 12))
    mask = np.zeros((10, 20), bool)
    mask[2:6, 4:10] = True
    assert found == pytest.approx({
        "miou_heat": heatmaps.threshold_miou(values.astype(np.float32), mask),
        "cnr": heatmaps.cnr(values, mask, ddof=1), "cnr_abs": abs(heatmaps.cnr(values, mask)),
        "auc_roc": 1.0, "pointing": 1.0,
    }, abs=1e-5)  # fmt: skip


def test_a_map_that_points_away_has_a_negative_contrast(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((10, 20))
    values[2:6, 4:10] -= 2
    found = scores(kept(tmp_path, values), (8, 4, 20, 12))
    assert found["cnr"] < 0 < found["cnr_abs"] and found["auc_roc"] == found["pointing"] == 0


def test_a_part_of_the_slice_is_placed_by_its_extent(tmp_path: Path) -> None:
    values = np.zeros((10, 10))
    values[5:, 5:] = np.random.default_rng(2).random((5, 5)) + 1
    found = scores(kept(tmp_path, values, (20.0, 10.0, 30.0, 20.0)), (25, 15, 30, 20))
    assert found["auc_roc"] == 1 and found["miou_heat"] > 0.9


@given(st.floats(0, 38), st.floats(0, 18), st.floats(0.01, 2), st.floats(0.01, 2))
def test_a_box_smaller_than_a_pixel_still_has_one(x: float, y: float, width: float, height: float) -> None:
    mask = _box_mask((x, y, x + width, y + height), HeatMap("", EXTENT), (4, 8))
    assert 1 <= mask.sum() <= 4


def test_nothing_without_a_map_or_something_to_find(tmp_path: Path) -> None:
    values = np.random.default_rng(3).random((10, 20))
    assert scores(None, (1, 1, 5, 5)) == scores(kept(tmp_path, values)) == {}
    assert scores(kept(tmp_path, values, slice_index=3), (1, 1, 5, 5)) == {}
    flat = scores(kept(tmp_path, np.ones((10, 20))), (8, 4, 20, 12))
    assert flat == {"miou_heat": 0, "cnr": 0, "cnr_abs": 0, "auc_roc": 0.5, "pointing": 0}


def test_the_map_goes_with_the_reading_whatever_its_outcome(tmp_path: Path) -> None:
    heat = kept(tmp_path, np.ones((2, 2)))
    question = Question("q", (), "Where?", "boxes", "c")
    assert read(question, Prediction("phrase", heatmap=heat)).heatmap == heat
    assert read(question, Prediction("phrase")).heatmap is None


def sample(finding: str, values: dict[str, float], boxes: int = 1) -> Scored:
    target = Target(regions=(Region((0, 0, 1, 1)),) * boxes)
    return Scored("q", "c", "boxes", Reading("read"), target, values, filters={"finding": finding})


def test_findings_weigh_the_same_and_a_missing_map_counts_as_nothing() -> None:
    rows = {metric.name: metric.over for metric in heat_metrics()}
    assert set(rows) == VALUES
    pointing, cnr = rows["pointing"], rows["cnr"]
    assert pointing is not None and cnr is not None
    found = dict.fromkeys(VALUES, 1.0)
    half = [sample("a", found)] * 3 + [sample("b", found), sample("b", {})]
    assert pointing(half) == pytest.approx((1 + 0.5) / 2)
    assert np.isnan(pointing([sample("a", {"miou_box": 1.0})]))
    # an infinite contrast is left out, and so is what there is nothing to find for
    assert cnr([sample("a", {"miou_heat": 1.0}), sample("a", found), sample("a", {}, boxes=0)]) == 1
