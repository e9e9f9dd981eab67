"""The pictures that pocket-diffusion is measured on: patient C's slices (for reporting only), cuts
through the held-out blocks of A and B (for every choice), and the baselines that know no pixel.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foveate.pocket.anatomy import part_ids, structure
from foveate.pocket.augment import HELD_OUT, degrade, slice_sample
from foveate.pocket.data import load_patient, nodule_slices
from foveate.pocket.diffusion.measure import Case, Heat, asked_masks
from foveate.pocket.scores import body_box
from foveate.tools.grounding.canvas import body_box as body_of
from foveate.tools.grounding.diffusion.prior import center_gaussian
from foveate.tools.imaging.views import overview, render

LEAST_C = 12
SIDE_C = 256
LEAST_HELD_OUT = 12
GRID = 64


def case_of_c(slice_index: int) -> Case:
    """One slice of patient C in its soft-tissue window at half its pixels (256 x 256)."""
    patient = load_patient("C")
    image = patient.image(slice_index)
    grey = np.asarray(render(overview(image, SIDE_C), image).convert("L"))
    labels = patient.labels[slice_index]
    step = labels.shape[0] // SIDE_C
    masks = asked_masks(np.ascontiguousarray(labels[::step, ::step]), LEAST_C)
    return Case(f"C{slice_index:02d}", grey, masks)


def held_out_cases(count: int, seed: int = 77, first: int = 0) -> list[Case]:
    """Mildly warped cuts through the held-out blocks of A and B, 128 x 128, soft-tissue window."""
    made = []
    for n in range(first, first + count):
        rng = np.random.default_rng((seed, n))
        field = float(rng.uniform(330, 520))
        where = HELD_OUT[n % len(HELD_OUT)]
        arms = 0.5 if field > 390 else 0.0
        sample = slice_sample(rng, 256, field / 256, nodules=0, arms=arms, mirrored=0, warp=0.6, where=where)
        hu = degrade(rng, torch.from_numpy(sample.hu.astype(np.float32))).numpy()
        grey = np.clip((hu - 40) / 400 + 0.5, 0, 1).reshape(128, 2, 128, 2).mean((1, 3))
        masks = asked_masks(np.ascontiguousarray(sample.labels[::2, ::2]), LEAST_HELD_OUT)
        made.append(Case(f"{where[0]}{where[1]}-{n}", np.rint(grey * 255).astype(np.uint8), masks))
    return made


def centre_gaussian(case: Case) -> Heat:
    """A Gaussian in the middle of the picture, whatever is asked."""
    one = center_gaussian(*case.grey.shape).numpy()
    return np.repeat(one[None], len(case.masks), 0).astype(np.float32)


def location_prior(case: Case) -> Heat:
    """How often a place, relative to the body's box, belongs to the structure on the slices of A and B
    that show it: it knows the structure's usual place and size, and of the picture only where the body
    is.
    """
    body = body_of(case.grey > 8)
    return np.stack([_placed(_occupancy(name), case.grey.shape, body) for name in case.masks])


def _placed(share: npt.NDArray[Any], shape: tuple[int, ...], body: tuple[float, ...]) -> Heat:
    x0, y0, x1, y1 = body
    rows = np.floor((np.arange(shape[0]) + 0.5 - y0) / (y1 - y0) * GRID).astype(int)
    cols = np.floor((np.arange(shape[1]) + 0.5 - x0) / (x1 - x0) * GRID).astype(int)
    inside = ((rows >= 0) & (rows < GRID))[:, None] & ((cols >= 0) & (cols < GRID))[None]
    values = share[np.clip(rows, 0, GRID - 1)][:, np.clip(cols, 0, GRID - 1)] * inside
    heat: Heat = (values / max(values.max(), 1e-9)).astype(np.float32)
    return heat


@cache
def _occupancy(name: str) -> npt.NDArray[np.float64]:
    """Mean mask (GRID, GRID) of a structure relative to the body's box over the training patients' slices."""
    ids, total = part_ids(structure(name)), np.zeros((GRID, GRID))
    nodule = {each.slice_index for each in nodule_slices()}
    for patient in (load_patient("A"), load_patient("B")):
        for i in range(0, len(patient.hu), 2):
            mask = np.isin(patient.labels[i], ids)
            if mask.sum() < LEAST_C or (patient.name == "A" and i in nodule):
                continue
            x0, y0, x1, y1 = body_box(patient.name, i)
            rows = (y0 + (np.arange(GRID) + 0.5) / GRID * (y1 - y0)).astype(int)
            cols = (x0 + (np.arange(GRID) + 0.5) / GRID * (x1 - x0)).astype(int)
            total += mask[rows][:, cols]
    return total
