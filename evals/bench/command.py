"""Runs the command `foveate` as a process of its own and measures it. Knows no agent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# A process starts with the peak memory of the one that forked it, so a small one stands between.
LAUNCHER = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
seconds = time.perf_counter() - begin
peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, done.stderr[-200:], seconds, peak_kib / 1024]))
"""


@dataclass(frozen=True)
class Measured:
    """Wall seconds and peak resident memory of one process."""

    seconds: float
    peak_mib: float


def seconds(arguments: Sequence[str]) -> float:
    """Wall seconds of one command line."""
    return measured(arguments).seconds


def measured(arguments: Sequence[str]) -> Measured:
    """Run `foveate` with these arguments to its end. Raises RuntimeError with its last words if it fails."""
    line = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "foveate.agent.cli", *arguments]
    told = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    code, said, taken, peak_mib = json.loads(told)
    if code != 0:
        raise RuntimeError(f"foveate {' '.join(arguments)} ended with {code}: {said.strip()}")
    return Measured(taken, peak_mib)
