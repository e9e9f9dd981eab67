"""Grounders made of grounders: real parts (the pocket locator, DETR, CLIP), tiny weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foveate.tools.grounding.adapters.agree import Agree
from foveate.tools.grounding.adapters.fuse import Fuse
from foveate.tools.grounding.adapters.score import Score
from foveate.tools.grounding.combine import names_of, split_parts
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.protocol import Grounding, Region, ScoreKind
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View, flip_rotate, overview

from ..conftest import ct as ct
from ..conftest import weights as weights
from .tiny import save_clip, save_detr, save_sam


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root, names = tmp_path_factory.mktemp("parts"), ["liver", "kidney"]
    return {
        "detr": save_detr(root / "detr", names, (0.4, 0.5, 0.4, 0.4), [2.0, -9.0, 0.0]),
        "other": save_detr(root / "other", names, (0.44, 0.5, 0.4, 0.4), [2.0, -9.0, 0.0]),
        "clip": save_clip(root / "clip"),
        "sam": save_sam(root / "sam"),
    }


@dataclass
class Fixed:
    """A grounder's answer, as given: the seam is the protocol, and what is tested is what lies above it."""

    name: str
    boxes: Sequence[tuple[float, float, float, float]] = ()
    scores: Sequence[float] = ()
    kind: ScoreKind = "fixed_scale"
    absent: bool | None = False
    heat: Any = None
    asked: list[str] = field(default_factory=list)

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        self.asked += phrases
        return [self._one(view, phrase) for phrase in phrases]

    def _one(self, view: View, phrase: str) -> Grounding:
        pairs = zip(self.boxes, self.scores, strict=True)
        regions = tuple(Region(view.frame.box(*b), s, phrase) for b, s in pairs)
        best = max(self.scores, default=0.0)
        return Grounding(phrase, regions, self.kind, self.absent, best, None, self.heat, 0.5, 2)


class Broken:
    name = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        raise self.error


def fuse(*parts: Any, weights: Sequence[float] = ()) -> Fuse:
    told = dict(zip(names_of(parts), weights or [1.0] * len(parts), strict=True))
    return Fuse("fuse", parts, told, 0.4)


def test_two_detectors_make_one_box(folders: dict[str, Path], ct: SourceImage) -> None:
    """DETR's two planted boxes, by the registry, on a turned view: their mean in source pixels."""
    view = flip_rotate(overview(ct, 64), 1, True)
    fused, mixed = (
        load_grounder(f"fuse:iou=0.4(detr@{folders['detr']}+{other})").ground(
            view, ct, ["liver", "kidney", "ear"]
        )
        for other in (f"detr@{folders['other']}", f"clip@{folders['clip']}")
    )
    [region] = fused[0].regions
    assert region.box.frame == view.frame and fused[0].score_kind == "fixed_scale"
    assert region.box.to_source().as_tuple() == pytest.approx((64 * 0.22, 19.2, 64 * 0.62, 44.8), abs=0.01)
    assert fused[0].absent is False and fused[1].absent is True and not fused[1].regions
    assert fused[2].absent is None and fused[2].detail["reason"].count("is no class of this detector") == 2
    assert set(fused[0].detail["parts"]) == {"detr@detr", "detr@other"} and fused[0].forward_passes == 2
    assert mixed[0].score_kind == "relative" and mixed[1].absent is True and mixed[2].absent is None


def test_the_better_weight_pulls_the_box(ct: SourceImage) -> None:
    view = overview(ct, 64)
    a, b = Fixed("a", [(0, 0, 20, 20)], [0.9]), Fixed("b", [(4, 0, 24, 20)], [0.9])
    even, left = (fuse(a, b, weights=w).ground(view, ct, ["x"])[0] for w in ([1, 1], [1, 1 / 3]))
    assert even.regions[0].box.x0 == pytest.approx(2) and left.regions[0].box.x0 == pytest.approx(1)
    assert even.seconds == 1.0 and even.forward_passes == 4


