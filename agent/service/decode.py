"""Opens uploads in worker processes that can die alone; gives images in the store's own form.

Knows how to start, feed, time and bury a worker; what a file is, only the worker looks at.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from foveate.agent.service.problems import Problem
from foveate.agent.service.settings import Bounds
from foveate.tools.imaging.blob import image_from_blob
from foveate.tools.imaging.image import SourceImage

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")


class Decoders:
    """A few warm workers; a job waits for a free one."""

    def __init__(self, bounds: Bounds, scratch: Path) -> None:
        self._bounds, self._scratch = bounds, scratch
        self._free: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(bounds.decoders):
            self._free.put_nowait(None)

    async def open(self, files: Iterable[IO[bytes]]) -> list[SourceImage]:
        """The images of one upload. Raises Problem."""
        with tempfile.TemporaryDirectory(prefix="upload-", dir=self._scratch) as folder:
            names = await asyncio.to_thread(_copied, list(files), Path(folder))
            job = {"folder": folder, "files": names, "limits": asdict(self._bounds.limits)}
            async with self._worker() as worker:
                told = await self._answer(worker, job)
            if "error" in told:
                raise Problem("bad-image", str(told["error"]))
            return await asyncio.to_thread(_read, Path(folder), told["images"])

    async def close(self) -> None:
        """Ends the workers that are free."""
        while not self._free.empty():
            worker = self._free.get_nowait()
            _end(worker)
            if worker is not None:
                await worker.wait()

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        worker = await self._free.get()
        try:
            if worker is None or worker.returncode is not None:
                worker = await self._started()
            yield worker
        except BaseException:
            _end(worker)  # it may still be at the old job
            worker = None
            raise
        finally:
            self._free.put_nowait(worker)

    async def _started(self) -> asyncio.subprocess.Process:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "foveate.agent.service.decode_worker",
            str(self._bounds.decode_memory),
            str(int(self._bounds.decode_seconds) + 1),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a library's words may quote the file
            env={**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    async def _answer(self, worker: asyncio.subprocess.Process, job: dict[str, Any]) -> dict[str, Any]:
        assert worker.stdin is not None and worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(job).encode() + b"\n")
            line = await asyncio.wait_for(worker.stdout.readline(), self._bounds.decode_seconds + 10)
            told = json.loads(line)
        except TimeoutError:
            raise Problem("bad-image", "The image took too long to open; send a smaller one.") from None
        except (ValueError, ConnectionError):
            raise Problem(
                "bad-image",
                "The process that opened the image died of it: the file is damaged or asks for more memory "
                "or time than is allowed. Nothing was kept; convert the image or send a smaller one.",
            ) from None
        return dict(told)


def _end(worker: asyncio.subprocess.Process | None) -> None:
    if worker is not None and worker.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()


def _copied(files: list[IO[bytes]], folder: Path) -> list[str]:
    for number, source in enumerate(files):
        source.seek(0)
        with (folder / f"upload-{number + 1}").open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    return [f"upload-{number + 1}" for number in range(len(files))]


def _read(folder: Path, told: list[dict[str, Any]]) -> list[SourceImage]:
    return [image_from_blob((folder / str(item["file"])).read_bytes()) for item in told]
