"""MedFrameQA: multiple choice over two to five video frames (Yu et al., 2025, arXiv 2505.16964).

Reads the released Parquet files, whose cells hold the images. With `orders`, every question is asked with its
options in several orders and the vote is scored too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import MadeImage
from foveate.evals.contract.questions import Items, Question, Target, hashed
from foveate.evals.contract.tasks import Judge, LoadOptions, Metric, Published, Scored, TaskInfo
from foveate.evals.metrics.choices import Choice, vote
from foveate.evals.scoring import kinds
from foveate.evals.tasks.base import ACCURACY, LoadedTask
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.parquet import Row, cell_image, read_parquet
from foveate.evals.tasks.records import DataFault, letter

NAME = "medframeqa"
FRAMES = tuple(f"image_{number}" for number in range(1, 6))
COLUMNS = ("question_id", "question", "options", "correct_answer", *FRAMES)
_TABLE = "MedFrameQA's repository"
_SCORES = {
    "Gemini 2.5 Flash": 0.5475, "o3": 0.5018, "Claude 3.7 Sonnet": 0.4967, "o4-mini": 0.4940, "o1": 0.4791,
    "GPT-4-Turbo-V": 0.4669, "QvQ-72B": 0.4659, "GPT-4o": 0.4567, "Qwen2.5-VL-72B": 0.4089,
    "GPT-4o-mini": 0.3455,
}  # fmt: skip

INFO = TaskInfo(
    name=NAME,
    title="MedFrameQA: multiple choice over several frames",
    licence="as on the data set's page",
    licence_url="https://huggingface.co/datasets/SuhaoYu1020/MedFrameQA",
    obtain="huggingface.co/datasets/SuhaoYu1020/MedFrameQA: the Parquet files of the split test, in data/.",
    expects=("data/test-*.parquet",),
    kinds=("choice",),
    published=(
        *(Published(model, "accuracy", value, _TABLE) for model, value in _SCORES.items()),
        Published("order vote (third party)", "vote_accuracy", 0.579, "frozen 855 of the items",
                  "0.527 without the vote"),
    ),
    options={"orders": "in how many orders each question's options are asked (default 1, at most 6)"},
)  # fmt: skip


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a record and order. Raises DataFault."""
    told = options.chosen.get("orders", "1")
    if told not in ("1", "2", "3", "4", "5", "6"):
        raise DataFault(f"the option orders is {told[:20]!r}; expected a whole number from 1 to 6.")
    intake = Intake(options)
    for record in read_parquet(sorted((folder / "data").glob("test-*.parquet")), COLUMNS):
        with intake.record():
            _add(intake, record, int(told))
    return intake.items(folder)


def _add(intake: Intake, record: Row, orders: int) -> None:
    choices = [str(option).strip() for option in record.items("options")]
    right = ascii_uppercase.index(letter(record.place, record.text("correct_answer"), choices))
    images = _frames(record)
    name = record.text("question_id")
    intake.once(record.place, name, "question_id")
    for number, order in enumerate(option_orders(len(choices), orders, intake.options.seed)):
        shown = tuple(choices[index] for index in order)
        question = Question(
            id=f"{NAME}-{name}" + (f"-order{number}" if orders > 1 else ""),
            images=images,
            prompt=asked(record.text("question"), shown),
            kind="choice",
            cluster=hashed(NAME, record.text("video_id") if record.has("video_id") else name),
            options=shown,
            group=f"{NAME}-{name}" if orders > 1 else None,
            filters={
                "frames": str(len(images)),
                "order": str(number),
                **{key: record.text(key) for key in ("modality", "system", "organ") if record.has(key)},
            },
        )
        answer = ascii_uppercase[order.index(right)]
        intake.add(record.place, question, Target(answer=answer, detail={"order": list(order)}))


def _frames(record: Row) -> tuple[MadeImage, ...]:
    images = [cell_image(record, name) for name in FRAMES if record.values.get(name) is not None]
    if not images:
        raise record.place.fault("there is no frame", "two to five")
    return tuple(images)


def asked(question: str, options: Sequence[str]) -> str:
    """The official prompt (MedEvalKit's)."""
    lines = "\n".join(f"{mark}. {text}" for mark, text in zip(ascii_uppercase, options, strict=False))
    return prompts.fill("evals/medframeqa/question.txt", question=question, options=lines)


def option_orders(count: int, orders: int, seed: int) -> list[tuple[int, ...]]:
    """Different orders of `count` options, the given one first; fewer where there are not so many."""
    found = [tuple(range(count))]
    rng = np.random.default_rng([seed, count])
    for _ in range(200):
        order = tuple(int(index) for index in rng.permutation(count))
        if len(found) < orders and order not in found:
            found.append(order)
    return found


def _votes(samples: Sequence[Scored]) -> list[tuple[bool, float]]:
    """(whether the vote is right, share that chose it) of each question asked in several orders."""
    seen: Counter[str] = Counter()
    groups: dict[str, list[Scored]] = {}
    for sample in samples:  # a question that a resampling draws twice counts twice
        if sample.group is not None:
            seen[sample.id] += 1
            groups.setdefault(f"{sample.group} {seen[sample.id]}", []).append(sample)
    return [_vote(group) for group in groups.values()]


def _vote(group: Sequence[Scored]) -> tuple[bool, float]:
    def first_order(sample: Scored, shown: str | None) -> str | None:
        if shown is None or len(shown) != 1:
            return None
        return ascii_uppercase[sample.target.detail["order"][ascii_uppercase.index(shown)]]

    choices = [
        Choice(first_order(s, s.reading.value if s.reading.outcome == "read" else None)) for s in group
    ]
    result = vote(choices)
    right = first_order(group[0], group[0].target.answer)
    return result.option is not None and result.option == right, result.agreement


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """Accuracy in the given order of the options, also by number of frames; other orders only vote."""
    right = kinds.score(question, reading, target)["accuracy"]
    if question.filters["order"] != "0":
        return {"other_orders": right}
    return {"accuracy": right, f"accuracy frames={question.filters['frames']}": right}


METRICS = (
    ACCURACY,
    Metric("vote_accuracy", lambda samples: _mean([float(right) for right, _ in _votes(samples)]),
           meaning="majority over orders of the options; a tie is wrong"),
    Metric("order_agreement", lambda samples: _mean([share for _, share in _votes(samples)]), better=None,
           meaning="share of orders that chose the majority's option"),
    *(Metric(f"accuracy frames={frames}") for frames in range(2, 6)),
)  # fmt: skip
TASKS = (LoadedTask(INFO, METRICS, load, scorer=score),)
