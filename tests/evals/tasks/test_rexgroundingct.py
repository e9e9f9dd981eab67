"""ReXGroundingCT: masks of instances become boxes, and boxes are measured against the masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.registry import task_named
from foveate.evals.tasks.rexgroundingct import boxes_of, filled

from .answers import right, scored, table
from .loading import edit, made, refused

JSON = "rexgroundingct/dataset.json"
corner = st.integers(0, 5)


@given(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=4))
def test_boxes_hold_their_instances_tightly(corners: list[tuple[int, int, int]]) -> None:
    instances = np.zeros((8, 8, 8), np.int16)
    for number, (a, b, c) in enumerate(corners, start=1):
        instances[a : a + 2, b : b + 3, c : c + 1] = number
    found = boxes_of(instances)
    assert len(found) == len(np.unique(instances)) - 1
    assert filled(found, instances.shape)[instances > 0].all()
    for region in found:
        mask = filled((region,), instances.shape)
        values = set(np.unique(instances[mask])) - {0}
        assert any(not (instances == value)[~mask].any() for value in values)


def test_instances_categories_and_clusters(tmp_path: Path) -> None:
    items = made("rexgroundingct", tmp_path)
    two, one = items.questions
    # the volume is stored with x to the right and y to the front: both are turned when it is opened
    assert {(r.slice_index, r.slice_stop) for r in items.targets[two.id].regions} == {(5, 8), (6, 10)}
    assert {r.box for r in items.targets[two.id].regions} == {(15, 10, 21, 16), (4, 2, 9, 8)}
    assert [q.filters["focal"] for q in items.questions] == ["focal", "not focal"]
    assert two.images[0].slice_index == 6 and len(items.targets[one.id].regions) == 1


def test_boxes_of_boxes_are_perfect_and_too_large_boxes_are_not(tmp_path: Path) -> None:
    task, items = task_named("rexgroundingct"), made("rexgroundingct", tmp_path)
    full = table(task, scored(task, items, right))
    assert full == pytest.approx({"dice": 1, "hit@0.1": 1, "oracle_dice": 1, "miou_3d": 1})

    def whole(question, target):  # type: ignore[no-untyped-def]
        answer = right(question, target)
        region = replace(answer.regions[0], box=(0.0, 0.0, 24.0, 20.0), slice_index=0, slice_stop=12)
        return replace(answer, regions=(region,), claims=(replace(answer.claims[0], regions=(0,)),))

    assert table(task, scored(task, items, whole))["dice"] < 0.1


def test_wrong_entries(tmp_path: Path) -> None:
    made("rexgroundingct", tmp_path)
    edit(tmp_path / JSON, '"1": "a cyst"', '"5": "a cyst"')
    refused(
        "rexgroundingct", tmp_path, r"dataset\.json, line \d+: finding 5 has no mask; expected .* has 2", 1
    )
    edit(tmp_path / JSON, '"categories"', '"kinds"')
    refused("rexgroundingct", tmp_path, "'findings' or 'categories' is no object", 0)
