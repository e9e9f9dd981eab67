"""ProbMed's accuracy with adversarial pairs.

Yan et al., arXiv 2405.20421, and the published scoring script: an image counts as right in a category only if
all its questions there are, the true ones and their hallucinated twins. Reading the replies is not done
here; an unreadable reply is a wrong answer (the script accepts any reply that holds "Yes" or "No").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

CATEGORIES = ("modality", "body_part", "abnormality", "entity", "grounding")


@dataclass(frozen=True)
class Answered:
    """One question's outcome; `qa_type` as in the data ("entity_gt_2", "body_part_hallu", "abnormality")."""

    image: str
    image_type: str
    qa_type: str
    correct: bool


@dataclass(frozen=True)
class CategoryScore:
    """`accuracy` over images with the twins, `without_twins` by the true questions alone, `weight` images."""

    accuracy: float
    without_twins: float
    weight: int


@dataclass(frozen=True)
class ProbMedScore:
    """`overall` is the mean of the categories by weight. Shares in [0, 1]; the paper prints percent."""

    categories: dict[str, CategoryScore]
    overall: float


def probmed_score(answers: Sequence[Answered]) -> ProbMedScore:
    """Scores by category and overall.

    As in the script, an image type's share in entity and grounding is weighted by all its images, also those
    that have no such question. ValueError for an unknown qa_type or a true question without its twin.
    """
    cells: dict[tuple[str, str], dict[str, list[Answered]]] = defaultdict(lambda: defaultdict(list))
    images: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        cells[_category(answer.qa_type), answer.image_type][answer.image].append(answer)
        images[answer.image_type].add(answer.image)
    parts: dict[str, list[CategoryScore]] = defaultdict(list)
    for (category, image_type), by_image in cells.items():
        everything = category in ("entity", "grounding")
        weight = len(images[image_type]) if everything else len(by_image)
        parts[category].append(_cell(list(by_image.values()), weight))
    categories = {name: _mean(parts[name]) for name in CATEGORIES if name in parts}
    return ProbMedScore(categories, _mean(list(categories.values())).accuracy if categories else float("nan"))


def _category(qa_type: str) -> str:
    for name in CATEGORIES:
        if qa_type == name or qa_type.startswith(f"{name}_"):
            return name
    raise ValueError(f"ProbMed has no question type {qa_type!r}")


def _cell(images: Sequence[Sequence[Answered]], weight: int) -> CategoryScore:
    for questions in images:
        _check_pairs(questions)
    right = sum(all(q.correct for q in questions) for questions in images)
    plain = sum(all(q.correct for q in _true_ones(questions)) for questions in images)
    return CategoryScore(right / len(images), plain / len(images), weight)


def _true_ones(questions: Sequence[Answered]) -> Sequence[Answered]:
    """The questions that are no twins; a normal image's single "entity_hallu" stands for itself."""
    return [q for q in questions if "_hallu" not in q.qa_type] or questions


def _check_pairs(questions: Sequence[Answered]) -> None:
    kinds = sorted(q.qa_type for q in questions)
    if kinds in (["abnormality"], ["entity_hallu"]):
        return
    true = [kind for kind in kinds if "_gt" in kind]
    if sorted([*true, *(kind.replace("_gt", "_hallu") for kind in true)]) != kinds:
        raise ValueError(f"image {questions[0].image}: questions {', '.join(kinds)} are not pairs")


def _mean(parts: Sequence[CategoryScore]) -> CategoryScore:
    weight = sum(part.weight for part in parts)
    return CategoryScore(
        sum(part.accuracy * part.weight for part in parts) / weight,
        sum(part.without_twins * part.weight for part in parts) / weight,
        weight,
    )