def test_ranks_are_fused_as_ranks(ct: SourceImage) -> None:
    """Next to a grounder that only ranks, the best of each counts as 1."""
    view = overview(ct, 64)
    fixed, ranking = (
        Fixed("a", [(0, 0, 20, 20)], [0.1]),
        Fixed("b", [(4, 0, 24, 20)], [0.9], "relative", None),
    )
    [found] = fuse(fixed, ranking).ground(view, ct, ["x"])
    assert found.regions[0].box.x0 == pytest.approx(2) and found.score_kind == "relative"
    assert found.regions[0].score == pytest.approx(1.0) and found.absent is False


def test_who_decides_absence(ct: SourceImage) -> None:
    view = overview(ct, 64)
    yes, no = Fixed("yes", [(0, 0, 9, 9)], [0.9]), Fixed("no", absent=True)
    silent = Fixed("silent", [(30, 30, 40, 40)], [0.9], "relative", None)
    verdicts = [
        fuse(*parts).ground(view, ct, ["x"])[0] for parts in ((yes, no), (no, silent), (silent, silent))
    ]
    assert [v.absent for v in verdicts] == [False, True, None]
    assert [len(v.regions) for v in verdicts] == [1, 0, 1]
    assert verdicts[0].regions[0].score == pytest.approx(0.45)  # one of two found it


def test_one_that_fails_is_told_and_all_that_fail_are_an_error(ct: SourceImage) -> None:
    view, good = overview(ct, 64), Fixed("good", [(0, 0, 9, 9)], [0.9])
    bad, worse = Broken(GrounderError("No content words.")), Broken(RuntimeError("secret of a file"))
    [found] = fuse(good, bad).ground(view, ct, ["x"])
    assert found.detail["failed"] == {"broken": "No content words."} and len(found.regions) == 1
    with pytest.raises(
        GrounderError, match=r"All grounders of 'fuse' fail: \(1\) broken: No content words\. \(2\)"
    ):
        fuse(bad, worse).ground(view, ct, ["x"])
    with pytest.raises(GrounderError, match="it failed with RuntimeError") as told:
        fuse(bad, worse).ground(view, ct, ["x"])
    assert "secret" not in str(told.value)


def test_boxes_scored_by_a_map(ct: SourceImage) -> None:
    """w·ΣH/√area: the box round the heat beats a larger, a smaller and a colder one."""
    view = overview(ct, 64)
    heat = np.zeros((64, 64), np.float32)
    heat[20:40, 20:40] = 1
    boxes = [
        (0.0, 0.0, 60.0, 60.0),
        (20.0, 20.0, 40.0, 40.0),
        (28.0, 28.0, 32.0, 32.0),
        (0.0, 0.0, 15.0, 15.0),
    ]
    proposals, warm = Fixed("p", boxes, [0.5] * 4), Fixed("h", heat=heat, absent=None, kind="relative")
    [found] = Score("s", proposals, warm, 0.3, 0.9).ground(view, ct, ["x"])
    assert [r.box.as_tuple() for r in found.regions] == [boxes[1], boxes[0]]
    assert [r.score for r in found.regions] == pytest.approx([1.0, 1 / 3]) and found.score_kind == "relative"
    with pytest.raises(GrounderError, match="'p' gives no heat map to score boxes with"):
        Score("s", warm, proposals, 0.6, 0.5).ground(view, ct, ["x"])
    cold = Fixed("h", heat=np.zeros((64, 64), np.float32), absent=None)
    assert Score("s", proposals, cold, 0.6, 0.5).ground(view, ct, ["x"])[0].regions == ()


def test_anatomy_as_proposals(ct: SourceImage) -> None:
    view, heat = overview(ct, 64), np.ones((64, 64), np.float32)
    proposals, warm = Fixed("p", [(0, 0, 9, 9)], [0.5]), Fixed("h", heat=heat, absent=None)
    [found] = Score("s", proposals, warm, 0.6, 0.5, ("liver", "spleen")).ground(view, ct, ["a mass"])
    assert proposals.asked == ["liver", "spleen"] and found.phrase == "a mass" and found.absent is None
    assert [r.label for r in found.regions] == ["liver"]


