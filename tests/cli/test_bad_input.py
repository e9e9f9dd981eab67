"""Bad usage and bad files: exit code 2, one clear line on standard error, nothing on standard output."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from foveate.agent.demo import demo_folder

from .conftest import Foveate, Ran, measured

NAME = "SECRET^PATIENT"


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 2, ran
    assert ran.out == ""
    assert ran.err.startswith("foveate: ") and ran.err.count("\n") == 1 and "Traceback" not in ran.err
    assert "SECRET" not in ran.err
    for word in words:
        assert word in ran.err


def missing(folder: Path) -> str:
    return str(folder / "nothing.png")


def empty_file(folder: Path) -> str:
    path = folder / "empty.png"
    path.touch()
    return str(path)


def words_called_picture(folder: Path) -> str:
    path = folder / "words.png"
    path.write_text(f"PatientName: {NAME}")
    return str(path)


def empty_folder(folder: Path) -> str:
    (folder / "series").mkdir()
    return str(folder / "series")


def truncated_dicom(folder: Path) -> str:
    whole = pydicom.dcmread(demo_folder() / "upper_abdomen.dcm")
    whole.PatientName = NAME
    path = folder / "cut.dcm"
    whole.save_as(path)
    path.write_bytes(path.read_bytes()[:9000])
    return str(path)


def bomb(folder: Path) -> str:
    """A PNG of a few bytes that declares 60000 x 60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    path = folder / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"x") + chunk(b"IEND", b""))
    return str(path)


def only_nan(folder: Path) -> str:
    import nibabel as nib

    path = folder / "nan.nii.gz"
    nib.Nifti1Image(np.full((8, 8, 2), np.nan, np.float32), np.eye(4)).to_filename(path)
    return str(path)


def mixed_series(folder: Path) -> str:
    mixed = folder / "mixed"
    mixed.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm"):
        (mixed / name).write_bytes(Path(str(get_testdata_file(name))).read_bytes())
    return str(mixed)


def a_url(folder: Path) -> str:
    return "http://127.0.0.1:9/picture.png"


@pytest.mark.parametrize(
    "make",
    [
        missing, empty_file, words_called_picture, empty_folder, truncated_dicom, bomb, only_nan,
        mixed_series, a_url,
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["ask", "ground"])
def test_a_bad_file_is_named_in_one_line(
    make: Callable[[Path], str], command: str, foveate: Foveate, tmp_path: Path
) -> None:
    path = make(tmp_path)
    rest = ["-q", "What is it?"] if command == "ask" else ["liver"]
    # of a URL only the host is said: the rest may hold a token
    refused(foveate(command, path, *rest, "--json"), "127.0.0.1" if "://" in path else Path(path).name)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-q", ""], "empty"),
        (["-q", "x" * 100_000], "100000 characters"),
        (["-q", "Q?", "--window", "purple"], "purple"),
        (["-q", "Q?", "--window", "40,0"], "width"),
        (["-q", "Q?", "--window", "1,2,3"], "1,2,3"),
        (["-q", "Q?", "--slice", "99"], "--slice 99"),
        (["-q", "Q?", "--max-steps", "0"], "--max-steps"),
        (["-q", "Q?", "-m", "no-such-model"], "no-such-model"),
        (["-q", "Q?", "-m", "scripted:/no/such/file.json"], "file.json"),
        (["-q", "Q?", "-m", "pocket", "--base-url", "http://127.0.0.1:9/v1"], "--base-url"),
        (["-q", "Q?", "-m", "openai:x", "--base-url", "nonsense"], "base URL"),
        (["-q", "Q?", "--colour"], "--colour"),
        ([], "--question"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], word: str, foveate: Foveate, picture: Path) -> None:
    refused(foveate("ask", str(picture), *arguments), word)


def test_an_unknown_grounder_is_named(foveate: Foveate, picture: Path, script) -> None:
    refused(foveate("ask", picture, "-q", "Q?", "-m", script(*measured()), "--grounder", "nobody"), "nobody")
    refused(foveate("ground", picture, "liver", "--grounder", "nobody"), "nobody")


def test_an_empty_phrase_is_refused(foveate: Foveate, picture: Path) -> None:
    refused(foveate("ground", picture, "liver", " "), "phrase")


def test_an_out_folder_that_is_a_file_is_refused(foveate: Foveate, picture: Path, script) -> None:
    ran = foveate(
        "ask", picture, "-q", "Q?", "-m", script(*measured()), "--grounder", "none", "--out", picture
    )
    refused(ran, picture.name)


def test_a_color_picture_has_no_window(foveate: Foveate, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "color.png"
    Image.new("RGB", (20, 20), (200, 10, 10)).save(path)
    refused(foveate("ask", path, "-q", "Q?", "--window", "lung"), "colour")


def test_no_command_is_bad_usage(foveate: Foveate) -> None:
    refused(foveate(), "command")
    refused(foveate("nonsense"), "nonsense")


def test_no_identifier_leaves_a_dicom_file(foveate: Foveate, tmp_path: Path, script) -> None:
    """A whole run, with everything it prints and writes."""
    source = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    source.PatientName, source.PatientID, source.PatientBirthDate = NAME, "SECRET-ID", "19310101"
    source.InstitutionName = "SECRET CLINIC"
    path = tmp_path / "slice.dcm"
    source.save_as(path)
    out = tmp_path / "run"
    ran = foveate(
        "ask", path, "-q", "Q?", "-m", script(*measured()), "--grounder", "none", "--json", "--out", out
    )
    assert ran.code == 0
    written = b"".join(file.read_bytes() for file in out.iterdir())
    for text in (ran.out.encode(), ran.err.encode(), written):
        assert b"SECRET" not in text and b"19310101" not in text
