"""RoDeO against a value of the authors' package, and its laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.evals.metrics.boxes import LabelledBoxes
from foveate.evals.metrics.rodeo import Rodeo, rodeo

from .strategies import boxes

labelled = st.lists(st.tuples(boxes(), st.integers(0, 2)), max_size=4).map(
    lambda rows: LabelledBoxes([b for b, _ in rows], [c for _, c in rows])
)
sets = st.lists(st.tuples(labelled, labelled), min_size=1, max_size=3)


def test_agrees_with_the_authors_package():
    # computed with rodeometric 0.0.1 (scikit-learn's MCC wrapped as a NumPy float, which it expects)
    predicted = [
        LabelledBoxes([(10, 10, 50, 60), (100, 100, 140, 130)], [0, 1]),
        LabelledBoxes([(20, 20, 40, 40)], [2]),
        LabelledBoxes([], []),
    ]
    truth = [
        LabelledBoxes([(12, 8, 52, 58)], [0]),
        LabelledBoxes([(22, 18, 44, 40), (70, 70, 90, 99)], [2, 1]),
        LabelledBoxes([(5, 5, 9, 9)], [0]),
    ]
    got = rodeo(predicted, truth, 3)
    assert got.localization == pytest.approx(0.3965885938245707)
    assert got.shape == pytest.approx(0.36528925619834707)
    assert got.classification == pytest.approx(0.4)
    assert got.total == pytest.approx(0.3866457132731213)


@given(sets)
def test_parts_lie_in_the_unit_interval_and_the_total_between_them(images):
    got = rodeo([p for p, _ in images], [t for _, t in images], 3)
    parts = (got.localization, got.shape, got.classification)
    assert all(-1e-12 <= part <= 1 + 1e-12 for part in parts)
    assert min(parts) - 1e-6 <= got.total <= max(parts) + 1e-5


@given(st.lists(boxes(), min_size=2, max_size=4, unique=True))
def test_the_truth_itself_is_perfect_and_every_sprayed_box_costs(shapes):
    truth = [LabelledBoxes(shapes, [i % 2 for i in range(len(shapes))])]
    assert rodeo(truth, truth, 2).total == pytest.approx(1, abs=1e-5)
    far = [tuple(v + 1000 for v in shapes[0])]
    sprayed = [LabelledBoxes([*shapes, *far], [*truth[0].labels, 0])]
    assert rodeo(sprayed, truth, 2).total == pytest.approx(len(shapes) / (len(shapes) + 1), abs=1e-5)


def test_nothing_matched_scores_nothing():
    nothing = LabelledBoxes([], [])
    assert rodeo([nothing], [LabelledBoxes([(0, 0, 1, 1)], [0])], 2) == Rodeo(0, 0, 0, 0)
    with pytest.raises(ValueError, match="two or more"):
        rodeo([nothing], [nothing], 1)
