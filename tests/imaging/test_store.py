"""The store: ids are content, a delete is a delete."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveate.tools.imaging.blobs import MemoryBlobs
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore, StoreError
from foveate.tools.imaging.views import overview, render
from foveate.tools.imaging.windows import Window


def volume(seed: int = 0, name: str = "scan") -> SourceImage:
    rng = np.random.default_rng(seed)
    return SourceImage(
        pixels=rng.integers(-1000, 1000, (3, 8, 9)).astype(np.int16),
        spacing_mm=(2.5, 0.7, 0.7),
        affine=np.diag([0.7, 0.7, 2.5, 1.0]),
        to_stored=np.eye(4),
        modality="CT",
        intensity_unit="HU",
        default_window=Window(40, 400),
        convention="radiological",
        volume=True,
        patient_side_known=True,
        stored_orientation="LAS",
        name=name,
        notes=["turned"],
    )


@pytest.fixture(params=["memory", "folder", "fsspec folder", "fsspec memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    places = {"folder": str(tmp_path / "store"), "fsspec folder": f"file://{tmp_path}/store"}
    places["fsspec memory"] = f"memory://{tmp_path.name}"
    return ImageStore.at(places[request.param]) if request.param in places else ImageStore()


def test_an_image_comes_back_as_it_was_but_nameless(store: ImageStore) -> None:
    image = volume(name="jane")
    fresh = store if isinstance(store.blobs, MemoryBlobs) else ImageStore(blobs=store.blobs)
    read = fresh.get(store.put(image))
    assert read.id == image.id and np.array_equal(read.pixels, image.pixels)
    assert read.describe() == image.describe() and read.sides("axial") == image.sides("axial")
    assert read.affine is not None and image.affine is not None
    assert np.array_equal(read.affine, image.affine) and read.default_window == image.default_window
    assert b"jane" not in store.get_bytes(image.id)


def test_the_id_is_the_hash_of_the_stored_bytes(store: ImageStore) -> None:
    image_id = store.put(volume())
    assert sha256(store.get_bytes(image_id)).hexdigest() == image_id
    assert store.put(volume(name="another name")) == image_id
    assert store.put(volume(1)) != image_id
    assert store.list() == sorted({image_id, volume(1).id})


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_bytes_come_back_and_go(blobs: list[bytes]) -> None:
    store = ImageStore()
    ids = [store.put_bytes(blob) for blob in blobs]
    assert [store.get_bytes(blob_id) for blob_id in ids] == blobs
    for blob_id in set(ids):
        store.delete(blob_id)
    assert store.list() == []


def test_a_delete_leaves_nothing(store: ImageStore, tmp_path: Path) -> None:
    image = volume()
    image_id, text_id = store.put(image), store.put_bytes(b"text")
    view = overview(image, 8)
    store.view_png(view)
    store.delete(image_id)
    store.delete(text_id)
    assert store.list() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    for call in (lambda: store.get(image_id), lambda: store.view_png(view), lambda: store.delete(image_id)):
        with pytest.raises(StoreError, match="nothing under"):
            call()


def test_a_deleted_image_is_gone_for_a_second_store_on_the_folder(tmp_path: Path) -> None:
    first, second = ImageStore(tmp_path), ImageStore(tmp_path)
    image_id = first.put(volume())
    second.get(image_id)
    first.delete(image_id)
    with pytest.raises(StoreError):
        second.get(image_id)


def test_a_view_is_rendered_as_png(store: ImageStore) -> None:
    image = volume()
    store.put(image)
    view = overview(image, 8)
    shown = Image.open(io.BytesIO(store.view_png(view)))
    assert np.array_equal(np.asarray(shown), np.asarray(render(view, image)))


@pytest.mark.parametrize("wrong", ["", "nope", "../../etc/passwd", "0" * 64, "a" * 10_000])
def test_an_unknown_id_is_told_briefly(store: ImageStore, wrong: str) -> None:
    with pytest.raises(StoreError) as caught:
        store.get(wrong)
    assert len(str(caught.value)) < 200


def test_a_cut_write_leaves_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ImageStore(tmp_path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.put_bytes(b"half")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_write_to_fsspec_leaves_no_blob(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    store = ImageStore.at(f"file://{tmp_path}/store")
    with pytest.raises(KeyboardInterrupt):
        store.blobs.write("0" * 64, parts())
    assert store.list() == [] and list((tmp_path / "store").iterdir()) == []


def test_several_threads_read_more_images_than_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveate.tools.imaging.store.RECENT_BYTES", 4 * volume().pixels.nbytes)
    store = ImageStore(tmp_path)
    ids = [store.put(volume(seed)) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda index: store.get(ids[index % 8]).id, range(400)))
    assert read == [ids[index % 8] for index in range(400)]
