"""What a benchmark task gives to the runner and what it is given back: the types between loaders and runs.

A task's loader makes `Items`: questions, and apart from them the targets. Solving sees a `Question` only;
scoring first *reads* the prediction with the question alone and is then given reading and target. So neither
the agent nor the reading of its reply can see a ground truth. Everything but images is frozen and JSON-able.
Knows no file format, no Inspect AI and no metric.

Boxes are (x0, y0, x1, y1) in source pixels (continuous pixel edges, origin top left) of one slice of one
image of the question; a loader converts and checks before it makes a `Region`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from foveate.tools.imaging.image import SourceImage

AnswerKind = Literal["boxes", "choice", "yes_no", "text", "report", "regions_3d"]
"""What a question asks for. It decides how a task without a reader of its own is read and scored."""

Outcome = Literal["read", "abstained", "no_box", "refused", "unreadable", "stopped", "failed"]
"""What became of a sample, decided before the target is seen.

read: an answer of the asked kind was read. abstained: the agent said that it cannot tell. no_box: an answer,
but without any box where boxes were asked for (it may be right: the target may be empty). refused: the reply
declines to answer. unreadable: the declared convention does not parse. stopped: a budget ended the run and
nothing usable was left. failed: the model or the image failed.
"""

Corners = tuple[float, float, float, float]


class DataProblem(ValueError):
    """A file of a benchmark that cannot be used: `FILE[, line N]: what is wrong; expected ….` One sentence.

    Loaders raise it (or a class of their own under it) before a run starts; it never quotes a text of the
    file, which may name a patient.
    """


class ImageSource(Protocol):
    """An image of a question, opened when its turn comes and forgotten afterwards."""

    @property
    def slice_index(self) -> int | None:
        """The slice that opens the question; None for the middle one (or a picture)."""
        ...

    def open(self) -> SourceImage:
        """The pixels. Raises ImageError."""
        ...

    def digest(self) -> str:
        """SHA-256 (hex) of what decides the pixels; part of the run's key."""
        ...


@dataclass(frozen=True)
class FileImage:
    """A file, or a folder with one DICOM series. `window` is (center, width) or None for the image's own."""

    path: Path
    slice_index: int | None = None
    window: tuple[float, float] | None = None

    def open(self) -> SourceImage:
        """The opened file, named without its path. Raises ImageError."""
        from dataclasses import replace

        from foveate.tools.imaging.open import open_image
        from foveate.tools.imaging.windows import Window

        image = open_image(self.path)
        return image if self.window is None else replace(image, default_window=Window(*self.window))

    def digest(self) -> str:
        """SHA-256 of the bytes of the file, or of all files of the folder in order of name, and the window.

        Raises DataProblem when the file is not there.
        """
        return sha256("".join([*_file_digests(self.path), repr(self.window)]).encode()).hexdigest()


@dataclass(frozen=True)
class MadeImage:
    """An image made in memory: a slice cut from a volume, a picture from a Parquet cell, a drawn overlay.

    `key` is a SHA-256 or any other text that decides the pixels wholly (source digest, slice, overlay,
    version of the drawing); `make` returns the same image every time.
    """

    key: str
    make: Callable[[], SourceImage] = field(repr=False, compare=False)
    slice_index: int | None = None

    def open(self) -> SourceImage:
        return self.make()

    def digest(self) -> str:
        return sha256(self.key.encode()).hexdigest()


