"""`foveate ask`: the contract that scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveate.agent import cli_ask

from .conftest import Foveate, measured

ANSWER_KEYS = {"answer", "abstained", "confidence", "claims", "evidence", "steps", "model", "usage"}
RUN_KEYS = {"seconds", "stopped_by"}


def test_json_is_the_contract_and_alone_on_standard_output(foveate: Foveate, picture: Path, script) -> None:
    ran = foveate(
        "ask", picture, "-q", "How wide?", "-m", script(*measured()), "--grounder", "none", "--json"
    )
    assert ran.code == 0
    assert ran.out.count("\n") == 1 and ran.json.keys() >= ANSWER_KEYS | RUN_KEYS
    [evidence] = ran.json["evidence"]
    assert evidence.keys() >= {"id", "image", "slice", "box", "frame", "label", "score", "tool", "step"}
    assert evidence["frame"] == "source_pixels" and evidence["box"] == pytest.approx([20, 10, 60, 50])
    assert ran.json["claims"] == [
        {"text": "A bright band of 40 pixels.", "evidence": ["E1"], "present": True, "supported": True}
    ]
    for step in ran.json["steps"]:
        assert step.keys() >= {"n", "tool", "arguments", "ok", "seconds"}
    assert ran.json["stopped_by"] == "answer"


def test_people_see_question_steps_answer_and_evidence(foveate: Foveate, picture: Path, script) -> None:
    ran = foveate("ask", picture, "-q", "How [wide]?", "-m", script(*measured()), "--grounder", "none")
    assert ran.code == 0
    for word in ("How [wide]?", "measure", "A bright band of 40 pixels.", "E1", "[20, 10, 60, 50]"):
        assert word in ran.out


def test_out_holds_overlay_answer_trace_and_page(
    foveate: Foveate, picture: Path, script, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "run"
    model = script(*measured("<script>alert(1)</script>"))
    ran = foveate("ask", picture, "-q", "Q?", "-m", model, "--grounder", "none", "--json", "--out", out)
    assert ran.code == 0
    assert json.loads((out / "answer.json").read_text()) == ran.json
    assert json.loads((out / "trace.json").read_text())["replies"]
    drawn = np.asarray(Image.open(out / "overlay.png").convert("RGB")).astype(int)
    assert drawn.shape[0] * 2 == drawn.shape[1] == 960
    colored = np.argwhere(np.ptp(drawn, axis=2) > 60)
    scale = 960 / 224
    assert colored[:, 1].min() == pytest.approx(20 * scale, abs=12)
    assert colored[:, 1].max() >= 60 * scale - 2
    page = (out / "index.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert 'src="data:image/webp' in page and 'src="http' not in page


def test_a_trace_is_a_script_that_gives_the_same_answer(
    foveate: Foveate, picture: Path, script, tmp_path
) -> None:
    first = foveate(
        "ask",
        picture,
        "-q",
        "Q?",
        "-m",
        script(*measured()),
        "--grounder",
        "none",
        "--json",
        "--out",
        tmp_path / "a",
    )
    trace = f"scripted:{tmp_path / 'a' / 'trace.json'}"
    again = foveate("ask", picture, "-q", "Q?", "-m", trace, "--grounder", "none", "--json")
    same = ANSWER_KEYS - {"model", "usage", "steps"}
    assert {key: first.json[key] for key in same} == {key: again.json[key] for key in same}


def test_without_tools_the_model_draws_its_own_boxes(
    foveate: Foveate, picture: Path, script, tmp_path: Path
) -> None:
    claim = {"text": "a band", "box": [20, 10, 60, 50]}
    model = script([("answer", {"text": "A band.", "claims": [claim], "confidence": 0.5})])
    ran = foveate("ask", picture, "-q", "Q?", "-m", model, "--no-tools", "--json", "--out", tmp_path / "run")
    assert ran.code == 0 and len(ran.json["steps"]) == 1
    assert (tmp_path / "run" / "overlay.png").exists()
    assert [(e["tool"], e["box"]) for e in ran.json["evidence"]] == [("model", [20, 10, 60, 50])]


def test_an_abstention_is_a_success(foveate: Foveate, picture: Path, script) -> None:
    said = {"text": "I cannot tell.", "abstained": True, "reason": "cannot_tell"}
    ran = foveate(
        "ask", picture, "-q", "Q?", "-m", script([("answer", said)]), "--grounder", "none", "--json"
    )
    assert ran.code == 0 and ran.json["abstained"] is True
    people = foveate("ask", picture, "-q", "Q?", "-m", script([("answer", said)]), "--grounder", "none")
    assert "cannot tell" in people.out


def test_a_model_that_fails_ends_with_code_1_and_still_prints_its_json(
    foveate: Foveate, picture: Path, script
) -> None:
    ran = foveate("ask", picture, "-q", "Q?", "-m", script(), "--grounder", "none", "--json")
    assert ran.code == 1 and ran.json["stopped_by"] == "model_error"
    assert ran.err.count("\n") == 1 and "Traceback" not in ran.err


def test_prose_instead_of_calls_ends_within_the_repair_budget(
    foveate: Foveate, picture: Path, script
) -> None:
    ran = foveate(
        "ask", picture, "-q", "Q?", "-m", script(*["Just prose."] * 9), "--grounder", "none", "--json"
    )
    assert ran.code == 0 and ran.json["stopped_by"] == "repairs" and ran.json["abstained"] is True


def test_max_steps_ends_an_endless_run(foveate: Foveate, picture: Path, script) -> None:
    turns = [[("measure", {"box": [1, 1, 20 + n, 30]})] for n in range(30)]
    ran = foveate(
        "ask", picture, "-q", "Q?", "-m", script(*turns), "--grounder", "none", "--max-steps", "3", "--json"
    )
    assert ran.code == 0 and ran.json["stopped_by"] == "steps" and len(ran.json["steps"]) == 3


def test_window_and_slice_decide_the_first_view(
    foveate: Foveate, tmp_path: Path, script, ct_file: Path
) -> None:
    ran = foveate(
        "ask", ct_file, "-q", "Q?", "-m", script(*measured()), "--grounder", "none", "--json",
        "--slice", "3", "--window", "lung", "--out", tmp_path / "run",
    )  # fmt: skip
    assert ran.code == 0 and ran.json["evidence"][0]["slice"] == 3
    first = json.loads((tmp_path / "run" / "trace.json").read_text())["views"]["V0"]
    assert first["slice_index"] == 3 and first["window"] == {"center": -600.0, "width": 1500.0}


def test_a_bug_is_one_line_without_its_message(foveate: Foveate, picture: Path, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("DOE^JANE")

    monkeypatch.setattr(cli_ask, "ask", broken)
    ran = foveate("ask", picture, "-q", "Q?", "-m", "pocket")
    assert ran.code == 1 and ran.out == "" and "DOE" not in ran.err
    assert ran.err.count("\n") == 1 and "--debug" in ran.err
    with pytest.raises(KeyError):
        foveate("ask", picture, "-q", "Q?", "--debug")
