"""`foveate eval`: the whole way from a command line to table, log and report, with a scripted model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import list_eval_logs, read_eval_log

from foveate.evals import registry
from foveate.evals.bench import squares
from foveate.evals.inspect.asking import Asked, Asker
from foveate.evals.inspect.errors import SampleFailed

from .conftest import Ran

Foveate = Callable[..., Ran]


def by_name(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in record["table"]}


def test_a_run_gives_table_log_and_report(
    foveate: Foveate, script: Callable[..., str], first_box: list[float], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ran = foveate("eval", "squares", "-m", script(first_box), "--grounder", "none", "--out", out, "--json")
    assert ran.code == 0, ran.err
    assert ran.out.count("\n") == 1 and json.loads((out / "results.json").read_text()) == ran.json
    rows = by_name(ran.json)
    assert rows["miou_box"]["n"] == 11 and 0 < rows["miou_box"]["value"] < 1
    assert rows["miou_box"]["low"] <= rows["miou_box"]["value"] <= rows["miou_box"]["high"]
    assert rows["no_target_acc"]["n"] == 1 and rows["no_target_acc"]["value"] == 0

    [log] = list_eval_logs(str(out / "inspect"))
    read = read_eval_log(log)
    assert read.status == "success" and read.samples is not None and len(read.samples) == 12
    first = next(sample for sample in read.samples if sample.id == "q00000")
    assert first.store["trace"]["steps"][0]["tool"] == "measure" and first.target == ""
    assert first.scores is not None and first.scores["foveate_score"].as_dict()["miou_box"] == 1.0
    assert [message.role for message in first.messages] == ["user", "assistant", "tool", "assistant"]

    page = (out / "report.html").read_text()
    assert page.count('"id": "q') == 12 and page.count("data:image/webp") == 12
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


def test_the_same_command_asks_nothing_again_and_another_is_refused(
    foveate: Foveate,
    script: Callable[..., str],
    first_box: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, out = script(first_box), tmp_path / "run"
    line = ["eval", "squares", "-m", model, "--grounder", "none", "--out", out, "--limit", 3, "--json"]
    first = foveate(*line)
    assert first.code == 0, first.err
    monkeypatch.setattr(Asker, "ask", lambda self, question: pytest.fail("asked again"))
    again = foveate(*line)
    assert again.code == 0 and again.json == first.json
    other = foveate(*line, "--no-tools")
    assert other.code == 2 and "differs in: use_tools" in other.err and other.err.count("\n") == 1


def test_a_failed_question_counts_and_is_asked_again(
    foveate: Foveate,
    script: Callable[..., str],
    first_box: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, asked = Asker.ask, []

    def failing(self: Asker, question: Any) -> Asked:
        asked.append(question.id)
        if question.id == "q00000" and len(asked) <= 4:
            raise SampleFailed("q00000: the model failed: no answer in time")
        return ask(self, question)

    monkeypatch.setattr(Asker, "ask", failing)
    monkeypatch.setattr(registry, "all_tasks", lambda: {"squares": squares.Squares(4)})
    out = tmp_path / "run"
    line = ["eval", "squares", "-m", script(first_box), "--grounder", "none", "--out", out, "--json"]
    broken = foveate(*line)
    assert broken.code == 1 and "1 of 4 questions got no answer" in broken.err
    rows = by_name(broken.json)
    assert rows["miou_box"]["n"] == 4 and rows["outcome: failed"]["n"] == 1
    mended = foveate(*line)
    assert mended.code == 0, mended.err
    assert sorted(asked) == ["q00000", "q00000", "q00001", "q00002", "q00003"]
    assert by_name(mended.json)["miou_box"]["value"] == pytest.approx(rows["miou_box"]["value"] + 0.25)
    assert "outcome: failed" not in by_name(mended.json)


def test_runs_are_compared_pair_by_pair(
    foveate: Foveate, script: Callable[..., str], first_box: list[float], tmp_path: Path
) -> None:
    common = ["eval", "squares", "--grounder", "none", "--limit", 4, "--seed", 3]
    right, nowhere = tmp_path / "right", tmp_path / "nowhere"
    assert foveate(*common, "-m", script(first_box), "--out", right).code == 0
    assert foveate(*common, "-m", script(name="other.json"), "--out", nowhere).code == 0
    told = foveate("compare", right, nowhere, "--json").json
    [pair] = [pair for pair in told["pairs"] if pair["metric"] == "miou_box"]
    assert pair["difference"] == pytest.approx(pair["first"] - pair["second"]) and pair["second"] == 0
    assert set(told["differs"]) == {"model", "model_digest"} and told["shared"] == 4
    shown = foveate("compare", right, nowhere)
    assert shown.code == 0 and "miou_box" in shown.out and "McNemar" in shown.out
    lost = foveate("compare", right, tmp_path)
    assert lost.code == 2 and "not the folder of a run" in lost.err


BAD = [
    (["eval", "squers"], "Did you mean squares?"),
    (["eval", "squares", "--option", "split"], "is not NAME=VALUE"),
    (["eval", "squares", "--corrupt", "fog"], "no corruption"),
    (["eval", "squares", "-m", "nonsense"], "is not a model"),
    (["eval", "squares", "--limit", "0"], "--limit"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_bad_usage_is_one_line(foveate: Foveate, line: list[str], said: str, tmp_path: Path) -> None:
    ran = foveate(*line, *(["--out", tmp_path / "run"] if line[0] == "eval" else []))
    assert ran.code == 2 and said in ran.err and ran.out == ""
    assert ran.err.rstrip().splitlines()[-1].startswith("foveate: ")


def test_a_licence_is_accepted_first(
    foveate: Foveate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Closed(squares.Squares):
        @property
        def info(self) -> squares.TaskInfo:
            return replace(
                super().info, licence="a licence", licence_url="https://example.org/l", accept=True
            )

    monkeypatch.setattr(registry, "all_tasks", lambda: {"squares": Closed(2)})
    ran = foveate("eval", "squares", "--out", tmp_path / "run")
    assert ran.code == 2 and "is under a licence (https://example.org/l)" in ran.err
    assert not (tmp_path / "run").exists()


def test_tasks_are_listed_with_licence_and_presence(foveate: Foveate) -> None:
    told = foveate("tasks", "--json").json["tasks"]
    assert told[0]["name"] == "squares" and told[0]["present"] is True and told[0]["licence"] == "Apache-2.0"
    assert "Bright rectangles" in foveate("tasks").out


def test_without_inspect_one_sentence_names_the_extra(
    foveate: Foveate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("foveate.evals.commands.find_spec", lambda name: None)
    ran = foveate("eval", "squares", "--out", tmp_path / "run")
    assert ran.code == 2 and "foveate[evals]" in ran.err


def test_an_error_inside_a_task_is_loud(
    foveate: Foveate, script: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(squares.Squares):
        def score(self, question: Any, reading: Any, target: Any, judge: Any) -> Any:
            if question.id == "q00001" and reading.outcome != "failed":
                raise ZeroDivisionError
            return super().score(question, reading, target, judge)

    monkeypatch.setattr(registry, "all_tasks", lambda: {"squares": Broken(2)})
    line = ["eval", "squares", "-m", script(), "--grounder", "none", "--out", tmp_path / "run", "--json"]
    ran = foveate(*line)
    assert ran.code == 1 and "q00001: an internal error" in ran.err
    assert by_name(ran.json)["outcome: failed"]["n"] == 1
