"""VQA-RAD: clinicians' questions on radiology images (Lau et al., Scientific Data 2018).

Reads the released JSON of OSF. The test split is told by `phrase_type`, which starts with "test" there.
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

NAME = "vqa-rad"
FILE, IMAGES = "VQA_RAD Dataset Public.json", "VQA_RAD Image Folder"
_TABLE = "Ophiuchus, results table"

INFO = TaskInfo(
    name=NAME,
    title="VQA-RAD: questions on radiology images",
    licence="as on the data set's page",
    licence_url="https://osf.io/89kps/",
    obtain="the JSON and the image folder from osf.io/89kps.",
    expects=(FILE, IMAGES),
    kinds=("yes_no", "text"),
    published=tuple(
        Published(model, "accuracy (closed and open, judged)", value, _TABLE)
        for model, value in (("GPT-5", 0.645), ("o3 + tools", 0.660), ("Gemini 2.5 Pro + tools", 0.638),
                             ("Qwen2.5-VL-7B", 0.634), ("Lingshu-7B", 0.664), ("Ophiuchus-7B", 0.736))
    ),
    options={"split": "test (default) or all"},
)  # fmt: skip


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a record of the split. Raises DataFault."""
    everything = chosen(options, "split", ("test", "all")) == "all"
    intake = Intake(options)
    for record in read_json_records(folder / FILE):
        with intake.record():
            if everything or record.text("phrase_type").lower().startswith("test"):
                _add(intake, folder, record)
    return intake.items(folder / FILE)


def _add(intake: Intake, folder: Path, record: Record) -> None:
    name = record.text("image_name")
    image = image_file(record.place, folder / IMAGES / name)
    filters = {"organ": record.text_or("image_organ"), "question_type": record.text_or("question_type")}
    intake.add(record.place, *asked(NAME, record, image, name, filters))


TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
