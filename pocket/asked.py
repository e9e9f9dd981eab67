"""The questions of the pocket report: what is asked of patient C and of the nodule, and what would be right.

Ground truth stays here and never reaches the agent. Knows nothing of scores or tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.pocket.anatomy import LESION, Structure, part_ids, structures
from foveate.pocket.data import Patient, ct_source, load_patient, nodule_slices
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image
from foveate.tools.imaging.windows import PRESETS

MIN_PIXELS = 12
WEIGHTS = Path(__file__).with_name("weights")
ASKED = ("locator", "vlm")
RELATIONS = {"left_of": "left of", "above": "above"}


@dataclass(frozen=True)
class Item:
    """One question about one slice. `truth`: yes or no.

    `kind`: where, absent, present, relation left_of, relation above, side, nodule.
    """

    patient: str
    slice_index: int
    kind: str
    question: str
    a: str
    b: str = ""
    truth: bool = True
    tools: bool = True

    def told(self) -> dict[str, Any]:
        return asdict(self)


@cache
def weights_hash() -> str:
    """A hash over the weights that answer: results of other weights are never mixed in."""
    digest = sha256()
    for path in sorted(path for name in ASKED for path in (WEIGHTS / name).glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def agent_for(tools: bool) -> Agent:
    return Agent("pocket", use_tools=tools)


@cache
def _image(patient: str) -> SourceImage:
    """The patient's own files, opened as a user's would be; lung window for the chest."""
    image = open_image(ct_source(patient))
    return replace(image, default_window=PRESETS["lung" if patient == "A" else "soft tissue"])


def ask_item(item: Item) -> Result:
    """Asks about that slice of the volume, as `foveate ask VOLUME --slice N` does."""
    agent, image = agent_for(item.tools), _image(item.patient)
    return agent.ask(image, item.question, start=[agent.overview(image, item.slice_index)])


def single_structures() -> list[Structure]:
    """Structures that are answered by one box."""
    return [s for s in structures() if s.kind != "several" and s.name != LESION]


def mask_of(patient: Patient, slice_index: int, structure: Structure) -> npt.NDArray[np.bool_]:
    return np.isin(patient.labels[slice_index], part_ids(structure))


@cache
def box_of(patient: str, slice_index: int, name: str) -> tuple[int, int, int, int] | None:
    """The label's box on that slice in source pixels, None where fewer than 12 pixels carry it."""
    structure = next(s for s in structures() if s.name == name)
    mask = mask_of(load_patient(patient), slice_index, structure)
    if mask.sum() < MIN_PIXELS:
        return None
    rows, cols = np.nonzero(mask)
    return int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1


def labelled_in_c() -> list[str]:
    """Structures of one box that patient C's labels know on any slice."""
    count = load_patient("C").hu.shape[0]
    return [s.name for s in single_structures() if any(box_of("C", i, s.name) for i in range(count))]


def items(every: int) -> list[Item]:
    """All questions of the report, in a fixed order."""
    made = [item for i in range(0, load_patient("C").hu.shape[0], every) for item in _slice_items(i)]
    for nodule in nodule_slices():
        for tools in (True, False):
            question = "Is there a nodule? Where, and how large?"
            made.append(Item("A", nodule.slice_index, "nodule", question, LESION, tools=tools))
    return made


def _slice_items(index: int) -> Iterator[Item]:
    rng = np.random.default_rng(index)
    here = [name for name in labelled_in_c() if box_of("C", index, name)]
    every = [s.name for s in single_structures()]
    missing = [name for name in every if name not in here]
    absent = [str(name) for name in rng.choice(missing, 8, replace=False)]
    for name in here:
        for tools in (True, False):
            yield Item("C", index, "where", f"Where is the {name}?", name, tools=tools)
    for name in absent:
        yield Item("C", index, "absent", f"Where is the {name}?", name, truth=False)
    # the questions above ask for a place; these ask for yes or no, in equal numbers
    for name in [*(str(n) for n in rng.choice(here, 6, replace=False)), *absent[:6]]:
        yield Item("C", index, "present", f"Is the {name} visible on this slice?", name, truth=name in here)
    yield from _relations(rng, index, here)
    for name in (n for n in here if abs(_off_centre(index, n)) > 0.15):
        yield Item(
            "C", index, "side", f"On which side is the {name}?", name, truth=_off_centre(index, name) > 0
        )


def _relations(rng: np.random.Generator, index: int, here: list[str]) -> Iterator[Item]:
    for kind, words in RELATIONS.items():
        axis = 0 if kind == "left_of" else 1
        pairs = [(a, b) for a in here for b in here if a != b and _apart(index, a, b, axis)]
        for k in rng.permutation(len(pairs))[:4]:
            a, b = pairs[k]
            truth = _centre(index, a)[axis] < _centre(index, b)[axis]
            yield Item("C", index, f"relation {kind}", f"Is the {a} {words} the {b}?", a, b, truth=truth)


def _centre(index: int, name: str) -> tuple[float, float]:
    box = box_of("C", index, name)
    assert box is not None
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _apart(index: int, a: str, b: str, axis: int) -> bool:
    """Whether the boxes do not overlap along the axis: then the answer is beyond dispute."""
    first, second = box_of("C", index, a), box_of("C", index, b)
    assert first is not None and second is not None
    return first[axis + 2] <= second[axis] or second[axis + 2] <= first[axis]


def _off_centre(index: int, name: str) -> float:
    """How far right of the image's middle the structure lies, as a share of the width (-0.5 to 0.5)."""
    return _centre(index, name)[0] / int(load_patient("C").hu.shape[2]) - 0.5
