"""The small parts: prompt files, workers, Studio's entry."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveate import prompts
from foveate.agent.models.profiles import PROFILES, Profile
from foveate.agent.workers import run_all

from .scripted import call, patches


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_both_styles_have_the_same_lines_and_no_field_that_the_other_lacks_a_reason_for() -> None:
    compact, full = (prompts.table(f"{style}/lines.toml") for style in prompts.STYLES)
    assert set(compact) <= set(full)  # full has lines of tools that compact models are not offered
    extra = {key: fields(full[key]) - fields(compact[key]) for key in compact}
    assert {key: names for key, names in extra.items() if names} == {
        "absent": {"threshold"},
        "measure_mm": {"longest", "area"},
        "measure_px": {"longest", "area"},
    }


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_profile_finds_its_words(profile: Profile) -> None:
    from foveate.agent.observe import system_message

    for use_tools in (True, False):
        words = system_message(profile, use_tools, tools="TOOLS").text
        assert words and "{" not in words.replace('[{"name": "TOOL", "arguments": {}}]', "")


def test_outcomes_keep_the_order_of_the_calls_and_errors_do_not_spread() -> None:
    def fail() -> int:
        raise KeyError("x")

    first, second, third = run_all([lambda: (time.sleep(0.05), 1)[1], fail, lambda: 3], 5)
    assert (first.value, third.value) == (1, 3)
    assert isinstance(second.error, KeyError)


def test_a_late_call_is_abandoned_and_its_thread_is_not_waited_for() -> None:
    hold = threading.Event()
    begin = time.perf_counter()
    late, done = run_all([hold.wait, lambda: True], 0.5)
    assert late.late and not late.error and done.value is True
    assert time.perf_counter() - begin < 20
    hold.set()


def test_threads_are_used_again() -> None:
    run_all([lambda: None], 5)
    time.sleep(0.05)
    before = threading.active_count()
    for _ in range(20):
        run_all([lambda: None], 5)
        time.sleep(0.002)
    assert threading.active_count() <= before + 1


def test_studio_opens_paths_and_goes_on_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from foveate.agent.studio import graph

    pixels = patches(np.random.default_rng(0), 40, 60).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    replies: list[dict[str, Any]] = [{"content": call("answer", text=word)} for word in ("One.", "Two.")]
    (tmp_path / "trace.json").write_text(json.dumps({"replies": replies}))
    monkeypatch.setenv("FOVEATE_MODEL", f"scripted:{tmp_path / 'trace.json'}")
    monkeypatch.setenv("FOVEATE_GROUNDER", "none")
    compiled = graph()
    first = compiled.invoke({"paths": [str(tmp_path / "a.png")], "question": "What?"})
    second = compiled.invoke({**first, "question": "And?"})
    assert (first["answer"]["text"], second["answer"]["text"]) == ("One.", "Two.")
    assert list(second["views"]) == ["V0"]
    named = json.loads(Path("langgraph.json").read_text())["graphs"]["foveate"]
    assert named == "./agent/studio.py:graph"
