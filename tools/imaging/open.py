"""Open any image file: what it is goes by its content, not by its extension.

Whatever is wrong with a file ends in an ImageError with one sentence that names it as the user did and
says what to do. No value of the file reaches that sentence.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from foveate.tools.imaging.canonical import ViewingConvention
from foveate.tools.imaging.errors import ImageError as ImageError
from foveate.tools.imaging.errors import Limits as Limits
from foveate.tools.imaging.errors import damaged, shown_name
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.quiet import quiet

PathLike = str | os.PathLike[str]
KNOWN = "PNG, JPEG, TIFF, WebP, BMP, GIF, DICOM, NIfTI or NRRD"
_NOTHING = "No file was given; give an image file or a folder with one DICOM series."
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_UID = re.compile(r"\d+(\.\d+){4,}")
_START = 540  # as long as the longer of the two NIfTI headers
_RASTER = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"GIF8": "GIF",
    b"BM": "BMP",
}


def open_image(
    path: PathLike | Sequence[PathLike],
    *,
    limits: Limits | None = None,
    allow_url: bool = False,
    convention: ViewingConvention = "radiological",
) -> SourceImage:
    """One image from a file, a folder with one DICOM series, a list of that series' files, or an allowed URL.

    limits bounds what opening may cost; convention says how volumes are turned. Raises ImageError.
    """
    bounds = limits or Limits()
    if convention not in ("radiological", "neurological"):
        raise ValueError(f"The convention {convention!r} is unknown; take 'radiological' or 'neurological'.")
    try:
        return _open(path, bounds, allow_url, convention)
    except ImageError as error:
        sentence = str(error)
    # raised anew: the first error's context and frames lead to the library's error, which quotes values
    raise ImageError(sentence)


def _open(
    path: PathLike | Sequence[PathLike], bounds: Limits, allow_url: bool, convention: ViewingConvention
) -> SourceImage:
    if not isinstance(path, str | os.PathLike):
        return _open_list(list(path), bounds, allow_url, convention)
    if not os.fspath(path):
        raise ImageError(_NOTHING)
    if _URL.match(os.fspath(path)):
        return _open_url(os.fspath(path), bounds, allow_url, convention)
    return _open_path(Path(path), shown_name(path), bounds, convention)


def _open_list(
    paths: list[PathLike], limits: Limits, allow_url: bool, convention: ViewingConvention
) -> SourceImage:
    if not paths:
        raise ImageError(_NOTHING)
    if len(paths) == 1:
        return _open(paths[0], limits, allow_url, convention)
    from foveate.tools.imaging.series import load_series

    name = f"The list of {len(paths)} files starting with {shown_name(paths[0])}"
    with quiet():
        for path in paths:
            if _URL.match(os.fspath(path)) or not _status(Path(path), shown_name(path)):
                raise ImageError(
                    f"{shown_name(path)} is not a file; a list holds the files of one DICOM series."
                )
        image = _guarded(
            lambda: load_series([Path(p) for p in paths], name, limits, convention), name, "a series"
        )
    image.name = _stem(Path(paths[0]))
    return image


def _open_url(url: str, limits: Limits, allow_url: bool, convention: ViewingConvention) -> SourceImage:
    from foveate.tools.imaging.download import downloaded, shown_url

    if not allow_url:
        raise ImageError(f"{shown_url(url)} is a URL and URLs are not opened; download it and give the file.")
    with downloaded(url, limits) as path:
        image = _open_path(path, shown_url(url), limits, convention)
    image.name = "download"
    return image


def _open_path(path: Path, name: str, limits: Limits, convention: ViewingConvention) -> SourceImage:
    with quiet():
        if _status(path, name) is None:
            from foveate.tools.imaging.series import load_folder

            image = _guarded(lambda: load_folder(path, name, limits, convention), name, "a DICOM series")
        else:
            image = _open_file(path, name, limits, convention)
    image.name = _stem(path)
    return image


def _status(path: Path, name: str) -> os.stat_result | None:
    """Of a readable, regular file that holds something; None for a folder. Raises ImageError."""
    try:
        status = path.stat()
        readable = os.access(path, os.R_OK)
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist; check the path.") from None
    except (OSError, ValueError):
        raise ImageError(f"{name} cannot be reached; check the path and its permissions.") from None
    if not readable:
        raise ImageError(f"{name} may not be read; check its permissions.")
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{name} is not a regular file; give an image file.")
    if status.st_size == 0:
        raise ImageError(f"{name} is empty (0 bytes); get a complete copy.")
    return status


def _open_file(path: Path, name: str, limits: Limits, convention: ViewingConvention) -> SourceImage:
    limits.check_bytes(name, path.stat().st_size)
    kind, start = known_kind(path, name)
    image = _guarded(lambda: _load(path, kind, start, name, limits, convention), name, kind)
    ending = _claimed(path)
    if ending is not None and ending != kind:
        image.notes.append(f"the file's ending says {ending}, its content is {kind}")
    return image


def _load(
    path: Path, kind: str, start: bytes, name: str, limits: Limits, convention: ViewingConvention
) -> SourceImage:
    # each format's reader is imported only when such a file is met
    if kind == "NIfTI":
        from foveate.tools.imaging.nifti import load_nifti

        return load_nifti(path, start, name, limits, convention)
    data = path.read_bytes()
    if kind == "NRRD":
        from foveate.tools.imaging.nrrd import load_nrrd

        return load_nrrd(data, name, limits, convention)
    if kind == "DICOM":
        from foveate.tools.imaging.dicom import load_dicom

        return load_dicom(data, name, limits, convention)
    from foveate.tools.imaging.raster import load_raster

    return load_raster(data, kind, name, limits)


def known_kind(path: Path, name: str) -> tuple[str, bytes]:
    """The format by the first bytes, and those bytes (unpacked). Raises ImageError for what is not known."""
    with path.open("rb") as stream:
        start = stream.read(_START)
    packed = start[:2] == b"\x1f\x8b"
    if packed:
        start = _unpacked_start(path, name)
    kind = _kind(start)
    if packed and kind not in (None, "NIfTI"):
        raise ImageError(f"{name} is a gzip file that holds {kind}; unpack it and open what is inside.")
    if kind == "NIfTI pair":
        raise ImageError(
            f"{name} is one half of a NIfTI .hdr/.img pair; save it as one .nii file and open that."
        )
    if kind is None:
        raise ImageError(f"{name} is not an image that is known here ({KNOWN}); convert it to one of these.")
    return kind, start


def _unpacked_start(path: Path, name: str) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(_START)
    except Exception:
        raise damaged(name, "a gzip file") from None


def _kind(start: bytes) -> str | None:
    if start[128:132] == b"DICM":
        return "DICOM"
    if start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0"):
        return "NIfTI" if b"n+" in (start[344:346], start[4:6]) else "NIfTI pair"
    if start.startswith(b"NRRD000"):
        return "NRRD"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    for magic, kind in _RASTER.items():
        if start.startswith(magic):
            return kind
    # DICOM without its preamble starts with an element of group 2 or 8, in either byte order
    return "DICOM" if start[:2] in (b"\x02\0", b"\x08\0", b"\0\x02", b"\0\x08") else None


def _claimed(path: Path) -> str | None:
    endings = {
        "DICOM": (".dcm", ".dicom"),
        "NIfTI": (".nii", ".nii.gz"),
        "NRRD": (".nrrd",),
        "PNG": (".png",),
        "JPEG": (".jpg", ".jpeg"),
        "TIFF": (".tif", ".tiff"),
        "WEBP": (".webp",),
        "BMP": (".bmp",),
        "GIF": (".gif",),
    }
    return next((kind for kind, ends in endings.items() if path.name.lower().endswith(ends)), None)


def _guarded(load: Callable[[], SourceImage], name: str, kind: str) -> SourceImage:
    """The one place where whatever a reader library raises becomes a sentence without the file's values."""
    try:
        return load()
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name} does not fit into memory; give a smaller image.") from None
    except Exception:
        raise damaged(name, kind) from None


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    if _UID.search(name):  # scanners name files by the identifiers inside
        return "image"
    return Path(name).stem if not path.is_dir() else name
