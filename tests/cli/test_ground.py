"""`foveate ground`: the contract, with a grounder that a test controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveate.tools.grounding import registry
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

from .conftest import Foveate

KEYS = {"phrase", "regions", "heatmap", "score_kind", "absent", "seconds", "forward_passes"}


class OneBox:
    """Finds "band" at source pixels 20..60 x 10..50; everything else is absent."""

    name = "one-box"

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        return [self._one(view, phrase) for phrase in phrases]

    def _one(self, view: View, phrase: str) -> Grounding:
        found = phrase == "band"
        box = view.frame.from_source(view.frame.source.box(20, 10, 60, 50))
        regions = (Region(box, 0.9, phrase),) if found else ()
        heat = np.zeros((view.height, view.width), np.float32)
        heat[0, 0] = 1.0
        return Grounding(phrase, regions, "fixed_scale", not found, 0.9 if found else 0.1, 0.5, heat, 0.01, 1)


@pytest.fixture(autouse=True)
def one_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load_grounder", lambda name: OneBox())


def test_one_phrase_gives_the_contract(foveate: Foveate, picture: Path) -> None:
    ran = foveate("ground", picture, "band", "--json")
    assert ran.code == 0 and ran.json.keys() >= KEYS
    [region] = ran.json["regions"]
    assert (region["box"], region["slice"]) == ([20, 10, 60, 50], 0)
    assert region["score"] == pytest.approx(0.9)
    assert (ran.json["absent"], ran.json["heatmap"], ran.json["score_kind"]) == (False, None, "fixed_scale")


def test_several_phrases_give_one_object_each_in_order(foveate: Foveate, picture: Path) -> None:
    ran = foveate("ground", picture, "dog", "band", "--json")
    assert [(r["phrase"], r["absent"], len(r["regions"])) for r in ran.json["results"]] == [
        ("dog", True, 0), ("band", False, 1),
    ]  # fmt: skip


def test_boxes_are_source_pixels_whatever_the_view(foveate: Foveate, picture: Path, tmp_path: Path) -> None:
    """With --out the view is enlarged; the box is the same."""
    out = tmp_path / "pictures" / "found.png"
    ran = foveate("ground", picture, "band", "--json", "--out", out)
    assert ran.json["regions"][0]["box"] == [20, 10, 60, 50]
    assert Image.open(out).size == (1024, 512)
    heat = np.asarray(Image.open(ran.json["heatmap"]))
    assert heat.shape == (512, 1024) and heat[0, 0] == 255 and heat.sum() == 255


def test_people_see_a_table_with_the_absent(foveate: Foveate, picture: Path) -> None:
    ran = foveate("ground", picture, "band", "dog")
    assert "[20, 10, 60, 50]" in ran.out and "absent, best score 0.10" in ran.out
