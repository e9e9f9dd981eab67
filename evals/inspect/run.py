"""Runs the questions of a task with Inspect AI's eval-set: live progress, logs, and resume after any kill.

Inspect takes finished samples from the log of the killed run; what had not reached that log yet comes from
the run's own journal, so that no sample is asked twice and none is lost. Knows no metric and no report.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from inspect_ai import eval_set
from inspect_ai.log import EvalLog

from foveate.evals.inspect.bridge import Bridge

FEW = 10
"""Samples between two writes of Inspect's log, at least; for large runs a fiftieth of them, because each
write copies the log."""
UNFORESEEN = "an internal error, whose traceback is in the Inspect log"


def run_all(bridge: Bridge, display: Literal["rich", "plain", "none"]) -> dict[str, str]:
    """Asks and scores what is not done yet; returns why samples have no score, by id.

    Whatever Inspect prints goes to standard error. Raises KeyboardInterrupt when the user stopped it.
    """
    bridge.folder.logs.mkdir(exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):
        _, logs = eval_set(
            bridge.inspect_task(),
            log_dir=str(bridge.folder.logs),
            model=None,
            display=display,
            max_samples=bridge.parallel,
            retry_attempts=0,
            retry_immediate=False,
            fail_on_error=True,
            continue_on_fail=True,
            log_level="warning",
            log_buffer=max(FEW, len(bridge.questions) // 50),
            log_realtime=False,
            score_display=False,
            ctl_server=False,
            metadata=_told(bridge.folder.described),
        )
    # an interrupted eval-set hands back a cancelled log or none at all
    if not logs or any(log.status == "cancelled" for log in logs):
        raise KeyboardInterrupt
    _clean(bridge, logs)
    left = (name for name in bridge.questions if name not in bridge.folder.scores)
    return {name: bridge.failures.get(name, f"{name}: {UNFORESEEN}") for name in left}


def shown_progress() -> Literal["rich", "plain"]:
    """A live display on a terminal, lines elsewhere."""
    return "rich" if sys.stderr.isatty() else "plain"


def _told(described: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": described["model"], "tools": described["use_tools"], "variant": described["variant"]}


def _clean(bridge: Bridge, logs: Sequence[EvalLog]) -> None:
    """Removes the logs of killed attempts: their samples are in the last one."""
    kept = {log.location.rpartition("/")[2] for log in logs}
    for path in bridge.folder.logs.glob("*.eval"):
        if path.name not in kept:
            path.unlink()
