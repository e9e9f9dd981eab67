"""`ask --checks` and `ask --library`: what falls is marked, what is looked up is told, else one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Foveate

WRONG = {"text": "The band is on the image right.", "box": [20, 10, 60, 50], "view": "V0"}
ASKED = ("-q", "Is there a pleural effusion?", "--grounder", "none", "--json")


def test_a_claim_that_its_box_refutes_falls(foveate: Foveate, picture: Path, script) -> None:
    model = script([("answer", {"text": "A band.", "claims": [WRONG]})])
    plain = foveate("ask", picture, *ASKED, "-m", model)
    checked = foveate("ask", picture, *ASKED, "-m", model, "--checks", "basic")
    assert plain.json["claims"][0]["supported"] and "refuted" not in plain.json["claims"][0]
    assert checked.code == 0 and checked.json["abstained"]
    assert "lies on the left" in checked.json["claims"][0]["refuted"]
    assert checked.json["checks"]["refuted"][0]["claim"] == 0


def test_a_level_that_is_none_is_bad_usage(foveate: Foveate, picture: Path) -> None:
    ran = foveate("ask", picture, *ASKED, "--checks", "some")
    assert ran.code == 2 and ran.err.count("\n") == 1 and "some" in ran.err


def test_references_are_told_with_the_answer(foveate: Foveate, picture: Path, script) -> None:
    said = [("answer", {"text": "No."})]
    ran = foveate("ask", picture, *ASKED, "-m", script(said, said), "--library", "knowledge")
    told = ran.json["retrieval"]
    assert ran.code == 0 and told["contexts"][0]["id"] == "knowledge/pleural effusion"
    assert told["asked"] == 2 and told["kept"] == "informed" and told["flipped"] is False


@pytest.mark.parametrize("folder", ["empty", "nowhere"])
def test_a_library_that_is_none_is_one_line(
    folder: str, foveate: Foveate, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    ran = foveate("ask", picture, *ASKED, "--library", tmp_path / folder)
    assert ran.code == 2 and ran.err.count("\n") == 1 and folder in ran.err
