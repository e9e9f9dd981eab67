"""Where the image store keeps its bytes: memory, a local folder, or any fsspec URL.

Three implementations of one protocol; a blob is there whole or not at all. Knows no image.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

ID = re.compile(r"[0-9a-f]{64}")
Parts = Iterable[bytes | memoryview]
_PART = ".part-"


class Blobs(Protocol):
    """Bytes under ids of 64 hex digits."""

    def has(self, blob_id: str) -> bool: ...

    def read(self, blob_id: str) -> bytes:
        """Raises KeyError."""
        ...

    def write(self, blob_id: str, parts: Parts) -> None: ...

    def remove(self, blob_id: str) -> None:
        """Raises KeyError."""
        ...

    def list(self) -> list[str]: ...


class MemoryBlobs:
    """A dictionary."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def has(self, blob_id: str) -> bool:
        return blob_id in self._kept

    def read(self, blob_id: str) -> bytes:
        return self._kept[blob_id]

    def write(self, blob_id: str, parts: Parts) -> None:
        self._kept[blob_id] = b"".join(parts)

    def remove(self, blob_id: str) -> None:
        del self._kept[blob_id]

    def list(self) -> list[str]:
        return list(self._kept)


class FolderBlobs:
    """Files of a local folder, written beside and renamed, so that a cut run leaves no half blob."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, blob_id: str) -> bool:
        return bool(ID.fullmatch(blob_id)) and (self._folder / blob_id).exists()

    def read(self, blob_id: str) -> bytes:
        try:
            return (self._folder / _checked(blob_id)).read_bytes()
        except FileNotFoundError:
            raise KeyError(blob_id) from None

    def write(self, blob_id: str, parts: Parts) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=_PART)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(parts)
            os.replace(name, self._folder / _checked(blob_id))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def remove(self, blob_id: str) -> None:
        try:
            (self._folder / _checked(blob_id)).unlink()
        except FileNotFoundError:
            raise KeyError(blob_id) from None

    def list(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if ID.fullmatch(path.name)]

    def sweep(self) -> None:
        """Removes what writers that were killed have left; only for the one process that uses the folder."""
        for path in self._folder.glob(f"{_PART}*"):
            path.unlink(missing_ok=True)


class FsspecBlobs:
    """Objects under an fsspec URL such as s3://bucket/prefix; its packages and credentials are fsspec's."""

    def __init__(self, url: str, **options: Any) -> None:
        import fsspec

        self._files, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        self._root = self._root.rstrip("/")
        self._files.makedirs(self._root, exist_ok=True)

    def has(self, blob_id: str) -> bool:
        return bool(ID.fullmatch(blob_id)) and bool(self._files.exists(self._path(blob_id)))

    def read(self, blob_id: str) -> bytes:
        try:
            return bytes(self._files.cat_file(self._path(blob_id)))
        except FileNotFoundError:
            raise KeyError(blob_id) from None

    def write(self, blob_id: str, parts: Parts) -> None:
        part = f"{self._root}/{_PART}{uuid4().hex}"
        try:
            with self._files.open(part, "wb") as file:
                for piece in parts:
                    file.write(piece)
            self._files.mv(part, self._path(blob_id))
        except BaseException:
            if self._files.exists(part):
                self._files.rm_file(part)
            raise

    def remove(self, blob_id: str) -> None:
        if not self.has(blob_id):
            raise KeyError(blob_id)
        self._files.rm_file(self._path(blob_id))

    def list(self) -> list[str]:
        found = (str(path).rsplit("/", 1)[-1] for path in self._files.ls(self._root, detail=False))
        return [name for name in found if ID.fullmatch(name)]

    def _path(self, blob_id: str) -> str:
        return f"{self._root}/{_checked(blob_id)}"


def _checked(blob_id: str) -> str:
    if not ID.fullmatch(blob_id):
        raise KeyError(blob_id)
    return blob_id
