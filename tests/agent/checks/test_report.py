"""What `ask --json` tells of the checks: every call is counted once, in its check and in the usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foveate.agent import cli
from foveate.agent.checks.report import CALLS, checks_told
from foveate.agent.models.profiles import profile_for
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.agent.trace import Step

from ..scripted import FakeGrounder, ScriptedModel, call, ct_volume, picture

KIDNEY = {"left kidney": (120.0, 80.0, 150.0, 120.0)}
QUESTION = "Which organ is it?\nA) the left kidney\nB) the spleen"


def full(*said: Any) -> Result:
    """A choice and one claim at level full; `said` is what the model answers when it is asked again."""
    claim = {"text": "The left kidney is on the patient's left.", "evidence": ["E1"]}
    replies = [call("ground", phrase="left kidney"), call("answer", text="A", claims=[claim]), *said]
    agent = Agent(
        ScriptedModel(replies=replies),
        grounder=FakeGrounder(KIDNEY),
        profile=profile_for("qwen3-vl"),
        checks="full",
    )
    return agent.ask(ct_volume(side=200), QUESTION)


def test_each_call_is_counted_once() -> None:
    told = full(call("answer", text="B"), "Yes", "Yes", "No").to_json()
    checks = told["checks"]
    assert checks["calls"] == {"order": 1, "presence": 1, "entailment": 1, "twin": 2}
    assert checks["model_calls"] == 4 and checks["grounder_calls"] == 1
    assert told["usage"]["calls"] == 2 + 4 and told["claims"][0]["supported"]
    made = [step for step in told["steps"] if step["tool"] == "check"]
    assert [step["arguments"]["kind"] for step in made if "usage" in step["facts"]] == [
        "order", "crop", "claim", "twin",
    ]  # fmt: skip
    assert sum(checks["calls"].values()) == sum(step["arguments"]["kind"] in CALLS for step in made)


def test_a_call_that_failed_was_a_call() -> None:
    told = full(RuntimeError("down")).to_json()
    assert told["checks"]["calls"] == {"order": 1, "presence": 1, "entailment": 1, "twin": 2}
    assert told["usage"]["calls"] == 6 and told["claims"][0]["supported"]


def test_nothing_is_told_where_nothing_was_checked() -> None:
    assert checks_told([Step(n=1, turn=1, tool="answer")]) is None


def test_the_command_line_tells_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "picture.png"
    Image.fromarray(picture().pixels[0]).save(image)
    reply = {"name": "answer", "args": {"text": "A"}, "id": "call1"}
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"replies": [{"content": "", "tool_calls": [reply]}]}))
    options = ["--model", f"scripted:{script}", "--grounder", "none", "--checks", "full", "--json"]
    assert cli.run(["ask", str(image), "-q", QUESTION, *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["checks"]["level"] == "full" and told["checks"]["calls"] == {"order": 1}
    assert told["usage"]["calls"] == 2
