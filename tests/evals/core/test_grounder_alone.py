"""`--model none`: a grounder asked alone, its heat maps kept before any target is fetched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foveate.evals import registry
from foveate.evals.bench.squares import Squares, rectangle
from foveate.evals.commands import phrases
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Question, Target
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric
from foveate.evals.inspect import grounding
from foveate.evals.inspect.grounding import GrounderAsker
from foveate.evals.inspect.images import OpenedImages
from foveate.evals.scoring import heat
from foveate.tools.grounding.heatmap import heat_regions
from foveate.tools.grounding.protocol import Grounding, Region
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.render import render
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

from .conftest import Ran


class Bright:
    """Finds what is bright: a real, if simple, grounder."""

    name = "bright"

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        shown = np.asarray(render(view, image).convert("L"), np.float32) / 255
        found = heat_regions((shown - 0.7) * 20, "one")
        regions = tuple(Region(view.frame.box(*one.corners), one.peak, phrases[0]) for one in found)
        absent = not regions
        return [Grounding(p, regions, "relative", absent, 0.0, None, shown, 0.0, 1) for p in phrases]


class Phrased(Squares):
    """The squares with phrases, but for the first question, and with the scores of heat maps."""

    def _question(self, number: int) -> Question:
        made = super()._question(number)
        filters = {**made.filters, "finding": "rectangle"}
        return replace(made, phrase=None if number == 0 else "bright rectangle", filters=filters)

    @property
    def metrics(self) -> Sequence[Metric]:
        return (*super().metrics, *heat.heat_metrics())

    def score(
        self, question: Question, reading: Reading, target: Target, judge: Judge | None
    ) -> Mapping[str, float]:
        return heat.score(question, reading, target, judge)


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounding, "load_grounder", lambda name: Bright())


def test_what_a_grounder_answers() -> None:
    question = Phrased(12).load(Path(), LoadOptions()).questions[3]
    asked = GrounderAsker(Bright(), "bright", OpenedImages(ImageStore())).ask(question)
    [region] = asked.prediction.regions
    assert region.box == pytest.approx(rectangle(224, 3), abs=1.5) and region.score is None
    assert asked.heat is not None and asked.heat.values.shape == (224, 224)
    assert asked.heat.extent == (0, 0, 224, 224)


def test_a_run_of_a_grounder_alone(
    foveate: Callable[..., Ran], bright: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "all_tasks", lambda: {"squares": Phrased(12)})
    out = tmp_path / "run"
    line = ["eval", "squares", "-m", "none", "--grounder", "bright", "--json", "--out"]
    ran = foveate(*line, out)
    assert ran.code == 0, ran.err
    rows = {row["metric"]: row for row in ran.json["table"]}
    assert rows["miou_box"]["value"] > 0.9 and rows["no_target_acc"]["value"] == 1
    assert rows["pointing"]["value"] == rows["auc_roc"]["value"] == 1 and rows["cnr"]["value"] > 2
    assert len(list((out / "heatmaps").glob("*.npz"))) == 11
    told = [json.loads(text) for text in (out / "predictions.jsonl").read_text().splitlines()]
    assert all(record["prediction"]["heatmap"]["file"].startswith("heatmaps/") for record in told)
    page = (out / "report.html").read_text()
    data = page.split('id="sample-data">')[1].split("</script>")[0].splitlines()
    drawn = [json.loads(line) for line in data if line]
    assert all([bool(p.get("heat")) for p in record["pictures"]] == [False, True] for record in drawn)
    assert all(record["pictures"][0]["boxes"] == record["pictures"][1]["boxes"] for record in drawn)
    assert len({p["picture"] for record in drawn for p in record["pictures"]}) == 22
    assert "heat map of the grounder" in page
    # a folder that was moved is taken up where it lies now, and asks nothing again
    moved = out.rename(tmp_path / "moved")
    (moved / "scores.jsonl").unlink()
    shutil.rmtree(moved / "inspect")
    monkeypatch.setattr(grounding, "load_grounder", lambda name: pytest.fail("loaded again"))
    again = foveate(*line, moved)
    assert again.code == 0 and again.json["table"] == ran.json["table"]


def test_a_task_without_phrases_is_refused(foveate: Callable[..., Ran], tmp_path: Path) -> None:
    ran = foveate("eval", "squares", "-m", "none", "--grounder", "bright", "--out", tmp_path / "run")
    assert ran.code == 2 and "no question" in ran.err
    items = phrases(Phrased(12).load(Path(), LoadOptions()))
    assert len(items.questions) == 11
    assert items.notes == ("1 questions without a phrase to ground left out.",)
