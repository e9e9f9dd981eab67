"""Weights of witnesses: unmeasured ones refute alone, worthless ones are not asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.checks.weigh import Trust, trust_in


def test_an_unmeasured_witness_refutes_alone() -> None:
    trust = trust_in("some-model", "some-grounder")
    good = {"presence": "found", "crop": "yes", "twin": "consistent"}
    assert trust.log_odds(good) > 0 and trust.log_odds({}) > 0
    for witness, answer in (("presence", "missing"), ("crop", "no"), ("twin", "both"), ("twin", "reversed")):
        assert trust.asks(witness) and trust.log_odds(good | {witness: answer}) < 0


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_a_worthless_witness_is_not_asked(yes: float, no: float) -> None:
    assert not Trust({"crop": {"yes": yes, "no": no}}).asks("crop")
    assert not Trust().asks("crop")


def test_the_measured_table_can_be_read() -> None:
    trust = trust_in("pocket", "pocket")
    assert trust.asks("presence")
    assert trust.log_odds({"presence": "missing"}) < 0 < trust.log_odds({"presence": "found"})
