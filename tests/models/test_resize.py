"""The resize rules against the processors that they mirror."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.agent.models.families import PROFILES
from foveate.agent.models.profiles import profile_named
from foveate.agent.models.resize import smart_resize

sides = st.integers(4, 5000)


@settings(max_examples=300, deadline=None)
@given(
    width=sides,
    height=sides,
    factor=st.sampled_from([28, 32]),
    top=st.sampled_from([50_176, 1_003_520, 12_845_056]),
)
def test_smart_resize_is_transformers_own(width: int, height: int, factor: int, top: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as theirs

    mine = smart_resize(factor, 3136, top)
    if max(width, height) / min(width, height) > 200:
        with pytest.raises(ValueError, match="too long and thin"):
            mine(width, height)
        return
    assert mine(width, height) == theirs(height, width, factor, 3136, top)[::-1]


def test_pocket_and_qwen_views_are_not_resized_at_multiples_of_their_patches() -> None:
    assert profile_named("pocket").resize(224, 196) == (224, 196)
    assert profile_named("qwen2.5-vl").resize(1008, 700) == (1008, 700)
    assert profile_named("qwen3-vl").resize(1024, 704) == (1024, 704)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_every_rule_gives_a_size(profile: object) -> None:
    width, height = profile.resize(500, 375)  # type: ignore[attr-defined]
    assert width > 0 and height > 0
