"""Runs calls at the same time and stops waiting at a deadline.

A call that is late is abandoned, not killed: its thread ends on its own and nobody reads its result. Threads
are daemons, so that a hung request never keeps a process alive, and are used again. Knows nothing of what it
runs.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of one call; `late` when it was abandoned at the deadline."""

    value: T | None = None
    error: Exception | None = None
    seconds: float = 0.0
    late: bool = False


class _Pool:
    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._work, daemon=True, name="foveate-worker").start()
        self._queue.put(job)

    def _work(self) -> None:
        while True:
            self._queue.get()()
            with self._lock:
                self._idle += 1


_POOL = _Pool()


def run_all(calls: Sequence[Callable[[], T]], seconds: float) -> list[Outcome[T]]:
    """Outcomes in the order of the calls, at most `seconds` after the start."""
    start = time.perf_counter()
    results: list[SimpleQueue[Outcome[T]]] = [SimpleQueue() for _ in calls]
    for call, result in zip(calls, results, strict=True):
        _POOL.submit(_job(call, result))
    return [_wait(result, start, seconds) for result in results]


def _job(call: Callable[[], T], result: SimpleQueue[Outcome[T]]) -> Callable[[], None]:
    context = contextvars.copy_context()

    def run() -> None:
        start = time.perf_counter()
        try:
            value = context.run(call)
        except Exception as error:  # handed to the caller, who names it
            result.put(Outcome(error=error, seconds=time.perf_counter() - start))
        else:
            result.put(Outcome(value=value, seconds=time.perf_counter() - start))

    return run


def _wait(result: SimpleQueue[Outcome[T]], start: float, seconds: float) -> Outcome[T]:
    from queue import Empty

    left = seconds - (time.perf_counter() - start)
    try:
        return result.get(timeout=max(left, 0.0)) if left > 0 else result.get_nowait()
    except Empty:
        return Outcome(seconds=time.perf_counter() - start, late=True)
