"""`foveate mcp` as a process: the official client on its standard input and output, and bad options."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from foveate.agent.cli import run

from .conftest import DEMO, said

TRACE = {
    "profile": "pocket",
    "replies": [
        {
            "content": "",
            "tool_calls": [
                {
                    "name": "answer",
                    "args": {
                        "text": "It is there.",
                        "claims": [{"text": "a spot", "box": [10, 10, 60, 40], "view": "V0"}],
                    },
                    "id": "call00001",
                    "type": "tool_call",
                }
            ],
        }
    ],
}


def test_a_client_on_standard_input_and_output(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(json.dumps(TRACE))
    options = ["mcp", "--root", str(DEMO), "--grounder", "none", "--model", f"scripted:{tmp_path}/trace.json"]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "foveate.agent.cli", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    async def work() -> list[Any]:
        async with Client(parameters, read_timeout_seconds=120) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            shown = await client.call_tool("open_image", {"path": "upper_abdomen.dcm", "window": "liver"})
            session = shown.structured_content["session"]
            asked = await client.call_tool("ask", {"session": session, "question": "Is there a spot?"})
            return [names, shown, asked]

    names, shown, asked = asyncio.run(work())
    assert "ask" in names and "ground" not in names
    assert "image 1" in said(shown) and "upper_abdomen" not in said(shown)
    assert shown.structured_content["views"][0]["window"] == {"center": 60.0, "width": 160.0}
    assert asked.structured_content["claims"][0]["evidence"] == ["E1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--http", "--host", "0.0.0.0"], "FOVEATE_MCP_KEY"),
        (["--root", "/nowhere/at/all"], "no folder"),
        (["--model", "scripted:/nowhere.json"], "nowhere.json"),
    ],
)
def test_bad_options_are_told_in_one_line(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOVEATE_MCP_KEY", raising=False)
    assert run(["mcp", *options]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == ""


def test_a_short_key_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEATE_MCP_KEY", "short")
    assert run(["mcp", "--http"]) == 2
    assert "too short" in capsys.readouterr().err
