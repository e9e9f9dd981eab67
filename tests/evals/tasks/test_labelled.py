"""Labelled volumes from files: any stored orientation gives the same labels; other grids are refused."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest

from foveate.evals.tasks.labelled import open_labelled, read_names
from foveate.evals.tasks.records import DataFault

from .bodies import NAMES, SPACING, arrays, body, write_body


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "PSR", "SAL"])
def test_every_stored_orientation_gives_the_same_labels(tmp_path: Path, codes: str) -> None:
    volume, labels, names = write_body(tmp_path, codes)
    opened = open_labelled("body", volume, labels, read_names(names), "CT")
    assert np.array_equal(opened.labels.pixels, body().labels.pixels)
    assert opened.names == NAMES and opened.modality == "CT"
    assert np.array_equal(opened.slice_labels("coronal", 20), body().slice_labels("coronal", 20))


def test_nrrd_files(tmp_path: Path) -> None:
    for name, array in zip(("ct.nrrd", "labels.nrrd"), arrays(), strict=True):
        header = {
            "space": "left-posterior-superior", "space origin": np.zeros(3),
            "space directions": np.diag([SPACING[2], SPACING[1], SPACING[0]]),
        }  # fmt: skip
        nrrd.write(str(tmp_path / name), np.ascontiguousarray(array.transpose(2, 1, 0)), header)
    opened = open_labelled("body", tmp_path / "ct.nrrd", tmp_path / "labels.nrrd", NAMES, "CT")
    assert np.array_equal(opened.labels.pixels, body().labels.pixels)


def test_another_grid_is_refused(tmp_path: Path) -> None:
    volume, labels, _ = write_body(tmp_path)
    array = nib.load(labels)
    moved = array.affine.copy()
    moved[0, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(array.dataobj), moved), labels)
    with pytest.raises(DataFault, match="lies elsewhere than its volume"):
        open_labelled("body", volume, labels, NAMES, "CT")
    nib.save(nib.Nifti1Image(np.asarray(array.dataobj)[:-1], array.affine), labels)
    with pytest.raises(DataFault, match="another size than its volume"):
        open_labelled("body", volume, labels, NAMES, "CT")


def test_labels_without_names_and_files_that_are_not_there(tmp_path: Path) -> None:
    volume, labels, _ = write_body(tmp_path)
    with pytest.raises(DataFault, match="no label of the map has a name"):
        open_labelled("body", volume, labels, {99: "moon"}, "CT")
    with pytest.raises(DataFault, match=r"there is no no\.nii"):
        open_labelled("body", tmp_path / "no.nii", labels, NAMES, "CT")
    with pytest.raises(DataFault, match="does not say its modality"):
        open_labelled("body", volume, labels, NAMES)


def test_names_from_each_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("group,ID,structure\norgans,1,spleen\norgans,2,liver\n")
    assert read_names(tmp_path / "n.csv") == {1: "spleen", 2: "liver"}
    (tmp_path / "n.json").write_text(json.dumps({"labels": {"background": 0, "spleen": 1}}))
    assert read_names(tmp_path / "n.json") == {1: "spleen"}
    (tmp_path / "n.py").write_text(
        'class_map = {"total": {1: "spleen"}, "other": {1: "x"}}\nraise SystemExit\n'
    )
    assert read_names(tmp_path / "n.py", "other") == {1: "x"}


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("n.csv", "id,colour\n1,red\n", "no column with names"),
        ("n.csv", "id,name\none,red\n", "line 2: 'id' is a text"),
        ("n.json", '{"one": "two"}', "no number or no name"),
        ("n.json", "[]", "it holds no names"),
        ("n.py", "x = 1", "no class_map"),
    ],
)
def test_names_that_are_none(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataFault, match=complaint):
        read_names(tmp_path / name)
