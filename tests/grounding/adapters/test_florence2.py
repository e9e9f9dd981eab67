"""Florence-2 on a tiny checkpoint that writes a planted reply."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers.models.florence2.processing_florence2 import Florence2PostProcessor

from foveate.tools.grounding.adapters.florence2 import boxes_of
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

from .conftest import source_box
from .tiny import save_florence2

BOX = ["<loc_100>", "<loc_200>", "<loc_599>", "<loc_799>"]


@pytest.mark.parametrize("key", ["plain", "turned", "mirrored"])
def test_location_tokens_are_the_middles_of_bins(
    key: str, tmp_path: Path, views: dict[str, View], picture: SourceImage
) -> None:
    grounder = load_grounder(f"florence2:tokens=12@{save_florence2(tmp_path / 'f2', ['cat', *BOX])}")
    found = grounder.ground(views[key], picture, ["cat", "lung"])
    x0, y0, x1, y1 = 0.1005, 0.2005, 0.5995, 0.7995
    expected = source_box(((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0))
    for one in found:
        [region] = one.regions
        assert region.box.frame == views[key].frame
        assert region.box.to_source().as_tuple() == pytest.approx(expected, abs=0.05)
        assert 0.9 < region.score <= 1 and one.best_score == region.score
        assert (one.score_kind, one.absent, one.threshold, one.forward_passes) == ("relative", None, None, 1)


def test_a_reply_without_a_box_is_neither_present_nor_absent(
    tmp_path: Path, views: dict[str, View], picture: SourceImage
) -> None:
    grounder = load_grounder(f"florence2:tokens=6@{save_florence2(tmp_path / 'f2', ['cat'])}")
    [found] = grounder.ground(views["plain"], picture, ["cat"])
    assert found.regions == () and found.absent is None


def test_a_reversed_box_is_an_error(tmp_path: Path, views: dict[str, View], picture: SourceImage) -> None:
    reply = ["cat", "<loc_599>", "<loc_200>", "<loc_100>", "<loc_799>"]
    grounder = load_grounder(f"florence2:tokens=12@{save_florence2(tmp_path / 'f2', reply)}")
    with pytest.raises(GrounderError, match=r"wrote the box \[.*\], which is empty"):
        grounder.ground(views["plain"], picture, ["cat"])


def test_a_run_that_is_not_made_of_fours() -> None:
    with pytest.raises(GrounderError, match="wrote 5 location tokens in a row"):
        boxes_of("</s>cat" + "<loc_1>" * 5, 10, 10)


@given(
    st.lists(st.tuples(*[st.integers(0, 999)] * 4), max_size=4), st.integers(1, 2000), st.integers(1, 2000)
)
def test_boxes_are_as_transformers_own_parser_reads_them(
    bins: list[tuple[int, ...]], width: int, height: int
) -> None:
    text = "</s>" + "".join("lung" + "".join(f"<loc_{i}>" for i in box) for box in bins) + "</s>"
    config = {"phrase_grounding": {}}
    parser = Florence2PostProcessor(config, SimpleNamespace(all_special_tokens=[]))
    told = parser(text, image_size=(width, height), parse_tasks=["phrase_grounding"])["phrase_grounding"]
    expected = [box for found in told for box in found["bbox"]]
    got = boxes_of(text, width, height)
    assert len(got) == len(expected) == len(bins)
    for one, other in zip(got, expected, strict=True):
        assert np.subtract(one, other) == pytest.approx(0.5, abs=0.501)  # theirs are whole pixels


def test_the_task_of_agkd_and_k2sight_describes_the_phrase(
    tmp_path: Path, views: dict[str, View], picture: SourceImage
) -> None:
    """Their prompt is "Locate the phrases in the caption: NAME means DESCRIPTION."."""
    folder = save_florence2(tmp_path / "f2", ["cat", *BOX])
    grounder = load_grounder(f"florence2:task=means,tokens=12@{folder}")
    heard: list[Any] = []
    processor = grounder.finder.checkpoint.processor  # type: ignore[attr-defined]
    inner = processor.tokenizer.__class__.__call__

    def listening(self: Any, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        heard.append(text)
        return inner(self, text, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor.tokenizer.__class__, "__call__", listening)
        known, unknown = grounder.ground(views["plain"], picture, ["pneumothorax", "widget"])
    assert str(known.detail["asked"]).startswith("pneumothorax means ") and "asked" not in unknown.detail
    assert f"Locate the phrases in the caption: {known.detail['asked']}" in str(heard[0])
    assert "Locate the phrases in the caption: widget" in str(heard[-1])


@pytest.mark.parametrize("phrase", ["<OD>", "a <loc_5> b", "<CAPTION>x"])
def test_a_phrase_with_a_token_in_it(
    phrase: str, tmp_path: Path, views: dict[str, View], picture: SourceImage
) -> None:
    grounder = load_grounder(f"florence2:tokens=6@{save_florence2(tmp_path / 'f2', ['cat'])}")
    with pytest.raises(GrounderError, match="has a token of Florence-2 in it"):
        grounder.ground(views["plain"], picture, [phrase])


def test_the_layout_of_its_own_code_is_to_be_converted(tmp_path: Path) -> None:
    """As Microsoft's, AG-KD's and K2Sight's files are: names of weights, and a config, of their own."""
    folder = save_florence2(tmp_path / "f2", ["cat"])
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "configuration_florence2.Florence2Config"}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("multi_modal_projector.", ""): value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        GrounderError, match=r"'f2' lacks \d+ weights of .* convert it to transformers' class"
    ):
        load_grounder(f"florence2@{folder}")
    config["text_config"]["model_type"] = "florence2_language"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(GrounderError, match=r"cannot be loaded: .*convert it to transformers' class"):
        load_grounder(f"florence2@{folder}")


def test_a_task_that_it_does_not_have() -> None:
    with pytest.raises(GrounderError, match="knows the tasks caption, means, vocabulary; not 'ocr'"):
        load_grounder("florence2:task=ocr@x")
