"""The image store: images and bytes under the SHA-256 of their content.

State, checkpoints and traces hold ids; the pixels live here once and really go when they are deleted. The
store does not know file names, patients or sessions.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from foveate.tools.imaging.blob import blob_parts, image_from_blob
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.render import render
from foveate.tools.imaging.views import View

_RECENT = 4  # decoded images kept at hand by a store in a folder
_ID = re.compile(r"[0-9a-f]{64}")


class StoreError(LookupError):
    """Something that is not in the store; one sentence with its id."""


class ImageStore:
    """Content-addressed blobs, in a folder or, without one, in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._blobs: dict[str, bytes] = {}
        self._images: OrderedDict[str, SourceImage] = OrderedDict()
        self._recent = threading.RLock()  # tools of one step run on several threads
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, image: SourceImage) -> str:
        """Stores pixels and geometry, without the file's name, and returns the id."""
        if self._folder is not None and not self._path(image.id).exists():
            self._write(image.id, blob_parts(image))
        self._keep(image.id, image)
        return image.id

    def get(self, image_id: str) -> SourceImage:
        """The image of that id. Raises StoreError."""
        if self._folder is not None and _ID.fullmatch(image_id) and not self._path(image_id).exists():
            with self._recent:
                self._images.pop(image_id, None)  # deleted through another store on the same folder
        image = self._images.get(image_id)
        if image is None:
            image = image_from_blob(self.get_bytes(image_id))
            image.__dict__["id"] = image_id  # the hash of these very bytes
        self._keep(image_id, image)
        return image

    def put_bytes(self, data: bytes) -> str:
        """Stores bytes and returns the id, their SHA-256 in hex."""
        blob_id = sha256(data).hexdigest()
        if self._folder is None:
            self._blobs[blob_id] = data
        elif not self._path(blob_id).exists():
            self._write(blob_id, [data])
        return blob_id

    def get_bytes(self, blob_id: str) -> bytes:
        """The bytes of that id; of an image, its stored form. Raises StoreError."""
        if self._folder is None:
            if blob_id in self._blobs:
                return self._blobs[blob_id]
            if blob_id in self._images:
                return b"".join(blob_parts(self._images[blob_id]))
        elif _ID.fullmatch(blob_id) and self._path(blob_id).exists():
            return self._path(blob_id).read_bytes()
        raise StoreError(f"The store holds nothing under the id {blob_id[:64]!r}.")

    def delete(self, blob_id: str) -> None:
        """Removes it from memory and disk. Raises StoreError when it is not there."""
        if blob_id not in self.list():
            raise StoreError(f"The store holds nothing under the id {blob_id[:64]!r}.")
        with self._recent:
            self._images.pop(blob_id, None)
        self._blobs.pop(blob_id, None)
        if self._folder is not None:
            self._path(blob_id).unlink()

    def list(self) -> list[str]:
        """All ids, sorted."""
        if self._folder is None:
            return sorted({*self._blobs, *self._images})
        return sorted(path.name for path in self._folder.iterdir() if _ID.fullmatch(path.name))

    def view_png(self, view: View) -> bytes:
        """The rendered view as PNG. Raises StoreError when its image is not here."""
        buffer = io.BytesIO()
        render(view, self.get(view.image_id)).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def _path(self, blob_id: str) -> Path:
        assert self._folder is not None
        return self._folder / blob_id

    def _keep(self, image_id: str, image: SourceImage) -> None:
        with self._recent:
            self._images[image_id] = image
            self._images.move_to_end(image_id)
            while self._folder is not None and len(self._images) > _RECENT:
                self._images.popitem(last=False)

    def _write(self, blob_id: str, parts: Iterable[bytes | memoryview]) -> None:
        # written beside and renamed: a run that is cut leaves no half blob under a valid id
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(parts)
            os.replace(name, self._path(blob_id))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