@dataclass(frozen=True)
class Region:
    """A box on one slice of one image of the question, in source pixels.

    `image` counts the question's images from 0. `plane` None is the plane the image opens in. `slice_stop`
    makes it a 3-D box: slices `slice_index` to `slice_stop - 1`. `score` is None where nothing was scored.
    """

    box: Corners
    image: int = 0
    slice_index: int = 0
    slice_stop: int | None = None
    plane: str | None = None
    label: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Question:
    """What is asked, and all that the agent may know.

    `prompt` is the whole text, official wording included (words from `prompts/evals/`). `options` are the
    choices without letters, in the order asked. `marked` are regions pointed out to the agent (on the first
    image). `group` ties questions that only count together (permutations of options, true and adversarial
    twins, paired forms). `cluster` is the patient or volume, hashed (`hashed`); intervals resample it.
    `filters` are what results are broken down by ({"finding": "edema", "frames": "3"}); they are shown in the
    report and never to the model.
    """

    id: str
    images: tuple[ImageSource, ...]
    prompt: str
    kind: AnswerKind
    cluster: str
    options: tuple[str, ...] = ()
    marked: tuple[Region, ...] = ()
    group: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """The ground truth of one question. What a kind does not use stays empty.

    answer: "yes"/"no", the letter of the right option, or the reference text. answers: further accepted
    texts. regions: the boxes, empty when nothing is to be found. readers: the boxes of single readers, where
    several drew. detail: whatever else the task's metrics need (mask file, label numbers), JSON-able.
    """

    answer: str | None = None
    answers: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    readers: tuple[tuple[Region, ...], ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """A loaded set: questions in a fixed order, and their targets by question id, kept apart.

    `notes` are said before the run ("42 rows of other languages left out"). `complete` is False only when the
    user allowed a partial set.
    """

    questions: Sequence[Question]
    targets: Mapping[str, Target] = field(repr=False)
    notes: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Claim:
    """One claim of the answer. `regions` are numbers of `Prediction.regions`."""

    text: str
    present: bool = True
    supported: bool = False
    regions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What the agent answered, from its trace. `regions` are cited by claims of presence, in that order.

    `confidence` is the model's own, 0..1. `stopped_by` and `failure` are those of the agent's result.
    """

    text: str
    abstained: bool = False
    reason: str | None = None
    confidence: float | None = None
    claims: tuple[Claim, ...] = ()
    regions: tuple[Region, ...] = ()
    stopped_by: str = "answer"
    failure: str | None = None


@dataclass(frozen=True)
class Reading:
    """A prediction read in the question's declared convention, before any target is seen.

    value: "yes"/"no", a letter, or the text. regions: the boxes that count as the answer.
    """

    outcome: Outcome
    value: str | None = None
    regions: tuple[Region, ...] = ()
    confidence: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """One scored sample, as set-level metrics see it. `values` has a number for each per-sample metric that
    applies."""

    id: str
    cluster: str
    kind: AnswerKind
    reading: Reading
    target: Target
    values: Mapping[str, float]
    group: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A row of the table. `over` computes it from a set of samples (with repeats when resampled; NaN where it
    is undefined); None takes the mean of `values[name]` over the samples that have it.

    `official` marks the benchmark's own metric. `better` None marks a mere count or rate.
    """

    name: str
    over: Callable[[Sequence[Scored]], float] | None = None
    better: Literal["higher", "lower"] | None = "higher"
    official: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Published:
    """A number from the literature, shown beside ours; `value` in the metric's own unit (0..1 for shares)."""

    model: str
    metric: str
    value: float
    source: str
    note: str = ""


@dataclass(frozen=True)
class TaskInfo:
    """What `foveate tasks` tells. `name` is the command's word and the data folder's name. `expects` are the
    files and folders under the data root. `accept` is True when the licence must be accepted first
    (`--accept-licence`); open and generated data need none. `options` maps an option's name to its help.
    """

    name: str
    title: str
    licence: str
    licence_url: str
    obtain: str
    expects: tuple[str, ...]
    kinds: tuple[AnswerKind, ...]
    accept: bool = True
    published: tuple[Published, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    needs_judge: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadOptions:
    """`partial` lets a loader leave out items whose files are missing, saying so in `notes`. `chosen` are the
    task's own options, by name, as text. `seed` decides whatever a generator draws."""

    seed: int = 0
    partial: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)


Judge = Callable[[str], str]
"""A judge model: a prompt (from `prompts/evals/`) to its reply, at temperature 0."""


class Task(Protocol):
    """A benchmark. `evals/scoring/kinds.py` reads and scores by kind of answer."""

    @property
    def info(self) -> TaskInfo: ...

    @property
    def metrics(self) -> Sequence[Metric]: ...

    def missing(self, root: Path) -> Sequence[str]:
        """What of `info.expects` is not under the data root; empty when the set is there.

        The root is what --data names, else $FOVEATE_DATA/evals or $FOVEATE_DATA, whichever has it all.
        """
        ...

    def load(self, root: Path, options: LoadOptions) -> Items:
        """The whole set, checked. Raises DataProblem."""
        ...

    def read(self, question: Question, prediction: Prediction) -> Reading:
        """The prediction in the declared convention and no other; never raises for what a model wrote."""
        ...

    def score(
        self, question: Question, reading: Reading, target: Target, judge: Judge | None
    ) -> Mapping[str, float]:
        """Per-sample values by metric name, all finite. Without a judge, judged metrics are left out."""
        ...


def hashed(task: str, name: str) -> str:
    """A cluster's pseudonym: the same patient of one task always gets the same twelve letters."""
    return sha256(f"{task}/{name}".encode()).hexdigest()[:12]


def _file_digests(path: Path) -> list[str]:
    if path.is_dir():
        return [digest for child in sorted(path.iterdir()) for digest in _file_digests(child)]
    digest = sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError:
        place = "/".join(path.parts[-2:])
        raise DataProblem(f"{place}: the image cannot be read; expected the file as released.") from None
    return [digest.hexdigest()]
