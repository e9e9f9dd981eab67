"""The image store: images and bytes under the SHA-256 of their content.

State, checkpoints and traces hold ids; the pixels live here once and really go when they are deleted. The
store does not know file names, patients or sessions.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path

from foveate.tools.imaging.blob import blob_parts, image_from_blob
from foveate.tools.imaging.blobs import Blobs, FolderBlobs, FsspecBlobs, MemoryBlobs
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.render import render
from foveate.tools.imaging.views import View

RECENT_BYTES = 256 * 2**20  # decoded images kept at hand by a store that keeps its bytes elsewhere


class StoreError(LookupError):
    """Something that is not in the store; one sentence with its id."""


class ImageStore:
    """Content-addressed blobs, in a folder, under an fsspec URL (`at`) or, without either, in memory."""

    def __init__(self, folder: Path | None = None, *, blobs: Blobs | None = None) -> None:
        self._in_memory = folder is None and blobs is None
        self.blobs: Blobs = blobs or (MemoryBlobs() if folder is None else FolderBlobs(folder))
        self._images: OrderedDict[str, SourceImage] = OrderedDict()
        self._recent = threading.RLock()  # tools of one step run on several threads

    @classmethod
    def at(cls, place: str) -> ImageStore:
        """The store at an fsspec URL ("s3://bucket/prefix", "memory://images") or a folder's path."""
        return cls(blobs=FsspecBlobs(place)) if "://" in place else cls(Path(place))

    def put(self, image: SourceImage) -> str:
        """Stores pixels and geometry, without the file's name, and returns the id."""
        if not self._in_memory and not self.blobs.has(image.id):
            self.blobs.write(image.id, blob_parts(image))
        self._keep(image.id, image)
        return image.id

    def get(self, image_id: str) -> SourceImage:
        """The image of that id. Raises StoreError."""
        if not self._in_memory and not self.blobs.has(image_id):
            with self._recent:
                self._images.pop(image_id, None)  # deleted through another store on the same blobs
        image = self._images.get(image_id)
        if image is None:
            image = image_from_blob(self.get_bytes(image_id))
            image.__dict__["id"] = image_id  # the hash of these very bytes
        self._keep(image_id, image)
        return image

    def put_bytes(self, data: bytes) -> str:
        """Stores bytes and returns the id, their SHA-256 in hex."""
        blob_id = sha256(data).hexdigest()
        if not self.blobs.has(blob_id):
            self.blobs.write(blob_id, [data])
        return blob_id

    def get_bytes(self, blob_id: str) -> bytes:
        """The bytes of that id; of an image, its stored form. Raises StoreError."""
        try:
            return self.blobs.read(blob_id)
        except KeyError:
            pass
        if self._in_memory and blob_id in self._images:
            return b"".join(blob_parts(self._images[blob_id]))
        raise StoreError(f"The store holds nothing under the id {blob_id[:64]!r}.")

    def delete(self, blob_id: str) -> None:
        """Removes it from memory and disk. Raises StoreError when it is not there."""
        with self._recent:
            known = self._images.pop(blob_id, None) is not None and self._in_memory
        try:
            self.blobs.remove(blob_id)
        except KeyError:
            if not known:
                raise StoreError(f"The store holds nothing under the id {blob_id[:64]!r}.") from None

    def list(self) -> list[str]:
        """All ids, sorted."""
        return sorted({*self.blobs.list(), *(self._images if self._in_memory else ())})

    def view_png(self, view: View) -> bytes:
        """The rendered view as PNG. Raises StoreError when its image is not here."""
        buffer = io.BytesIO()
        render(view, self.get(view.image_id)).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def _keep(self, image_id: str, image: SourceImage) -> None:
        with self._recent:
            self._images[image_id] = image
            self._images.move_to_end(image_id)
            held = sum(kept.pixels.nbytes for kept in self._images.values())
            while not self._in_memory and held > RECENT_BYTES and len(self._images) > 1:
                held -= self._images.popitem(last=False)[1].pixels.nbytes
