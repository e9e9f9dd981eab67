"""SLAKE: bilingual questions on CT, MRI and X-ray (Liu et al., ISBI 2021, arXiv 2102.09542).

Reads the released JSON lists. Its `mask.png` and `detection.json` are not used: their form is not verified.
"""

from __future__ import annotations

from pathlib import Path

from foveate.evals.contract.questions import Items
from foveate.evals.contract.tasks import LoadOptions, Published, TaskInfo
from foveate.evals.tasks.base import LoadedTask, chosen
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import image_file
from foveate.evals.tasks.reading import read_json_records
from foveate.evals.tasks.records import Record
from foveate.evals.tasks.vqa_scoring import METRICS, asked, score

NAME = "slake"
_TABLE = "Ophiuchus, results table"

INFO = TaskInfo(
    name=NAME,
    title="SLAKE: questions on CT, MRI and X-ray",
    licence="as on the data set's page",
    licence_url="https://huggingface.co/datasets/BoKelvin/SLAKE",
    obtain="huggingface.co/datasets/BoKelvin/SLAKE: the JSON lists, and imgs.zip unpacked to imgs/.",
    expects=("test.json | validate.json | train.json", "imgs"),
    kinds=("yes_no", "text"),
    published=tuple(
        Published(model, "accuracy (closed and open, judged)", value, _TABLE)
        for model, value in (("GPT-5", 0.732), ("o3 + tools", 0.753), ("Gemini 2.5 Pro + tools", 0.727),
                             ("Qwen2.5-VL-7B", 0.665), ("Lingshu-7B", 0.778), ("Ophiuchus-7B", 0.839))
    ),
    options={"split": "test (default), validate or train", "lang": "en (default), zh or all"},
)  # fmt: skip


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a record in the chosen language. Raises DataFault."""
    path = folder / f"{chosen(options, 'split', ('test', 'validate', 'train'))}.json"
    wanted = chosen(options, "lang", ("en", "zh", "all"))
    intake, left = Intake(options), 0
    for record in read_json_records(path):
        with intake.record():
            if wanted in ("all", record.choice("q_lang", ("en", "zh"))):
                _add(intake, folder, record)
            else:
                left += 1
    if left:
        intake.notes.append(f"{left} records of the other language left out.")
    return intake.items(path)


def _add(intake: Intake, folder: Path, record: Record) -> None:
    image = image_file(record.place, folder / "imgs" / record.text("img_name"))
    filters = {"modality": record.text_or("modality"), "content": record.text_or("content_type")}
    intake.add(record.place, *asked(NAME, record, image, record.text("img_id"), filters))


TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
