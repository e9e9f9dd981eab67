"""The benchmark measures what it says; the state's size is a law, not a timing."""

from __future__ import annotations

import pytest

from foveate.evals.bench import ask, command, graph


def test_state_grows_by_little_a_step_whatever_the_image_size() -> None:
    small, large = graph.state_growth(64), graph.state_growth(1024)
    assert 100 < small <= 4096
    assert large == pytest.approx(small, rel=0.1)


def test_overhead_counts_neither_model_nor_tools() -> None:
    result = graph.scripted_run(graph.noise(128), 5, "zoom")
    tools = sum(step.seconds for step in result.steps)
    assert len(result.steps) == 6 and tools > 0
    assert 0 < graph.own_seconds(result) < result.seconds - tools


def test_a_command_is_measured_and_a_failing_one_is_an_error() -> None:
    ran = command.measured(["--version"])
    assert 0.01 < ran.seconds < 30 and 5 < ran.peak_mib < 200
    with pytest.raises(RuntimeError, match="ended with 2"):
        command.measured(["nonsense"])


def test_a_missed_target_is_said_and_a_met_one_is_not() -> None:
    assert "MISSED" in ask.Row("slow", 9.0, "s", 8.0).line()
    assert "MISSED" not in ask.Row("quick", 7.0, "s", 8.0).line()
    rows = [ask.Row("state growth, a", 2.0, "KiB"), ask.Row("state growth, b", 4.0, "KiB")]
    assert [row.value for row in ask.ratios(rows)] == [2.0]
