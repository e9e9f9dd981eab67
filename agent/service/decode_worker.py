"""The process that opens uploaded files, so that a file that kills its reader kills nothing else.

Reads one JSON job a line from standard input and answers with one line. Sees a folder of files named by
numbers, never a client's file name; what it writes there is the store's form of an image, without any tag of
the file. Limits of memory, processor time and file size are the kernel's.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import zipfile
from pathlib import Path
from typing import Any

from foveate.tools.imaging.blob import blob_parts
from foveate.tools.imaging.errors import ImageError, Limits
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import known_kind, open_image

ZIP = b"PK\x03\x04"


def main() -> None:
    """Serves jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library that prints must not speak for us
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    _confine(memory)
    for line in sys.stdin:
        job = json.loads(line)
        _allow_cpu(seconds)
        answers.write(json.dumps(_done(job)) + "\n")


def _confine(memory: int) -> None:
    import ctypes
    import signal

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: die with the server


def _allow_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _done(job: dict[str, Any]) -> dict[str, Any]:
    folder, limits = Path(job["folder"]), Limits(**job["limits"])
    os.chdir(folder)  # errors name files as they are given: relative, by number
    try:
        images = [_written(image, f"image-{i}") for i, image in enumerate(_opened(job["files"], limits))]
    except ImageError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "The upload needs more memory than is allowed; send a smaller image."}
    finally:
        os.chdir("/")
    return {"images": images}


def _opened(files: list[str], limits: Limits) -> list[SourceImage]:
    """One image from a zip or from all files of a series, else one image a file."""
    if len(files) == 1 and _starts(files[0], ZIP):
        return [open_image(_unpacked(Path(files[0]), limits), limits=limits)]
    if len(files) > 1 and all(_is_dicom(name) for name in files):
        return [open_image(list(files), limits=limits)]
    return [open_image(name, limits=limits) for name in files]


def _starts(name: str, magic: bytes) -> bool:
    with open(name, "rb") as file:
        return file.read(len(magic)) == magic


def _is_dicom(name: str) -> bool:
    try:
        return known_kind(Path(name), name)[0] == "DICOM"
    except ImageError:
        return False


def _unpacked(path: Path, limits: Limits) -> Path:
    """A folder with the archive's files, or its only file; names in it are numbers. Raises ImageError."""
    folder = Path("unpacked")
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [item for item in archive.infolist() if not item.is_dir()]
            if not inside or len(inside) > limits.max_files:
                raise ImageError(
                    f"The zip holds {len(inside)} files; send 1 to {limits.max_files} of one series."
                )
            _unpack(archive, inside, folder, limits)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        raise ImageError("The zip is damaged or encrypted; make it anew and send it again.") from None
    return folder if len(inside) > 1 else folder / "0"


def _unpack(archive: zipfile.ZipFile, inside: list[zipfile.ZipInfo], folder: Path, limits: Limits) -> None:
    total = 0
    for number, item in enumerate(inside):
        with archive.open(item) as packed, (folder / str(number)).open("wb") as file:
            # what an archive says of its sizes is a claim; what comes out is counted
            while piece := packed.read(1 << 20):
                total += len(piece)
                limits.check_bytes("the zip", total)
                file.write(piece)


def _written(image: SourceImage, name: str) -> dict[str, Any]:
    with open(name, "wb") as file:
        file.writelines(blob_parts(image))
    return {"file": name}


if __name__ == "__main__":
    main()
