# ruff: noqa: E501 - rows of a file stay rows here
"""Tiny sets of volumes in the benchmarks' own formats: own texts, drawn pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .files import (
    Rows,
    ct_array,
    save_csv,
    save_json,
    save_volume,
)


def write_rex(folder: Path) -> None:
    mask = np.zeros((2, 24, 20, 12), np.uint8)
    mask[0, 3:9, 4:10, 5:8], mask[0, 15:20, 12:18, 6:10], mask[1, 10:14, 2:6, 3:5] = 1, 2, 1
    save_volume(folder / "images" / "valid_1_a_1.nii.gz", ct_array(1))
    save_volume(folder / "segmentations" / "valid_1_a_1.nii.gz", mask)
    save_json(folder / "dataset.json", {"train": [], "test": [], "val": [{
        "name": "valid_1_a_1.nii.gz", "findings": {"0": "two nodules", "1": "a cyst"}, "shape": [24, 20, 12],
        "entity_counts": {"0": 2, "1": 1}, "pixels": {"0": 228, "1": 32}, "categories": {"0": "2a", "1": "1b"},
        "protocol": "protocol1"}]})  # fmt: skip


KNEE_PROMPTS = {
    "1": 'Grade the medial patella. Answer: {"MOAKS_scores":{"patella medial BML":{"Size":0-3,"Number":0-3}}}',
    "2": 'Are there loose bodies? Answer: {"loose_bodies_presence":{"presence":0|1}}',
}


def write_reasonknee(folder: Path) -> None:
    save_json(folder / "question_files" / "questions_nobbox_zeroshot.json", KNEE_PROMPTS)
    guided = {number: f"Look at bright marrow. {text}" for number, text in KNEE_PROMPTS.items()}
    save_json(folder / "question_files" / "questions_nobbox_guided.json", guided)
    header = (
        "patient_id",
        "time",
        "study_folder",
        "series_folder",
        "knee_side",
        "image_filepath",
        "label_filepath",
    )
    save_csv(folder / "split_files" / "test_split.csv", header, [
        (9000001, "00m", "s", "t", "RIGHT", "volumes/9000001.nii.gz", "labels/9000001.nii.gz")])  # fmt: skip
    save_json(folder / "answers.json", [
        {"image": "volumes/9000001.nii.gz", "prompt": KNEE_PROMPTS["1"],
         "final_diagnosis": '{"MOAKS_scores": {"patella medial BML": {"Size": 2, "Number": 1}}}'},
        {"image": "volumes/9000001.nii.gz", "prompt": KNEE_PROMPTS["2"],
         "final_diagnosis": '{"loose_bodies_presence": {"presence": 0}}'},
    ])  # fmt: skip
    volume = ct_array(3) + 1000
    save_volume(folder / "volumes" / "9000001.nii.gz", volume)
    labels = np.zeros(volume.shape, np.uint8)
    labels[4:9, 5:12, 2:6] = 7
    save_volume(folder / "labels" / "9000001.nii.gz", labels)
    save_json(folder / "question_files" / "labels.json", {"patella_medial": 7, "joint space": 9})
    save_json(folder / "question_files" / "question_subregion_mapping.json", {"1": "patella_medial"})


def write_radgenome(folder: Path) -> None:
    volume, where = "valid_1_a_1.nii.gz", "lung/lung/lung lower lobe/left lung lower lobe"
    files: Mapping[str, tuple[Sequence[str], Rows]] = {
        "presence": (("Volumename", "Anatomy", "Finding", "Presence"),
                     [(volume, where, "nodule", "Yes."), (volume, "heart", "effusion", "No.")]),
        "abnormality": (("Volumename", "Anatomy", "Abnormality"), [(volume, where, "nodule, atelectasis")]),
        "location": (("Volumename", "Anatomy", "Abnormality"), [(volume, where, "nodule")]),
        "size": (("Volumename", "Anatomy", "Abnormality", "Size"), [(volume, where, "nodule", "50 mm")]),
    }  # fmt: skip
    for part, (header, rows) in files.items():
        save_csv(folder / "radgenome_files" / f"validation_vqa_{part}.csv", header, rows)
    save_volume(folder / "valid_preprocessed" / "valid_1" / "valid_1_a" / volume, ct_array(2))
