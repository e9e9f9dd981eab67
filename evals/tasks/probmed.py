"""ProbMed: yes/no questions with adversarial twins (Yan et al., arXiv 2405.20421).

Reads the released `test.json`. An image counts as right in a category only if all its questions there are, so
the questions of an image stay together. A reply counts only where it is read as yes or no; the published
script takes any reply that holds one of the words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from foveate import prompts
from foveate.evals.contract.questions import Items, Question, Target, hashed
from foveate.evals.contract.tasks import LoadOptions, Metric, Published, Scored, TaskInfo
from foveate.evals.metrics.probmed import CATEGORIES, Answered, ProbMedScore, probmed_score
from foveate.evals.tasks.base import ACCURACY, LoadedTask
from foveate.evals.tasks.intake import Intake
from foveate.evals.tasks.pictures import found_file, image_file
from foveate.evals.tasks.reading import read_json_records
from foveate.evals.tasks.records import Record

NAME = "probmed"
_README = "ProbMed's repository, leaderboard"
_ORDER = ("modality", "body_part", "abnormality", "entity", "grounding", "overall")
_SCORES = {
    "random": (0.25, 0.25, 0.50, 0.3567, 0.3648, 0.3213),
    "GPT-4o": (0.9742, 0.6946, 0.6179, 0.2930, 0.2406, 0.5560),
    "Gemini 1.5 Pro": (0.9647, 0.7569, 0.6259, 0.2793, 0.1754, 0.5508),
    "CheXagent": (0.3725, 0.3395, 0.7331, 0.2852, 0.0748, 0.3061),
}

INFO = TaskInfo(
    name=NAME,
    title="ProbMed: probing with adversarial twins",
    licence="gated on Hugging Face; the sources' licences differ",
    licence_url="https://huggingface.co/datasets/rippleripple/ProbMed",
    obtain="huggingface.co/datasets/rippleripple/ProbMed (gated): test.json and the images.",
    expects=("test.json",),
    kinds=("yes_no",),
    published=tuple(
        Published(model, name, value, _README)
        for model, values in _SCORES.items()
        for name, value in zip(_ORDER, values, strict=True)
    ),
)


def load(folder: Path, options: LoadOptions) -> Items:
    """One question a record. Raises DataFault."""
    intake, kept = Intake(options), list[Record]()
    for record in read_json_records(folder / "test.json"):
        with intake.record(str(record.values.get("id"))):
            _checked(intake, record, folder)
            kept.append(record)
    for record in kept:
        if str(record.values["id"]) not in intake.spoiled:
            with intake.record():
                _add(intake, folder, record)
    return intake.items(folder / "test.json")


def _checked(intake: Intake, record: Record, folder: Path) -> None:
    for name in ("id", "question", "image_type"):
        record.text(name)
    record.choice("answer", ("yes", "no"))
    if not any(record.text("qa_type").startswith(category) for category in CATEGORIES):
        raise record.place.fault("the qa_type is unknown", f"a type of {', '.join(CATEGORIES)}")
    found_file(record.place, *_paths(folder, record))


def _paths(folder: Path, record: Record) -> tuple[Path, Path]:
    return folder / record.text("image"), folder / "images" / record.text("image")


def _add(intake: Intake, folder: Path, record: Record) -> None:
    kind = record.text("qa_type")
    image = hashed(NAME, record.text("id"))
    question = Question(
        id=f"{NAME}-{image}-{kind}",
        images=(image_file(record.place, found_file(record.place, *_paths(folder, record))),),
        prompt=prompts.fill("evals/probmed/question.txt", question=record.text("question")),
        kind="yes_no",
        cluster=image,
        group=f"{NAME}-{image}",
        filters={
            "category": next(category for category in CATEGORIES if kind.startswith(category)),
            "image_type": record.text("image_type"),
            "qa_type": kind,
        },
    )
    intake.add(record.place, question, Target(answer=record.choice("answer", ("yes", "no"))))


def scored(samples: Sequence[Scored]) -> ProbMedScore:
    """ProbMed's score. An image that a resampling draws twice counts twice; one with a question that was not
    answered at all (the model failed) is left out.
    """
    seen: Counter[str] = Counter()
    asked: dict[str, dict[str, set[str]]] = {}
    for sample in samples:
        filters = sample.filters
        asked.setdefault(sample.cluster, {}).setdefault(filters["category"], set()).add(filters["qa_type"])
    whole = {image for image, parts in asked.items() if all(map(_paired, parts.values()))}
    answers = []
    for sample in (sample for sample in samples if sample.cluster in whole):
        seen[sample.id] += 1
        image = f"{sample.cluster} {seen[sample.id]}"
        right = sample.values["accuracy"] == 1.0
        answers.append(Answered(image, sample.filters["image_type"], sample.filters["qa_type"], right))
    return probmed_score(answers)


def _paired(kinds: set[str]) -> bool:
    """Whether an image's questions of a category are all there: each true one has its twin."""
    true = {kind for kind in kinds if "_gt" in kind}
    return kinds in ({"abnormality"}, {"entity_hallu"}) or kinds == true | {
        kind.replace("_gt", "_hallu") for kind in true
    }


def _of(category: str, twins: bool) -> Callable[[Sequence[Scored]], float]:
    def over(samples: Sequence[Scored]) -> float:
        part = scored(samples).categories.get(category)
        return float("nan") if part is None else part.accuracy if twins else part.without_twins

    return over


METRICS = (
    Metric(
        "overall", lambda samples: scored(samples).overall, official=True, meaning="mean of the categories"
    ),
    *(Metric(category, _of(category, True), official=True, meaning="with twins") for category in CATEGORIES),
    *(
        Metric(f"{category} w/o twins", _of(category, False), meaning="true questions only")
        for category in CATEGORIES
    ),
    ACCURACY,
)
TASKS = (LoadedTask(INFO, METRICS, load),)
