"""The data folder on disk: one server at a time where SQLite is in it, and a scratch folder for each server.

A lock of the operating system goes with the process that holds it, so what a killed server has left is found
by its lock being free.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUse(RuntimeError):
    """Another server has the data folder; one sentence."""


@contextmanager
def own_folder(data: Path, *, alone: bool) -> Iterator[Path]:
    """The scratch folder of this server; `alone` refuses a second on the same data. Raises FolderInUse."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    whole = _locked(data / "server.lock") if alone else None
    if alone and whole is None:
        raise FolderInUse(
            f"Another server uses {data}; stop it, give --data another folder, or share a PostgreSQL."
        )
    try:
        with _scratch(data / "tmp") as folder:
            yield folder
    finally:
        if whole is not None:
            os.close(whole)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    parent.mkdir(exist_ok=True, mode=0o700)
    for left in parent.iterdir():
        lock = _locked(left / "lock")
        if lock is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="server-"))
    lock = _locked(folder / "lock")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock, or None when somebody else does."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except (NotADirectoryError, FileNotFoundError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
