"""The report: every question is in it once, and nothing a model wrote can leave its place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from foveate.evals.bench.squares import Squares, drawn
from foveate.evals.contract.answers import HeatMap, Reading
from foveate.evals.contract.images import MadeImage
from foveate.evals.contract.questions import Items, Question, Region, Target
from foveate.evals.contract.tasks import LoadOptions, Scored
from foveate.evals.report import Told, write_report
from foveate.evals.report.pictures import Album, heated
from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import overview, render

NASTY = "</script><script>alert(1)</script>"


def run_folder(folder: Path, questions: list[Question]) -> None:
    """What a finished run leaves of these questions, each answered with one box."""
    with (folder / "samples.jsonl").open("w") as samples, (folder / "predictions.jsonl").open("w") as kept:
        for question in questions:
            region = {"box": [1, 2, 30, 40], "image": 0, "slice_index": 0, "label": NASTY}
            record = {"regions": [region], "outcome": "read", "verdict": "wrong_box", "value": None}
            record |= {
                "values": {"miou_box": 0.1},
                "confidence": None,
                "seconds": 0.1,
                "stopped_by": "answer",
            }
            samples.write(json.dumps(record) + "\n")
            step = {"n": 1, "tool": "measure", "ok": True, "seconds": 0.1, "arguments": {}, "error": None}
            trace = {"answer": NASTY, "steps": [{**step, "observation": NASTY}]}
            kept.write(json.dumps({"id": question.id, "trace": trace}) + "\n")


def test_data_cannot_leave_its_element(tmp_path: Path) -> None:
    task = Squares(3)
    items = task.load(tmp_path, LoadOptions())
    run_folder(tmp_path, list(items.questions))
    told = Told(NASTY, {"model": NASTY, "options": {}}, (), items, _scored(items), tmp_path, task.metrics)
    write_report(tmp_path / "report.html", told)
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page and page.count("</script>") == 3
    data = page.split('id="sample-data">')[1].split("</script>")[0].splitlines()
    records = [json.loads(line) for line in data if line]
    assert [record["id"] for record in records] == [question.id for question in items.questions]
    assert records[0]["answer"] == NASTY and records[0]["steps"][0]["said"] == NASTY
    kinds = [[box["kind"] for box in record["pictures"][0]["boxes"]] for record in records]
    assert kinds == [["truth", "predicted"]] * 3


def test_a_picture_is_made_once_however_many_questions_show_it() -> None:
    album = Album(2)
    image = MadeImage("one", lambda: drawn(64, 0))
    asked = [Question(name, (image,), "?", "boxes", "c") for name in ("a", "b")]
    shown = [album.pictures(question, [Region((1.0, 1.0, 5.0, 5.0))], ()) for question in asked]
    assert len(album.fresh()) == 1 and album.fresh() == []
    assert shown[0] == shown[1] and shown[0][0]["size"] == [64, 64]


def heat_file(folder: Path) -> str:
    """A map (4, 8): hot in its right half, and where it did not look in the corner below on the right."""
    values = np.zeros((4, 8), np.float32)
    values[:, 4:], values[3, 7] = 1, np.nan
    np.savez_compressed(folder / "heat.npz", heat=values)
    return str(folder / "heat.npz")


def test_a_heat_map_lies_on_its_own_part_of_the_slice(tmp_path: Path) -> None:
    """Over x 16 to 48 and y 32 to 64 of 64 x 64 pixels; the right half of that is hot."""
    image = drawn(64, 0)
    plain = render(overview(image, 128, upscale=True), image).convert("RGB")
    told = HeatMap(heat_file(tmp_path), (16.0, 32.0, 48.0, 64.0))
    shown = np.asarray(heated(plain, image, image.planes[0], told), float)
    change = np.abs(shown - np.asarray(plain, float)).max(-1)
    assert change[:60].max() == change[:, :30].max() == change[:, 98:].max() == change[:, 32:58].max() == 0
    assert change[70:100, 70:90].min() > 20 and change[124:, 92:96].max() == 0


def test_heat_stands_beside_its_slice_with_the_same_boxes(tmp_path: Path) -> None:
    question = Question("a", (MadeImage("one", lambda: drawn(64, 0)),), "?", "boxes", "c")
    told = HeatMap(heat_file(tmp_path), (0.0, 0.0, 64.0, 64.0))
    box = [Region((1.0, 1.0, 5.0, 5.0))]
    album = Album(1)
    plain, warm = album.pictures(question, box, (), told)
    assert warm["caption"] == "heat map" and warm["heat"] and not plain.get("heat")
    assert warm["boxes"] == plain["boxes"] and len(set(album.fresh())) == 2
    (tmp_path / "heat.npz").write_bytes(b"torn")
    plain, torn = Album(1).pictures(question, box, (), told)
    assert plain["picture"] == 0 and torn["picture"] is None and "cannot be read" in torn["caption"]
    (tmp_path / "heat.npz").unlink()
    assert Album(1).pictures(question, box, (), told)[1]["picture"] is None


def test_an_image_that_cannot_be_opened_is_said() -> None:
    def broken() -> SourceImage:
        raise ImageError("'a.png' is empty")

    question = Question("a", (MadeImage("x", broken),), "?", "boxes", "c")
    [record] = Album(1).pictures(question, [], ())
    assert record["picture"] is None and "cannot be opened" in record["caption"]


def _scored(items: Items) -> list[Scored]:
    target = Target(regions=(Region((1.0, 1.0, 9.0, 9.0)),))
    return [
        Scored(q.id, q.cluster, q.kind, Reading("read"), target, {"miou_box": 0.1}) for q in items.questions
    ]
