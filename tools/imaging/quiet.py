"""Silence while files are read.

pydicom, nibabel and Pillow warn about odd values and quote them; a quoted value may be a patient's name.
While ``quiet()`` is active on a thread, what their loggers and Python warnings would say goes nowhere.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("pydicom", "nibabel", "nibabel.global", "PIL", "pylibjpeg", "openjpeg", "nrrd")
_reading = threading.local()
_one_at_a_time = threading.RLock()  # warnings.catch_warnings changes the whole process


class _WhileReading(logging.Filter):
    """Drops records of threads that are reading a file, and only those."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_reading, "depth", 0)


_FILTER = _WhileReading()


@contextmanager
def quiet() -> Iterator[None]:
    """No warning and no log record of a reader library leaves this block."""
    _hush_loggers()
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _reading.depth = getattr(_reading, "depth", 0) + 1
        try:
            yield
        finally:
            _reading.depth -= 1


def _hush_loggers() -> None:
    # a filter counts only on the very logger of a record, so modules' own loggers are looked up each time
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    for name in {*names, *_LOGGERS}:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