def test_anatomy_is_paid_for_once(ct: SourceImage) -> None:
    """Two names asked for two phrases: each of the four answers costs 2 passes and 0.5 s."""
    view, heat = overview(ct, 64), np.ones((64, 64), np.float32)
    proposals, warm = Fixed("p", [(0, 0, 9, 9)], [0.5]), Fixed("h", heat=heat, absent=None)
    found = Score("s", proposals, warm, 0.6, 0.5, ("liver", "spleen")).ground(view, ct, ["a mass", "a cyst"])
    assert sum(one.forward_passes for one in found) == 8 and sum(one.seconds for one in found) == 2.0
    assert set(found[0].detail["parts"]) == {"p (liver)", "p (spleen)", "h (heat)"}


def test_a_part_beside_itself_keeps_its_name(ct: SourceImage) -> None:
    heat = np.tile(np.linspace(0.2, 0.6, 64, dtype=np.float32), (64, 1))
    twin = Fixed("h", heat=heat, absent=None, kind="relative")
    [found] = Agree("agree", twin, twin, "bbm").ground(overview(ct, 64), ct, ["x"])
    assert set(found.detail["parts"]) == {"h", "h#2"} and found.detail["similarity"] == 1.0


def test_score_and_agree_by_name(folders: dict[str, Path], weights: Path, ct: SourceImage) -> None:
    """The pocket locator's map scores DETR's boxes, and merges with CLIP's map; views may be turned."""
    view = flip_rotate(overview(ct, 64), 3)
    pocket, detr, clip = f"pocket@{weights}", f"detr@{folders['detr']}", f"clip@{folders['clip']}"
    [scored] = load_grounder(f"score({detr}+{pocket})").ground(view, ct, ["liver"])
    assert scored.regions[0].score == 1.0 and scored.heatmap is not None and scored.absent is False
    for how in ("bbm", "product", "mean"):
        [one] = load_grounder(f"agree:how={how}({pocket}+{clip})").ground(view, ct, ["liver"])
        assert one.heatmap is not None and one.heatmap.shape == (64, 64)
        assert 0 <= one.heatmap.min() <= one.heatmap.max() <= 1 and 0 <= one.detail["similarity"] <= 1
        assert all(r.box.frame == view.frame for r in one.regions) and one.score_kind == "relative"
    with pytest.raises(GrounderError, match="gives no heat map to merge"):
        load_grounder(f"agree({pocket}+{detr})").ground(view, ct, ["liver"])


def test_tighten_by_name_and_inside_another(folders: dict[str, Path], ct: SourceImage) -> None:
    view = overview(ct, 64)
    tight = f"tighten:least=0.01(detr@{folders['detr']}+sam@{folders['sam']})"
    [found] = load_grounder(tight).ground(view, ct, ["liver"])
    assert found.detail["tightened"] + len(found.detail["kept"]) == len(found.regions) == 1
    assert found.forward_passes == 2 and found.regions[0].box.frame == view.frame
    nested = load_grounder(f"fuse({tight}+detr@{folders['other']})")
    assert nested.ground(view, ct, ["liver"])[0].detail["parts"].keys() == {
        "tighten(detr@detr+sam@sam)",
        "detr@other",
    }


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("fuse", r"made of others; write fuse\[:iou=0\.4\]\(ONE\+OTHER\)"),
        ("fuse(pocket)", "made of two or more, not of 1"),
        ("score(pocket+pocket+pocket)", "made of 2 parts, not of 3"),
        ("fuse(pocket+)", "no list of grounders"),
        ("fuse(pocket+diffusion", "no closing parenthesis"),
        (
            "fuse(nosuch+detr)",
            r"2 of the 2 grounders of 'fuse' fail: \(1\) nosuch: There is no .*\(2\) detr: 'detr' needs",
        ),
        ("fuse:weights=1/0(pocket+pocket)", "needs 2 weights above 0"),
        ("agree:how=sum(pocket+pocket)", "knows how=bbm, product, mean"),
        ("tighten(pocket+nosuch)", "There is no segmenter 'nosuch'"),
    ],
)
def test_combinations_that_cannot_be_made(spec: str, told: str) -> None:
    with pytest.raises(GrounderError, match=told):
        load_grounder(spec)


def test_parts_are_split_outside_parentheses() -> None:
    assert split_parts("a + b:x=1(c+d(e+f))+g@h") == ["a", "b:x=1(c+d(e+f))", "g@h"]
