"""Faithfulness, robustness and comparison, by hand on a few made answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from foveate.evals import faithfulness, robustness
from foveate.evals.bench.squares import Squares
from foveate.evals.compare import compared, paired
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.questions import Region, Target
from foveate.evals.contract.tasks import Scored
from foveate.evals.results import table

HERE, THERE = Region((0.0, 0.0, 10.0, 10.0)), Region((90.0, 0.0, 100.0, 10.0))
TASK = Squares(4)


def boxed(name: str, region: Region | None, truth: Region | None, cluster: str = "") -> Scored:
    """A scored answer of the squares with at most one box."""
    reading = Reading("no_box") if region is None else Reading("read", regions=(region,), confidence=0.9)
    target = Target(regions=() if truth is None else (truth,))
    [question] = [q for q in TASK.load(Path(), None).questions if q.id == "q00000"]  # type: ignore[arg-type]
    values = TASK.score(question, reading, target, None)
    return Scored(name, cluster or name, "boxes", reading, target, values)


BASE = [boxed("a", HERE, HERE), boxed("b", THERE, THERE), boxed("c", HERE, HERE), boxed("d", None, None)]
SIZES = dict.fromkeys("abcd", 100.0)


def test_answers_that_need_the_image_change_without_it() -> None:
    gone = [replace(s, reading=Reading("abstained"), values={"miou_box": 0.0}) for s in BASE[:3]]
    told = faithfulness.summary(TASK, BASE, {"blank": [*gone, BASE[3]], "noise": BASE}, SIZES)
    blank, noise = told.effects
    assert blank.changed[0] == 0.75 and noise.changed[0] == 0 and told.on_image is not None
    assert told.on_image[0] == pytest.approx(0.375)
    assert (blank.before, blank.after, blank.abstained_after) == (1.0, 0.0, 0.75)
    assert blank.difference is not None and blank.difference[0] == -1.0


def test_boxes_that_move_with_a_mirrored_image_did_not_change() -> None:
    flipped = [boxed("a", THERE, HERE), boxed("b", THERE, THERE)]
    told = faithfulness.effect(TASK, BASE, flipped, "mirror", SIZES)
    assert told.changed[0] == 0.5 and told.metric is None  # "a" moved along, "b" stayed where it was


def test_own_evidence_is_masking_it_less_masking_elsewhere() -> None:
    lost = [boxed("a", None, HERE), boxed("b", None, THERE), boxed("c", HERE, HERE)]
    control = [boxed("a", HERE, HERE), boxed("b", THERE, THERE), boxed("c", None, HERE)]
    told = faithfulness.summary(TASK, BASE, {"masked": lost, "elsewhere": control}, SIZES)
    assert told.on_evidence is not None and told.on_evidence[0] == pytest.approx(2 / 3 - 1 / 3)
    assert faithfulness.summary(TASK, BASE, {"blank": BASE}, SIZES).on_evidence is None


def test_borrowed_boxes_score_less_than_own_ones() -> None:
    told = faithfulness.shuffled_score(TASK, BASE)
    assert told is not None and told[0] == "miou_box"
    # a takes b's box, b takes c's, c takes a's, which is c's own place
    assert told[1] == 1.0 and told[2] == pytest.approx(1 / 3)


def test_a_corruption_is_told_against_the_plain_run() -> None:
    run = [boxed("a", None, HERE), *BASE[1:]]
    calls = dict.fromkeys("abcd", 2), dict.fromkeys("abcd", 3)
    told = robustness.change(TASK, "jpeg-4", BASE, run, calls)
    assert (told.corruption, told.severity, told.n, told.tool_calls) == ("jpeg", 4, 4, (2.0, 3.0))
    assert told.metrics["miou_box"][:3] == (1.0, pytest.approx(2 / 3), pytest.approx(-1 / 3))
    # unsure: 0.1 0.1 0.1 0 before and 0 0.1 0.1 0 after, where what told no confidence counts as sure
    assert told.auroc == 6 / 16


def test_pairs_are_made_by_question_and_resampled_by_cluster() -> None:
    def values(*numbers: float) -> dict[str, dict[str, object]]:
        rows = zip("abcd", numbers, strict=False)
        return {
            name: {"cluster": "p" if name in "ab" else name, "values": {"accuracy": v}} for name, v in rows
        }

    [pair] = paired(values(1, 1, 0, 1), values(0, 0, 0))
    assert (pair.n, pair.clusters, pair.first, pair.second) == (3, 2, pytest.approx(2 / 3), 0.0)
    assert pair.difference == pytest.approx(2 / 3) and pair.mcnemar == pytest.approx(0.5)
    assert pair.low <= pair.difference <= pair.high


def test_a_question_without_an_answer_lowers_the_score() -> None:
    rows = {row.metric: row for row in table(TASK, BASE)}
    assert rows["miou_box"].value == 1.0 and rows["miou_box"].n == 3
    failed = replace(BASE[0], reading=Reading("failed"), values={"miou_box": 0.0})
    assert {r.metric: r for r in table(TASK, [failed, *BASE[1:]])}["miou_box"].value == pytest.approx(2 / 3)


def test_two_tasks_are_not_compared(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        told = {"key": name, "configuration": {"task": name}}
        (tmp_path / name / "run.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="compare one task"):
        compared(tmp_path / "one", tmp_path / "two")
