"""COCO mAP against pycocotools and worked cases."""

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from foveate.evals.metrics.boxes import LabelledBoxes
from foveate.evals.metrics.detection import (
    AREAS,
    Detections,
    coco_map,
    join_matches,
    match_class,
    match_detections,
    score_matches,
)

from .strategies import SCORES, boxes

scale = st.sampled_from([1.0, 8.0])  # areas on both sides of 32^2
labelled = st.tuples(boxes(), st.integers(0, 1), scale)


@st.composite
def images(draw):
    truth = [(tuple(v * s for v in b), c) for b, c, s in draw(st.lists(labelled, max_size=4))]
    given_ = [(tuple(v * s for v in b), c) for b, c, s in draw(st.lists(labelled, max_size=4))]
    kept = draw(st.lists(st.sampled_from(truth), max_size=3)) if truth else []
    given_ += [((b[0], b[1], b[2] + 1, b[3]), c) for b, c in kept]
    return given_, truth


def _coco_stats(predictions, truths):
    def xywh(b):
        return [b[0], b[1], b[2] - b[0], b[3] - b[1]]

    annotations, results = [], []
    for image, (predicted, truth) in enumerate(zip(predictions, truths, strict=True), start=1):
        for box, label in zip(truth.boxes, truth.labels, strict=True):
            area = (box[2] - box[0]) * (box[3] - box[1])
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": label, "bbox": xywh(box),
                 "area": area, "iscrowd": 0}
            )  # fmt: skip
        for box, score, label in zip(predicted.boxes, predicted.scores, predicted.labels, strict=True):
            results.append({"image_id": image, "category_id": label, "bbox": xywh(box), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i + 1} for i in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": c} for c in (0, 1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@settings(max_examples=60)
@given(st.lists(images(), min_size=1, max_size=3), st.data())
def test_agrees_with_pycocotools(cases, data):
    predictions = [
        Detections([b for b, _ in g], [c for _, c in g], [data.draw(SCORES) for _ in g]) for g, _ in cases
    ]
    truths = [LabelledBoxes([b for b, _ in t], [c for _, c in t]) for _, t in cases]
    if not any(p.scores for p in predictions):
        return  # loadRes refuses an empty list
    stats = _coco_stats(predictions, truths)
    whole = coco_map(predictions, truths)
    ours = [whole.map, whole.map50, whole.map75]
    ours += [coco_map(predictions, truths, area=AREAS[name]).map for name in ("small", "medium", "large")]
    assert [-1 if math.isnan(v) else v for v in ours] == pytest.approx(list(stats[:6]), abs=1e-9)


def test_a_perfect_answer_and_none():
    truth = [LabelledBoxes([(0, 0, 10, 10), (20, 20, 40, 40)], [3, 5])]
    perfect = coco_map([Detections(truth[0].boxes, [3, 5], [0.9, 0.8])], truth)
    assert (perfect.map, perfect.map50, perfect.per_class) == (1, 1, {3: 1, 5: 1})
    assert coco_map([Detections([], [], [])], truth).map == 0
    assert math.isnan(coco_map([Detections([], [], [])], [LabelledBoxes([], [])]).map)


def test_average_precision_by_hand():
    # Ranked hit, miss, hit with two objects: precision 1 up to recall .5, then 2/3.
    truth = [LabelledBoxes([(0, 0, 10, 10), (50, 50, 60, 60)], [0, 0])]
    predicted = [Detections([(0, 0, 10, 10), (80, 80, 90, 90), (50, 50, 60, 60)], [0, 0, 0], [0.9, 0.8, 0.7])]
    assert coco_map(predicted, truth).map == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_sprayed_boxes_with_lower_scores_after_all_hits_cost_nothing_but_before_them_they_do():
    truth = [LabelledBoxes([(0, 0, 10, 10)], [0])]
    spray = [(x, 50.0, x + 5.0, 55.0) for x in range(20)]
    labels = [0] * 21
    late = coco_map([Detections([(0, 0, 10, 10), *spray], labels, [0.9] + [0.1] * 20)], truth)
    early = coco_map([Detections([(0, 0, 10, 10), *spray], labels, [0.1] + [0.9] * 20)], truth)
    assert late.map == 1
    assert early.map == pytest.approx(1 / 21)


def test_equal_scores_are_told():
    truth = [LabelledBoxes([(0, 0, 10, 10)], [0])]
    two = [(0.0, 0.0, 10.0, 10.0), (5.0, 5.0, 9.0, 9.0)]
    assert not coco_map([Detections(two, [0, 0], [1.0, 1.0])], truth).ranked
    assert coco_map([Detections(two, [0, 0], [1.0, 0.9])], truth).ranked
    with pytest.raises(ValueError, match="finite score"):
        coco_map([Detections(two, [0, 0], [1.0, np.nan])], truth)


@given(st.lists(images(), min_size=1, max_size=3), st.data())
def test_a_resample_scores_as_the_repeated_images_themselves(cases, data):
    # no two boxes share a score: the order of equals is arbitrary
    count = sum(len(g) for g, _ in cases)
    scores = iter(data.draw(st.permutations([k / 100 for k in range(count)])))
    predictions = [
        Detections([b for b, _ in g], [c for _, c in g], [next(scores) for _ in g]) for g, _ in cases
    ]
    truths = [LabelledBoxes([b for b, _ in t], [c for _, c in t]) for _, t in cases]
    drawn = data.draw(st.lists(st.integers(0, len(cases) - 1), min_size=1, max_size=5))
    resampled = score_matches(match_detections(predictions, truths), np.array(drawn))
    repeated = coco_map([predictions[i] for i in drawn], [truths[i] for i in drawn])
    assert resampled.map == pytest.approx(repeated.map, nan_ok=True)
    assert resampled.per_class == pytest.approx(repeated.per_class)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.lists(boxes(), max_size=3), st.lists(boxes(), max_size=3)), max_size=5
    )
)
def test_images_matched_one_by_one_and_joined_score_as_all_together(cases):
    scores = iter(np.linspace(1, 0, 50))
    given_ = [Detections(g, [c] * len(g), [next(scores) for _ in g]) for c, g, _ in cases]
    truth = [LabelledBoxes(t, [c] * len(t)) for c, _, t in cases]
    parts = [(c, match_class(p, t, c)) for (c, _, _), p, t in zip(cases, given_, truth, strict=True)]
    one, other = score_matches(join_matches(parts)), coco_map(given_, truth)
    assert one.per_class == other.per_class and one.ranked == other.ranked
    assert one.map == other.map or (math.isnan(one.map) and math.isnan(other.map))
