"""What holds for every task: its set loads from the benchmark's own files, right answers score full, and
nothing else does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from foveate.evals.contract.problems import DataProblem
from foveate.evals.contract.questions import Items, Region
from foveate.evals.contract.tasks import LoadOptions, Task
from foveate.evals.registry import all_tasks, task_named
from foveate.tools.imaging.image import SourceImage

from .answers import nothing, rambling, right, scored, table
from .sets import WRITERS, written

TASKS = tuple(WRITERS)
PARTS = (
    ("medq-bench", {"part": "description"}), ("medq-bench", {"part": "paired"}),
    ("refpath", {"split": "both"}),
    ("radgenome-ct-vqa", {"part": "abnormality"}), ("radgenome-ct-vqa", {"part": "location"}),
    ("radgenome-ct-vqa", {"part": "size"}), ("mirp", {"part": "RQ2", "marker": "letters"}),
    ("vindr-cxr", {"split": "train"}), ("medframeqa", {"orders": "3"}), ("padchest-gr", {"split": "all"}),
    ("slake", {"lang": "all"}), ("vqa-rad", {"split": "all"}), ("reasonknee", {"prompt": "guided"}),
    ("ms-cxr", {"split": "test"}),
)  # fmt: skip
ALL = [(name, {}) for name in TASKS] + list(PARTS)
NAMES = [f"{name} {' '.join(part.values())}".strip() for name, part in ALL]


Loading = Callable[[str, dict[str, str]], tuple[Task, Items]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loading:
    """Loads a set that no test changes: each is written once and loaded once a choice of options."""
    roots: dict[str, Path] = {}
    kept: dict[tuple[str, str], Items] = {}

    def load(name: str, chosen: dict[str, str]) -> tuple[Task, Items]:
        task, key = task_named(name), (name, json.dumps(chosen))
        if name not in roots:
            roots[name] = written(tmp_path_factory.mktemp(name), name)
        if key not in kept:
            kept[key] = task.load(roots[name], LoadOptions(chosen=chosen))
        return task, kept[key]

    return load


def test_every_benchmark_of_the_list_is_there() -> None:
    assert set(all_tasks()) == {*TASKS, "mis-ground", "pocket-c", "pocket-nodule"}


@pytest.mark.parametrize("name", TASKS)
def test_told_facts_are_whole(name: str) -> None:
    info = task_named(name).info
    assert info.licence and info.licence_url.startswith("https://") and info.obtain and info.expects
    assert all(p.source and p.model and math.isfinite(p.value) for p in info.published)
    assert any(metric.official for metric in task_named(name).metrics)


@pytest.mark.parametrize("name", TASKS)
def test_missing_files_are_told_before_anything_is_read(name: str, tmp_path: Path) -> None:
    task = task_named(name)
    assert list(task.missing(tmp_path)) == list(task.info.expects)
    with pytest.raises(DataProblem, match=f"there is no .*{name}"):
        task.load(tmp_path, LoadOptions())
    assert not task.missing(written(tmp_path, name))


@pytest.mark.parametrize("name", TASKS)
def test_an_unknown_option_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="no option 'colour'"):
        task_named(name).load(tmp_path, LoadOptions(chosen={"colour": "red"}))


@pytest.mark.parametrize(("name", "chosen"), ALL, ids=NAMES)
def test_the_set_is_whole_and_json_able(name: str, chosen: dict[str, str], loaded: Loading) -> None:
    task, items = loaded(name, chosen)
    ids = [question.id for question in items.questions]
    assert ids and len(set(ids)) == len(ids) and set(items.targets) == set(ids)
    assert items.complete and {q.kind for q in items.questions} <= set(task.info.kinds)
    for question in items.questions:
        assert question.prompt.strip() and "{" not in question.prompt.replace('{"', "").replace(":{", "")
        assert len(question.cluster) == 12 and question.images
        json.dumps([dict(question.filters), dict(items.targets[question.id].detail)])


@pytest.mark.parametrize(("name", "chosen"), ALL, ids=NAMES)
def test_images_open_and_true_boxes_lie_on_them(name: str, chosen: dict[str, str], loaded: Loading) -> None:
    _, items = loaded(name, chosen)
    for question in items.questions:
        images = [source.open() for source in question.images]
        assert all(len(source.digest()) == 64 for source in question.images)
        target = items.targets[question.id]
        for region in [*target.regions, *question.marked, *(r for reader in target.readers for r in reader)]:
            check_on(images[region.image], region)


def check_on(image: SourceImage, region: Region) -> None:
    stop = region.slice_index + 1 if region.slice_stop is None else region.slice_stop
    plane = region.plane or image.planes[0]
    for index in (region.slice_index, stop - 1):
        assert image.source_frame(plane, index).box(*region.box).area > 0


@pytest.mark.parametrize(("name", "chosen"), ALL, ids=NAMES)
def test_right_answers_score_full(name: str, chosen: dict[str, str], loaded: Loading) -> None:
    task, items = loaded(name, chosen)
    samples = scored(task, items, judge=lambda prompt: "Score: 2")
    assert all(sample.reading.outcome in ("read", "no_box") for sample in samples)
    assert all(math.isfinite(value) for sample in samples for value in sample.values.values())
    found = table(task, samples)
    assert any(metric.official and metric.name in found for metric in task.metrics)
    for metric in task.metrics:
        if metric.name not in found or metric.better is None or name == "rexgroundingct":
            continue
        if metric.name.startswith("expected"):  # no answer agrees with all readers
            assert 0.8 < found[metric.name] <= 1
            continue
        best = {"judged_sum": 8.0, **dict.fromkeys(("completeness", "preciseness", "consistency"), 2.0)}
        full = 2.0 if metric.name == "quality_accuracy" else best.get(metric.name, 1.0)
        assert found[metric.name] == pytest.approx(0.0 if metric.better == "lower" else full, abs=1e-5), (
            metric.name
        )


@pytest.mark.parametrize(("name", "chosen"), ALL, ids=NAMES)
@pytest.mark.parametrize("answering", [nothing, rambling])
def test_abstaining_and_rambling_earn_nothing(
    name: str, chosen: dict[str, str], answering: object, loaded: Loading
) -> None:
    task, items = loaded(name, chosen)
    samples = scored(task, items, answering)  # type: ignore[arg-type]
    found = table(task, samples)
    words = any(question.kind == "text" for question in items.questions)
    for metric in task.metrics:
        if metric.name in found and metric.better == "higher" and metric.official:
            # words overlap by chance in token scores only
            limit = 0.35 if words and answering is rambling else 0.0
            assert found[metric.name] <= limit + 1e-5, metric.name


@pytest.mark.parametrize(("name", "chosen"), ALL, ids=NAMES)
def test_metrics_bear_resampling(name: str, chosen: dict[str, str], loaded: Loading) -> None:
    task, items = loaded(name, chosen)
    samples = scored(task, items, judge=lambda prompt: "Score: 1")
    once, twice = table(task, samples), table(task, samples + samples)
    assert once.keys() == twice.keys()
    for metric in task.metrics:
        if metric.name in once and metric.name != "rodeo":
            assert twice[metric.name] == pytest.approx(once[metric.name]), metric.name
    assert isinstance(table(task, samples[:1]), dict)


@pytest.mark.parametrize("name", [n for n in TASKS if n not in ("medframeqa", "medq-bench")])
def test_a_missing_image_stops_the_run_unless_partial(name: str, tmp_path: Path) -> None:
    task = task_named(name)
    items = task.load(written(tmp_path, name), LoadOptions())
    gone = items.questions[0].images[0].path  # type: ignore[attr-defined]
    gone.unlink()
    with pytest.raises(DataProblem, match=r"image that the record names is not there.*--partial") as caught:
        task.load(tmp_path, LoadOptions())
    assert "line" in str(caught.value) or "entry" in str(caught.value)
    assert gone.stem not in str(caught.value)
    others = {q.id for q in items.questions if all(i.path != gone for i in q.images)}  # type: ignore[attr-defined]
    if not others:
        with pytest.raises(DataProblem, match="no question"):
            task.load(tmp_path, LoadOptions(partial=True))
        return
    rest = task.load(tmp_path, LoadOptions(partial=True))
    assert {question.id for question in rest.questions} == others
    assert not rest.complete and any("left out" in note for note in rest.notes)


@pytest.mark.parametrize("name", TASKS)
def test_loading_twice_gives_the_same_set(name: str, tmp_path: Path) -> None:
    task = task_named(name)
    items = task.load(written(tmp_path, name), LoadOptions())
    again = task.load(tmp_path, LoadOptions())
    assert again.questions == items.questions and again.targets == items.targets


def test_a_prediction_is_read_without_the_target(loaded: Loading) -> None:
    task, items = loaded("ms-cxr", {})
    question = items.questions[0]
    answer = right(question, items.targets[question.id])
    assert task.read(question, answer) == task.read(replace(question, filters={}), answer)
