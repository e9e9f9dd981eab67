"""Runs the command `foveate` as a process of its own and measures it. Knows no agent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Wall seconds and peak resident memory of one process."""

    seconds: float
    peak_mib: float


def seconds(arguments: Sequence[str]) -> float:
    """Wall seconds of one command line."""
    return measured(arguments).seconds


def measured(arguments: Sequence[str]) -> Measured:
    """Run `foveate` with these arguments to its end. Raises RuntimeError with its last line when it fails."""
    begin = time.perf_counter()
    line = [sys.executable, "-m", "foveate.agent.cli", *arguments]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(
            f"foveate {' '.join(arguments)} ended with {process.returncode}: {said.strip()[-200:]}"
        )
    return Measured(time.perf_counter() - begin, usage.ru_maxrss / 1024)
