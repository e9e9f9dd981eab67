"""The report: every question is in it once, and nothing a model wrote can leave its place."""

from __future__ import annotations

import json
from pathlib import Path

from foveate.evals.bench.squares import Squares, drawn
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import MadeImage
from foveate.evals.contract.questions import Items, Question, Region, Target
from foveate.evals.contract.tasks import LoadOptions, Scored
from foveate.evals.report import Told, write_report
from foveate.evals.report.pictures import Album
from foveate.tools.imaging.errors import ImageError
from foveate.tools.imaging.image import SourceImage

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
