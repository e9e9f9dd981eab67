"""Opened images of questions, kept while they are in use and a little longer, never all of them.

Questions on one volume come one after another: it is opened once. Knows no agent and no question.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

from foveate.evals.contract.images import FileImage, ImageSource, MadeImage
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore

ROOM = 256 * 2**20
"""Bytes of pixels that are kept opened beyond those in use."""


def source_key(source: ImageSource) -> Hashable:
    """What two sources of the same pixels share; the slice that opens a question is not part of it."""
    if isinstance(source, FileImage):
        return source.path, source.window
    return ("made", source.key) if isinstance(source, MadeImage) else ("other", source)


class OpenedImages:
    """Images in a store for as long as a question is asked about them."""

    def __init__(self, store: ImageStore, room: int = ROOM) -> None:
        self.store, self._room = store, room
        self._recent: OrderedDict[Hashable, SourceImage] = OrderedDict()
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._opening: dict[Hashable, threading.Lock] = {}

    @contextmanager
    def lent(self, sources: Sequence[ImageSource]) -> Iterator[list[SourceImage]]:
        """The images, in the store until the end of the block. Raises ImageError."""
        images = [self._image(source) for source in sources]
        with self._lock:
            for image in images:
                self._used[image.id] += 1
                self.store.put(image)
        try:
            yield images
        finally:
            with self._lock:
                for image in images:
                    self._free(image.id)

    def _free(self, image_id: str) -> None:
        self._used[image_id] -= 1
        if self._used[image_id] == 0:
            del self._used[image_id]
            self.store.delete(image_id)

    def _image(self, source: ImageSource) -> SourceImage:
        key = source_key(source)
        with self._lock:
            if key in self._recent:
                self._recent.move_to_end(key)
                return self._recent[key]
            opening = self._opening.setdefault(key, threading.Lock())
        with opening:  # several questions on one volume open it once, the others wait
            with self._lock:
                if key in self._recent:
                    return self._recent[key]
            image = source.open()
            image.name = "image"  # file names of data sets may be identifiers
            image.id  # noqa: B018  # hashed here, once and outside the lock
            self._keep(key, image)
        return image

    def _keep(self, key: Hashable, image: SourceImage) -> None:
        with self._lock:
            self._opening.pop(key, None)
            self._recent[key] = image
            while len(self._recent) > 1 and sum(i.pixels.nbytes for i in self._recent.values()) > self._room:
                self._recent.popitem(last=False)
