"""`foveate semsam build` and `ask --decoding` as a user meets them."""

import json
from pathlib import Path

import pytest

from foveate.agent.cli import run
from foveate.tools.semsam.table import load_table

from ..models.tiny import save_qwen

IMAGE = str(Path(__file__).parents[2] / "pocket" / "demo" / "upper_abdomen.dcm")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_build_writes_a_table_and_says_where(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_qwen(tmp_path / "tiny")
    assert run(["semsam", "build", str(folder), "--out", str(tmp_path / "t.safetensors"), "-k", "5"]) == 0
    assert load_table(tmp_path / "t.safetensors").about.k == 5
    assert str(tmp_path / "t.safetensors") in capsys.readouterr().out.replace("\n", "")
    assert run(["semsam", "build", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["k"] == 32 and Path(told["file"]).parent == cache / "foveate" / "semsam"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["semsam", "build", "nowhere/at/all"], "no model folder"),
        (["semsam", "build", "pocket", "--matrix", "both"], "--matrix"),
        (["semsam", "build", "pocket", "--content", "nouns"], "content filter"),
        (["semsam", "build", "pocket", "-k", "1000", "--content", "words", "--matrix", "output"], "tied"),
        (["ask", IMAGE, "-q", "Where?", "--decoding", "semsam:p=7"], "p must"),
        (["ask", IMAGE, "-q", "Where?", "--decoding", "semsam:k=99"], "k=99"),
        (["ask", IMAGE, "-q", "Where?", "--decoding", "magic"], "no decoding"),
        (["ask", IMAGE, "-q", "Where?", "--refine", "3"], "semantic sampling"),
        (["ask", IMAGE, "-q", "Where?", "-m", "openai:gpt", "--decoding", "semsam"], "vLLM"),
    ],
)
def test_bad_usage_is_one_clear_line(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert word in told.err and "Traceback" not in told.err and told.out == ""
    assert len(told.err.strip().splitlines()) == 1


def test_ask_tells_what_the_decoding_did(tmp_path: Path) -> None:
    line = ["ask", IMAGE, "-q", "Where is the liver?", "--no-tools", "--out", str(tmp_path / "run")]
    assert run([*line, "--decoding", "semsam:k=8,m=10"]) == 0
    told = json.loads((tmp_path / "run" / "answer.json").read_text())["decoding"]
    assert told["options"] == "k=8,m=10" and told["steps"] > 5
    assert told["deferred"] + told["single"] + told["changed"] <= told["steps"]
    assert run([*line, "--decoding", "semsam:m=1"]) == 0
    one = json.loads((tmp_path / "run" / "answer.json").read_text())
    assert run(line) == 0
    plain = json.loads((tmp_path / "run" / "answer.json").read_text())
    assert one["answer"] == plain["answer"] and "decoding" not in plain and one["decoding"]["changed"] == 0
