"""VinDr-CXR: readers are fused and kept, findings are divided into seen and unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from .loading import boxes, edit, load, made, refused

TRAIN = "vindr-cxr/annotations/annotations_train.csv"


def test_readers_are_fused_and_kept(tmp_path: Path) -> None:
    items = made("vindr-cxr", tmp_path, split="train")
    heart, air = items.questions
    assert boxes(items) == [[pytest.approx((21, 31, 61, 61))], [(5, 5, 25, 20)]]
    readers = items.targets[heart.id].readers
    assert [[r.box for r in reader] for reader in readers] == [[(20, 30, 60, 60)], [(22, 32, 62, 62)]]
    assert items.targets[air.id].readers == () and heart.cluster == air.cluster
    assert items.notes[0] == "1 images without a finding are not asked about."
    assert items.notes[1:] == ()  # the published heat-map scores have a row of their own
    assert heart.phrase == "Cardiomegaly"
    assert heart.prompt == "Locate the phrases in the caption: Cardiomegaly."


def test_the_consensus_of_the_test_set_has_no_readers(tmp_path: Path) -> None:
    items = made("vindr-cxr", tmp_path)
    assert [q.filters["finding"] for q in items.questions] == ["Nodule/Mass", "Edema", "Nodule/Mass"]
    assert all(not items.targets[q.id].readers for q in items.questions)


def test_seen_and_unseen_divide_the_findings(tmp_path: Path) -> None:
    everything = {q.id for q in made("vindr-cxr", tmp_path).questions}
    seen = {q.id for q in load("vindr-cxr", tmp_path, classes="seen").questions}
    unseen = {q.id for q in load("vindr-cxr", tmp_path, classes="unseen").questions}
    assert seen | unseen == everything and not seen & unseen and len(unseen) == 1


def test_the_other_spelling_of_the_reader_column(tmp_path: Path) -> None:
    made("vindr-cxr", tmp_path)
    edit(tmp_path / TRAIN, "rad_id", "rad_ID")
    assert load("vindr-cxr", tmp_path, split="train").questions[0].filters["readers"] == "2"


def test_wrong_rows(tmp_path: Path) -> None:
    made("vindr-cxr", tmp_path)
    edit(tmp_path / TRAIN, "22,32,62,62", "22,32,620,62")
    refused(
        "vindr-cxr", tmp_path, r"annotations_train\.csv, line 3: the box .* off the image", 1, split="train"
    )
    edit(tmp_path / TRAIN, "22,32,620,62", "22,32,,62")
    refused("vindr-cxr", tmp_path, r"line 3: 'x_max' is missing", 1, split="train")
