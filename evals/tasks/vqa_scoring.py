"""How VQA-RAD and SLAKE are asked and scored: closed and open questions apart (MedEvalKit's prompts).

Knows no file.
"""

from __future__ import annotations

from collections.abc import Mapping

from foveate import prompts
from foveate.evals.contract.answers import Reading
from foveate.evals.contract.images import ImageSource
from foveate.evals.contract.questions import AnswerKind, Question, Target, hashed
from foveate.evals.contract.tasks import Judge, Metric
from foveate.evals.scoring import kinds
from foveate.evals.tasks.records import Record

WORDS = {"yes_no": "closed_yes_no", "closed": "closed_other", "open": "open"}


def kind_of(closed: bool, answer: str) -> AnswerKind:
    """Yes/no where that is the answer of a closed question, else words."""
    return "yes_no" if closed and answer.strip().lower() in ("yes", "no") else "text"


def asked(
    task: str, record: Record, image: ImageSource, cluster: str, filters: Mapping[str, str]
) -> tuple[Question, Target]:
    """The question and the target of a record, whose fields the two sets name alike. Raises DataFault."""
    closed = record.choice("answer_type", ("CLOSED", "OPEN")) == "CLOSED"
    answer = record.text("answer")
    kind = kind_of(closed, answer)
    question = Question(
        id=f"{task}-{record.text('qid')}",
        images=(image,),
        prompt=prompt_of(record.text("question"), closed, kind),
        kind=kind,
        cluster=hashed(task, cluster),
        filters={"answer_type": "closed" if closed else "open", **filters},
    )
    return question, Target(answer=answer.lower() if kind == "yes_no" else answer)


def prompt_of(question: str, closed: bool, answer_kind: AnswerKind) -> str:
    """The question with the official instruction on the form of the answer."""
    form = WORDS["yes_no" if answer_kind == "yes_no" else "closed" if closed else "open"]
    return f"{question} {prompts.table('evals/vqa_forms.toml')[form]}"


def score(question: Question, reading: Reading, target: Target, judge: Judge | None) -> Mapping[str, float]:
    """`closed_accuracy` for closed questions; exact match and token scores for open ones."""
    values = kinds.score(question, reading, target)
    if question.filters["answer_type"] == "closed":
        return {"closed_accuracy": values["accuracy" if question.kind == "yes_no" else "exact_match"]}
    return {f"open_{name}": value for name, value in values.items()}


METRICS = (
    Metric(
        "closed_accuracy",
        official=True,
        meaning="yes/no by the word read, other closed answers by exact match",
    ),
    Metric("open_exact_match", official=True),
    Metric("open_token_recall", official=True, meaning="share of the reference's words that were said"),
    Metric("open_token_f1", official=True),
)
