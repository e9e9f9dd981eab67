# ruff: noqa: E501 - rows of a file stay rows here
"""Tiny data sets in the benchmarks' own file formats, made here: own texts, drawn pictures, nobody's data."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

Rows = Sequence[Sequence[object]]


def picture(seed: int, width: int = 96, height: int = 80) -> Image.Image:
    """A gray picture of smooth blobs, different for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = sum(
        np.sin(x * rng.uniform(0.02, 0.2) + y * rng.uniform(0.02, 0.2) + rng.uniform(0, 6)) for _ in range(4)
    )
    return Image.fromarray((127 + 30 * waves).clip(0, 255).astype(np.uint8))


def save_picture(path: Path, seed: int, width: int = 96, height: int = 80) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, width, height).save(path)


def png_bytes(seed: int) -> bytes:
    stream = BytesIO()
    picture(seed).save(stream, "PNG")
    return stream.getvalue()


def save_dicom(path: Path, seed: int, width: int = 96, height: int = 80) -> None:
    """A secondary capture of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.Modality, made.PhotometricInterpretation, made.SamplesPerPixel = "DX", "MONOCHROME2", 1
    made.Rows, made.Columns, made.BitsAllocated, made.BitsStored, made.HighBit = height, width, 8, 8, 7
    made.PixelRepresentation = 0
    made.PixelData = np.asarray(picture(seed, width, height)).tobytes()
    pydicom.dcmwrite(path, made)


def save_volume(path: Path, array: np.ndarray[Any, Any], spacing: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag([spacing, spacing, spacing, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def ct_array(seed: int, shape: tuple[int, int, int] = (24, 20, 12)) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    return np.concatenate([
        np.full((shape[0], shape[1], 2), -1000), rng.integers(-900, 300, (shape[0], shape[1], shape[2] - 2))
    ], axis=2).astype(np.int16)  # fmt: skip


def save_csv(path: Path, header: Sequence[str], rows: Rows, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def save_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


MS_CXR = (
    "dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height", "split",
)  # fmt: skip


def ms_cxr_path(number: int) -> str:
    return f"files/p1{number}/p1{number}000001/s5000000{number}/d{number}.jpg"


def ms_cxr_rows() -> list[list[object]]:
    def row(number: int, finding: str, text: str, box: Sequence[float], split: str) -> list[object]:
        return [f"d{number}", finding, text, ms_cxr_path(number), *box, 96, 80, split]

    return [
        row(1, "Pneumothorax", "small apical air collection", (10, 12, 30, 20), "train"),
        row(2, "Pleural Effusion", "fluid at both bases", (5, 50, 20, 25), "test"),
        row(2, "Pleural Effusion", "fluid at both bases", (60, 52, 25, 24), "test"),
        row(2, "Cardiomegaly", "the heart is wide", (30, 30, 40, 30), "test"),
    ]


def write_ms_cxr(folder: Path) -> None:
    save_csv(folder / "MS_CXR_Local_Alignment_v1.1.0.csv", MS_CXR, ms_cxr_rows())
    for number in (1, 2):
        save_picture(folder / ms_cxr_path(number), number)


def write_ms_cxr_json(folder: Path) -> None:
    """The COCO-like JSON of the same rows."""
    rows = [dict(zip(MS_CXR, row, strict=True)) for row in ms_cxr_rows()]
    paths = list(dict.fromkeys(str(row["path"]) for row in rows))
    names = list(dict.fromkeys(str(row["category_name"]) for row in rows))
    save_json(folder / "MS_CXR_Local_Alignment_v1.1.0.json", {
        "info": {"description": "made here"},
        "images": [{"id": k, "path": path, "width": 96, "height": 80} for k, path in enumerate(paths)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        "annotations": [
            {"id": k, "image_id": paths.index(str(row["path"])), "category_id": names.index(str(row["category_name"])),
             "bbox": [row[n] for n in "xywh"], "label_text": row["label_text"]}
            for k, row in enumerate(rows)
        ],
    })  # fmt: skip
    for number in (1, 2):
        save_picture(folder / ms_cxr_path(number), number)


def write_vindr(folder: Path) -> None:
    header = ("image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    save_csv(folder / "annotations" / "annotations_train.csv", header, [
        ("aaa", "R1", "Cardiomegaly", 20, 30, 60, 60), ("aaa", "R2", "Cardiomegaly", 22, 32, 62, 62),
        ("aaa", "R2", "Pneumothorax", 5, 5, 25, 20), ("bbb", "R3", "No finding", "", "", "", ""),
    ])  # fmt: skip
    save_csv(folder / "annotations" / "annotations_test.csv", [h for h in header if h != "rad_id"], [
        ("ccc", "Nodule/Mass", 40, 40, 50, 48), ("ccc", "Edema", 10, 10, 80, 70),
        ("ddd", "Nodule/Mass", 30, 20, 50, 38),
    ])  # fmt: skip
    for split, name in (("train", "aaa"), ("train", "bbb"), ("test", "ccc"), ("test", "ddd")):
        save_dicom(folder / split / f"{name}.dicom", len(name))


def write_chestx(folder: Path) -> None:
    lines = ["Image Index,Finding Label,Bbox [x,y,w,h],,,"]
    lines += [
        "00000001_000.png,Atelectasis,225.08,547.02,86.78,79.19",
        "00000002_001.png,Infiltrate,100,200.5,300,250",
        "00000002_001.png,Mass,600,200,120,130,,,",
    ]
    (folder).mkdir(parents=True, exist_ok=True)
    (folder / "BBox_List_2017.csv").write_text("\n".join(lines) + "\n")
    for number, name in enumerate(("images/00000001_000.png", "images_002/images/00000002_001.png")):
        save_picture(folder / name, number, 1024, 1024)


def write_rsna(folder: Path) -> None:
    save_csv(folder / "stage_2_train_labels.csv", ("patientId", "x", "y", "width", "height", "Target"), [
        ("p-one", 10, 20, 30, 40, 1), ("p-one", 60, 22, 20, 30, 1), ("p-two", "", "", "", "", 0),
    ])  # fmt: skip
    save_csv(folder / "stage_2_detailed_class_info.csv", ("patientId", "class"), [
        ("p-one", "Lung Opacity"), ("p-one", "Lung Opacity"), ("p-two", "No Lung Opacity / Not Normal"),
    ])  # fmt: skip
    for number, name in enumerate(("p-one", "p-two")):
        save_dicom(folder / "stage_2_train_images" / f"{name}.dcm", number)


def write_padchest(folder: Path) -> None:
    save_json(folder / "grounded_reports_20240819.json", [
        {"StudyID": "s1", "ImageID": "one.png", "findings": [
            {"sentence_en": "Calcified granuloma.", "sentence_es": "Granuloma.", "abnormal": True,
             "boxes": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.75, 0.9]], "extra_boxes": [], "labels": ["granuloma"],
             "locations": ["right upper lobe"], "progression": None},
            {"sentence_en": "No effusion.", "sentence_es": "Sin derrame.", "abnormal": False},
        ]},
        {"StudyID": "s2", "ImageID": "two.png", "findings": [
            {"sentence_en": "Wide heart.", "abnormal": True, "boxes": [[0.2, 0.3, 0.8, 0.9]], "labels": ["heart"]}]},
    ])  # fmt: skip
    save_csv(folder / "master_table.csv", ("StudyID", "ImageID", "PatientID", "split", "label_group"), [
        ("s1", "one.png", "q1", "test", "a"), ("s1", "one.png", "q1", "test", "b"),
        ("s2", "two.png", "q2", "train", "a"),
    ])  # fmt: skip
    for number, name in enumerate(("one.png", "PadChest_GR/two.png")):
        save_picture(folder / "Padchest_GR_files" / name, number)


def write_medsg(folder: Path) -> None:
    tasks = (
        "Registered_Diff", "Non_Registered_Diff", "multi_view", "object_tracking", "concept", "patch", "crossmodal",
        "referring",
    )  # fmt: skip
    for number, task in enumerate(tasks, start=1):
        names = [f"Task{number}/{number}_{k}.png" for k in range(2 + number % 2)]
        size = (200, 160) if task == "multi_view" else (336, 336)
        for k, name in enumerate(names):
            save_picture(folder / name, 10 * number + k, *size)
        question = "Compare the pictures and give the coordinates of their difference."
        if task == "object_tracking":
            question = (
                "Follow <|object_ref_start|>the object<|object_ref_end|> "
                "<|box_start|>(10,20),(30,40)<|box_end|> to the last picture."
            )
        item: dict[str, object] = {
            "task": task, "images": names, "question": question, "answer": [20 + number, 30, 120, 100],
            "need_format": True, "additional_info": "",
        }  # fmt: skip
        if task == "multi_view":
            item["size"] = [200, 160]
        save_json(folder / f"Task{number}.json", [item])


def write_refpath(folder: Path) -> None:
    for part, side in (("testA", 128), ("testB", 256)):
        line = {
            "image_id": f"{side}.jpg", "image": f"refpath_image/{side}.jpg", "bbox": [10, 20, 60, 70],
            "expression": ["Upper-left corner: a cluster of dark cells."], "bbox_id": side, "height": side,
            "width": side,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{part}.jsonl").write_text(json.dumps(line) + "\n")
        save_picture(folder / "refpath_image" / f"{side}.jpg", side, side, side)


PROBMED_TYPES = (
    ("modality_gt", "yes"), ("modality_hallu", "no"), ("body_part_gt", "yes"), ("body_part_hallu", "no"),
    ("abnormality", "yes"), ("entity_gt_0", "yes"), ("entity_hallu_0", "no"), ("grounding_gt_0", "yes"),
    ("grounding_hallu_0", "no"),
)  # fmt: skip


def write_probmed(folder: Path) -> None:
    save_json(folder / "test.json", [
        {"id": image, "i": k, "image": f"{image}.jpg", "image_type": "X-ray - Chest", "qa_type": kind,
         "question": f"Is this right about picture {image}, {kind}?", "answer": answer, "src_dataset": "made"}
        for image in (1, 2) for k, (kind, answer) in enumerate(PROBMED_TYPES)
    ])  # fmt: skip
    for image in (1, 2):
        save_picture(folder / "images" / f"{image}.jpg", image)


def write_medframeqa(folder: Path) -> None:
    def frame(seed: int) -> dict[str, object]:
        return {"bytes": png_bytes(seed), "path": f"{seed}.png"}

    rows: list[dict[str, Any]] = [
        {"question_id": "q1", "question": "Which frame shows it best?", "correct_answer": "B", "video_id": "v1",
         "options": ["the first", "the second", "neither"], "modality": "CT", "system": "chest",
         "image_1": frame(1), "image_2": frame(2), "image_3": None, "image_4": None, "image_5": None},
        {"question_id": "q2", "question": "What changes?", "correct_answer": "A", "video_id": "v2",
         "options": ["size", "shape", "colour", "nothing"], "modality": "MRI", "system": "knee",
         "image_1": frame(3), "image_2": frame(4), "image_3": frame(5), "image_4": None, "image_5": None},
    ]  # fmt: skip
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "test-00000-of-00001.parquet")


def write_medq(folder: Path) -> None:
    def coded(seed: int) -> str:
        return base64.b64encode(png_bytes(seed)).decode()

    save_csv(folder / "medqbench_QA_test.tsv", ("index", "image", "question", "A", "B", "C", "D", "answer", "modality"), [
        (1, coded(1), "Is there noise?", "Yes", "No", "", "", "0", "CT"),
        (2, coded(2), "How blurred is it?", "not", "mildly", "severely", "", "B", "MRI"),
    ], "\t")  # fmt: skip
    save_csv(folder / "medqbench_description_test.tsv", ("index", "image_path", "description"), [
        (1, "pics/3.png", "Clear edges, no noise. Overall, the quality of this image is good.")], "\t")  # fmt: skip
    save_csv(folder / "medqbench_paired_description_test.tsv", ("index", "image_a", "image_b", "description"), [
        (1, coded(4), coded(5), "The first is sharper. The first has the higher quality.")], "\t")  # fmt: skip
    save_picture(folder / "pics" / "3.png", 3)


def write_vqa_rad(folder: Path) -> None:
    def record(qid: int, answer: object, kind: str, phrase: str) -> dict[str, object]:
        return {
            "qid": str(qid), "image_name": f"synpic{qid}.jpg", "image_organ": "CHEST", "question": f"Question {qid}?",
            "answer": answer, "answer_type": kind, "question_type": "PRES", "phrase_type": phrase,
        }  # fmt: skip

    save_json(folder / "VQA_RAD Dataset Public.json", [
        record(1, "Yes", "CLOSED ", "test_freeform"), record(2, "the left one", "CLOSED", "test_para"),
        record(3, "in the right lower lobe", "OPEN", "test_freeform"), record(4, "no", "CLOSED", "freeform"),
        record(5, 7, "OPEN", "para"),
    ])  # fmt: skip
    for qid in range(1, 6):
        save_picture(folder / "VQA_RAD Image Folder" / f"synpic{qid}.jpg", qid)


def write_slake(folder: Path) -> None:
    def record(qid: int, lang: str, answer: str, kind: str) -> dict[str, object]:
        return {
            "img_id": qid, "img_name": f"xmlab{qid}/source.jpg", "question": f"Question {qid}?", "answer": answer,
            "q_lang": lang, "location": "Lung", "modality": "CT", "answer_type": kind, "base_type": "vqa",
            "content_type": "Organ", "triple": ["vhead", "_", "_"], "qid": qid,
        }  # fmt: skip

    save_json(folder / "test.json", [
        record(1, "en", "Yes", "CLOSED"), record(2, "en", "Liver, Spleen", "OPEN"), record(3, "zh", "是", "CLOSED"),
        record(4, "en", "Left", "CLOSED"),
    ])  # fmt: skip
    for qid in range(1, 5):
        save_picture(folder / "imgs" / f"xmlab{qid}" / "source.jpg", qid)


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
    save_volume(folder / "volumes" / "9000001.nii.gz", ct_array(3) + 1000)


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


def write_mirp(folder: Path) -> None:
    def entry(name: str, answer: int) -> dict[str, object]:
        pair = {
            "object1_name": "aorta", "object2_name": "spleen", "object1_gray": 10, "object2_gray": 20,
            "object1_center_x": 30, "object1_center_y": 20, "object2_center_x": 60, "object2_center_y": 50,
            "question": f"Is the aorta above the spleen in {name[:3]}?", "answer": answer,
        }  # fmt: skip
        return {"filename": name, "question_answer": [pair]}

    entries = [entry("amos_img1_slice2.png", 1), entry("btcv_img2_slice9.png", 0)]
    save_json(folder / "RQ1" / "qa.json", entries)
    save_json(folder / "RQ2" / "qa_letters.json", entries)
    for number, made in enumerate(entries):
        save_picture(folder / "RQ1" / "images" / str(made["filename"]), number)
        save_picture(folder / "RQ2" / "image_letters" / str(made["filename"]), number)


def write_mrg(folder: Path) -> None:
    save_picture(folder / "images" / "one.jpg", 1, 128, 64)
    save_picture(folder / "images" / "two.jpg", 2, 64, 128)
    torch.save({
        "image_paths": ["one.jpg", "two.jpg"], "bboxes": [[64, 64, 320, 128], [100, 10, 50, 60]],
        "all_reports": ["A dense patch on the left. Clear otherwise.", "Air at the apex."],
        "phrases": ["dense patch", "air at the apex"],
    }, folder / "MRG_MS_CXR_test.pth")  # fmt: skip


WRITERS: Mapping[str, Callable[[Path], None]] = {
    "ms-cxr": write_ms_cxr, "vindr-cxr": write_vindr, "chestx-ray8": write_chestx, "rsna": write_rsna,
    "padchest-gr": write_padchest, "medsg-bench": write_medsg, "refpath": write_refpath, "probmed": write_probmed,
    "medframeqa": write_medframeqa, "medq-bench": write_medq, "vqa-rad": write_vqa_rad, "slake": write_slake,
    "rexgroundingct": write_rex, "reasonknee": write_reasonknee, "radgenome-ct-vqa": write_radgenome,
    "mirp": write_mirp, "mrg": write_mrg,
}  # fmt: skip


def written(root: Path, task: str) -> Path:
    """A data root with that task's set in it."""
    WRITERS[task](root / task)
    return root
