# ruff: noqa: E501 - rows of a file stay rows here
"""Tiny sets of questions, sequences and tiles in the benchmarks' own formats: own texts, drawn pictures."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .files import (
    png_bytes,
    save_csv,
    save_json,
    save_picture,
)


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


def write_medsg_parquet(folder: Path, source: Path, rows: int = 8) -> None:
    """The items of the lists under `source` in the columns of the release with pictures in cells."""
    records: list[dict[str, Any]] = []
    for path in sorted(source.glob("Task*.json"))[:rows]:
        [item] = json.loads(path.read_text())
        cells: dict[str, Any] = {f"image_{what}_{k}": None for what in ("path", "bytes") for k in range(1, 7)}
        for k, name in enumerate(item["images"], start=1):
            cells[f"image_path_{k}"], cells[f"image_bytes_{k}"] = name, (source / name).read_bytes()
        records.append({
            "split": "bench", "id": path.stem, "task": item["task"], "question": item["question"],
            "answer_xyxy": item["answer"], "answer_raw_json": json.dumps(item["answer"]), "additional_info": "",
            "need_format": True, "conversations_json": "[]", "images_json": json.dumps(item["images"]),
            "raw_json": json.dumps(item), "num_images": len(item["images"]), **cells,
        })  # fmt: skip
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(records), folder / "test-00000-of-00001.parquet", row_group_size=3)


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
