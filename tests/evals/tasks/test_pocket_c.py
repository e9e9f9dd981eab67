"""pocket-c on files of its own formats: boxes and answers come from the labels."""

from __future__ import annotations

from collections import Counter

import pytest

from foveate.evals.contract.questions import Items
from foveate.evals.contract.tasks import LoadOptions
from foveate.evals.registry import task_named
from foveate.evals.tasks.pocket_names import label_numbers, merged, single_structures

from .answers import nothing, right, scored, table
from .bodies import PARTS
from .pocket_files import write_pocket_c

TASK = task_named("pocket-c")


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Items:
    root = tmp_path_factory.mktemp("data")
    write_pocket_c(root)
    assert not TASK.missing(root)
    return TASK.load(root, LoadOptions(chosen={"every": "5"}))


def test_boxes_are_those_of_the_labels(items: Items) -> None:
    found = {
        (r.label, r.slice_index): r.box
        for q in items.questions
        for r in items.targets[q.id].regions
    }  # fmt: skip
    _, rows, cols = PARTS[1]
    assert found["liver", 10] == (cols.start, rows.start, cols.stop, rows.stop)
    assert ("liver", 5) not in found and ("vertebra", 5) in found
    assert {name for name, _ in found} == {
        "liver",
        "spleen",
        "left kidney",
        "right kidney",
        "aorta",
        "vertebra",
    }


def test_answers_are_those_of_the_labels(items: Items) -> None:
    told = {q.prompt: items.targets[q.id].answer for q in items.questions if q.images[0].slice_index == 15}
    sides = {prompt: answer for prompt, answer in told.items() if prompt.startswith("On which")}
    assert sides["On which side is the liver?"] == "left" and sides["On which side is the spleen?"] == "right"
    for prompt, answer in told.items():
        if prompt.startswith("Is the liver left of"):
            assert answer == "yes"
        if prompt.endswith("left of the liver?"):
            assert answer == "no"


def test_presence_is_asked_in_equal_numbers(items: Items) -> None:
    counted = Counter(items.targets[q.id].answer for q in items.questions if q.filters["asked"] == "present")
    assert counted["yes"] == counted["no"] > 0


def test_absent_structures_have_no_box(items: Items) -> None:
    absent = [q for q in items.questions if q.filters["asked"] == "absent"]
    assert absent and not any(items.targets[q.id].regions for q in absent)


def test_scores(items: Items) -> None:
    def answering(question, target):  # type: ignore[no-untyped-def]
        answer = right(question, target)
        words = {"side": f"It lies image {target.answer}.", "left_of": f"{target.answer}. It is left of it.",
                 "above": f"{target.answer}. It is above it."}  # fmt: skip
        text = words.get(question.filters["asked"], answer.text)
        return type(answer)(text, claims=answer.claims, regions=answer.regions)

    full = table(TASK, scored(TASK, items, answering))
    assert full.pop("false_alarm") == 0 and all(value == 1 for value in full.values())
    assert {"side_acc", "relation_acc", "presence_acc", "no_target_acc", "miou_box"} <= full.keys()
    assert all(value == 0 for value in table(TASK, scored(TASK, items, nothing)).values())


def test_names_of_structures() -> None:
    assert (
        merged("vertebrae_T5") == "vertebra" and merged("rib_left_3") == "ribs" and merged("liver") == "liver"
    )
    assert single_structures()["left lung"] == {
        "lung_upper_lobe_left",
        "lung_lower_lobe_left",
        "lung_nodule_left",
    }
    assert "kidneys" not in single_structures() and "lung nodule" not in single_structures()
    assert label_numbers({4: "rib_left_1", 9: "rib_right_2", 7: "spleen"}) == {"spleen": [7], "ribs": [4, 9]}
