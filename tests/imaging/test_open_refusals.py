"""What cannot be opened is refused in one sentence that names the file and says what to do."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveate.tools.imaging.open import ImageError, Limits, open_image


def refused(path: Any, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(path, **options)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 500
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return text


def test_a_missing_file_is_named_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused("scans/missing one.dcm") == "'scans/missing one.dcm' does not exist; check the path."


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "a/" * 3000 + "b", ""])
def test_paths_that_no_system_takes(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(path)


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    assert "evil?[31m?name" in refused(tmp_path / "evil\x1b[31m\nname")


@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.nii.gz", "a.nrrd", "a"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "0 bytes" in refused(tmp_path / name)


def test_an_empty_folder_and_one_without_images(tmp_path: Path) -> None:
    assert "empty folder" in refused(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing here")
    assert "no DICOM images" in refused(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert "no DICOM images" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"hello", b"%PDF-1.7", b"PK\x03\x04", b"\x00" * 600, b"<svg>", b"\xff"])
def test_what_is_not_an_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert "not an image that is known here" in refused(path)


def test_gzip_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"text" * 200))
    assert "not an image" in refused(path)
    path.write_bytes(gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(600)))
    assert "unpack it" in refused(path)
    path.write_bytes(b"\x1f\x8b" + b"broken")
    assert "damaged" in refused(path)


def test_special_files_and_permissions(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "not a regular file" in refused("/dev/zero")
    locked = tmp_path / "locked.png"
    locked.write_bytes(b"x")
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root reads everything
        assert "permissions" in refused(locked)


def test_a_file_above_the_byte_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(10_000_000)
    assert "max_bytes" in refused(path, limits=Limits(max_bytes=1_000_000))


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@host.example/patient/doe?token=abc",
        "http://host.example/a.png",
        "ftp://host.example/a",
        "file:///etc/passwd",
        "s3://bucket/key",
        "HTTPS://host.example/",
        "https://[broken",
    ],
)
def test_a_url_is_refused_without_its_secrets(url: str) -> None:
    text = refused(url)
    assert "URL" in text and "secret" not in text and "abc" not in text and "doe" not in text


def test_an_allowed_url_is_still_no_way_to_local_files() -> None:
    assert "neither http nor https" in refused("file:///etc/passwd", allow_url=True)


def test_lists(tmp_path: Path) -> None:
    assert "No file was given" in refused([])
    for name in ("a.png", "b.png"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    assert open_image([tmp_path / "a.png"]).pixels.shape == (1, 4, 4)
    assert "holds no DICOM images" in refused([tmp_path / "a.png", tmp_path / "b.png"])
    assert "does not exist" in refused([tmp_path / "a.png", tmp_path / "c.png"])
    assert "not a file" in refused([tmp_path / "a.png", tmp_path])


def test_every_truncation_of_a_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 30), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    for cut in range(8, len(data) - 20, 37):
        path.write_bytes(data[:cut])
        assert "damaged" in refused(path)


def test_an_unknown_convention_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="convention"):
        open_image(tmp_path, convention="upside down")  # type: ignore[arg-type]
