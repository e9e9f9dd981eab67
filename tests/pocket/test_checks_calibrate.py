"""What witnesses are worth: votes that tell true from false claims count, chance counts for nothing."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.pocket.checks_calibrate import KEPT, asked_of, best_cut, presence_votes, ratios, trust_table
from foveate.pocket.checks_run import Outcome
from foveate.pocket.planted import Planted
from foveate.tools.checks.weigh import trust_in


def outcome(true: bool, score: float, overlap: float | None = None, crop: str = "") -> Outcome:
    claim = Planted("A", 1, "structure", "The liver is visible.", ((0.0, 0.0, 1.0, 1.0),), true)
    return Outcome(claim, None, {"crop": crop} if crop else {}, (score,), (overlap,), 0, 1)


ROWS = (
    [outcome(True, 0.9, 0.8, "yes")] * 20
    + [outcome(False, 0.1, None, "no")] * 20
    + [outcome(False, 0.9, 0.05, "no")] * 20
)


@given(st.lists(st.floats(0, 1), min_size=5), st.lists(st.floats(0, 1), min_size=1))
def test_the_floor_keeps_the_true_claims(true: list[float], false: list[float]) -> None:
    floor = best_cut([(True, score) for score in true] + [(False, score) for score in false])
    assert sum(score >= floor for score in true) >= KEPT * len(true)


def test_a_floor_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="calibrated"):
        best_cut([(True, 0.5)])


def test_votes_that_tell_count_and_chance_does_not() -> None:
    telling = [(True, "yes")] * 20 + [(False, "no")] * 20
    worth = ratios(telling, ("yes", "no"))
    assert worth["yes"] > 2 and worth["no"] < -2
    idle = [(True, "yes"), (True, "no"), (False, "yes"), (False, "no")] * 5
    assert ratios(idle, ("yes", "no")) == {"yes": 0.0, "no": 0.0} == ratios([], ("yes", "no"))
    assert ratios([(True, "yes"), (False, "yes")] * 20, ("yes", "no")) == {"yes": 0.0, "no": 0.0}


def test_what_the_grounder_finds_beside_the_evidence_speaks_against_it() -> None:
    floor, overlap, votes = presence_votes(ROWS)
    assert (floor, overlap) == (0.9, 0.8)
    assert votes == [(True, "found")] * 20 + [(False, "missing")] * 20 + [(False, "elsewhere")] * 20
    _, _, unmarked = presence_votes([*ROWS, outcome(True, 0.95, None)])
    assert unmarked[-1] == (True, "found")


def test_the_table_is_toml_that_trust_can_read() -> None:
    told = tomllib.loads(trust_table(ROWS, ROWS, "python -m x"))
    found = told["grounder"]["pocket"]
    assert found["floor"] == 0.9 and found["overlap"] == 0.8
    assert max(found["presence"]["missing"], found["presence"]["elsewhere"]) < -2
    assert found["presence"]["found"] > 2 and told["model"]["pocket"]["crop"]["yes"] > 2


def test_only_the_asked_witnesses_are_asked_and_the_table_comes_back() -> None:
    before = trust_in("pocket", "pocket")
    with asked_of(("crop",)):
        trust = trust_in("pocket", "pocket")
        assert trust.asks("crop") and not trust.asks("presence")
        assert trust.log_odds({"crop": "no"}) > 0
    assert trust_in("pocket", "pocket") == before
