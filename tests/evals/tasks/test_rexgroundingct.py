"""ReXGroundingCT: masks of instances become boxes, and boxes are measured against the masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Question, Target
from foveate.evals.registry import task_named
from foveate.evals.tasks.solids import boxes_of, filled
from foveate.tools.imaging.image import SourceImage

from .answers import right, scored, table
from .loading import edit, made, refused

JSON = "rexgroundingct/dataset.json"
corner = st.integers(0, 5)


@given(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=4))
def test_boxes_hold_their_instances_tightly(corners: list[tuple[int, int, int]]) -> None:
    instances = np.zeros((8, 8, 8), np.int16)
    for number, (a, b, c) in enumerate(corners, start=1):
        instances[a : a + 2, b : b + 3, c : c + 1] = number
    volume = SourceImage(instances, volume=True)
    found = boxes_of(volume)
    assert len(found) == len(np.unique(instances)) - 1
    assert filled(found, volume)[instances > 0].all()
    for region in found:
        mask = filled((region,), volume)
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
    assert full == pytest.approx({
        "dice": 1, "dice_per_case": 1, "hit@0.1": 1, "oracle_dice": 1, "miou_3d": 1,
        "instance_precision": 1, "instance_recall": 1, "instance_f1": 1,
        "distance_precision": 1, "distance_recall": 1, "distance_f1": 1,
    })  # fmt: skip

    def whole(question, target):  # type: ignore[no-untyped-def]
        answer = right(question, target)
        region = replace(answer.regions[0], box=(0.0, 0.0, 24.0, 20.0), slice_index=0, slice_stop=12)
        return replace(answer, regions=(region,), claims=(replace(answer.claims[0], regions=(0,)),))

    missed = table(task, scored(task, items, whole))
    # the whole volume is one instance: it overlaps with none, and its centre is near none
    assert missed["dice"] < 0.1 and missed["instance_f1"] == missed["distance_f1"] == 0


def test_every_sprayed_box_is_an_instance_too_many(tmp_path: Path) -> None:
    task, items = task_named("rexgroundingct"), made("rexgroundingct", tmp_path)

    def sprayed(question: Question, target: Target) -> Prediction:
        answer = right(question, target)
        spots = [(x, y) for x in (0, 12, 20) for y in (0, 14)]
        first = replace(answer.regions[0], slice_index=0, slice_stop=2)
        more = [replace(first, box=(x, y, x + 3.0, y + 3.0)) for x, y in spots]
        regions = (*answer.regions, *more)
        claim = replace(answer.claims[0], regions=tuple(range(len(regions))))
        return replace(answer, regions=regions, claims=(claim,))

    found = table(task, scored(task, items, sprayed))
    assert found["instance_recall"] == 1 and found["instance_precision"] < 0.4


def test_a_finding_that_is_not_focal_is_near_by_its_surface(tmp_path: Path) -> None:
    task, items = task_named("rexgroundingct"), made("rexgroundingct", tmp_path)
    counts = {}
    for question in items.questions:
        target = items.targets[question.id]
        away = tuple(replace(r, box=tuple(v + 1 for v in r.box)) for r in target.regions)
        reading = Reading("read", regions=away)
        counts[question.filters["focal"]] = task.score(question, reading, target, None)
    # one voxel aside is within twice the largest step, though too little of the small one is covered
    assert counts["focal"]["distance_hits"] == 2 and counts["not focal"]["distance_hits"] == 1
    assert all(values["distance_extra"] == values["distance_missed"] == 0 for values in counts.values())


def test_wrong_entries(tmp_path: Path) -> None:
    made("rexgroundingct", tmp_path)
    edit(tmp_path / JSON, '"1": "a cyst"', '"5": "a cyst"')
    refused(
        "rexgroundingct", tmp_path, r"dataset\.json, line \d+: finding 5 has no mask; expected .* has 2", 1
    )
    edit(tmp_path / JSON, '"categories"', '"kinds"')
    refused("rexgroundingct", tmp_path, "'findings' or 'categories' is no object", 0)
